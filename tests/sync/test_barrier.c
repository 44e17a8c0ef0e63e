/*
 * Barriers: everybody or nobody goes on, again and again; and all the ways to break one.
 */
#include "workers.h"

/* ---- rounds ---- */

#define PARTIES 12

struct rounds {
    struct green_barrier barrier;
    _Atomic int came[PARTIES]; /* how often each has come */
    atomic_int index_sum;
    int actions;
    int rounds;
};

static int
count_action(void *arg)
{
    struct rounds *rounds = arg;
    /* All have come and nobody has gone on: nothing else runs. */
    rounds->actions++;
    for (int i = 0; i < PARTIES; i++) {
        if (atomic_load(&rounds->came[i]) != rounds->actions) {
            return -EIO;
        }
    }
    return 0;
}

static intptr_t
come_again(void *arg)
{
    const struct worker *worker = arg;
    struct rounds *rounds = worker->shared;
    for (int round = 1; round <= rounds->rounds; round++) {
        unsigned index = PARTIES;
        atomic_fetch_add(&rounds->came[worker->index], 1);
        int err = green_barrier_wait(&rounds->barrier, &index, green_after(LONG_MS));
        if (err != 0 || index >= PARTIES) {
            return 1;
        }
        atomic_fetch_add(&rounds->index_sum, (int)index);
        if (rounds->barrier.action != NULL && rounds->actions != round) {
            return 3;
        }
        for (int i = 0; i < PARTIES; i++) {
            int came = atomic_load(&rounds->came[i]);
            if (came < round || came > round + 1) {
                return 2;
            }
        }
    }
    return 0;
}

static void
nobody_goes_ahead(enum mixture mixture)
{
    for (int with_action = 0; with_action < 2; with_action++) {
        struct rounds rounds = {.rounds = stress(300, 30)};
        green_barrier_init(&rounds.barrier, PARTIES, with_action ? count_action : NULL, &rounds);
        ck_assert_int_eq(run_workers(mixture, PARTIES, come_again, &rounds), 0);
        ck_assert_int_eq(rounds.actions, with_action ? rounds.rounds : 0);
        ck_assert_int_eq(atomic_load(&rounds.index_sum),
                         rounds.rounds * (PARTIES * (PARTIES - 1) / 2));
        ck_assert_uint_eq(green_barrier_waiting(&rounds.barrier), 0);
        green_barrier_fini(&rounds.barrier);
    }
}
TEST_EACH_MIXTURE(nobody_goes_ahead)

/* ---- order and indices ---- */

static int
note_action(void *label)
{
    mark(label);
    return 0;
}

static struct green_barrier barrier = GREEN_BARRIER_INIT(3, note_action, (void *)"action");

/* Returns its index, or the error. */
static intptr_t
wait_at(void *label)
{
    unsigned index = 99;
    int err = green_barrier_wait(&barrier, &index, green_after(LONG_MS));
    if (err == 0) {
        mark(label);
    }
    return err != 0 ? (index == 99 ? err : 1) : (intptr_t)index;
}

START_TEST(indices_are_the_order_of_coming)
{
    struct green_job *a = spawn_until_waiting(GREEN_TASK, wait_at, (void *)"a", &barrier.waiters);
    struct green_job *b = spawn_until_waiting(GREEN_TASK, wait_at, (void *)"b", &barrier.waiters);
    ck_assert_uint_eq(green_barrier_waiting(&barrier), 2);
    ck_assert_int_eq(wait_at((void *)"c"), 2);
    ck_assert_int_eq(finish(a), 0);
    ck_assert_int_eq(finish(b), 1);
    ck_assert_trace("action c a b");
}
END_TEST

START_TEST(one_party_waits_for_nobody)
{
    struct green_barrier alone;
    green_barrier_init(&alone, 1, NULL, NULL);
    unsigned index = 9;
    ck_assert_int_eq(green_barrier_wait(&alone, &index, GREEN_NOW), 0);
    ck_assert_uint_eq(index, 0);
    ck_assert_int_eq(green_barrier_wait(&alone, NULL, GREEN_NOW), 0);
    green_barrier_fini(&alone);
}
END_TEST

/* ---- broken ---- */

static void
assert_broken_and_mend(void)
{
    ck_assert(green_barrier_broken(&barrier));
    ck_assert_int_eq(wait_at((void *)"late"), -EPIPE);
    green_barrier_reset(&barrier);
    ck_assert(!green_barrier_broken(&barrier));
    struct green_job *a = spawn(GREEN_TASK, wait_at, (void *)"x");
    struct green_job *b = spawn(GREEN_THREAD, wait_at, (void *)"x");
    ck_assert_int_ge(wait_at((void *)"x"), 0);
    ck_assert_int_ge(finish(a), 0);
    ck_assert_int_ge(finish(b), 0);
}

static struct green_job *
spawn_waiter(enum green_kind kind)
{
    return spawn_until_waiting(kind, wait_at, (void *)"waiter", &barrier.waiters);
}

START_TEST(deadline_breaks_it_for_all)
{
    struct green_job *task = spawn_waiter(GREEN_TASK);
    ck_assert_int_eq(green_barrier_wait(&barrier, NULL, green_after(1)), -ETIMEDOUT);
    ck_assert_int_eq(finish(task), -EPIPE);
    assert_broken_and_mend();
    struct green_job *thread = spawn_waiter(GREEN_THREAD);
    ck_assert_int_eq(green_barrier_wait(&barrier, NULL, GREEN_NOW), -ETIMEDOUT);
    ck_assert_int_eq(finish(thread), -EPIPE);
    assert_broken_and_mend();
}
END_TEST

START_TEST(cancellation_breaks_it_for_all)
{
    struct green_job *task = spawn_waiter(GREEN_TASK);
    struct green_job *thread = spawn_waiter(GREEN_THREAD);
    green_job_cancel(task);
    ck_assert_int_eq(finish(task), -ECANCELED);
    ck_assert_int_eq(finish(thread), -EPIPE);
    assert_broken_and_mend();
}
END_TEST

START_TEST(abort_and_reset_send_all_away)
{
    struct green_job *task = spawn_waiter(GREEN_TASK);
    struct green_job *thread = spawn_waiter(GREEN_THREAD);
    green_barrier_reset(&barrier);
    ck_assert_int_eq(finish(task), -EPIPE);
    ck_assert_int_eq(finish(thread), -EPIPE);
    ck_assert(!green_barrier_broken(&barrier));
    task = spawn_waiter(GREEN_TASK);
    thread = spawn_waiter(GREEN_THREAD);
    green_barrier_abort(&barrier);
    ck_assert_int_eq(finish(task), -EPIPE);
    ck_assert_int_eq(finish(thread), -EPIPE);
    assert_broken_and_mend();
}
END_TEST

static int
fail_action(void *arg)
{
    (void)arg;
    return -EIO;
}

START_TEST(failing_action_breaks_it)
{
    green_barrier_init(&barrier, 3, fail_action, NULL);
    struct green_job *task = spawn_waiter(GREEN_TASK);
    struct green_job *thread = spawn_waiter(GREEN_THREAD);
    ck_assert_int_eq(wait_at((void *)"last"), -EIO);
    ck_assert_int_eq(finish(task), -EPIPE);
    ck_assert_int_eq(finish(thread), -EPIPE);
    ck_assert(green_barrier_broken(&barrier));
    ck_assert_trace("");
}
END_TEST

/* ---- while the action runs ---- */

static struct green_event go_on = GREEN_EVENT_INIT;

static int
wait_for_go_on(void *arg)
{
    (void)arg;
    return green_event_wait(&go_on, green_after(LONG_MS));
}

START_TEST(who_has_gathered_is_not_lost_while_the_action_runs)
{
    green_barrier_init(&barrier, 3, wait_for_go_on, NULL);
    struct green_job *task = spawn_waiter(GREEN_TASK);
    struct green_job *thread = spawn_waiter(GREEN_THREAD);
    struct green_job *last =
        spawn_until_waiting(GREEN_TASK, wait_at, (void *)"last", &go_on.waiters);
    /* They are together: neither a cancellation nor an abort takes that back. */
    green_job_cancel(task);
    green_job_cancel(thread);
    green_barrier_abort(&barrier);
    green_yield();
    ck_assert_trace("");
    green_event_set(&go_on);
    ck_assert_int_eq(finish(last), 2);
    ck_assert_int_eq(finish(task), 0);
    ck_assert_int_eq(finish(thread), 1);
    ck_assert(green_barrier_broken(&barrier));
}
END_TEST

START_TEST(next_generation_gathers_meanwhile)
{
    green_barrier_init(&barrier, 2, wait_for_go_on, NULL);
    struct green_job *first = spawn_waiter(GREEN_TASK);
    struct green_job *last = spawn_until_waiting(GREEN_TASK, wait_at, (void *)"", &go_on.waiters);
    struct green_job *next = spawn_waiter(GREEN_TASK);
    ck_assert_uint_eq(green_barrier_waiting(&barrier), 1);
    green_event_set(&go_on);
    ck_assert_int_eq(finish(first), 0);
    ck_assert_int_eq(finish(last), 1);
    ck_assert(green_job_alive(next));
    ck_assert_int_eq(wait_at((void *)""), 1);
    ck_assert_int_eq(finish(next), 0);
}
END_TEST

/* ---- deadlines in the middle ---- */

struct hurry {
    struct green_barrier barrier;
    atomic_int passed;
    int rounds;
};

static intptr_t
wait_in_a_hurry(void *arg)
{
    const struct worker *worker = arg;
    struct hurry *hurry = worker->shared;
    for (int i = 0; i < hurry->rounds; i++) {
        green_deadline deadline =
            green_after(0) + (green_deadline)((i * 7 + worker->index) % 64) * 1000;
        int err = green_barrier_wait(&hurry->barrier, NULL, deadline);
        if (err == 0) {
            atomic_fetch_add(&hurry->passed, 1);
        } else if (err == -ETIMEDOUT) {
            green_barrier_reset(&hurry->barrier);
        } else if (err != -EPIPE) {
            return 1;
        }
    }
    return 0;
}

static void
deadlines_let_all_or_none_go(enum mixture mixture)
{
    struct hurry hurry = {.rounds = stress(1000, 50)};
    green_barrier_init(&hurry.barrier, 3, NULL, NULL);
    ck_assert_int_eq(run_workers(mixture, PARTIES, wait_in_a_hurry, &hurry), 0);
    ck_assert_int_eq(atomic_load(&hurry.passed) % 3, 0);
    ck_assert_uint_eq(green_barrier_waiting(&hurry.barrier), 0);
    green_barrier_fini(&hurry.barrier);
}
TEST_EACH_MIXTURE(deadlines_let_all_or_none_go)

/* ---- misuse ---- */

static void
make_one_without_parties(void)
{
    green_barrier_init(&barrier, 0, NULL, NULL);
}

static void
end_one_waited_for(void)
{
    green_spawn(wait_at, (void *)"", NULL);
    green_yield();
    green_barrier_fini(&barrier);
}

START_TEST(misuse_aborts)
{
    ck_assert_misuse(make_one_without_parties, "green_barrier_init: a barrier without parties");
    ck_assert_misuse(end_one_waited_for, "green_barrier_fini: somebody waits for it");
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        EACH_MIXTURE(nobody_goes_ahead),
        indices_are_the_order_of_coming,
        one_party_waits_for_nobody,
        deadline_breaks_it_for_all,
        cancellation_breaks_it_for_all,
        abort_and_reset_send_all_away,
        failing_action_breaks_it,
        who_has_gathered_is_not_lost_while_the_action_runs,
        next_generation_gathers_meanwhile,
        EACH_MIXTURE(deadlines_let_all_or_none_go),
        misuse_aborts,
    };
    return RUN_TESTS("barrier", tests);
}
