/*
 * No descriptors left: what is open stays served, the rest waits, and nobody spins.
 *
 * The limit of the running processes is lowered from outside, below what they could have reckoned
 * with when they started.
 */
#include <stdio.h>
#include <sys/resource.h>

#include "client.h"
#include "tests.h"

#define STALL_MS 1000

/** Leave a process this many descriptors more than it has, at least; returns how many it has left.
 */
static size_t
limit_descriptors(pid_t pid, size_t more)
{
    int highest = 0;
    size_t count = process_descriptors(pid, &highest);
    struct rlimit limit = {.rlim_cur = (rlim_t)highest + 1 + more};
    struct rlimit old;
    ck_assert_int_eq(prlimit(pid, RLIMIT_NOFILE, NULL, &old), 0);
    limit.rlim_max = old.rlim_max;
    ck_assert_int_eq(prlimit(pid, RLIMIT_NOFILE, &limit, NULL), 0);
    return limit.rlim_cur - count;
}

/** The same for all processes that accept connections. */
static size_t
limit_all(const struct server *server, size_t more)
{
    pid_t workers[8];
    size_t count = server_workers(server, workers, 8);
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        left += limit_descriptors(workers[i], more);
    }
    return count > 0 ? left : limit_descriptors(server->pid, more);
}

START_TEST(without_descriptors_the_open_connections_are_served)
{
    struct server server = server_start(NO_OPTIONS);
    int open = client_connect(&server);
    client_chat(open);
    size_t left = limit_all(&server, 2);

    struct crowd crowd = {0};
    crowd_join(&crowd, &server, left + 3);
    size_t answered = crowd_settle(&crowd);
    ck_assert_uint_lt(answered, crowd.count);

    uint64_t cpu = server_cpu_ms(&server);
    uint64_t start = now_ms();
    while (now_ms() - start < STALL_MS) {
        client_chat(open);
        nap(50);
    }
    cpu = server_cpu_ms(&server) - cpu;
    ck_assert_msg(small_stress() || cpu < STALL_MS / 4, "%lu ms of processor time in %d ms",
                  (unsigned long)cpu, STALL_MS);
    ck_assert_uint_eq(crowd_answered(&crowd), answered);

    /* Whoever leaves makes room for others, until all were served. */
    while (crowd.count > 0) {
        AWAIT(&server, crowd_answered(&crowd) > 0);
        crowd_leave_answered(&crowd);
    }
    client_chat(open);
    client_close(open);
    server_stop(&server);
}
END_TEST

START_TEST(it_recovers_when_the_limit_is_raised)
{
    struct server server = server_start(NO_OPTIONS);
    int open = client_connect(&server);
    client_chat(open);
    size_t left = limit_all(&server, 0);
    struct crowd crowd = {0};
    crowd_join(&crowd, &server, left + 3);
    ck_assert_uint_lt(crowd_settle(&crowd), crowd.count);
    limit_all(&server, 100);
    AWAIT(&server, crowd_answered(&crowd) == crowd.count);
    crowd_leave_answered(&crowd);
    client_close(open);
    server_stop(&server);
}
END_TEST

const char *
faults_add(TCase *tcase)
{
    if (!mode->frugal && mode->workers > 0) {
        return "each process holds one connection and needs no descriptor but that";
    }
    tcase_add_test(tcase, without_descriptors_the_open_connections_are_served);
    tcase_add_test(tcase, it_recovers_when_the_limit_is_raised);
    return NULL;
}
