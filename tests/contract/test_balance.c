/*
 * Several workers at one address: how connections spread over them, and what of those that are
 * queued at a worker which dies.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "client.h"
#include "tests.h"

#define MOST_WORKERS     8
#define MOST_CONNECTIONS 1000

/** echod, its workers, and the connections to them. */
struct crew {
    struct server server;
    size_t size;
    pid_t pids[MOST_WORKERS];
    size_t idle[MOST_WORKERS]; /* sockets of one without connections */
    size_t count;
    int fds[MOST_CONNECTIONS];
};

static void
learn_workers(struct crew *crew)
{
    AWAIT(&crew->server, server_workers(&crew->server, crew->pids, MOST_WORKERS) == crew->size);
}

static void
start_crew(struct crew *crew, const char *workers, const char *accept)
{
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_uint_gt(limit.rlim_cur, MOST_CONNECTIONS + 64);

    crew->size = strtoul(workers, NULL, 10);
    crew->count = scaled(MOST_CONNECTIONS);
    crew->server = server_start(OPTIONS("--workers", workers, "--accept", accept));
    learn_workers(crew);
    for (size_t i = 0; i < crew->size; i++) {
        crew->idle[i] = process_sockets(crew->pids[i]);
    }
}

/** How many connections a worker has. */
static size_t
load_of(const struct crew *crew, size_t worker)
{
    return process_sockets(crew->pids[worker]) - crew->idle[worker];
}

/** Connect those that are missing, all before the first is used. */
static void
connect_all(struct crew *crew)
{
    for (size_t i = 0; i < crew->count; i++) {
        if (crew->fds[i] == 0) {
            crew->fds[i] = client_connect(&crew->server);
        }
    }
    for (size_t i = 0; i < crew->count; i++) {
        client_chat(crew->fds[i]);
    }
}

/** Close those that were cut at the other end, and return how many. */
static size_t
close_those_cut(struct crew *crew)
{
    size_t count = 0;
    for (size_t i = 0; i < crew->count; i++) {
        char byte;
        if (crew->fds[i] != 0 && (recv(crew->fds[i], &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0 ||
                                  (errno != EAGAIN && errno != EWOULDBLOCK))) {
            client_close(crew->fds[i]);
            crew->fds[i] = 0;
            count++;
        }
    }
    return count;
}

static void
close_all(struct crew *crew)
{
    for (size_t i = 0; i < crew->count; i++) {
        client_close(crew->fds[i]);
    }
    server_stop(&crew->server);
}

static void
stop_worker(const struct crew *crew, size_t worker)
{
    ck_assert_int_eq(kill(crew->pids[worker], SIGSTOP), 0);
    AWAIT(&crew->server, process_stopped(crew->pids[worker]));
}

/** Each worker has as many as the others, give or take a tenth. */
static void
expect_balance(const struct crew *crew)
{
    size_t mean = crew->count / crew->size;
    size_t sum = 0;
    for (size_t i = 0; i < crew->size; i++) {
        size_t load = load_of(crew, i);
        printf("worker %zu of %zu has %zu of %zu connections\n", i + 1, crew->size, load,
               crew->count);
        sum += load;
        /* Of few connections the ones in hand everywhere are more than a tenth. */
        size_t slack = small_stress() ? 5 * mean : 9;
        ck_assert_uint_ge(load * 10 + slack, mean * 9);
        ck_assert_uint_le(load * 10, mean * 11 + slack);
    }
    ck_assert_uint_eq(sum, crew->count);
}

static const char *const sizes[] = {"2", "4"};

START_TEST(connections_spread_evenly)
{
    struct crew crew = {0};
    start_crew(&crew, sizes[_i], "shared");
    connect_all(&crew);
    expect_balance(&crew);
    close_all(&crew);
}
END_TEST

START_TEST(a_new_worker_gets_its_share)
{
    struct crew crew = {0};
    start_crew(&crew, "4", "shared");
    connect_all(&crew);
    pid_t victim = crew.pids[1];
    size_t lost = load_of(&crew, 1);
    ck_assert_int_eq(kill(victim, SIGKILL), 0);
    AWAIT(&crew.server, process_gone(victim));
    size_t found = 0;
    AWAIT(&crew.server, (found += close_those_cut(&crew)) == lost);
    learn_workers(&crew);
    connect_all(&crew);
    expect_balance(&crew);
    close_all(&crew);
}
END_TEST

/** The others go on when one that has the fewest cannot: no connection waits for it. */
START_TEST(one_that_stands_still_is_not_waited_for)
{
    struct crew crew = {0};
    start_crew(&crew, "2", "shared");
    crew.count = 20;
    stop_worker(&crew, 0);
    connect_all(&crew);
    ck_assert_uint_eq(load_of(&crew, 1), crew.count);
    ck_assert_int_eq(kill(crew.pids[0], SIGCONT), 0);
    close_all(&crew);
}
END_TEST

START_TEST(a_listener_each_outlives_its_worker)
{
    struct crew crew = {0};
    start_crew(&crew, "4", "reuseport");
    for (size_t i = 0; i < crew.size; i++) {
        stop_worker(&crew, i);
    }
    crew.count = 100; /* some of them are queued at each */
    for (size_t i = 0; i < crew.count; i++) {
        crew.fds[i] = client_connect(&crew.server);
    }
    ck_assert_int_eq(kill(crew.pids[2], SIGKILL), 0);
    AWAIT(&crew.server, process_gone(crew.pids[2]));
    for (size_t i = 0; i < crew.size; i++) {
        if (i != 2) {
            ck_assert_int_eq(kill(crew.pids[i], SIGCONT), 0);
        }
    }
    connect_all(&crew);
    learn_workers(&crew);
    for (size_t i = 0; i < crew.size; i++) {
        ck_assert_uint_gt(load_of(&crew, i), 0);
    }
    /* Their number stays: what is queued at a listener would be lost with it. */
    server_signal(&crew.server, SIGTTOU);
    AWAIT(&crew.server, server_logged(&crew.server, "it stays at 4 workers") == 1);
    /* An address is announced once, however many listen there. */
    ck_assert_uint_eq(server_logged(&crew.server, "listening on "), 1);
    close_all(&crew);
}
END_TEST

START_TEST(a_port_in_use_is_not_joined)
{
    struct server first = server_start(OPTIONS("--workers=2", "--accept=reuseport"));
    char port[16];
    snprintf(port, sizeof port, "%d", first.port);
    struct server second = server_run(OPTIONS("--workers=2", "--accept=reuseport", "--port", port));
    ck_assert_int_eq(server_wait(&second), 1);
    ck_assert_uint_eq(server_logged(&second, "is in use by another program"), 1);
    server_stop(&first);
}
END_TEST

const char *
balance_add(TCase *tcase)
{
    tcase_add_loop_test(tcase, connections_spread_evenly, 0, 2);
    tcase_add_test(tcase, a_new_worker_gets_its_share);
    tcase_add_test(tcase, one_that_stands_still_is_not_waited_for);
    tcase_add_test(tcase, a_listener_each_outlives_its_worker);
    tcase_add_test(tcase, a_port_in_use_is_not_joined);
    return NULL;
}
