/*
 * Cycles of mutexes: whoever closes one is told at once, by whatever kinds of workers it is made.
 */
#include <errno.h>

#include "findings.h"

#define RING_MAX 60

/* ---- rings ---- */

static struct ring {
    int size;
    struct green_mutex mutexes[RING_MAX];
    struct green_barrier all_hold;
    atomic_int refused;
} ring;

/** Lock one's own mutex and, when all have theirs, that of the next. */
static intptr_t
close_ring(void *arg)
{
    const struct worker *worker = arg;
    struct green_mutex *own = &ring.mutexes[worker->index];
    struct green_mutex *next = &ring.mutexes[(worker->index + 1) % ring.size];
    if (green_mutex_lock(own, GREEN_FOREVER) != 0 ||
        green_barrier_wait(&ring.all_hold, NULL, green_after(LONG_MS)) != 0) {
        return 1;
    }
    int err = green_mutex_lock(next, GREEN_FOREVER);
    if (err == -EDEADLK) {
        atomic_fetch_add(&ring.refused, 1);
    } else if (err != 0) {
        return 1;
    } else {
        green_mutex_unlock(next);
    }
    green_mutex_unlock(own);
    return 0;
}

static void
try_ring(enum mixture mixture, int size)
{
    int before = finding_count();
    ring.size = size;
    atomic_store(&ring.refused, 0);
    green_barrier_init(&ring.all_hold, (unsigned)size, NULL, NULL);
    for (int i = 0; i < size; i++) {
        green_mutex_init(&ring.mutexes[i]);
    }
    ck_assert_int_eq(run_workers(mixture, size, close_ring, NULL), 0);
    ck_assert_int_eq(atomic_load(&ring.refused), 1);
    ck_assert_int_eq(finding_count() - before, 1);
    ck_assert_int_eq(times_said("; held by "), size);
    ck_assert_int_eq(times_said(" waits for a mutex at 0x"), size);
    ck_assert_int_eq(times_said(", spawned at "), size);
    ck_assert_int_eq(times_said(", runs close_ring (test_deadlock)"), size);
    for (int i = 0; i < size; i++) {
        ck_assert(!green_mutex_locked(&ring.mutexes[i]));
        green_mutex_fini(&ring.mutexes[i]);
    }
    green_barrier_fini(&ring.all_hold);
}

static void
rings_are_refused_once(enum mixture mixture)
{
    watch();
    try_ring(mixture, 2);
    try_ring(mixture, 3);
    try_ring(mixture, RING_MAX);
}
TEST_EACH_MIXTURE(rings_are_refused_once)

/* ---- two who cross ---- */

static struct green_mutex mine = GREEN_MUTEX_INIT;
static struct green_mutex yours = GREEN_MUTEX_INIT;

struct crossing {
    green_deadline deadline;
    bool shielded;
    atomic_bool holds;
};

/** Lock the one and then the other; what came of that. */
static intptr_t
lock_yours_then_mine(void *arg)
{
    struct crossing *crossing = arg;
    struct green_shield shield;
    green_mutex_lock(&yours, GREEN_FOREVER);
    atomic_store(&crossing->holds, true);
    if (crossing->shielded) {
        green_shield_start(&shield);
    }
    int err = green_mutex_lock(&mine, crossing->deadline);
    if (crossing->shielded) {
        green_shield_stop(&shield);
    }
    if (err == 0) {
        green_mutex_unlock(&mine);
    }
    green_mutex_unlock(&yours);
    return err;
}

/** A worker that waits for `mine`, which the caller holds, and has `yours`. */
static struct green_job *
cross(enum green_kind kind, struct crossing *crossing)
{
    ck_assert_int_eq(green_mutex_lock(&mine, GREEN_FOREVER), 0);
    struct green_job *job = spawn(kind, lock_yours_then_mine, crossing);
    ck_assert(until_owner_awaited(job));
    return job;
}

static const enum green_kind kinds[] = {GREEN_TASK, GREEN_THREAD};

START_TEST(who_closes_is_refused)
{
    watch();
    struct crossing crossing = {GREEN_FOREVER, false, false};
    struct green_job *job = cross(kinds[_i], &crossing);
    ck_assert_int_eq(green_mutex_lock(&yours, GREEN_FOREVER), -EDEADLK);
    ck_assert_int_eq(finding_count(), 1);
    ck_assert(strstr(last_finding, "green: deadlock: the call of thread 1 ") == last_finding);
    ck_assert_int_eq(times_said(kinds[_i] == GREEN_TASK ? "held by task " : "held by thread "),
                     kinds[_i] == GREEN_TASK ? 1 : 2);
    ck_assert_int_eq(times_said(" spawned at "), 1); /* nobody spawned the main thread */
    green_mutex_unlock(&mine);
    ck_assert_int_eq(finish(job), 0);
}
END_TEST

START_TEST(polls_and_deadlines_are_no_deadlock)
{
    watch();
    struct crossing crossing = {GREEN_FOREVER, false, false};
    struct green_timeout scope;
    struct green_job *job = cross(kinds[_i], &crossing);
    ck_assert_int_eq(green_mutex_trylock(&yours), -ETIMEDOUT);
    ck_assert_int_eq(green_mutex_lock(&yours, green_after(5)), -ETIMEDOUT);
    green_timeout_start(&scope, 5);
    ck_assert_int_eq(green_mutex_lock(&yours, GREEN_FOREVER), -ETIMEDOUT);
    green_timeout_stop(&scope);
    green_mutex_unlock(&mine);
    ck_assert_int_eq(finish(job), 0);
    ck_assert_int_eq(finding_count(), 0);
}
END_TEST

START_TEST(who_waits_for_one_with_a_deadline_waits)
{
    watch();
    struct crossing crossing = {green_after(300), false, false};
    struct green_job *job = cross(kinds[_i], &crossing);
    ck_assert_int_eq(green_mutex_lock(&yours, GREEN_FOREVER), 0);
    green_mutex_unlock(&yours);
    green_mutex_unlock(&mine);
    ck_assert_int_eq(finish(job), -ETIMEDOUT);
    ck_assert_int_eq(finding_count(), 0);
}
END_TEST

START_TEST(one_who_was_cancelled_closes_nothing)
{
    watch();
    struct crossing crossing = {GREEN_FOREVER, false, false};
    struct green_job *job = cross(kinds[_i], &crossing);
    green_job_cancel(job);
    ck_assert_int_eq(green_mutex_lock(&yours, GREEN_FOREVER), 0);
    green_mutex_unlock(&yours);
    green_mutex_unlock(&mine);
    ck_assert_int_eq(finish(job), -ECANCELED);
    ck_assert_int_eq(finding_count(), 0);
}
END_TEST

START_TEST(a_shield_makes_a_cancelled_wait_one_for_ever)
{
    watch();
    struct crossing crossing = {GREEN_FOREVER, true, false};
    struct green_job *job = cross(kinds[_i], &crossing);
    green_job_cancel(job);
    ck_assert_int_eq(green_mutex_lock(&yours, GREEN_FOREVER), -EDEADLK);
    ck_assert_int_eq(finding_count(), 1);
    green_mutex_unlock(&mine);
    ck_assert_int_eq(finish(job), 0);
}
END_TEST

/** Lock `yours`, and then what nobody living holds. */
static intptr_t
wait_for_the_dead(void *arg)
{
    struct green_mutex *held = arg;
    green_mutex_lock(&yours, GREEN_FOREVER);
    int err = green_mutex_lock(held, GREEN_FOREVER);
    green_mutex_unlock(&yours);
    return err;
}

START_TEST(a_holder_that_has_ended_is_no_cycle)
{
    watch();
    static _Alignas(16) char ended[16]; /* where a control block was */
    struct green_mutex held = GREEN_MUTEX_INIT;
    held.holder = (uintptr_t)ended;
    struct green_job *job = spawn(kinds[_i], wait_for_the_dead, &held);
    ck_assert(until_owner_awaited(job));
    ck_assert_int_eq(green_mutex_lock(&yours, green_after(5)), -ETIMEDOUT);
    green_job_cancel(job);
    ck_assert_int_eq(finish(job), -ECANCELED);
    ck_assert_int_eq(finding_count(), 0);
}
END_TEST

/* ---- oneself ---- */

START_TEST(a_mutex_of_ones_own)
{
    watch();
    ck_assert_int_eq(green_mutex_lock(&mine, GREEN_FOREVER), 0);
    ck_assert_int_eq(green_mutex_trylock(&mine), -EDEADLK);
    ck_assert_int_eq(green_mutex_lock(&mine, green_after(5)), -EDEADLK);
    ck_assert_int_eq(finding_count(), 0);
    ck_assert_int_eq(green_mutex_lock(&mine, GREEN_FOREVER), -EDEADLK);
    ck_assert_int_eq(finding_count(), 1);
    ck_assert_int_eq(times_said("; held by thread 1 "), 1);
    green_mutex_unlock(&mine);
}
END_TEST

START_TEST(a_recursive_mutex_is_none)
{
    static struct green_mutex recursive = GREEN_RECURSIVE_MUTEX_INIT;
    watch();
    ck_assert_int_eq(green_mutex_lock(&recursive, GREEN_FOREVER), 0);
    ck_assert_int_eq(green_mutex_lock(&recursive, GREEN_FOREVER), 0);
    green_mutex_unlock(&recursive);
    green_mutex_unlock(&recursive);
    ck_assert_int_eq(finding_count(), 0);
}
END_TEST

/* ---- who cannot fail ---- */

static struct green_condition condition = GREEN_CONDITION_INIT(&mine);

/** Wait under `mine`, holding `yours`, and come back to `mine`. */
static intptr_t
wait_holding_yours(void *arg)
{
    (void)arg;
    green_mutex_lock(&yours, GREEN_FOREVER);
    green_mutex_lock(&mine, GREEN_FOREVER);
    int err = green_condition_wait(&condition, GREEN_FOREVER);
    intptr_t held = green_mutex_mine(&mine) ? err : 1;
    green_mutex_unlock(&mine);
    green_mutex_unlock(&yours);
    return held;
}

START_TEST(a_condition_gets_its_mutex_and_another_fails)
{
    watch();
    struct green_job *job = spawn(kinds[_i], wait_holding_yours, NULL);
    ck_assert(until_waiting(&condition.waiters, 1));
    ck_assert_int_eq(green_mutex_lock(&mine, GREEN_FOREVER), 0);
    green_condition_notify(&condition, 1);
    ck_assert_int_eq(green_mutex_lock(&yours, GREEN_FOREVER), -EDEADLK);
    green_mutex_unlock(&mine);
    ck_assert_int_eq(finish(job), 0);
    ck_assert_int_eq(finding_count(), 1); /* of the one or the other */
}
END_TEST

/* ---- the hook ---- */

static void
relock(void)
{
    green_mutex_lock(&mine, GREEN_FOREVER);
    green_mutex_lock(&mine, GREEN_FOREVER);
}

static void
relock_silently(void)
{
    green_deadlock_set_hook(NULL, NULL);
    relock();
}

START_TEST(standard_error_is_told_unless_nobody_is)
{
    char words[1024];
    ck_assert_int_eq(last_words(relock, words, sizeof words), 0);
    ck_assert_msg(strstr(words, "green: deadlock: the call of thread 1 ") == words, "%s", words);
    ck_assert_int_eq(last_words(relock_silently, words, sizeof words), 0);
    ck_assert_str_eq(words, "");
}
END_TEST

int
main(void)
{
    const TTest *const once[] = {
        EACH_MIXTURE(rings_are_refused_once),
        a_mutex_of_ones_own,
        a_recursive_mutex_is_none,
        standard_error_is_told_unless_nobody_is,
    };
    const TTest *const of_each_kind[] = {
        who_closes_is_refused,
        polls_and_deadlines_are_no_deadlock,
        who_waits_for_one_with_a_deadline_waits,
        one_who_was_cancelled_closes_nothing,
        a_shield_makes_a_cancelled_wait_one_for_ever,
        a_holder_that_has_ended_is_no_cycle,
        a_condition_gets_its_mutex_and_another_fails,
    };
    TCase *tests = make_case("deadlock");
    for (size_t i = 0; i < sizeof once / sizeof *once; i++) {
        tcase_add_test(tests, once[i]);
    }
    for (size_t i = 0; i < sizeof of_each_kind / sizeof *of_each_kind; i++) {
        tcase_add_loop_test(tests, of_each_kind[i], 0, 2);
    }
    return run_case_of("deadlock", tests);
}
