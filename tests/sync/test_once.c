/*
 * Onces: one success, tries until then in the order of coming.
 */
#include "workers.h"

struct work {
    struct green_once once;
    int tries; /* by the function, which is alone */
    int inside;
    int fail_until;
    atomic_int failures;
};

static int
work(void *arg)
{
    struct work *work = arg;
    if (work->inside++ != 0) {
        return -EBUSY;
    }
    work->tries++;
    int err = green_sleep(1);
    work->inside--;
    return err == 0 && work->tries <= work->fail_until ? -EIO : err;
}

static intptr_t
run_work(void *arg)
{
    const struct worker *worker = arg;
    struct work *shared = worker->shared;
    int err = green_once_run(&shared->once, work, shared, green_after(LONG_MS));
    if (err == -EIO) {
        atomic_fetch_add(&shared->failures, 1);
        return 0;
    }
    return err != 0 ? err : shared->tries != shared->fail_until + 1;
}

static void
runs_to_one_success(enum mixture mixture)
{
    struct work shared = {.once = GREEN_ONCE_INIT, .fail_until = 3};
    ck_assert_int_eq(run_workers(mixture, 12, run_work, &shared), 0);
    ck_assert_int_eq(shared.tries, 4);
    ck_assert_int_eq(atomic_load(&shared.failures), 3);
    ck_assert_int_eq(run_workers(mixture, 12, run_work, &shared), 0);
    ck_assert_int_eq(shared.tries, 4);
    green_once_fini(&shared.once);
}
TEST_EACH_MIXTURE(runs_to_one_success)

static struct green_once once = GREEN_ONCE_INIT;

static int
run_itself(void *arg)
{
    (void)arg;
    return green_once_run(&once, run_itself, NULL, GREEN_FOREVER);
}

START_TEST(function_that_calls_for_itself_is_a_deadlock)
{
    ck_assert_int_eq(green_once_run(&once, run_itself, NULL, GREEN_FOREVER), -EDEADLK);
}
END_TEST

static struct green_event go_on = GREEN_EVENT_INIT;

static int
wait_for_go_on(void *arg)
{
    (void)arg;
    return green_event_wait(&go_on, green_after(LONG_MS));
}

static intptr_t
run_wait(void *arg)
{
    (void)arg;
    return green_once_run(&once, wait_for_go_on, NULL, green_after(LONG_MS));
}

START_TEST(waiters_time_out_and_are_cancelled)
{
    struct green_job *runner = spawn_until_waiting(GREEN_THREAD, run_wait, NULL, &go_on.waiters);
    ck_assert_int_eq(green_once_run(&once, wait_for_go_on, NULL, GREEN_NOW), -ETIMEDOUT);
    ck_assert_int_eq(green_once_run(&once, wait_for_go_on, NULL, green_after(1)), -ETIMEDOUT);
    struct green_job *waiter = spawn_until_waiting(GREEN_TASK, run_wait, NULL, &once.mutex.waiters);
    green_job_cancel(waiter);
    ck_assert_int_eq(finish(waiter), -ECANCELED);
    /* One that is cancelled in the function has not done it: the next one does. */
    waiter = spawn_until_waiting(GREEN_TASK, run_wait, NULL, &once.mutex.waiters);
    green_job_cancel(runner);
    ck_assert_int_eq(finish(runner), -ECANCELED);
    green_event_set(&go_on);
    ck_assert_int_eq(finish(waiter), 0);
    ck_assert_int_eq(green_once_run(&once, run_itself, NULL, GREEN_NOW), 0);
}
END_TEST

static void
end_one_that_runs(void)
{
    spawn(GREEN_TASK, run_wait, NULL);
    green_yield();
    green_once_fini(&once);
}

START_TEST(misuse_aborts)
{
    ck_assert_misuse(end_one_that_runs, "green_mutex_fini: it is locked");
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        EACH_MIXTURE(runs_to_one_success),
        function_that_calls_for_itself_is_a_deadlock,
        waiters_time_out_and_are_cancelled,
        misuse_aborts,
    };
    return RUN_TESTS("once", tests);
}
