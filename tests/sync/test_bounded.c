/*
 * Semaphores in the caller's memory, bounded or not, and their units by the many.
 */
#include "workers.h"

static struct green_semaphore semaphore = GREEN_SEMAPHORE_INIT(2);

START_TEST(static_one_has_its_units)
{
    ck_assert_uint_eq(green_semaphore_value(&semaphore), 2);
    ck_assert_int_eq(green_semaphore_acquire(&semaphore, GREEN_NOW), 0);
    ck_assert_int_eq(green_semaphore_acquire(&semaphore, GREEN_NOW), 0);
    ck_assert_int_eq(green_semaphore_acquire(&semaphore, GREEN_NOW), -ETIMEDOUT);
    ck_assert_int_eq(green_semaphore_acquire(&semaphore, green_after(1)), -ETIMEDOUT);
    ck_assert_uint_eq(green_semaphore_value(&semaphore), 0);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(green_semaphore_release(&semaphore), 0);
    }
    ck_assert_uint_eq(green_semaphore_value(&semaphore), 5);
    green_semaphore_fini(&semaphore);
}
END_TEST

START_TEST(bounded_one_has_no_more_than_at_first)
{
    static struct green_semaphore bounded = GREEN_BOUNDED_SEMAPHORE_INIT(1);
    ck_assert_int_eq(green_semaphore_release(&bounded), -EOVERFLOW);
    ck_assert_int_eq(green_semaphore_acquire(&bounded, GREEN_NOW), 0);
    ck_assert_int_eq(green_semaphore_release(&bounded), 0);
    ck_assert_int_eq(green_semaphore_release(&bounded), -EOVERFLOW);
    ck_assert_uint_eq(green_semaphore_value(&bounded), 1);
    green_semaphore_init_bounded(&bounded, 3);
    ck_assert_int_eq(green_semaphore_acquire(&bounded, GREEN_NOW), 0);
    ck_assert_int_eq(green_semaphore_release_many(&bounded, 2), -EOVERFLOW);
    ck_assert_uint_eq(green_semaphore_value(&bounded), 2);
    ck_assert_int_eq(green_semaphore_release_many(&bounded, 1), 0);
    green_semaphore_init_bounded(&bounded, 0);
    ck_assert_int_eq(green_semaphore_release(&bounded), -EOVERFLOW);
    green_semaphore_fini(&bounded);
}
END_TEST

START_TEST(unbounded_one_has_an_end_too)
{
    struct green_semaphore full = GREEN_SEMAPHORE_INIT(0);
    full.units = (GREEN_SEMAPHORE_MAX - 1) << 1;
    ck_assert_int_eq(green_semaphore_release_many(&full, 2), -EOVERFLOW);
    ck_assert_int_eq(green_semaphore_release(&full), 0);
    ck_assert_int_eq(green_semaphore_release(&full), -EOVERFLOW);
    ck_assert_uint_eq(green_semaphore_value(&full), GREEN_SEMAPHORE_MAX);
}
END_TEST

static intptr_t
acquire_and_note(void *label)
{
    int err = green_semaphore_acquire(&semaphore, green_after(LONG_MS));
    if (err == 0) {
        mark(label);
    }
    return err;
}

START_TEST(many_units_go_to_those_who_wait_first)
{
    static char labels[4][2] = {"a", "b", "c", "d"};
    struct green_job *jobs[4];
    green_semaphore_init_bounded(&semaphore, 9);
    for (int i = 0; i < 9; i++) {
        ck_assert_int_eq(green_semaphore_acquire(&semaphore, GREEN_NOW), 0);
    }
    for (int i = 0; i < 4; i++) {
        jobs[i] = spawn_until_waiting(GREEN_TASK, acquire_and_note, labels[i], &semaphore.waiters);
    }
    ck_assert_int_eq(green_semaphore_release_many(&semaphore, 10), -EOVERFLOW);
    ck_assert_int_eq(green_semaphore_release_many(&semaphore, 3), 0);
    ck_assert_uint_eq(green_semaphore_value(&semaphore), 0);
    ck_assert_int_eq(length_of(&semaphore.waiters, &semaphore.waiters), 1);
    ck_assert_int_eq(green_semaphore_release_many(&semaphore, 3), 0);
    ck_assert_uint_eq(green_semaphore_value(&semaphore), 2);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(finish(jobs[i]), 0);
    }
    ck_assert_trace("a b c d");
    /* 9 - 3 - 3 of them were never given back; one who gave up is no waiter. */
    ck_assert_int_eq(green_semaphore_release_many(&semaphore, 8), -EOVERFLOW);
    ck_assert_int_eq(green_semaphore_release_many(&semaphore, 7), 0);
}
END_TEST

START_TEST(unit_is_kept_or_given_to_the_next)
{
    green_semaphore_init(&semaphore, 0);
    for (int cancel_first = 0; cancel_first < 2; cancel_first++) {
        struct green_job *task =
            spawn_until_waiting(GREEN_TASK, acquire_and_note, (void *)"kept", &semaphore.waiters);
        if (cancel_first) {
            green_job_cancel(task);
        }
        ck_assert_int_eq(green_semaphore_release(&semaphore), 0);
        if (!cancel_first) {
            green_job_cancel(task);
        }
        ck_assert_int_eq(finish(task), 0);
    }
    struct green_job *first =
        spawn_until_waiting(GREEN_THREAD, acquire_and_note, (void *)"no", &semaphore.waiters);
    struct green_job *second =
        spawn_until_waiting(GREEN_TASK, acquire_and_note, (void *)"next", &semaphore.waiters);
    green_job_cancel(first);
    ck_assert_int_eq(finish(first), -ECANCELED);
    ck_assert_int_eq(green_semaphore_release(&semaphore), 0);
    ck_assert_int_eq(finish(second), 0);
    ck_assert_trace("kept kept next");
}
END_TEST

struct hurry {
    struct green_semaphore semaphore;
    atomic_int inside;
    int rounds;
};

#define UNITS 3

/* One unit makes a lock. */
struct count {
    struct green_semaphore semaphore;
    int total;
    int rounds;
};

static intptr_t
count_alone(void *arg)
{
    const struct worker *worker = arg;
    struct count *count = worker->shared;
    for (int i = 0; i < count->rounds; i++) {
        if (green_semaphore_acquire(&count->semaphore, green_after(LONG_MS)) != 0) {
            return 1;
        }
        int total = count->total;
        if (i % 4 == 0) {
            green_yield();
        }
        count->total = total + 1;
        if (green_semaphore_release(&count->semaphore) != 0) {
            return 2;
        }
    }
    return 0;
}

static void
one_unit_excludes(enum mixture mixture)
{
    struct count count = {GREEN_BOUNDED_SEMAPHORE_INIT(1), 0, stress(400, 40)};
    ck_assert_int_eq(run_workers(mixture, 12, count_alone, &count), 0);
    ck_assert_int_eq(count.total, 12 * count.rounds);
    green_semaphore_fini(&count.semaphore);
}
TEST_EACH_MIXTURE(one_unit_excludes)

static intptr_t
acquire_in_a_hurry(void *arg)
{
    const struct worker *worker = arg;
    struct hurry *hurry = worker->shared;
    for (int i = 0; i < hurry->rounds; i++) {
        green_deadline deadline =
            green_after(0) + (green_deadline)((i * 7 + worker->index) % 64) * 1000;
        int err = green_semaphore_acquire(&hurry->semaphore, deadline);
        if (err == 0) {
            if (atomic_fetch_add(&hurry->inside, 1) >= UNITS) {
                return 1;
            }
            if (i % 8 == 0) {
                green_yield();
            }
            atomic_fetch_sub(&hurry->inside, 1);
            err = green_semaphore_release(&hurry->semaphore);
        } else if (err == -ETIMEDOUT) {
            err = 0;
        }
        if (err != 0) {
            return 2;
        }
    }
    return 0;
}

static void
deadlines_lose_no_unit(enum mixture mixture)
{
    struct hurry hurry = {.rounds = stress(1000, 50)};
    green_semaphore_init_bounded(&hurry.semaphore, UNITS);
    ck_assert_int_eq(run_workers(mixture, 12, acquire_in_a_hurry, &hurry), 0);
    ck_assert_uint_eq(green_semaphore_value(&hurry.semaphore), UNITS);
    green_semaphore_fini(&hurry.semaphore);
}
TEST_EACH_MIXTURE(deadlines_lose_no_unit)

static intptr_t
acquire_and_free(void *arg)
{
    struct green_semaphore *ours = arg;
    int err = green_semaphore_acquire(ours, green_after(LONG_MS));
    if (err == 0) {
        green_semaphore_fini(ours);
        free(ours);
    }
    return err;
}

START_TEST(who_got_it_may_free_it)
{
    for (int i = 0; i < stress(300, 30); i++) {
        struct green_semaphore *ours = malloc(sizeof *ours);
        green_semaphore_init(ours, 0);
        struct green_job *job = spawn_until_waiting(i % 2 ? GREEN_TASK : GREEN_THREAD,
                                                    acquire_and_free, ours, &ours->waiters);
        ck_assert_int_eq(green_semaphore_release(ours), 0);
        ck_assert_int_eq(finish(job), 0);
    }
}
END_TEST

static void
end_one_waited_for(void)
{
    green_semaphore_init(&semaphore, 0);
    green_spawn(acquire_and_note, (void *)"", NULL);
    green_yield();
    green_semaphore_fini(&semaphore);
}

START_TEST(misuse_aborts)
{
    ck_assert_misuse(end_one_waited_for, "green_semaphore_fini: somebody waits for it");
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        static_one_has_its_units,
        bounded_one_has_no_more_than_at_first,
        unbounded_one_has_an_end_too,
        many_units_go_to_those_who_wait_first,
        unit_is_kept_or_given_to_the_next,
        EACH_MIXTURE(one_unit_excludes),
        EACH_MIXTURE(deadlines_lose_no_unit),
        who_got_it_may_free_it,
        misuse_aborts,
    };
    return RUN_TESTS("bounded", tests);
}
