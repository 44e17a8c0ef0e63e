/*
 * recv() as every kind of caller: echo over every sort of stream, what short reads leave behind,
 * ends of streams, datagrams, flags.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support.h"

/* ---- echo ---- */

static const char *const places[] = {"127.0.0.1", "::1", "path", "@green-test-io"};

#define PLACES (sizeof places / sizeof *places)

static int
listen_at(const char *place, struct green_address *address)
{
    char name[64];
    int err;
    if (strcmp(place, "path") == 0 || place[0] == '@') {
        snprintf(name, sizeof name, "%s-%d", place[0] == '@' ? place : "/tmp/green-test-io",
                 (int)getpid());
        unlink(name);
        err = green_address_unix(name, address);
    } else {
        err = green_address_parse(place, 0, address);
    }
    int fd = err != 0 ? err : green_listen(address, 8);
    return fd >= 0 && address_of(fd, address) != 0 ? -errno : fd;
}

struct echo {
    int listener;
    struct green_address address;
};

static void
talk(void *arg)
{
    struct echo *echo = arg;
    char answer[6];
    int fd = plain_connect(&echo->address);
    if (fd < 0 || send(fd, "hello", 5, 0) != 5 || recv(fd, answer, 5, MSG_WAITALL) != 5 ||
        memcmp(answer, "hello", 5) != 0) {
        fprintf(stderr, "no echo: %d\n", fd);
    }
    close(fd);
}

static intptr_t
serve_one(void *arg)
{
    struct echo *echo = arg;
    struct later client;
    later_start(&client, 1, talk, echo);
    struct green_address peer;
    int fd = green_accept(echo->listener, &peer);
    WANT(fd, >=, 0);
    WANT(peer.storage.ss_family, ==, echo->address.storage.ss_family);
    char buffer[64];
    size_t sum = 0;
    for (;;) {
        ssize_t got = green_recv(fd, buffer, sizeof buffer, 0);
        WANT(got, >=, 0);
        if (got == 0) {
            break;
        }
        sum += (size_t)got;
        WANT(green_sendall(fd, buffer, (size_t)got, 0), ==, 0);
    }
    WANT(sum, ==, 5);
    WANT(is_nonblocking(fd), ==, false);
    WANT(green_close(fd), ==, 0);
    later_join(&client);
    return 0;
}

START_TEST(echo_over_every_sort)
{
    for (int caller = 0; caller < CALLERS_HERE; caller++) {
        struct echo echo;
        echo.listener = listen_at(places[_i], &echo.address);
        ck_assert_int_ge(echo.listener, 0);
        ASSERT_AS(caller, serve_one, &echo);
        green_close(echo.listener);
    }
}
END_TEST

/* ---- the order of events ---- */

struct tracer {
    char trace[128];
    int fds[2];
};

static void
note(struct tracer *tracer, const char *what)
{
    strncat(tracer->trace, what, sizeof tracer->trace - strlen(tracer->trace) - 1);
}

static intptr_t
trace_reader(void *arg)
{
    struct tracer *tracer = arg;
    char byte;
    note(tracer, "wait ");
    WANT(green_recv(tracer->fds[0], &byte, 1, 0), ==, 1);
    note(tracer, "got ");
    return 0;
}

static intptr_t
trace_writer(void *arg)
{
    struct tracer *tracer = arg;
    note(tracer, "run ");
    green_yield();
    note(tracer, "again ");
    WANT(green_send(tracer->fds[1], "x", 1, 0), ==, 1);
    note(tracer, "sent ");
    return 0;
}

START_TEST(others_run_while_recv_waits)
{
    struct tracer tracer = {.trace = ""};
    ck_assert_int_eq(pair_make(PAIR_UNIX, tracer.fds), 0);
    struct green_job *jobs[2];
    ck_assert_int_eq(green_spawn(trace_reader, &tracer, &jobs[0]), 0);
    ck_assert_int_eq(green_spawn(trace_writer, &tracer, &jobs[1]), 0);
    for (int i = 0; i < 2; i++) {
        intptr_t line;
        ck_assert_int_eq(green_job_join(jobs[i], &line, green_after(LIMIT_MS)), 0);
        ck_assert_int_eq(line, 0);
        green_job_put(jobs[i]);
    }
    ck_assert_str_eq(tracer.trace, "wait run again sent got ");
}
END_TEST

/* ---- short reads ---- */

static void
send_later(void *arg)
{
    ssize_t sent = send(*(int *)arg, "later", 5, 0);
    (void)sent;
}

static void
send_and_finish(void *arg)
{
    send_later(arg);
    shutdown(*(int *)arg, SHUT_WR);
}

static void
only_finish(void *arg)
{
    shutdown(*(int *)arg, SHUT_WR);
}

static void
reset(void *arg)
{
    struct linger linger = {1, 0};
    setsockopt(*(int *)arg, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(*(int *)arg);
}

/** What the peer does after a short read, and what the next reads must give. */
static const struct sequel {
    void (*action)(void *arg);
    ssize_t results[2];
} sequels[] = {
    {send_later, {5, 0}},
    {send_and_finish, {5, 0}},
    {only_finish, {0, 0}},
    {reset, {-ECONNRESET, 0}},
};

struct short_read {
    const struct sequel *sequel;
    int fds[2];
    bool parked; /**< Whether the sequel comes while the reader waits, or just before. */
    bool view;
};

static ssize_t
take(const struct short_read *test, void *buffer, size_t size)
{
    if (!test->view) {
        return green_recv(test->fds[0], buffer, size, 0);
    }
    struct green_view view;
    ssize_t got = green_recv_view(test->fds[0], &view);
    if (got > 0) {
        memcpy(buffer, view.data, (size_t)got);
        green_view_release(&view);
    }
    return got;
}

static intptr_t
read_short(void *arg)
{
    struct short_read *test = arg;
    const struct sequel *sequel = test->sequel;
    char buffer[64];
    for (int round = 0; round < 2; round++) { /* in the second one the engine watches already */
        struct later first;
        later_start(&first, round == 0 ? 0 : MOMENT_MS / 4, send_later, &test->fds[1]);
        WANT(take(test, buffer, sizeof buffer), ==, 5);
        later_join(&first);
    }
    struct later later;
    if (test->parked) {
        later_start(&later, MOMENT_MS / 4, sequel->action, &test->fds[1]);
    } else {
        sequel->action(&test->fds[1]);
    }
    ssize_t got = take(test, buffer, sizeof buffer);
    if (test->parked) {
        later_join(&later);
    }
    WANT(got, ==, sequel->results[0]);
    if (sequel->action == send_later) {
        shutdown(test->fds[1], SHUT_WR);
    }
    WANT(take(test, buffer, sizeof buffer), ==, sequel->results[1]);
    /* The other direction goes on. */
    if (sequel->action != reset) {
        WANT(green_sendall(test->fds[0], "answer", 6, 0), ==, 0);
        WANT(recv(test->fds[1], buffer, sizeof buffer, 0), ==, 6);
    }
    return 0;
}

/** Accept on the caller's own engine, then read short: what the fast path is made for. */
static intptr_t
accept_and_read_short(void *arg)
{
    struct short_read *test = arg;
    struct green_address address;
    int listener = listener_make(8, &address);
    WANT(listener, >=, 0);
    test->fds[1] = plain_connect(&address);
    test->fds[0] = green_accept(listener, NULL);
    WANT(test->fds[0], >=, 0);
    green_close(listener);
    intptr_t line = read_short(test);
    green_close(test->fds[0]);
    if (test->sequel->action != reset) {
        close(test->fds[1]);
    }
    return line;
}

START_TEST(short_reads_of_accepted_connections)
{
    for (int variant = 0; variant < 4; variant++) {
        for (int caller = 0; caller < CALLERS_HERE; caller++) {
            struct short_read test = {
                .sequel = &sequels[_i], .parked = variant & 1, .view = variant & 2};
            ASSERT_AS(caller, accept_and_read_short, &test);
        }
    }
}
END_TEST

/* ---- datagrams and flags ---- */

static intptr_t
take_datagrams(void *arg)
{
    (void)arg;
    int fds[2] = {-1, -1};
    char buffer[64];
    WANT(pair_make(PAIR_DATAGRAM, fds), ==, 0);
    for (int round = 0; round < 3; round++) {
        WANT(send(fds[1], "a", 1, 0), ==, 1);
        WANT(send(fds[1], "bc", 2, 0), ==, 2);
        WANT(green_recv(fds[0], buffer, sizeof buffer, 0), ==, 1);
        WANT(green_recv(fds[0], buffer, sizeof buffer, 0), ==, 2);
        struct later later;
        later_start(&later, 2, send_later, &fds[1]);
        WANT(green_recv(fds[0], buffer, sizeof buffer, 0), ==, 5);
        later_join(&later);
    }
    /* Views are for streams, and good for datagrams too. */
    struct green_view view;
    WANT(send(fds[1], "a", 1, 0), ==, 1);
    WANT(send(fds[1], "bc", 2, 0), ==, 2);
    WANT(green_recv_view(fds[0], &view), ==, 1);
    green_view_release(&view);
    WANT(green_recv_view(fds[0], &view), ==, 2);
    green_view_release(&view);
    green_close(fds[0]);
    green_close(fds[1]);
    return 0;
}

/** A connected pair of which the library has accepted [0]. */
static intptr_t
accepted_pair(int fds[2])
{
    struct green_address address;
    int listener = listener_make(8, &address);
    WANT(listener, >=, 0);
    fds[1] = plain_connect(&address);
    fds[0] = green_accept(listener, NULL);
    WANT(fds[0], >=, 0);
    green_close(listener);
    return 0;
}

static intptr_t
use_flags(void *arg)
{
    (void)arg;
    int fds[2] = {-1, -1};
    char buffer[64];
    WANT_ALL(accepted_pair(fds));
    WANT(green_recv(fds[0], buffer, sizeof buffer, MSG_DONTWAIT), ==, -EAGAIN);
    WANT(send(fds[1], "abc", 3, 0), ==, 3);
    WANT(green_recv(fds[0], buffer, sizeof buffer, MSG_PEEK), ==, 3);
    WANT(green_recv(fds[0], buffer, 2, MSG_PEEK), ==, 2);
    WANT(green_recv(fds[0], buffer, sizeof buffer, 0), ==, 3);
    /* A short read has just been seen. */
    WANT(green_recv(fds[0], buffer, sizeof buffer, MSG_DONTWAIT), ==, -EAGAIN);
    WANT(send(fds[1], "abc", 3, 0), ==, 3);
    WANT(green_recv(fds[0], buffer, sizeof buffer, MSG_DONTWAIT), ==, 3);
    WANT(fill(fds[0]), ==, 0);
    WANT(green_send(fds[0], "x", 1, MSG_DONTWAIT), ==, -EAGAIN);
    green_close(fds[0]);
    close(fds[1]);
    return 0;
}

static intptr_t
wait_for_all(void *arg)
{
    (void)arg;
    int fds[2] = {-1, -1};
    char buffer[64];
    WANT_ALL(accepted_pair(fds));
    for (int round = 0; round < 2; round++) {
        struct later later;
        send_later(&fds[1]);
        later_start(&later, MOMENT_MS / 2, send_later, &fds[1]);
        WANT(green_recv(fds[0], buffer, 10, MSG_WAITALL), ==, 10);
        later_join(&later);
    }
    struct green_timeout scope;
    send_later(&fds[1]);
    green_timeout_start(&scope, MOMENT_MS);
    WANT(green_recv(fds[0], buffer, 10, MSG_WAITALL), ==, 5); /* what came in time */
    WANT(green_recv(fds[0], buffer, 10, MSG_WAITALL), ==, -ETIMEDOUT);
    green_timeout_stop(&scope);
    send_and_finish(&fds[1]);
    WANT(green_recv(fds[0], buffer, 10, MSG_WAITALL), ==, 5);
    WANT(green_recv(fds[0], buffer, 10, MSG_WAITALL), ==, 0);
    green_close(fds[0]);
    close(fds[1]);
    return 0;
}

static intptr_t
nonblocking_of_the_user(void *arg)
{
    (void)arg;
    int fds[2] = {-1, -1};
    char buffer[8];
    WANT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), ==, 0);
    struct later later;
    later_start(&later, 2, send_later, &fds[1]);
    WANT(green_recv(fds[0], buffer, sizeof buffer, 0), ==, 5);
    later_join(&later);
    WANT(is_nonblocking(fds[0]), ==, true);
    green_close(fds[0]);
    close(fds[1]);
    return 0;
}

/** Bodies that every kind of caller runs. */
static const green_entry bodies[] = {
    take_datagrams,
    use_flags,
    wait_for_all,
    nonblocking_of_the_user,
};

START_TEST(as_every_caller)
{
    for (int caller = 0; caller < CALLERS_HERE; caller++) {
        ASSERT_AS(caller, bodies[_i], NULL);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("socket");
    TCase *echo = new_case(suite, "echo");
    tcase_add_loop_test(echo, echo_over_every_sort, 0, PLACES);
    tcase_add_test(echo, others_run_while_recv_waits);
    TCase *reads = new_case(suite, "short reads");
    tcase_add_loop_test(reads, short_reads_of_accepted_connections, 0,
                        sizeof sequels / sizeof *sequels);
    TCase *calls = new_case(suite, "calls");
    tcase_add_loop_test(calls, as_every_caller, 0, sizeof bodies / sizeof *bodies);
    return run_suite(suite);
}
