/*
 * Executors of every kind: cancelled, shut down, left behind, and short of memory.
 */
#include "executor_support.h"

/* ---- cancel, shutdown ---- */

START_TEST(cancel_pending_and_running)
{
    for (int i = 0; i < KINDS; i++) {
        share();
        struct green_executor *executor = make(kinds[i], 1);
        struct green_future *running = submit(executor, stay, NULL);
        struct green_future *pending = submit(executor, stay, NULL);
        struct green_future *last = submit(executor, same, POINTER(8));
        await_running(1);
        ck_assert_int_eq(green_future_cancel(pending), 0);
        ck_assert_int_eq(green_future_cancel(pending), -EALREADY);
        ck_assert_int_eq(green_future_error(pending), -ECANCELED);
        ck_assert_int_eq(green_future_error(running), -EINPROGRESS);
        ck_assert_int_eq(green_future_cancel(running), -EINPROGRESS);
        ck_assert_int_eq(take(running), -ECANCELED);
        ck_assert_int_eq(take(last), 8); /* by a worker that is not cancelled */
        ck_assert_int_eq(take(pending), -ECANCELED);
        green_executor_destroy(executor);
    }
}
END_TEST

START_TEST(shutdown_while_jobs_run)
{
    for (int i = 0; i < KINDS; i++) {
        share();
        struct green_executor *executor = make(kinds[i], 1);
        struct green_future *running = submit(executor, stay, NULL);
        struct green_future *pending = submit(executor, same, NULL);
        await_running(1);
        ck_assert_int_eq(green_executor_shutdown(executor, true, GREEN_NOW), -ETIMEDOUT);
        ck_assert_int_eq(take(pending), -ECANCELED);
        ck_assert_int_eq(green_executor_submit(executor, same, NULL, 0, &pending), -EPIPE);
        ck_assert_int_eq(green_future_error(running), -EINPROGRESS);
        ck_assert_int_eq(green_executor_shutdown(executor, false, green_after(5)), -ETIMEDOUT);
        green_future_cancel(running);
        ck_assert_int_eq(green_executor_shutdown(executor, false, green_after(LONG_MS)), 0);
        ck_assert_int_eq(green_executor_shutdown(executor, true, GREEN_NOW), 0);
        ck_assert_int_eq(take(running), -ECANCELED);
        green_executor_destroy(executor);
    }
}
END_TEST

static intptr_t
destroy_it(void *executor)
{
    green_executor_destroy(executor);
    return 3;
}

START_TEST(cancel_of_who_destroys_ends_all)
{
    for (int i = 0; i < KINDS; i++) {
        share();
        struct green_executor *executor = make(kinds[i], 2);
        struct green_future *futures[4];
        for (int j = 0; j < 4; j++) {
            futures[j] = submit(executor, stay, NULL);
        }
        await_running(2);
        struct green_job *job = spawn(GREEN_TASK, destroy_it, executor);
        green_yield();
        green_job_cancel(job);
        ck_assert_int_eq(finish(job), 3);
        for (int j = 0; j < 4; j++) {
            ck_assert_int_eq(take(futures[j]), -ECANCELED);
        }
    }
}
END_TEST

static intptr_t
leave_an_executor(void *ret)
{
    void **places = ret;
    struct green_executor *executor;
    if (green_executor_create(GREEN_TASK, 1, NULL, &executor) != 0 ||
        green_executor_submit(executor, stay, NULL, 0, (struct green_future **)&places[1]) != 0 ||
        green_executor_submit(executor, same, NULL, 0, (struct green_future **)&places[2]) != 0) {
        return -1;
    }
    places[0] = executor;
    green_sleep(5);
    return 0;
}

START_TEST(tasks_of_a_thread_that_ends)
{
    share();
    void *places[3];
    ck_assert_int_eq(finish(spawn(GREEN_THREAD, leave_an_executor, places)), 0);
    struct green_future *none = NULL;
    ck_assert_int_eq(take(places[1]), -ECANCELED);
    ck_assert_int_eq(take(places[2]), -ECANCELED);
    ck_assert_int_eq(green_executor_submit(places[0], same, NULL, 0, &none), -EPIPE);
    green_executor_destroy(places[0]);
}
END_TEST

static atomic_size_t allocations_left = SIZE_MAX;

static bool
may_allocate(void)
{
    size_t left = atomic_load(&allocations_left);
    return left == SIZE_MAX || (left > 0 && atomic_fetch_sub(&allocations_left, 1) > 0);
}

static void *
allocate(size_t size)
{
    return may_allocate() ? malloc(size) : NULL;
}

static void *
reallocate(void *block, size_t size)
{
    return may_allocate() ? realloc(block, size) : NULL;
}

START_TEST(no_memory)
{
    static const struct green_allocator allocator = {allocate, reallocate, free};
    ck_assert_int_eq(green_set_allocator(&allocator), 0);
    green_self();
    for (int i = 0; i < KINDS; i++) {
        struct green_executor *executor = NULL;
        for (size_t room = 0; executor == NULL; room++) {
            allocations_left = room;
            int err = green_executor_create(kinds[i], 1, NULL, &executor);
            allocations_left = SIZE_MAX;
            ck_assert_int_eq(err, executor == NULL ? -ENOMEM : 0);
        }
        struct green_future *future = NULL;
        allocations_left = 0;
        int submitted = green_executor_submit(executor, same, NULL, 0, &future);
        int async = green_executor_apply_async(executor, same, NULL, 0, NULL, NULL, NULL, &future);
        int mapped =
            green_executor_map(executor, same, (void *[1]){NULL}, 0, 1, NULL, GREEN_FOREVER);
        allocations_left = SIZE_MAX;
        ck_assert_int_eq(submitted, -ENOMEM);
        ck_assert_int_eq(async, -ENOMEM);
        ck_assert_int_eq(mapped, -ENOMEM);
        ck_assert_ptr_null(future);
        ck_assert_int_eq(take(submit(executor, same, POINTER(2))), 2);
        green_executor_destroy(executor);
    }
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        cancel_pending_and_running,
        shutdown_while_jobs_run,
        cancel_of_who_destroys_ends_all,
        tasks_of_a_thread_that_ends,
        no_memory,
    };
    return RUN_TESTS("ends of executors", tests);
}
