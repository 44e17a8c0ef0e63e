/*
 * Mutexes, recursive or not: exclusion, order, hand-over, and every way that a lock call ends.
 */
#include "workers.h"

static struct green_mutex mutex = GREEN_MUTEX_INIT;

/* ---- exclusion ---- */

struct shared {
    struct green_mutex mutex;
    int inside;
    int total;
    int rounds;
};

static intptr_t
count_inside(void *arg)
{
    const struct worker *worker = arg;
    struct shared *shared = worker->shared;
    for (int i = 0; i < shared->rounds; i++) {
        if (green_mutex_lock(&shared->mutex, green_after(LONG_MS)) != 0) {
            return 1;
        }
        if (shared->inside++ != 0 || !green_mutex_mine(&shared->mutex)) {
            return 2;
        }
        int total = shared->total;
        if (i % 4 == 0) {
            green_yield(); /* the others come and wait meanwhile */
        }
        shared->total = total + 1;
        shared->inside--;
        green_mutex_unlock(&shared->mutex);
    }
    return 0;
}

static void
excludes(enum mixture mixture)
{
    struct shared shared = {.mutex = GREEN_MUTEX_INIT, .rounds = stress(400, 40)};
    ck_assert_int_eq(run_workers(mixture, 12, count_inside, &shared), 0);
    ck_assert_int_eq(shared.total, 12 * shared.rounds);
    ck_assert(!green_mutex_locked(&shared.mutex));
    green_mutex_fini(&shared.mutex);
}
TEST_EACH_MIXTURE(excludes)

static intptr_t
lock_deeply(void *arg)
{
    const struct worker *worker = arg;
    struct shared *shared = worker->shared;
    for (int i = 0; i < shared->rounds; i++) {
        for (int depth = 0; depth < 3; depth++) {
            if (green_mutex_lock(&shared->mutex, green_after(LONG_MS)) != 0) {
                return 1;
            }
        }
        int total = shared->total;
        green_mutex_unlock(&shared->mutex);
        green_yield(); /* it is still ours */
        green_mutex_unlock(&shared->mutex);
        shared->total = total + 1;
        green_mutex_unlock(&shared->mutex);
    }
    return 0;
}

static void
recursive_excludes(enum mixture mixture)
{
    struct shared shared = {.mutex = GREEN_RECURSIVE_MUTEX_INIT, .rounds = stress(200, 20)};
    ck_assert_int_eq(run_workers(mixture, 12, lock_deeply, &shared), 0);
    ck_assert_int_eq(shared.total, 12 * shared.rounds);
    ck_assert(!green_mutex_locked(&shared.mutex));
    green_mutex_fini(&shared.mutex);
}
TEST_EACH_MIXTURE(recursive_excludes)

/* ---- order ---- */

static intptr_t
lock_and_note(void *label)
{
    int err = green_mutex_lock(&mutex, green_after(LONG_MS));
    if (err == 0) {
        note(label);
        green_mutex_unlock(&mutex);
    }
    return err;
}

START_TEST(waiters_of_every_kind_are_served_in_their_order)
{
    static char labels[6][2] = {"a", "b", "c", "d", "e", "f"};
    struct green_job *jobs[6];
    ck_assert_int_eq(green_mutex_lock(&mutex, GREEN_FOREVER), 0);
    for (int i = 0; i < 6; i++) {
        jobs[i] = spawn_until_waiting(i % 2 == 0 ? GREEN_TASK : GREEN_THREAD, lock_and_note,
                                      labels[i], &mutex.waiters);
    }
    green_mutex_unlock(&mutex);
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(finish(jobs[i]), 0);
    }
    ck_assert_trace("a b c d e f");
}
END_TEST

static intptr_t
lock_twice_and_note(void *label)
{
    intptr_t err = 0;
    for (int i = 0; i < 2 && err == 0; i++) {
        err = lock_and_note(label);
    }
    return err;
}

START_TEST(who_unlocks_does_not_overtake)
{
    ck_assert_int_eq(green_mutex_lock(&mutex, GREEN_FOREVER), 0);
    struct green_job *a =
        spawn_until_waiting(GREEN_TASK, lock_twice_and_note, (void *)"a", &mutex.waiters);
    struct green_job *b =
        spawn_until_waiting(GREEN_TASK, lock_twice_and_note, (void *)"b", &mutex.waiters);
    green_mutex_unlock(&mutex);
    /* It was handed over: it is not free, though nobody has run since. */
    ck_assert(green_mutex_locked(&mutex));
    ck_assert(!green_mutex_mine(&mutex));
    ck_assert_int_eq(green_mutex_trylock(&mutex), -ETIMEDOUT);
    ck_assert_int_eq(lock_and_note((void *)"main"), 0);
    ck_assert_int_eq(finish(a), 0);
    ck_assert_int_eq(finish(b), 0);
    ck_assert_trace("a b main a b");
}
END_TEST

/* ---- errors ---- */

START_TEST(relocking_is_a_deadlock)
{
    ck_assert_int_eq(green_mutex_lock(&mutex, GREEN_FOREVER), 0);
    ck_assert_int_eq(green_mutex_lock(&mutex, GREEN_FOREVER), -EDEADLK);
    ck_assert_int_eq(green_mutex_lock(&mutex, green_after(LONG_MS)), -EDEADLK);
    ck_assert_int_eq(green_mutex_trylock(&mutex), -EDEADLK);
    green_mutex_unlock(&mutex);
    ck_assert(!green_mutex_locked(&mutex));
}
END_TEST

static intptr_t
trylock(void *arg)
{
    return green_mutex_trylock(arg);
}

START_TEST(recursive_counts)
{
    struct green_mutex recursive;
    green_mutex_init_recursive(&recursive);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(green_mutex_trylock(&recursive), 0);
    }
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(finish(spawn(GREEN_THREAD, trylock, &recursive)), -ETIMEDOUT);
        ck_assert(green_mutex_mine(&recursive));
        green_mutex_unlock(&recursive);
    }
    ck_assert(!green_mutex_mine(&recursive));
    green_mutex_fini(&recursive);
}
END_TEST

START_TEST(depth_has_an_end)
{
    struct green_mutex recursive;
    green_mutex_init_recursive(&recursive);
    ck_assert_int_eq(green_mutex_trylock(&recursive), 0);
    recursive.depth = UINT32_MAX - 2;
    ck_assert_int_eq(green_mutex_trylock(&recursive), 0);
    ck_assert_int_eq(green_mutex_trylock(&recursive), -EAGAIN);
    recursive.depth = 0;
    green_mutex_unlock(&recursive);
    green_mutex_fini(&recursive);
}
END_TEST

static intptr_t
lock_for_1_ms(void *arg)
{
    return green_mutex_lock(arg, green_after(1));
}

START_TEST(deadline_passes)
{
    ck_assert_int_eq(green_mutex_lock(&mutex, GREEN_FOREVER), 0);
    ck_assert_int_eq(finish(spawn(GREEN_TASK, lock_for_1_ms, &mutex)), -ETIMEDOUT);
    ck_assert_int_eq(finish(spawn(GREEN_THREAD, lock_for_1_ms, &mutex)), -ETIMEDOUT);
    ck_assert_int_eq(length_of(&mutex.waiters, &mutex.waiters), 0);
    green_mutex_unlock(&mutex);
    /* What they left behind is no waiter. */
    ck_assert(!green_mutex_locked(&mutex));
    ck_assert_int_eq(green_mutex_trylock(&mutex), 0);
    green_mutex_unlock(&mutex);
}
END_TEST

static intptr_t
lock_in_a_scope(void *arg)
{
    struct green_timeout scope;
    green_timeout_start(&scope, 1);
    int err = green_mutex_lock(arg, GREEN_FOREVER);
    green_timeout_stop(&scope);
    return green_timeout_fired(&scope) ? err : 1;
}

START_TEST(scope_ends_the_wait)
{
    ck_assert_int_eq(green_mutex_lock(&mutex, GREEN_FOREVER), 0);
    ck_assert_int_eq(finish(spawn(GREEN_TASK, lock_in_a_scope, &mutex)), -ETIMEDOUT);
    ck_assert_int_eq(finish(spawn(GREEN_THREAD, lock_in_a_scope, &mutex)), -ETIMEDOUT);
    green_mutex_unlock(&mutex);
}
END_TEST

START_TEST(cancelled_waiter_leaves_the_queue)
{
    static const enum green_kind kinds[] = {GREEN_TASK, GREEN_THREAD};
    ck_assert_int_eq(green_mutex_lock(&mutex, GREEN_FOREVER), 0);
    for (int i = 0; i < 2; i++) {
        struct green_job *first =
            spawn_until_waiting(kinds[i], lock_and_note, (void *)"first", &mutex.waiters);
        struct green_job *second =
            spawn_until_waiting(kinds[1 - i], lock_and_note, (void *)"second", &mutex.waiters);
        green_job_cancel(first);
        ck_assert_int_eq(finish(first), -ECANCELED);
        green_mutex_unlock(&mutex);
        ck_assert_int_eq(finish(second), 0);
        ck_assert_int_eq(green_mutex_lock(&mutex, GREEN_FOREVER), 0);
    }
    green_mutex_unlock(&mutex);
    ck_assert_trace("second second");
}
END_TEST

/* Cancels itself before it locks. */
static intptr_t
lock_cancelled(void *arg)
{
    green_job_cancel(green_self());
    return green_mutex_lock(arg, GREEN_NOW);
}

START_TEST(cancelled_worker_gets_nothing)
{
    ck_assert_int_eq(finish(spawn(GREEN_TASK, lock_cancelled, &mutex)), -ECANCELED);
    ck_assert_int_eq(finish(spawn(GREEN_THREAD, lock_cancelled, &mutex)), -ECANCELED);
    ck_assert(!green_mutex_locked(&mutex));
}
END_TEST

/* ---- in the middle of a hand-over ---- */

START_TEST(what_was_handed_over_is_kept)
{
    /* Handed over, then cancelled; cancelled, then handed over, before it has run. */
    for (int cancel_first = 0; cancel_first < 2; cancel_first++) {
        ck_assert_int_eq(green_mutex_lock(&mutex, GREEN_FOREVER), 0);
        struct green_job *task =
            spawn_until_waiting(GREEN_TASK, lock_and_note, (void *)"got", &mutex.waiters);
        if (cancel_first) {
            green_job_cancel(task);
        }
        green_mutex_unlock(&mutex);
        if (!cancel_first) {
            green_job_cancel(task);
        }
        ck_assert_int_eq(finish(task), 0);
        ck_assert(!green_mutex_locked(&mutex));
    }
    ck_assert_trace("got got");
}
END_TEST

struct hurry {
    struct green_mutex mutex;
    long inside;
    _Atomic long got;
    int rounds;
};

static intptr_t
lock_in_a_hurry(void *arg)
{
    const struct worker *worker = arg;
    struct hurry *hurry = worker->shared;
    for (int i = 0; i < hurry->rounds; i++) {
        /* From nothing to 63 us: much of it ends while the mutex is being handed over. */
        green_deadline deadline =
            green_after(0) + (green_deadline)((i * 7 + worker->index) % 64) * 1000;
        int err = green_mutex_lock(&hurry->mutex, deadline);
        if (err == 0) {
            hurry->inside++;
            if (i % 8 == 0) {
                green_yield();
            }
            atomic_fetch_add(&hurry->got, 1);
            green_mutex_unlock(&hurry->mutex);
        } else if (err != -ETIMEDOUT) {
            return 1;
        }
    }
    return 0;
}

static void
deadlines_lose_no_hand_over(enum mixture mixture)
{
    struct hurry hurry = {.mutex = GREEN_MUTEX_INIT, .rounds = stress(1000, 50)};
    ck_assert_int_eq(run_workers(mixture, 12, lock_in_a_hurry, &hurry), 0);
    ck_assert_int_eq(hurry.inside, atomic_load(&hurry.got));
    ck_assert(!green_mutex_locked(&hurry.mutex));
    green_mutex_fini(&hurry.mutex);
}
TEST_EACH_MIXTURE(deadlines_lose_no_hand_over)

/* Ends and frees the mutex as soon as it has it: who handed it over has let go of it then. */
static intptr_t
lock_and_free(void *arg)
{
    struct green_mutex *ours = arg;
    int err = green_mutex_lock(ours, green_after(LONG_MS));
    if (err == 0) {
        green_mutex_unlock(ours);
        green_mutex_fini(ours);
        free(ours);
    }
    return err;
}

START_TEST(who_got_it_may_free_it)
{
    for (int i = 0; i < stress(300, 30); i++) {
        struct green_mutex *ours = malloc(sizeof *ours);
        green_mutex_init(ours);
        ck_assert_int_eq(green_mutex_lock(ours, GREEN_FOREVER), 0);
        struct green_job *job = spawn_until_waiting(i % 2 ? GREEN_TASK : GREEN_THREAD,
                                                    lock_and_free, ours, &ours->waiters);
        green_mutex_unlock(ours);
        ck_assert_int_eq(finish(job), 0);
    }
}
END_TEST

/* ---- who holds what ---- */

START_TEST(waiters_name_the_holder)
{
    struct green_mutex other = GREEN_MUTEX_INIT;
    ck_assert_ptr_null(green__awaited_owner(green_self()));
    ck_assert_int_eq(green_mutex_lock(&mutex, GREEN_FOREVER), 0);
    struct green_job *task =
        spawn_until_waiting(GREEN_TASK, lock_and_note, (void *)"task", &mutex.waiters);
    struct green_job *thread =
        spawn_until_waiting(GREEN_THREAD, lock_and_note, (void *)"thread", &mutex.waiters);
    ck_assert_ptr_eq(green__awaited_owner(task), green_self());
    ck_assert_ptr_eq(green__awaited_owner(thread), green_self());
    green_mutex_unlock(&mutex);
    ck_assert_int_eq(finish(task), 0);
    ck_assert_int_eq(finish(thread), 0);
    ck_assert_ptr_null(green__awaited_owner(green_self()));
    ck_assert_ptr_null(green__word_owner(other.holder));
}
END_TEST

/* ---- misuse ---- */

static void
unlock_a_free_one(void)
{
    green_mutex_unlock(&mutex);
}

static intptr_t
unlock_it(void *arg)
{
    green_mutex_unlock(arg);
    return 0;
}

static void
unlock_anothers(void)
{
    green_mutex_lock(&mutex, GREEN_FOREVER);
    finish(spawn(GREEN_TASK, unlock_it, &mutex));
}

static void
end_a_locked_one(void)
{
    green_mutex_lock(&mutex, GREEN_FOREVER);
    green_mutex_fini(&mutex);
}

static void
end_one_waited_for(void)
{
    green_mutex_lock(&mutex, GREEN_FOREVER);
    green_spawn(lock_and_note, (void *)"", NULL);
    green_yield();
    green_mutex_fini(&mutex);
}

START_TEST(misuse_aborts)
{
    ck_assert_misuse(unlock_a_free_one, "green_mutex_unlock: the mutex is not locked");
    ck_assert_misuse(unlock_anothers, "green_mutex_unlock: another worker holds the mutex");
    ck_assert_misuse(end_a_locked_one, "green_mutex_fini: it is locked");
    ck_assert_misuse(end_one_waited_for, "green_mutex_fini: somebody waits for it");
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        EACH_MIXTURE(excludes),
        EACH_MIXTURE(recursive_excludes),
        waiters_of_every_kind_are_served_in_their_order,
        who_unlocks_does_not_overtake,
        relocking_is_a_deadlock,
        recursive_counts,
        depth_has_an_end,
        deadline_passes,
        scope_ends_the_wait,
        cancelled_waiter_leaves_the_queue,
        cancelled_worker_gets_nothing,
        what_was_handed_over_is_kept,
        EACH_MIXTURE(deadlines_lose_no_hand_over),
        who_got_it_may_free_it,
        waiters_name_the_holder,
        misuse_aborts,
    };
    return RUN_TESTS("mutex", tests);
}
