/*
 * The table of addresses: limits, the rate by a clock of the test's own, and processes that die.
 */
#include "addresses.h"

#include <check.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECOND 1000000000u

static struct addresses *
make(size_t count, size_t places)
{
    struct addresses *table = NULL;
    ck_assert_int_eq(addresses_create(count, places, &table), 0);
    return table;
}

static struct address_key
address(uint32_t number)
{
    struct address_key key = {{10}};
    memcpy(key.bytes + 12, &number, sizeof number);
    return key;
}

/** One more of an address; its place, or minus the answer when it is not welcome. */
static int
come(struct addresses *table, uint32_t number, const struct addresses_rules *rules, uint32_t row,
     uint64_t now_ns)
{
    uint32_t place = 0;
    struct address_key key = address(number);
    enum addresses_answer answer = addresses_enter(table, &key, rules, row, now_ns, &place);
    return answer == ADDRESSES_WELCOME ? (int)place : -(int)answer;
}

START_TEST(each_address_has_its_connections)
{
    struct addresses *table = make(64, 100);
    const struct addresses_rules rules = {.most = 3};
    int places[3];
    for (int i = 0; i < 3; i++) {
        places[i] = come(table, 1, &rules, 0, 0);
        ck_assert_int_gt(places[i], 0);
    }
    ck_assert_int_eq(come(table, 1, &rules, 0, 0), -ADDRESSES_CROWDED);
    ck_assert_int_gt(come(table, 2, &rules, 0, 0), 0);
    addresses_leave(table, (uint32_t)places[1]);
    ck_assert_int_gt(come(table, 1, &rules, 0, 0), 0);
    ck_assert_int_eq(come(table, 1, &rules, 0, 0), -ADDRESSES_CROWDED);
    ck_assert_uint_eq(addresses_held(table), 4);
    const struct addresses_rules more = {.most = 4}; /* rules may change at any time */
    ck_assert_int_gt(come(table, 1, &more, 0, 0), 0);
    const struct addresses_rules none = {0};
    ck_assert_int_eq(come(table, 1, &none, 0, 0), 0);
    addresses_leave(table, 0);
    ck_assert_uint_eq(addresses_held(table), 5);
}
END_TEST

START_TEST(the_rate_is_a_bucket_of_tokens)
{
    struct addresses *table = make(64, 100);
    const struct addresses_rules rules = {.rate = 10, .burst = 3};
    uint64_t now_ns = 5 * (uint64_t)SECOND;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(come(table, 1, &rules, 0, now_ns), 0);
    }
    ck_assert_int_eq(come(table, 1, &rules, 0, now_ns), -ADDRESSES_HASTY);
    ck_assert_int_eq(come(table, 2, &rules, 0, now_ns), 0);
    ck_assert_int_eq(come(table, 1, &rules, 0, now_ns + SECOND / 10 - 1), -ADDRESSES_HASTY);
    ck_assert_int_eq(come(table, 1, &rules, 0, now_ns + SECOND / 10), 0);
    ck_assert_int_eq(come(table, 1, &rules, 0, now_ns + SECOND / 10), -ADDRESSES_HASTY);
    now_ns += 100 * (uint64_t)SECOND; /* a full bucket is no fuller for that */
    int welcome = 0;
    for (int i = 0; i < 1000; i++) { /* for ten seconds, 100 a second */
        welcome += come(table, 1, &rules, 0, now_ns + (uint64_t)i * SECOND / 100) == 0;
    }
    ck_assert_int_eq(welcome, 100 + 2);
}
END_TEST

START_TEST(what_is_refused_costs_no_token)
{
    struct addresses *table = make(64, 100);
    const struct addresses_rules rules = {.most = 1, .rate = 1, .burst = 2};
    int place = come(table, 1, &rules, 0, 0);
    ck_assert_int_gt(place, 0);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(come(table, 1, &rules, 0, 0), -ADDRESSES_CROWDED);
    }
    addresses_leave(table, (uint32_t)place);
    ck_assert_int_gt(come(table, 1, &rules, 0, 0), 0);
}
END_TEST

START_TEST(idle_entries_give_way_and_others_do_not)
{
    enum { SET = 16 }; /* the smallest table is one set */
    struct addresses *table = make(SET, 100);
    const struct addresses_rules most = {.most = 1};
    const struct addresses_rules rate = {.rate = 1, .burst = 1};
    int places[SET];
    for (uint32_t i = 0; i < SET - 1; i++) {
        places[i] = come(table, i, &most, 0, 0);
        ck_assert_int_gt(places[i], 0);
    }
    ck_assert_int_eq(come(table, 100, &rate, 0, 0), 0);
    ck_assert_int_eq(come(table, 200, &most, 0, 0), -ADDRESSES_UNTRACKED);
    ck_assert_int_eq(come(table, 0, &most, 0, 0), -ADDRESSES_CROWDED); /* those known stay known */
    ck_assert_int_eq(come(table, 100, &rate, 0, SECOND / 2), -ADDRESSES_HASTY);
    int late = come(table, 200, &most, 0, 2 * (uint64_t)SECOND); /* 100 was not here lately */
    ck_assert_int_gt(late, 0);
    ck_assert_int_eq(come(table, 300, &most, 0, 2 * (uint64_t)SECOND), -ADDRESSES_UNTRACKED);
    addresses_leave(table, (uint32_t)places[3]);
    ck_assert_int_gt(come(table, 300, &most, 0, 2 * (uint64_t)SECOND), 0);
}
END_TEST

START_TEST(without_places_it_passes_uncounted)
{
    struct addresses *table = make(64, 2);
    const struct addresses_rules rules = {.most = 10, .rate = 1, .burst = 5};
    int place = come(table, 1, &rules, 0, 0);
    ck_assert_int_gt(place, 0);
    ck_assert_int_gt(come(table, 1, &rules, 0, 0), 0);
    ck_assert_int_eq(come(table, 1, &rules, 0, 0), -ADDRESSES_UNTRACKED);
    addresses_leave(table, (uint32_t)place);
    ck_assert_int_eq(come(table, 2, &rules, 0, 0), place);
    ck_assert_int_eq(come(table, 2, &rules, 0, 0), -ADDRESSES_UNTRACKED);
}
END_TEST

START_TEST(a_dead_process_is_swept_away)
{
    struct addresses *table = make(1000, 1000);
    const struct addresses_rules rules = {.most = 100};
    for (uint32_t row = 1; row <= 3; row++) {
        pid_t pid = fork();
        if (pid == 0) {
            bool well = true;
            for (uint32_t i = 0; i < 50 && well; i++) {
                well = come(table, i % 10, &rules, row, 0) > 0;
            }
            _exit(well ? 0 : 1);
        }
        int status;
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 0);
    }
    ck_assert_uint_eq(addresses_held(table), 150);
    addresses_sweep(table, 2);
    ck_assert_uint_eq(addresses_held(table), 100);
    const struct addresses_rules eleven = {.most = 11}; /* each has ten left */
    for (uint32_t i = 0; i < 10; i++) {
        ck_assert_int_gt(come(table, i, &eleven, 7, 0), 0);
        ck_assert_int_eq(come(table, i, &eleven, 7, 0), -ADDRESSES_CROWDED);
    }
    addresses_sweep(table, 1);
    addresses_sweep(table, 3);
    addresses_sweep(table, 7);
    ck_assert_uint_eq(addresses_held(table), 0);
}
END_TEST

/** Come and go as fast as can be, until killed. */
_Noreturn static void
bustle(struct addresses *table, uint32_t row)
{
    const struct addresses_rules rules = {.most = 1000};
    int places[8] = {0};
    for (uint32_t i = 0;; i++) {
        int *place = &places[i % 8];
        addresses_leave(table, (uint32_t)*place);
        *place = come(table, i % 5, &rules, row, 0);
        if (*place <= 0) {
            _exit(1);
        }
    }
}

/* Wherever SIGKILL finds them, in the table or out of it, nothing is left, and the lock is no trap.
 */
START_TEST(killed_at_any_moment_they_leave_nothing)
{
    enum { ROUNDS = 300, PROCESSES = 2 };
    const char *stress = getenv("GREEN_STRESS");
    int rounds = stress != NULL && strcmp(stress, "small") == 0 ? ROUNDS / 10 : ROUNDS;
    struct addresses *table = make(64, 100);
    for (int round = 0; round < rounds; round++) {
        pid_t pids[PROCESSES];
        for (uint32_t i = 0; i < PROCESSES; i++) {
            pids[i] = fork();
            ck_assert_int_ge(pids[i], 0);
            if (pids[i] == 0) {
                bustle(table, i + 1);
            }
        }
        while (addresses_held(table) < 7 * PROCESSES) {      /* both are at it */
            ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), 0); /* nobody was not welcome */
            sched_yield();
        }
        for (uint32_t i = 0; i < PROCESSES; i++) {
            int status;
            ck_assert_int_eq(kill(pids[i], SIGKILL), 0);
            ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
            ck_assert_msg(WIFSIGNALED(status), "round %d: one was not welcome", round);
            addresses_sweep(table, i + 1);
        }
        ck_assert_uint_eq(addresses_held(table), 0);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("addresses");
    TCase *cases = tcase_create("addresses");
    tcase_set_timeout(cases, 280);
    tcase_add_test(cases, each_address_has_its_connections);
    tcase_add_test(cases, the_rate_is_a_bucket_of_tokens);
    tcase_add_test(cases, what_is_refused_costs_no_token);
    tcase_add_test(cases, idle_entries_give_way_and_others_do_not);
    tcase_add_test(cases, without_places_it_passes_uncounted);
    tcase_add_test(cases, a_dead_process_is_swept_away);
    tcase_add_test(cases, killed_at_any_moment_they_leave_nothing);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
