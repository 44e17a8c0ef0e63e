/*
 * Worker processes: one that is killed is replaced and takes only its own connections with it, all
 * end with echod, and no zombie is left.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "client.h"
#include "tests.h"

#define CONNECTIONS 6
#define MAX_WORKERS 64

/** How many live workers are not among the old ones; zombies are none. */
static size_t
new_workers(const struct server *server, const pid_t *old, size_t old_count)
{
    pid_t pids[MAX_WORKERS];
    size_t count = server_workers(server, pids, MAX_WORKERS);
    size_t fresh = 0;
    for (size_t i = 0; i < count; i++) {
        bool known = process_gone(pids[i]);
        for (size_t j = 0; j < old_count; j++) {
            known = known || pids[i] == old[j];
        }
        fresh += !known;
    }
    return fresh;
}

static size_t
zombies(const struct server *server)
{
    pid_t pids[MAX_WORKERS];
    size_t count = server_workers(server, pids, MAX_WORKERS);
    size_t gone = 0;
    for (size_t i = 0; i < count; i++) {
        gone += process_gone(pids[i]);
    }
    return gone;
}

START_TEST(it_keeps_its_workers)
{
    struct server server = server_start(NO_OPTIONS);
    AWAIT(&server, server_workers(&server, NULL, 0) == mode->workers);
    server_stop(&server);
}
END_TEST

START_TEST(a_killed_worker_is_replaced_and_costs_only_its_own)
{
    struct server server = server_start(NO_OPTIONS);
    int fds[CONNECTIONS];
    pid_t owners[CONNECTIONS];
    for (size_t i = 0; i < CONNECTIONS; i++) {
        fds[i] = client_connect(&server);
        client_chat(fds[i]);
        owners[i] = server_owner(&server, fds[i]);
        ck_assert_int_ne(owners[i], 0);
    }
    pid_t old[MAX_WORKERS];
    size_t count = server_workers(&server, old, MAX_WORKERS);

    uint64_t start = now_ms();
    ck_assert_int_ne(owners[0], server.pid);
    ck_assert_int_eq(kill(owners[0], SIGKILL), 0);
    AWAIT(&server, new_workers(&server, old, count) >= 1);
    uint64_t took = now_ms() - start;
    printf("%s: a killed worker was replaced after %lu ms\n", mode->name, (unsigned long)took);

    for (size_t i = 0; i < CONNECTIONS; i++) {
        if (owners[i] == owners[0]) {
            client_expect_cut(fds[i]);
        } else {
            client_chat(fds[i]);
        }
        client_close(fds[i]);
    }
    int fd = client_connect(&server);
    client_chat(fd);
    client_close(fd);
    AWAIT(&server, zombies(&server) == 0);
    server_stop(&server);
}
END_TEST

START_TEST(all_workers_killed_at_once_are_replaced)
{
    struct server server = server_start(NO_OPTIONS);
    int fd = client_connect(&server);
    client_chat(fd);
    pid_t old[MAX_WORKERS];
    size_t count = server_workers(&server, old, MAX_WORKERS);
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(kill(old[i], SIGKILL), 0);
    }
    client_expect_cut(fd);
    client_close(fd);
    /* A process that is being killed while it waits in accept() may still get a connection. */
    for (size_t i = 0; i < count; i++) {
        AWAIT(&server, process_gone(old[i]));
    }
    fd = client_connect(&server);
    client_chat(fd);
    AWAIT(&server, new_workers(&server, old, count) >= mode->workers);
    AWAIT(&server, zombies(&server) == 0);
    client_close(fd);
    server_stop(&server);
}
END_TEST

START_TEST(a_killed_worker_does_not_stop_the_drain)
{
    struct server server = server_start(NO_OPTIONS);
    int fd = client_connect(&server);
    client_chat(fd);
    pid_t owner = server_owner(&server, fd);
    ck_assert_int_ne(owner, server.pid);
    server_signal_all(&server, SIGSTOP);
    server_signal(&server, SIGTERM);
    ck_assert_int_eq(kill(owner, SIGKILL), 0);
    server_signal_all(&server, SIGCONT);
    client_expect_cut(fd);
    client_close(fd);
    int code = server_wait(&server);
    ck_assert_msg(code == 0 || code == 1, "ended with %d", code);
}
END_TEST

START_TEST(without_a_worker_that_starts_echod_gives_up)
{
    setenv("GREEN_IO", "steam", 1);
    struct server server = server_run(OPTIONS("--workers=16", "--port=0")); /* dead in one round */
    ck_assert_int_eq(server_wait(&server), 1);
    ck_assert_uint_gt(server_logged(&server, "GREEN_IO=steam: there is no such engine"), 0);
    ck_assert_uint_eq(server_logged(&server, "giving up"), 1);
    ck_assert_uint_eq(server_logged(&server, "listening"), 0);
    ck_assert_uint_eq(server_workers(&server, NULL, 0), 0);
}
END_TEST

START_TEST(workers_die_with_echod)
{
    struct server server = server_start(NO_OPTIONS);
    int fd = client_connect(&server);
    client_chat(fd);
    AWAIT(&server, server_workers(&server, NULL, 0) == mode->workers);
    pid_t workers[MAX_WORKERS];
    size_t count = server_workers(&server, workers, MAX_WORKERS);
    server_signal(&server, SIGKILL);
    ck_assert_int_eq(server_wait(&server), -SIGKILL);
    for (size_t i = 0; i < count; i++) {
        AWAIT(&server, process_gone(workers[i]));
    }
    client_expect_cut(fd);
    client_close(fd);
}
END_TEST

START_TEST(the_pool_grows_and_shrinks_back)
{
    enum { MANY = 40 };
    struct server server = server_start(OPTIONS("--max-workers", "20"));
    struct crowd crowd = {0};
    crowd_join(&crowd, &server, MANY);
    ck_assert_uint_eq(crowd_settle(&crowd), 20);
    ck_assert_uint_eq(server_workers(&server, NULL, 0), 20);
    while (crowd.count > 0) {
        AWAIT(&server, crowd_answered(&crowd) > 0);
        crowd_leave_answered(&crowd);
    }
    AWAIT(&server, server_workers(&server, NULL, 0) <= mode->workers);
    ck_assert_uint_eq(zombies(&server), 0);
    server_stop(&server);
}
END_TEST

START_TEST(workers_are_added_and_taken_away)
{
    struct server server = server_start(NO_OPTIONS);
    int fd = client_connect(&server);
    client_chat(fd);
    AWAIT(&server, server_workers(&server, NULL, 0) == mode->workers);
    server_signal(&server, SIGTTIN);
    AWAIT(&server, server_workers(&server, NULL, 0) == mode->workers + 1);
    server_signal(&server, SIGTTIN);
    AWAIT(&server, server_workers(&server, NULL, 0) == mode->workers + 2);
    for (size_t i = 1; i <= mode->workers + 2; i++) {
        server_signal(&server, SIGTTOU);
        AWAIT(&server,
              server_logged(&server, " workers now") + server_logged(&server, "it stays") == i + 2);
    }
    ck_assert_uint_eq(server_logged(&server, "it stays at 1 worker"), 1);
    if (mode->frugal) {
        client_close(fd); /* drained, if it was with one of those that go */
        fd = client_connect(&server);
    }
    client_chat(fd);
    AWAIT(&server, server_workers(&server, NULL, 0) <= 2); /* the pool keeps one that is idle */
    client_close(fd);
    server_stop(&server);
}
END_TEST

/* Neither replaced nor kept: that it is ready now does not undo that it has to go. */
START_TEST(workers_taken_away_as_they_start_go)
{
    enum { TIMES = 30 };
    struct server server = server_start(NO_OPTIONS);
    AWAIT(&server, server_workers(&server, NULL, 0) == mode->workers);
    for (size_t i = 1; i <= TIMES; i++) {
        server_signal(&server, SIGTTIN);
        AWAIT(&server, server_logged(&server, " workers now") == 2 * i - 1);
        server_signal(&server, SIGTTOU);
        AWAIT(&server, server_logged(&server, " workers now") == 2 * i);
    }
    AWAIT(&server, server_workers(&server, NULL, 0) == mode->workers);
    ck_assert_uint_eq(server_logged(&server, "it is replaced"), 0);
    server_stop(&server);
}
END_TEST

START_TEST(a_worker_whose_loop_stands_still_is_replaced)
{
    struct server server = server_start(OPTIONS("--worker-timeout", "1s"));
    pid_t old[MAX_WORKERS];
    AWAIT(&server, server_workers(&server, NULL, 0) == mode->workers);
    size_t count = server_workers(&server, old, MAX_WORKERS);
    ck_assert_int_eq(kill(old[0], SIGSTOP), 0);
    AWAIT(&server, server_logged(&server, "has not turned its loop") == 1);
    AWAIT(&server, new_workers(&server, old, count) == 1);
    AWAIT(&server, server_logged(&server, "was killed by SIGKILL") == 1);
    server_stop(&server);
}
END_TEST

/* What it was at is told before it is killed: nobody can say afterwards. */
START_TEST(one_that_computes_for_ever_dumps_before_it_is_killed)
{
    struct server server = server_start(OPTIONS("--worker-timeout=1s", "--burn=600s"));
    char line[64];
    pid_t workers[8];
    int fd = client_connect(&server);
    client_say(fd, "x");
    client_await_read(&server, fd);
    pid_t busy = server_owner(&server, fd);
    ck_assert_int_gt(busy, 0);
    AWAIT(&server, server_logged(&server, "is killed for that") == 1);
    client_expect_cut(fd);
    /* Were it found dead in the drain, its connection would be one that the drain has cut off. */
    AWAIT(&server, process_parent(busy) == 0); /* it was reaped */
    AWAIT(&server, server_workers(&server, workers, 8) == mode->workers);
    snprintf(line, sizeof line, "dump of process %d:", (int)busy);
    ck_assert_uint_eq(server_logged(&server, line), 1);
    ck_assert_uint_eq(server_logged(&server, "end of the dump"), 1);
#if defined(__x86_64__)
    ck_assert_uint_gt(server_logged(&server, "    serve+0x"), 0);
#endif
    client_close(fd);
    server_stop(&server);
}
END_TEST

/** Leave a process no address space beside what it has; returns what it was allowed. */
static struct rlimit
limit_memory(pid_t pid)
{
    char path[64];
    unsigned long pages;
    struct rlimit before;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%lu", &pages), 1);
    fclose(file);
    ck_assert_int_eq(prlimit(pid, RLIMIT_AS, NULL, &before), 0);
    struct rlimit little = {pages * (unsigned long)sysconf(_SC_PAGESIZE), before.rlim_max};
    ck_assert_int_eq(prlimit(pid, RLIMIT_AS, &little, NULL), 0);
    return before;
}

/* Workers that have no memory for a loop die as soon as they are there. */
START_TEST(workers_that_keep_dying_are_started_less_and_less_often)
{
    struct server server = server_start(NO_OPTIONS);
    pid_t old[MAX_WORKERS];
    AWAIT(&server, server_workers(&server, old, MAX_WORKERS) == mode->workers);
    struct rlimit before = limit_memory(server.pid);
    ck_assert_int_eq(kill(old[0], SIGKILL), 0);
    static const char *const pauses[] = {"200 ms", "400 ms", "800 ms"};
    for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++) {
        char line[96];
        snprintf(line, sizeof line, "error: workers keep dying at their start; the next one in %s",
                 pauses[i]);
        AWAIT(&server, server_logged(&server, line) == 1);
    }
    int fd = client_connect(&server); /* by the one that is left */
    client_chat(fd);
    client_close(fd);
    ck_assert_int_eq(prlimit(server.pid, RLIMIT_AS, &before, NULL), 0);
    AWAIT(&server, new_workers(&server, old, mode->workers) == 1);
    AWAIT(&server, zombies(&server) == 0);
    server_stop(&server);
}
END_TEST

const char *
workers_add(TCase *tcase)
{
    if (mode->workers == 0) {
        return "it serves by itself";
    }
    tcase_add_test(tcase, it_keeps_its_workers);
    tcase_add_test(tcase, a_killed_worker_is_replaced_and_costs_only_its_own);
    tcase_add_test(tcase, all_workers_killed_at_once_are_replaced);
    tcase_add_test(tcase, a_killed_worker_does_not_stop_the_drain);
    tcase_add_test(tcase, workers_die_with_echod);
    tcase_add_test(tcase, workers_are_added_and_taken_away);
    if (mode->frugal) {
        tcase_add_test(tcase, without_a_worker_that_starts_echod_gives_up);
        tcase_add_test(tcase, workers_taken_away_as_they_start_go);
        tcase_add_test(tcase, a_worker_whose_loop_stands_still_is_replaced);
        tcase_add_test(tcase, one_that_computes_for_ever_dumps_before_it_is_killed);
        if (!small_stress()) { /* a sanitizer wants memory of its own */
            tcase_add_test(tcase, workers_that_keep_dying_are_started_less_and_less_often);
        }
    } else {
        tcase_add_test(tcase, the_pool_grows_and_shrinks_back);
    }
    return NULL;
}
