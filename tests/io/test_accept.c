/*
 * Listeners: what accept() reports and passes over, the pause when descriptors are short, one
 * listener shared by tasks, threads and processes, and the errors of listening.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/pause.h"
#include "support.h"

/* ---- too few descriptors ---- */

/** Let this process open no more descriptors; the old limit. */
static struct rlimit
run_out(void)
{
    struct rlimit before;
    getrlimit(RLIMIT_NOFILE, &before);
    int next = dup(0);
    close(next);
    struct rlimit limit = {(rlim_t)next, before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &limit);
    return before;
}

static void
close_plainly(void *arg)
{
    green_close(*(int *)arg);
}

static intptr_t
pauses(void *arg)
{
    (void)arg;
    static const unsigned lengths[] = {5, 10, 20, 40};
    unsigned pause_ms = 0;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        green_deadline after = green_after(lengths[i]);
        WANT(green_accept_pause(&pause_ms), ==, 0);
        WANT(pause_ms, ==, lengths[i]);
        WANT(green_after(0) >= after, ==, true); /* nothing was closed, so it is as long as that */
    }
    struct green_timeout scope;
    pause_ms = 900;
    green_timeout_start(&scope, 2);
    WANT(green_accept_pause(&pause_ms), ==, -ETIMEDOUT);
    WANT(pause_ms, ==, 1000);
    WANT(green_accept_pause(&pause_ms), ==, -ETIMEDOUT);
    WANT(pause_ms, ==, 1000);
    WANT(green_timeout_fired(&scope), ==, true);
    green_timeout_stop(&scope);
    return 0;
}

/** Out of descriptors, until one is closed: by this thread before the pause, by another within. */
static intptr_t
run_short(void *arg)
{
    (void)arg;
    struct green_address address;
    int spare[2] = {dup(0), dup(0)};
    int listener = listener_make(8, &address);
    WANT(listener, >=, 0);
    int clients[2] = {plain_connect(&address), plain_connect(&address)};
    WANT(green_wait_fd(listener, POLLIN, GREEN_FOREVER), ==,
         POLLIN); /* what waiting needs is made */
    struct rlimit before = run_out();
    unsigned pause_ms = LIMIT_MS; /* only what closes a descriptor ends such a pause in time */
    green__pause_max_ms = 2 * LIMIT_MS;
    struct green_timeout scope;
    green_timeout_start(&scope, LIMIT_MS);
    WANT(green_accept(listener, NULL), ==, -EMFILE);
    green_close(spare[0]);
    WANT(green_accept_pause(&pause_ms), ==, 0);
    int first = green_accept(listener, NULL);
    WANT(first, >=, 0);
    WANT(green_accept(listener, NULL), ==, -EMFILE);
    struct later later;
    later_start(&later, 5, close_plainly, &spare[1]);
    WANT(green_accept_pause(&pause_ms), ==, 0);
    later_join(&later);
    int second = green_accept(listener, NULL);
    WANT(second, >=, 0);
    green_timeout_stop(&scope);
    green__pause_max_ms = 1000;
    setrlimit(RLIMIT_NOFILE, &before);
    green_close(first);
    green_close(second);
    close(clients[0]);
    close(clients[1]);
    green_close(listener);
    return 0;
}

/**
 * Who waits for connections, and has no descriptor for one, hears of that when one comes: an accept
 * in vain would fail at once, since the kernel makes the descriptor first.
 */
static intptr_t
wait_without_descriptors(void *arg)
{
    (void)arg;
    struct green_address address;
    int listener = listener_make(8, &address);
    WANT(listener, >=, 0);
    int clients[2] = {plain_connect(&address), socket(AF_INET, SOCK_STREAM, 0)};
    int first = green_accept(listener, NULL); /* what waiting needs is made */
    WANT(first, >=, 0);
    struct rlimit before = run_out();
    struct green_timeout scope;
    green_timeout_start(&scope, 1);
    WANT(green_accept(listener, NULL), ==, -ETIMEDOUT);
    green_timeout_stop(&scope);
    WANT(connect(clients[1], (struct sockaddr *)&address.storage, address.length), ==, 0);
    WANT(green_accept(listener, NULL), ==, -EMFILE);
    setrlimit(RLIMIT_NOFILE, &before);
    int second = green_accept(listener, NULL);
    WANT(second, >=, 0);
    green_close(first);
    green_close(second);
    close(clients[0]);
    close(clients[1]);
    green_close(listener);
    return 0;
}

START_TEST(an_accept_in_vain_is_not_made)
{
    ASSERT_AS(CALL_TASK, wait_without_descriptors, NULL);
}
END_TEST

static intptr_t
pause_cancelled(void *arg)
{
    (void)arg;
    unsigned pause_ms = 900;
    WANT(green_accept_pause(&pause_ms), ==, -ECANCELED);
    return 0;
}

START_TEST(cancelled_pauses)
{
    for (size_t i = 0; i < cancel_order_count; i++) {
        ck_assert_int_eq(call_and_cancel(cancel_order[i], pause_cancelled, NULL), 0);
    }
}
END_TEST

/** In a child of a process where others pause, closing wakes nobody who is not there. */
static intptr_t
close_in_child(void *arg)
{
    (void)arg;
    int fds[8][2];
    for (int i = 0; i < 8; i++) { /* the numbers that the parent's loop had are among these */
        WANT(pair_make(PAIR_PIPE, fds[i]), ==, 0);
    }
    int fd = dup(0);
    WANT(green_close(fd), ==, 0);
    for (int i = 0; i < 8; i++) {
        struct pollfd entry = {fds[i][0], POLLIN, 0};
        WANT(poll(&entry, 1, 0), ==, 0);
    }
    return 0;
}

static intptr_t
pause_long(void *arg)
{
    unsigned pause_ms = 900;
    (void)arg;
    return green_accept_pause(&pause_ms);
}

START_TEST(pausing_across_a_fork)
{
    struct green_job *jobs[2];
    ck_assert_int_eq(green_spawn(pause_long, NULL, &jobs[0]), 0);
    ck_assert_int_eq(green_spawn_as(GREEN_THREAD, pause_long, NULL, NULL, &jobs[1]), 0);
    ck_assert_int_eq(green_sleep(MOMENT_MS), 0);
    ASSERT_AS(CALL_PROCESS, close_in_child, NULL);
    for (int i = 0; i < 2; i++) {
        green_job_cancel(jobs[i]);
        ck_assert_int_eq(green_job_join(jobs[i], NULL, green_after(LIMIT_MS)), 0);
        green_job_put(jobs[i]);
    }
}
END_TEST

/* ---- connections that were gone ---- */

static intptr_t
accept_after_abort(void *arg)
{
    (void)arg;
    struct green_address address;
    struct linger linger = {1, 0};
    int listener = listener_make(8, &address);
    WANT(listener, >=, 0);
    int gone = plain_connect(&address);
    setsockopt(gone, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(gone);
    int client = plain_connect(&address);
    WANT(send(client, "x", 1, 0), ==, 1);
    /* Linux hands out the dead one too; whoever comes, the one that lives is served. */
    char byte;
    ssize_t got = -1;
    for (int i = 0; i < 2 && got != 1; i++) {
        int fd = green_accept(listener, NULL);
        WANT(fd, >=, 0);
        got = green_recv(fd, &byte, 1, 0);
        WANT(got == 1 || got == -ECONNRESET, ==, true);
        green_close(fd);
    }
    WANT(got, ==, 1);
    close(client);
    green_close(listener);
    WANT(green_accept(-1, NULL), ==, -EBADF);
    int pair[2];
    WANT(pair_make(PAIR_UNIX, pair), ==, 0);
    WANT(green_accept(pair[0], NULL), ==, -EINVAL); /* it does not listen */
    green_close(pair[0]);
    green_close(pair[1]);
    return 0;
}

/* ---- a shared listener ---- */

#define SHARED_CONNECTIONS 60

struct shared {
    int listener;
    int begun[2]; /* a pipe: who accepts says so, since one cancelled before it began never does */
    atomic_int *accepted;
};

static intptr_t
accept_many(void *arg)
{
    const struct shared *shared = arg;
    WANT(write(shared->begun[1], "b", 1), ==, 1);
    for (;;) {
        int fd = green_accept(shared->listener, NULL);
        if (fd < 0) {
            return fd == -ECANCELED || fd == -EINVAL ? 0 : fd;
        }
        atomic_fetch_add(shared->accepted, 1);
        green_sendall(fd, "x", 1, 0);
        green_close(fd);
    }
}

/** Two of each kind that there is accept from one listener, in several processes. */
static intptr_t
accept_by_two(void *arg)
{
    struct green_job *jobs[2];
    WANT(green_spawn_as(GREEN_THREAD, accept_many, arg, NULL, &jobs[0]), ==, 0);
    WANT(green_spawn_as(GREEN_THREAD, accept_many, arg, NULL, &jobs[1]), ==, 0);
    green_sleep(LIMIT_MS); /* until cancelled */
    struct green_shield shield;
    green_shield_start(&shield);
    for (int i = 0; i < 2; i++) {
        green_job_cancel(jobs[i]);
        WANT(green_job_join(jobs[i], NULL, green_after(LIMIT_MS)), ==, 0);
        green_job_put(jobs[i]);
    }
    green_shield_stop(&shield);
    return 0;
}

/** Return once they all accept. */
static void
start_all(struct shared *shared, struct green_job *jobs[4])
{
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    int kept[] = {shared->listener, shared->begun[1]};
    char byte;
    options.keep_fds = kept;
    options.keep_fd_count = 2;
    enum green_kind kind = CALL_PROCESS < CALLERS_ALONE ? GREEN_PROCESS : GREEN_THREAD;
    green_entry entry = CALL_PROCESS < CALLERS_HERE ? accept_by_two : accept_many;
    ck_assert_int_eq(green_spawn_as(kind, entry, shared, &options, &jobs[0]), 0);
    ck_assert_int_eq(green_spawn_as(kind, accept_many, shared, &options, &jobs[1]), 0);
    ck_assert_int_eq(green_spawn_as(GREEN_THREAD, accept_many, shared, NULL, &jobs[2]), 0);
    ck_assert_int_eq(green_spawn(accept_many, shared, &jobs[3]), 0);
    for (int left = entry == accept_by_two ? 5 : 4; left > 0; left--) {
        ck_assert_int_eq(green_read(shared->begun[0], &byte, 1), 1);
    }
}

START_TEST(kinds_share_a_listener)
{
    struct green_address address;
    struct shared shared;
    shared.listener = listener_make(128, &address);
    ck_assert_int_eq(pair_make(PAIR_PIPE, shared.begun), 0);
    shared.accepted = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct green_job *jobs[4];
    start_all(&shared, jobs);
    for (int round = 0; round < SHARED_CONNECTIONS; round++) {
        struct green_timeout scope;
        char byte;
        green_timeout_start(&scope, LIMIT_MS);
        int fd = green_connect_address(&address);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(green_recv(fd, &byte, 1, 0), 1);
        ck_assert_int_eq(green_recv(fd, &byte, 1, 0), 0);
        green_timeout_stop(&scope);
        green_close(fd);
    }
    ck_assert_int_eq(atomic_load(shared.accepted), SHARED_CONNECTIONS);
    for (int i = 0; i < 4; i++) {
        intptr_t line = -1;
        green_job_cancel(jobs[i]);
        ck_assert_int_eq(green_job_join(jobs[i], &line, green_after(LIMIT_MS)), 0);
        ck_assert_int_eq(line, 0);
        green_job_put(jobs[i]);
    }
    green_close(shared.listener);
    green_close(shared.begun[0]);
    green_close(shared.begun[1]);
}
END_TEST

/** A task has made the listener non-blocking; a thread accepts all the same. */
static void
visit(void *arg)
{
    int fd = plain_connect(arg);
    close(fd);
}

START_TEST(a_thread_on_the_listener_of_tasks)
{
    struct green_address address;
    struct shared shared = {.listener = listener_make(8, &address)};
    atomic_int accepted = 0;
    shared.accepted = &accepted;
    ck_assert_int_eq(pair_make(PAIR_PIPE, shared.begun), 0);
    struct green_job *task;
    ck_assert_int_eq(green_spawn(accept_many, &shared, &task), 0);
    green_sleep(1);
    ck_assert(is_nonblocking(shared.listener));
    green_job_cancel(task);
    ck_assert_int_eq(green_job_join(task, NULL, green_after(LIMIT_MS)), 0);
    green_job_put(task);
    struct later later;
    later_start(&later, 10, visit, &address);
    int fd = green_accept(shared.listener, NULL); /* no task is left: in the kernel */
    ck_assert_int_ge(fd, 0);
    ck_assert(!is_nonblocking(fd));
    later_join(&later);
    green_close(fd);
    green_close(shared.listener);
    green_close(shared.begun[0]);
    green_close(shared.begun[1]);
}
END_TEST

/* ---- listening ---- */

/** A host of this process's own, where nobody else takes a port while it is free. */
static int
own_host(struct green_address *ret_address)
{
    char host[32];
    unsigned pid = (unsigned)getpid();
    snprintf(host, sizeof host, "127.%u.%u.%u", 1 + (pid >> 16) % 254, (pid >> 8) % 256, pid % 256);
    return green_address_parse(host, 0, ret_address);
}

/** A connection that our side has closed first keeps the port from whoever does not share it. */
static intptr_t
listen_again_at_once(void *arg)
{
    (void)arg;
    struct green_address address;
    WANT(own_host(&address), ==, 0);
    int listener = green_listen(&address, 8);
    WANT(listener, >=, 0);
    WANT(address_of(listener, &address), ==, 0);
    int client = plain_connect(&address);
    int fd = green_accept(listener, NULL);
    WANT(fd, >=, 0);
    char byte;
    WANT(green_close(fd), ==, 0);
    WANT(read(client, &byte, 1), ==, 0);
    close(client);
    WANT(green_close(listener), ==, 0);
    listener = green_listen(&address, 8);
    WANT(listener, >=, 0);
    WANT(green_close(listener), ==, 0);
    return 0;
}

static intptr_t
listen_errors(void *arg)
{
    (void)arg;
    struct green_address address;
    int listener = listener_make(8, &address);
    WANT(listener, >=, 0);
    WANT(green_listen(&address, 8), ==, -EADDRINUSE);
    WANT(fcntl(listener, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
    WANT(green_close(listener), ==, 0);
    int refuser = refuser_make("127.0.0.1", &address);
    WANT(refuser, >=, 0);
    WANT(green_connect_address(&address), ==, -ECONNREFUSED);
    close(refuser);
    WANT(green_address_parse("192.0.2.1", 0, &address), ==, 0);
    WANT(green_listen(&address, 8), ==, -EADDRNOTAVAIL);
    WANT(green_address_unix("/nowhere/at/all", &address), ==, 0);
    WANT(green_listen(&address, 8), ==, -ENOENT);
    WANT(green_connect_address(&address), ==, -ENOENT);
    return 0;
}

/* Last what valgrind cannot have: it keeps descriptors for itself beyond any limit. */
static const green_entry bodies[] = {pauses, accept_after_abort, listen_again_at_once,
                                     listen_errors, run_short};

#ifdef GREEN__VALGRIND
#define BODIES 4
#else
#define BODIES 5
#endif

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
    Suite *suite = suite_create("accept");
    TCase *calls = new_case(suite, "calls");
    tcase_add_loop_test(calls, as_every_caller, 0, BODIES);
    TCase *pausing = new_case(suite, "pauses");
    tcase_add_test(pausing, an_accept_in_vain_is_not_made);
    tcase_add_test(pausing, cancelled_pauses);
    if (CALL_PROCESS < CALLERS_ALONE) {
        tcase_add_test(pausing, pausing_across_a_fork);
    }
    TCase *sharing = new_case(suite, "sharing");
    tcase_add_test(sharing, kinds_share_a_listener);
    tcase_add_test(sharing, a_thread_on_the_listener_of_tasks);
    return run_suite(suite);
}
