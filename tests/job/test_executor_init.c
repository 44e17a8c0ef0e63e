/*
 * What the workers of executors do first, and what its failure breaks.
 */
#include <stdlib.h>
#include <unistd.h>

#include "executor_support.h"

static struct green_executor *
make_with(enum green_kind kind, unsigned limit, green_executor_initializer initializer, void *arg)
{
    struct green_executor_options options = GREEN_EXECUTOR_OPTIONS;
    struct green_executor *executor = NULL;
    options.initializer = initializer;
    options.initializer_arg = arg;
    options.early = limit > 3;
    ck_assert_int_eq(green_executor_create(kind, limit, &options, &executor), 0);
    return executor;
}

static atomic_int number; /* of this process; a child's is its own */

static int
set_number(void *arg)
{
    atomic_fetch_add(&shared->most, 1);
    number = NUMBER(arg);
    return green_sleep(1);
}

static intptr_t
add_number(void *arg)
{
    int err = green_sleep(1);
    return err != 0 ? err : (intptr_t)arg + number;
}

START_TEST(each_worker_is_initialized_once)
{
    for (int i = 0; i < KINDS; i++) {
        share();
        number = 0;
        struct green_executor *executor = make_with(kinds[i], 2, set_number, POINTER(100));
        struct green_future *futures[8];
        for (int k = 0; k < 8; k++) {
            futures[k] = submit(executor, add_number, POINTER(k));
        }
        for (int k = 0; k < 8; k++) {
            ck_assert_int_eq(take(futures[k]), 100 + k);
        }
        green_executor_destroy(executor);
        ck_assert_int_eq(atomic_load(&shared->most), 2);
        ck_assert_int_eq(number, kinds[i] == GREEN_PROCESS ? 0 : 100);
    }
}
END_TEST

START_TEST(one_that_replaces_another_is_initialized)
{
    for (int i = 0; i < KINDS; i++) {
        share();
        struct green_executor_options options = GREEN_EXECUTOR_OPTIONS;
        struct green_executor *executor = NULL;
        options.initializer = set_number;
        options.initializer_arg = POINTER(7);
        options.work_per_worker = 1;
        ck_assert_int_eq(green_executor_create(kinds[i], 1, &options, &executor), 0);
        for (int k = 0; k < 3; k++) {
            ck_assert_int_eq(take(submit(executor, add_number, POINTER(k))), 7 + k);
        }
        green_executor_destroy(executor);
        ck_assert_int_eq(atomic_load(&shared->most), 3);
    }
}
END_TEST

static int
refuse(void *arg)
{
    (void)arg;
    return green_sleep(1) != 0 ? 0 : -EIO;
}

static int
die(void *arg)
{
    (void)arg;
    _exit(3);
}

/** All that is submitted to it fails, and it ends. */
static void
check_broken(struct green_executor *executor)
{
    struct green_future *futures[5];
    int submitted = 0;
    int err = 0;
    for (; submitted < 5 && err == 0; submitted++) {
        err = green_executor_submit(executor, same, NULL, 0, &futures[submitted]);
    }
    submitted -= err != 0;
    ck_assert(err == 0 || err == -ENOTRECOVERABLE);
    for (int i = 0; i < submitted; i++) {
        ck_assert_int_eq(take(futures[i]), -ENOTRECOVERABLE);
    }
    if (submitted > 0) {
        ck_assert_int_eq(green_executor_submit(executor, same, NULL, 0, NULL), -ENOTRECOVERABLE);
        ck_assert_int_eq(green_executor_apply(executor, same, NULL, 0, NULL, GREEN_FOREVER),
                         -ENOTRECOVERABLE);
    }
    ck_assert_int_eq(green_executor_shutdown(executor, false, green_after(LONG_MS)), 0);
    green_executor_destroy(executor);
}

START_TEST(failure_breaks_the_executor)
{
    for (int i = 0; i < KINDS; i++) {
        check_broken(make_with(kinds[i], 1, refuse, NULL));
        check_broken(make_with(kinds[i], 3, refuse, NULL));
        check_broken(make_with(kinds[i], 4, refuse, NULL)); /* whose workers are started early */
    }
    NEEDS_PROCESSES();
    check_broken(make_with(GREEN_PROCESS, 2, die, NULL));
}
END_TEST

/* The second worker's initializer fails while the first is at work. */
static int
refuse_second(void *arg)
{
    (void)arg;
    return atomic_fetch_add(&shared->ended, 1) == 0 ? 0 : -EIO;
}

static intptr_t
wait_for_most(void *arg)
{
    for (int i = 0; i < LONG_MS && atomic_load(&shared->most) == 0; i++) {
        green_sleep(1);
    }
    return (intptr_t)arg;
}

START_TEST(what_runs_goes_on)
{
    for (int i = 0; i < KINDS; i++) {
        share();
        struct green_executor *executor = make_with(kinds[i], 2, refuse_second, NULL);
        struct green_future *first = submit(executor, wait_for_most, POINTER(1));
        for (int k = 0; k < LONG_MS && atomic_load(&shared->ended) < 1; k++) {
            green_sleep(1);
        }
        struct green_future *second = submit(executor, same, POINTER(2));
        ck_assert_int_eq(take(second), -ENOTRECOVERABLE);
        atomic_store(&shared->most, 1);
        ck_assert_int_eq(take(first), 1);
        green_executor_destroy(executor);
    }
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        each_worker_is_initialized_once,
        one_that_replaces_another_is_initialized,
        failure_breaks_the_executor,
        what_runs_goes_on,
    };
    return RUN_TESTS("initializers of executors", tests);
}
