/*
 * Pipes of messages between processes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <poll.h>
#include <signal.h>

#include "../base/support.h"
#include "green/net.h"
#include "green/pipe.h"
#include "green/timeout.h"

static struct green_pipe *here;
static struct green_pipe *there;

static void
make_pipe(void)
{
    ck_assert_int_eq(green_pipe_create(&here, &there), 0);
}

/** Spawn a process that is handed the other end, which then is its alone. */
static struct green_job *
spawn_peer(green_entry entry, void *arg)
{
    int fds[1];
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    struct green_job *job = NULL;
    options.keep_fds = fds;
    options.keep_fd_count = green_pipe_fds(&there, 1, fds);
    ck_assert_int_eq(green_spawn_as(GREEN_PROCESS, entry, arg, &options, &job), 0);
    green_pipe_close(there);
    there = NULL;
    return job;
}

static intptr_t
echo(void *arg)
{
    (void)arg;
    for (;;) {
        void *message;
        ssize_t length = green_pipe_take(there, &message);
        if (length < 0) {
            return length;
        }
        int err = green_pipe_send(there, message, (size_t)length);
        green_pipe_free(message);
        if (err != 0) {
            return err;
        }
    }
}

static void
fill(unsigned char *bytes, size_t length, unsigned seed)
{
    for (size_t i = 0; i < length; i++) {
        bytes[i] = (unsigned char)(seed + i * 31 + i / 251);
    }
}

static bool
is_filled(const unsigned char *bytes, size_t length, unsigned seed)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] != (unsigned char)(seed + i * 31 + i / 251)) {
            return false;
        }
    }
    return true;
}

START_TEST(messages_keep_their_bounds)
{
    static const size_t lengths[] = {0, 1, 7, 8, 9, 4096, 65536, 300000, 0, 1048577, 3};
    enum { COUNT = sizeof lengths / sizeof *lengths };
    unsigned char *bytes = malloc(1048577);
    make_pipe();
    struct green_job *peer = spawn_peer(echo, NULL);
    for (unsigned i = 0; i < COUNT; i++) { /* the last ones before the first one is received */
        fill(bytes, lengths[i], i);
        ck_assert_int_eq(green_pipe_send(here, bytes, lengths[i]), 0);
    }
    ck_assert_int_eq(green_pipe_poll(here, green_after(LONG_MS)), 0);
    ck_assert_int_eq(green_pipe_recv(here, NULL, 0), 0);
    ck_assert_int_eq(green_pipe_recv(here, bytes, 0), -EMSGSIZE);
    for (unsigned i = 1; i < COUNT; i++) {
        ck_assert_int_eq(green_pipe_recv(here, bytes, 1048577), (ssize_t)lengths[i]);
        ck_assert(is_filled(bytes, lengths[i], i));
    }
    ck_assert_int_eq(green_pipe_poll(here, GREEN_NOW), -ETIMEDOUT);
    green_pipe_close(here);
    ck_assert_int_eq(finish(peer), -EPIPE);
    free(bytes);
}
END_TEST

struct load {
    size_t length;
    int count;
};

/** Send first, receive then: so does the other side. */
static int
exchange(struct green_pipe *end, const struct load *load)
{
    unsigned char *bytes = malloc(load->length);
    int err = 0;
    fill(bytes, load->length, 5);
    for (int i = 0; i < load->count && err == 0; i++) {
        err = green_pipe_send(end, bytes, load->length);
    }
    for (int i = 0; i < load->count && err == 0; i++) {
        void *message = NULL;
        ssize_t got = green_pipe_take(end, &message);
        err = got < 0 ? (int)got : 0;
        if (err == 0 &&
            ((size_t)got != load->length || memcmp(message, bytes, load->length) != 0)) {
            err = -EPROTO;
        }
        green_pipe_free(message);
    }
    free(bytes);
    return err;
}

static intptr_t
exchange_there(void *load)
{
    return exchange(there, load);
}

static intptr_t
exchange_here(void *load)
{
    return exchange(here, load);
}

START_TEST(both_ways_at_once)
{
    struct load load = {(size_t)stress(100, 5) << 20, 1};
    make_pipe();
    struct green_job *peer = spawn_peer(exchange_there, &load);
    ck_assert_int_eq(exchange(here, &load), 0);
    ck_assert_int_eq(finish(peer), 0);
    green_pipe_close(here);
}
END_TEST

START_TEST(both_ways_at_once_by_tasks)
{
    struct load load = {1 << 20, stress(8, 2)};
    make_pipe(); /* both ends in one process, on one thread */
    struct green_job *one = spawn(GREEN_TASK, exchange_there, &load);
    struct green_job *other = spawn(GREEN_TASK, exchange_here, &load);
    ck_assert_int_eq(finish(one), 0);
    ck_assert_int_eq(finish(other), 0);
    green_pipe_close(here);
    green_pipe_close(there);
}
END_TEST

/* ---- several workers at an end ---- */

#define WORKERS 8

static int rounds;
static atomic_int received[WORKERS];

static intptr_t
send_numbers(void *arg)
{
    int err = 0;
    unsigned char bytes[3000] = {(unsigned char)NUMBER(arg)};
    for (int i = 0; i < rounds && err == 0; i++) {
        err = green_pipe_send(here, bytes, (size_t)(1 + i % 3000));
    }
    return err;
}

static intptr_t
recv_numbers(void *arg)
{
    (void)arg;
    for (int i = 0; i < rounds; i++) {
        unsigned char bytes[3000];
        ssize_t got = green_pipe_recv(here, bytes, sizeof bytes);
        if (got < 1) {
            return got;
        }
        atomic_fetch_add(&received[bytes[0]], 1);
    }
    return 0;
}

START_TEST(many_at_an_end)
{
    struct green_job *jobs[2 * WORKERS];
    rounds = stress(2000, 100);
    make_pipe();
    struct green_job *peer = spawn_peer(echo, NULL);
    for (int i = 0; i < WORKERS; i++) {
        enum green_kind kind = i % 3 == 0 ? GREEN_THREAD : GREEN_TASK;
        jobs[2 * i] = spawn(kind, send_numbers, POINTER(i));
        jobs[2 * i + 1] = spawn(kind, recv_numbers, NULL);
    }
    for (int i = 0; i < 2 * WORKERS; i++) {
        ck_assert_int_eq(finish(jobs[i]), 0);
    }
    for (int i = 0; i < WORKERS; i++) {
        ck_assert_int_eq(atomic_load(&received[i]), rounds);
    }
    green_pipe_close(here);
    ck_assert_int_eq(finish(peer), -EPIPE);
}
END_TEST

/* One receives a message and is gone, while another one is blocked sending: somebody has to go on
 * receiving, or the two sides wait for each other. */
static intptr_t
recv_one(void *arg)
{
    (void)arg;
    void *message = NULL;
    ssize_t got = green_pipe_take(here, &message);
    green_pipe_free(message);
    return got;
}

static intptr_t
send_two(void *arg)
{
    size_t length = *(size_t *)arg;
    unsigned char *bytes = calloc(1, length);
    green_sleep(10);
    int err = green_pipe_send(there, bytes, 1);
    green_sleep(10);
    err = err != 0 ? err : green_pipe_send(there, bytes, length);
    free(bytes);
    void *message = NULL;
    ssize_t got = err != 0 ? err : green_pipe_take(there, &message);
    green_pipe_free(message);
    return got == (ssize_t)length ? 0 : got;
}

static intptr_t
send_length(void *arg)
{
    size_t length = *(size_t *)arg;
    unsigned char *bytes = calloc(1, length);
    int err = green_pipe_send(here, bytes, length);
    free(bytes);
    return err;
}

START_TEST(a_sender_takes_over)
{
    size_t length = 4 << 20;
    make_pipe();
    struct green_job *peer = spawn_peer(send_two, &length);
    struct green_job *receiver = spawn(GREEN_TASK, recv_one, NULL);
    struct green_job *sender = spawn(GREEN_TASK, send_length, &length);
    ck_assert_int_eq(finish(receiver), 1);
    ck_assert_int_eq(finish(sender), 0);
    ck_assert_int_eq(recv_one(NULL), (intptr_t)length);
    ck_assert_int_eq(finish(peer), 0);
    green_pipe_close(here);
}
END_TEST

/* ---- ends ---- */

static intptr_t
send_word(void *arg)
{
    (void)arg;
    return green_pipe_send(there, "word", 4);
}

START_TEST(the_end_of_the_stream)
{
    char bytes[8];
    make_pipe();
    ck_assert_int_eq(finish(spawn_peer(send_word, NULL)), 0);
    ck_assert_int_eq(green_pipe_poll(here, green_after(LONG_MS)), 0);
    ck_assert_int_eq(green_pipe_recv(here, bytes, sizeof bytes), 4);
    ck_assert_int_eq(green_pipe_poll(here, GREEN_NOW), 0);
    ck_assert_int_eq(green_pipe_recv(here, bytes, sizeof bytes), -EPIPE);
    ck_assert_int_eq(green_pipe_send(here, bytes, sizeof bytes), -EPIPE);
    green_pipe_close(here);
    green_pipe_close(NULL);
}
END_TEST

static intptr_t
send_large(void *length)
{
    unsigned char *bytes = calloc(1, (size_t)length);
    int err = green_pipe_send(there, bytes, (size_t)length);
    free(bytes);
    return err;
}

START_TEST(the_death_of_a_sender)
{
    for (int i = 0; i < stress(20, 3); i++) {
        char bytes[8];
        make_pipe();
        struct green_job *peer = spawn_peer(send_large, POINTER(64 << 20));
        ck_assert_int_ge(green_wait_fd(green_pipe_fd(here), POLLIN, green_after(LONG_MS)), 0);
        ck_assert_int_eq(green_job_terminate(peer, SIGKILL), 0);
        ssize_t got = green_pipe_recv(here, bytes, sizeof bytes);
        ck_assert_int_eq(got, -ECONNRESET);
        ck_assert_int_eq(finish(peer), 1000000 + EOWNERDEAD);
        green_pipe_close(here);
    }
}
END_TEST

static intptr_t
nap(void *arg)
{
    (void)arg;
    return green_sleep(60 * LONG_MS);
}

START_TEST(the_death_of_a_receiver)
{
    make_pipe();
    struct green_job *peer = spawn_peer(nap, NULL);
    size_t length = 16 << 20;
    struct green_job *sender = spawn(GREEN_TASK, send_length, &length);
    green_sleep(10);
    ck_assert_int_eq(green_job_terminate(peer, SIGKILL), 0);
    ck_assert_int_eq(finish(sender), -EPIPE);
    ck_assert_int_eq(finish(peer), 1000000 + EOWNERDEAD);
    green_pipe_close(here);
}
END_TEST

START_TEST(scopes_and_cancellation)
{
    char bytes[8];
    struct green_timeout scope;
    make_pipe();
    green_timeout_start(&scope, 10);
    ck_assert_int_eq(green_pipe_recv(here, bytes, sizeof bytes), -ETIMEDOUT);
    ck_assert(green_timeout_fired(&scope));
    green_timeout_stop(&scope);
    ck_assert_int_eq(green_pipe_poll(here, green_after(5)), -ETIMEDOUT);
    struct green_job *receiver = spawn(GREEN_TASK, recv_one, NULL);
    green_yield();
    green_job_cancel(receiver);
    ck_assert_int_eq(finish(receiver), -ECANCELED);
    /* Nothing was lost by that. */
    ck_assert_int_eq(green_pipe_send(there, "abc", 3), 0);
    ck_assert_int_eq(green_pipe_recv(here, bytes, sizeof bytes), 3);
    /* A message that was sent in part ends the stream for the other side. */
    ck_assert_int_eq(green_pipe_send(here, "before", 6), 0);
    size_t length = 16 << 20;
    struct green_job *sender = spawn(GREEN_TASK, send_length, &length);
    green_sleep(5);
    green_job_cancel(sender);
    ck_assert_int_eq(finish(sender), -ECANCELED);
    ck_assert_int_eq(green_pipe_send(here, "after", 5), -EPIPE);
    ck_assert_int_eq(green_pipe_recv(there, bytes, sizeof bytes), 6);
    ck_assert_int_eq(green_pipe_recv(there, bytes, sizeof bytes), -ECONNRESET);
    ck_assert_int_eq(green_pipe_send(there, "back", 4), 0);
    ck_assert_int_eq(green_pipe_recv(here, bytes, sizeof bytes), 4);
    green_pipe_close(here);
    green_pipe_close(there);
}
END_TEST

static intptr_t
use_what_was_not_handed_over(void *arg)
{
    char byte;
    (void)arg;
    /* Somebody else's descriptor may have that number now. */
    int other = dup2(0, green_pipe_fd(here));
    ssize_t got = green_pipe_recv(here, &byte, 1);
    if (got != -EBADF || green_pipe_send(here, &byte, 1) != -EBADF) {
        return got;
    }
    green_pipe_close(here);
    return fcntl(other, F_GETFD) >= 0 ? green_pipe_send(there, "x", 1) : -EPROTO;
}

START_TEST(what_was_not_handed_over)
{
    char bytes[8];
    make_pipe();
    ck_assert_int_eq(finish(spawn_peer(use_what_was_not_handed_over, NULL)), 0);
    ck_assert_int_eq(green_pipe_recv(here, bytes, sizeof bytes), 1);
    ck_assert_int_eq(green_pipe_recv(here, bytes, sizeof bytes), -EPIPE);
    green_pipe_close(here);
}
END_TEST

START_TEST(no_descriptor_stays)
{
    int before = open_descriptors();
    for (int i = 0; i < 3; i++) {
        struct load load = {1 << 20, 1};
        make_pipe();
        struct green_job *peer = spawn_peer(exchange_there, &load);
        ck_assert_int_eq(exchange(here, &load), 0);
        ck_assert_int_eq(finish(peer), 0);
        green_pipe_close(here);
        ck_assert_int_eq(open_descriptors(), before);
    }
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    rlim_t usual = limit.rlim_cur;
    limit.rlim_cur = 3;
    setrlimit(RLIMIT_NOFILE, &limit);
    int err = green_pipe_create(&here, &there);
    limit.rlim_cur = usual; /* LeakSanitizer opens files at the exit */
    setrlimit(RLIMIT_NOFILE, &limit);
    ck_assert_int_eq(err, -EMFILE);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        messages_keep_their_bounds, both_ways_at_once,
        both_ways_at_once_by_tasks, many_at_an_end,
        a_sender_takes_over,        the_end_of_the_stream,
        the_death_of_a_sender,      the_death_of_a_receiver,
        scopes_and_cancellation,    what_was_not_handed_over,
        no_descriptor_stays,
    };
    return PROCESSES ? RUN_TESTS("ipc pipe", tests) : SKIPPED;
}
