/*
 * Descriptors that are closed while somebody waits for them, and numbers that come back: the old
 * waiter hears of the end, never of the new descriptor, and the new one is never deaf.
 */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support.h"

/* ---- waits that a close ends ---- */

struct wait {
    ssize_t (*call)(int fd);
    enum pair sort;
    bool writes; /**< It waits for room: the descriptor is full. */
};

static ssize_t
call_recv(int fd)
{
    char byte;
    return green_recv(fd, &byte, 1, 0);
}

static ssize_t
call_recv_view(int fd)
{
    struct green_view view;
    return green_recv_view(fd, &view);
}

static ssize_t
call_read(int fd)
{
    char byte;
    return green_read(fd, &byte, 1);
}

static ssize_t
call_send(int fd)
{
    return green_send(fd, "x", 1, 0);
}

static ssize_t
call_write(int fd)
{
    return green_write(fd, "x", 1);
}

static ssize_t
call_wait_in(int fd)
{
    return green_wait_fd(fd, POLLIN, GREEN_FOREVER);
}

static ssize_t
call_wait_both(int fd)
{
    return green_wait_fd(fd, POLLIN | POLLOUT, GREEN_FOREVER);
}

static const struct wait waits[] = {
    {call_recv, PAIR_TCP4, false},      {call_recv, PAIR_UNIX, false},
    {call_recv_view, PAIR_UNIX, false}, {call_read, PAIR_PIPE, false},
    {call_read, PAIR_UNIX, false},      {call_send, PAIR_UNIX, true},
    {call_write, PAIR_UNIX, true},      {call_wait_in, PAIR_PIPE, false},
    {call_wait_both, PAIR_UNIX, true},
};

#define WAITS (sizeof waits / sizeof *waits)

struct scene {
    const struct wait *wait;
    int fds[2];
    ssize_t result;
};

static intptr_t
waiter(void *arg)
{
    struct scene *scene = arg;
    scene->result = scene->wait->call(scene->fds[0]);
    return 0;
}

/** Use up all lower numbers: once closed, this one is the next. */
static void
plug(int fd)
{
    int used = open("/dev/null", O_RDONLY);
    while (used >= 0 && used < fd) {
        used = open("/dev/null", O_RDONLY);
    }
    close(used);
}

static intptr_t
scene_make(struct scene *scene)
{
    WANT(pair_make(scene->wait->sort, scene->fds), ==, 0);
    plug(scene->fds[0]);
    if (scene->wait->writes) {
        WANT(fill(scene->fds[0]), ==, 0);
    }
    return 0;
}

/** How the number comes back before the old waiter has run. */
enum reuse {
    REUSE_NOT,
    REUSE_READY,    /**< By a pipe that is readable at once. */
    REUSE_ACCEPT,   /**< By green_accept(), after a plain close(). */
    REUSE_CONNECT,  /**< By green_connect_address(), after a plain close(). */
    REUSE_CONNECT2, /**< By socket() and green_connect(), after a plain close(). */
    REUSES,
};

struct place {
    struct green_address address;
    int listener;
    int client;
};

/** Let the number come back. The connection is silent and can be read from place->client. */
static intptr_t
come_back(enum reuse how, int number, struct place *place)
{
    if (how == REUSE_ACCEPT) {
        WANT(close(number), ==, 0);
        WANT(green_accept(place->listener, NULL), ==, number);
        return 0;
    }
    close(number);
    if (how == REUSE_CONNECT) {
        WANT(green_connect_address(&place->address), ==, number);
    } else {
        WANT(socket(AF_INET, SOCK_STREAM, 0), ==, number);
        WANT(green_connect(number, (struct sockaddr *)&place->address.storage,
                           place->address.length),
             ==, 0);
    }
    place->client = accept(place->listener, NULL, NULL);
    WANT(place->client, >=, 0);
    return 0;
}

static void
speak(void *arg)
{
    ssize_t sent = send(*(int *)arg, "new", 3, 0);
    (void)sent;
}

/** The new descriptor is not deaf: what comes while somebody waits for it arrives. */
static intptr_t
talk_on(int fd, int *client)
{
    char buffer[8];
    for (int round = 0; round < 2; round++) {
        struct later later;
        later_start(&later, 3, speak, client);
        ssize_t got = green_recv(fd, buffer, sizeof buffer, 0);
        later_join(&later);
        WANT(got, ==, 3);
    }
    return 0;
}

static intptr_t
replace(struct scene *scene, enum reuse how, struct place *place)
{
    int number = scene->fds[0];
    if (how == REUSE_NOT || how == REUSE_READY) {
        WANT(green_close(number), ==, 0);
        if (how == REUSE_READY) {
            int fds[2];
            WANT(pair_make(PAIR_UNIX, fds), ==, 0);
            WANT(fds[0], ==, number);
            WANT(send(fds[1], "y", 1, 0), ==, 1);
            place->client = fds[1];
        }
        return 0;
    }
    WANT_ALL(come_back(how, number, place));
    return talk_on(number, &place->client);
}

static intptr_t
close_under_waiter(void *arg)
{
    int variant = *(int *)arg;
    struct scene scene = {.wait = &waits[variant % (int)WAITS], .result = 1};
    enum reuse how = (enum reuse)(variant / (int)WAITS);
    struct place place = {.client = -1};
    place.listener = listener_make(8, &place.address);
    WANT(place.listener, >=, 0);
    if (how == REUSE_ACCEPT) {
        place.client = plain_connect(&place.address);
        WANT(place.client, >=, 0);
    }
    WANT_ALL(scene_make(&scene));
    struct green_job *job;
    WANT(green_spawn(waiter, &scene, &job), ==, 0);
    WANT(green_sleep(1), ==, 0);
    WANT_ALL(replace(&scene, how, &place));
    WANT(green_job_join(job, NULL, green_after(LIMIT_MS)), ==, 0);
    WANT(scene.result, ==, -EBADF);
    green_job_put(job);
    if (how != REUSE_NOT) {
        char bytes[8];
        if (how == REUSE_READY) { /* what was for the new one is still there */
            WANT(green_recv(scene.fds[0], bytes, sizeof bytes, 0), ==, 1);
        }
        WANT(green_close(scene.fds[0]), ==, 0);
    }
    return 0;
}

START_TEST(close_ends_waits)
{
    ASSERT_AS(CALL_TASK, close_under_waiter, &_i);
    ASSERT_AS(CALL_MAIN, close_under_waiter, &_i);
}
END_TEST

/* ---- poll() with several ---- */

struct several {
    struct pollfd entries[3];
    int result;
};

static intptr_t
poll_several(void *arg)
{
    struct several *several = arg;
    several->result = green_poll(several->entries, 3, GREEN_FOREVER);
    return 0;
}

static intptr_t
close_one_of_several(void *arg)
{
    (void)arg;
    int one[2];
    int two[2];
    WANT(pair_make(PAIR_PIPE, one), ==, 0);
    WANT(pair_make(PAIR_PIPE, two), ==, 0);
    struct several several = {{{one[0], POLLIN, 0}, {-1, POLLIN, 0}, {two[0], POLLIN, 0}}, 0};
    struct green_job *job;
    WANT(green_spawn(poll_several, &several, &job), ==, 0);
    WANT(green_sleep(1), ==, 0);
    green_close(two[0]);
    WANT(open("/dev/null", O_RDONLY), ==, two[0]); /* always ready, and none of his business */
    WANT(green_job_join(job, NULL, green_after(LIMIT_MS)), ==, 0);
    WANT(several.result, ==, 1);
    WANT(several.entries[2].revents, ==, POLLNVAL);
    WANT(several.entries[0].revents, ==, 0);
    green_job_put(job);
    return 0;
}

START_TEST(close_is_poll_invalid)
{
    ASSERT_AS(CALL_TASK, close_one_of_several, NULL);
}
END_TEST

/* ---- closed by another thread ---- */

static void
close_here(void *arg)
{
    green_close(*(int *)arg);
}

/** A number that another thread has closed means nothing to this one's engine. */
static intptr_t
reuse_after_foreign_close(void *arg)
{
    (void)arg;
    int fds[2];
    char byte;
    for (int round = 0; round < 3; round++) {
        struct green_timeout scope;
        WANT(pair_make(PAIR_PIPE, fds), ==, 0);
        green_timeout_start(&scope, 1);
        WANT(green_read(fds[0], &byte, 1), ==, -ETIMEDOUT); /* the engine watches it now */
        green_timeout_stop(&scope);
        int again[2] = {fds[0], fds[1]};
        for (int i = 0; i < 2; i++) {
            struct later closer;
            later_start(&closer, 0, close_here, &fds[i]);
            later_join(&closer);
        }
        WANT(pair_make(PAIR_UNIX, fds), ==, 0);
        WANT(fds[0], ==, again[0]);
        WANT_ALL(talk_on(fds[0], &fds[1]));
        green_close(fds[0]);
        green_close(fds[1]);
    }
    return 0;
}

START_TEST(other_threads_close)
{
    ASSERT_AS(CALL_TASK, reuse_after_foreign_close, NULL);
    ASSERT_AS(CALL_MAIN, reuse_after_foreign_close, NULL);
}
END_TEST

/* ---- a wait outlives the tasks ---- */

struct thieves {
    int signal[2];
    int prey[2];
};

static intptr_t
steal(void *arg)
{
    struct thieves *thieves = arg;
    char byte;
    WANT(green_read(thieves->signal[0], &byte, 1), ==, 1);
    WANT(read(thieves->prey[0], &byte, 1), ==, 1);
    return 0;
}

/** Both are reported in one turn, the thief's first. */
static intptr_t
lure(void *arg)
{
    struct thieves *thieves = arg;
    WANT(green_sleep(1), ==, 0);
    WANT(write(thieves->signal[1], "x", 1), ==, 1);
    WANT(write(thieves->prey[1], "x", 1), ==, 1);
    return 0;
}

static void
write_byte(void *arg)
{
    ssize_t written = write(*(int *)arg, "x", 1);
    (void)written;
}

START_TEST(main_waits_on_without_tasks)
{
    struct thieves thieves;
    ck_assert_int_eq(pair_make(PAIR_UNIX, thieves.signal), 0);
    ck_assert_int_eq(pair_make(PAIR_UNIX, thieves.prey), 0);
    ck_assert_int_eq(green_spawn(steal, &thieves, NULL), 0);
    ck_assert_int_eq(green_spawn(lure, &thieves, NULL), 0);
    struct later later;
    later_start(&later, 50, write_byte, &thieves.prey[1]);
    /* Woken, robbed, and by then the only worker of the thread. */
    int events = green_wait_fd(thieves.prey[0], POLLIN, green_after(LIMIT_MS));
    later_join(&later);
    ck_assert_int_eq(events, POLLIN);
}
END_TEST

/* ---- one reader and one writer ---- */

static intptr_t
be_busy(void *arg)
{
    (void)arg;
    static const struct wait readers = {call_recv, PAIR_UNIX, false};
    static const struct wait writers = {call_send, PAIR_UNIX, true};
    struct scene reader = {.wait = &readers};
    struct scene writer = {.wait = &writers};
    struct green_job *jobs[2];
    WANT_ALL(scene_make(&writer));
    memcpy(reader.fds, writer.fds, sizeof reader.fds);
    WANT(green_spawn(waiter, &reader, &jobs[0]), ==, 0);
    WANT(green_spawn(waiter, &writer, &jobs[1]), ==, 0);
    WANT(green_sleep(1), ==, 0);
    WANT(call_recv(reader.fds[0]), ==, -EBUSY);
    WANT(call_send(reader.fds[0]), ==, -EBUSY);
    WANT(call_read(reader.fds[0]), ==, -EBUSY);
    WANT(call_wait_in(reader.fds[0]), ==, -EBUSY);
    WANT(call_wait_both(reader.fds[0]), ==, -EBUSY);
    WANT(send(reader.fds[1], "x", 1, 0), ==, 1);
    WANT(green_job_join(jobs[0], NULL, green_after(LIMIT_MS)), ==, 0);
    WANT(reader.result, ==, 1);
    char bytes[4096];
    while (recv(writer.fds[1], bytes, sizeof bytes, MSG_DONTWAIT) > 0) {
    }
    WANT(green_job_join(jobs[1], NULL, green_after(LIMIT_MS)), ==, 0);
    WANT(writer.result, ==, 1);
    green_job_put(jobs[0]);
    green_job_put(jobs[1]);
    green_close(reader.fds[0]);
    close(reader.fds[1]);
    return 0;
}

START_TEST(one_reader_and_one_writer)
{
    ASSERT_AS(CALL_TASK, be_busy, NULL);
    ASSERT_AS(CALL_MAIN, be_busy, NULL);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("close");
    TCase *closing = new_case(suite, "close");
    tcase_add_loop_test(closing, close_ends_waits, 0, WAITS * REUSES);
    tcase_add_test(closing, close_is_poll_invalid);
    tcase_add_test(closing, other_threads_close);
    TCase *waiting = new_case(suite, "wait");
    tcase_add_test(waiting, main_waits_on_without_tasks);
    tcase_add_test(waiting, one_reader_and_one_writer);
    return run_suite(suite);
}
