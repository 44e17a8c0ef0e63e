/*
 * Executors: what all three kinds have in common, by one table. How they end: test_executor_end.c.
 */
#include "executor_support.h"

/* ---- submit and result ---- */

START_TEST(values_and_errors)
{
    for (int i = 0; i < KINDS; i++) {
        struct green_executor *executor = make(kinds[i], 0);
        ck_assert_int_eq(take(submit(executor, same, POINTER(42))), 42);
        ck_assert_int_eq(take(submit(executor, same, POINTER(-4096))), -4096);
        ck_assert_int_eq(take(submit(executor, same, POINTER(-EDOM))), -EDOM);
        struct green_future *future;
        struct numbers numbers = {40, 3};
        ck_assert_int_eq(green_executor_submit(executor, add_up, &numbers, sizeof numbers, &future),
                         0);
        numbers.a = 0; /* it has its copy */
        ck_assert_int_eq(take(future), 43);
        ck_assert_int_eq(green_future_set(future = submit(executor, same, NULL), 3), -EPERM);
        ck_assert_int_eq(take(future), 0);
        ck_assert_int_eq(green_executor_submit(executor, same, NULL, 0, NULL), 0);
        green_executor_destroy(executor);
    }
    green_executor_destroy(NULL);
    ck_assert_int_eq(green_executor_create((enum green_kind)9, 1, NULL, NULL), -EINVAL);
}
END_TEST

START_TEST(workers_are_reused)
{
    for (int i = 0; i < KINDS; i++) {
        for (int per_worker = 0; per_worker <= 2; per_worker += 2) {
            struct green_executor_options options = GREEN_EXECUTOR_OPTIONS;
            struct green_executor *executor;
            intptr_t workers[6];
            int changes = 0;
            options.work_per_worker = (size_t)per_worker;
            options.name = "hand";
            ck_assert_int_eq(green_executor_create(kinds[i], 1, &options, &executor), 0);
            for (int j = 0; j < 6; j++) {
                workers[j] = take(submit(executor, worker_of, NULL));
                changes += j > 0 && workers[j] != workers[j - 1];
            }
            ck_assert_int_eq(changes, per_worker == 0 ? 0 : 2);
            green_executor_destroy(executor);
        }
    }
}
END_TEST

static intptr_t
note_it(void *label)
{
    note(label);
    green_yield();
    return 0;
}

START_TEST(first_come_first_served)
{
    for (int i = 0; i < 2; i++) {
        trace[0] = '\0';
        struct green_executor *executor = make(kinds[i], 1);
        struct green_future *futures[4];
        futures[0] = submit(executor, note_it, "a");
        futures[1] = submit(executor, note_it, "b");
        futures[2] = submit(executor, note_it, "c");
        futures[3] = submit(executor, note_it, "d");
        for (int j = 0; j < 4; j++) {
            ck_assert_int_eq(take(futures[j]), 0);
        }
        ck_assert_trace("a b c d");
        green_executor_destroy(executor);
    }
}
END_TEST

START_TEST(limit_is_never_exceeded)
{
    for (int i = 0; i < KINDS; i++) {
        share();
        int count = stress(300, 40);
        struct green_executor *executor = make(kinds[i], 3);
        for (int j = 0; j < count; j++) {
            ck_assert_int_eq(green_executor_submit(executor, work, NULL, 0, NULL), 0);
        }
        green_executor_destroy(executor); /* pending work is done */
        ck_assert_int_eq(atomic_load(&shared->ended), count);
        ck_assert_int_le(atomic_load(&shared->most), 3);
    }
}
END_TEST

static intptr_t
submit_and_take(void *executor)
{
    intptr_t sum = 0;
    int count = stress(100, 10);
    for (int i = 0; i < count; i++) {
        intptr_t value = 0;
        int err = green_executor_apply(executor, same, POINTER(i), 0, &value, green_after(LONG_MS));
        if (err != 0) {
            return err;
        }
        sum += value - i + 1;
    }
    return sum;
}

START_TEST(used_from_tasks_and_threads)
{
    for (int i = 0; i < KINDS; i++) {
        struct green_executor *executor = make(kinds[i], 2);
        struct green_job *users[6];
        for (int j = 0; j < 6; j++) {
            users[j] = spawn(j % 2 ? GREEN_TASK : GREEN_THREAD, submit_and_take, executor);
        }
        for (int j = 0; j < 6; j++) {
            ck_assert_int_eq(finish(users[j]), stress(100, 10));
        }
        green_executor_destroy(executor);
    }
}
END_TEST

START_TEST(many_small_ones)
{
    int count = stress(10000, 300);
    struct green_future **futures = calloc((size_t)count, sizeof(struct green_future *));
    for (int i = 0; i < KINDS; i++) {
        struct green_executor *executor = make(kinds[i], 2);
        for (int j = 0; j < count; j++) {
            futures[j] = submit(executor, same, POINTER(j));
        }
        for (int j = 0; j < count; j++) {
            ck_assert_int_eq(take(futures[j]), j);
        }
        green_executor_destroy(executor);
    }
    free(futures);
}
END_TEST

/* ---- bytes ---- */

static intptr_t
upper(void *data, size_t size, struct green_result *result)
{
    char *bytes = data;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (char)(bytes[i] >= 'a' && bytes[i] <= 'z' ? bytes[i] - 32 : bytes[i]);
    }
    int err = green_result_write(result, bytes, size / 2);
    if (err == 0) {
        err = green_result_write(result, bytes + size / 2, size - size / 2);
    }
    return err != 0 ? err : (intptr_t)size;
}

static intptr_t
write_and_fail(void *data, size_t size, struct green_result *result)
{
    green_result_write(result, data, size);
    return -EDOM;
}

START_TEST(bytes_go_both_ways)
{
    for (int i = 0; i < KINDS; i++) {
        struct green_executor *executor = make(kinds[i], 2);
        struct green_future *future;
        size_t size = 99;
        ck_assert_int_eq(green_executor_submit_bytes(executor, upper, "hello", 5, &future), 0);
        ck_assert_int_eq(take(green_future_get(future)), 5);
        ck_assert_int_eq(memcmp(green_future_bytes(future, &size), "HELLO", 5), 0);
        ck_assert_uint_eq(size, 5);
        green_future_put(future);
        ck_assert_int_eq(green_executor_submit_bytes(executor, upper, NULL, 0, &future), 0);
        ck_assert_int_eq(take(future), 0);
        ck_assert_int_eq(green_executor_submit_bytes(executor, write_and_fail, "x", 1, &future), 0);
        ck_assert_int_eq(take(green_future_get(future)), -EDOM);
        ck_assert_ptr_null(green_future_bytes(future, &size));
        ck_assert_uint_eq(size, 0);
        green_executor_destroy(executor);
        green_future_put(future); /* it outlives its executor */
    }
}
END_TEST

START_TEST(large_bytes_both_ways_at_once)
{
    size_t size = (size_t)stress(100, 4) << 20;
    char *data = malloc(size);
    memset(data, 'x', size);
    for (int i = 0; i < KINDS; i++) {
        struct green_executor *executor = make(kinds[i], 2);
        struct green_future *futures[2];
        for (int j = 0; j < 2; j++) {
            ck_assert_int_eq(green_executor_submit_bytes(executor, upper, data, size, &futures[j]),
                             0);
        }
        for (int j = 0; j < 2; j++) {
            size_t got;
            ck_assert_int_eq(green_future_wait(futures[j], green_after(6 * LONG_MS)), 0);
            const char *bytes = green_future_bytes(futures[j], &got);
            ck_assert_uint_eq(got, size);
            ck_assert(bytes[0] == 'X' && memcmp(bytes, bytes + 1, size - 1) == 0);
            green_future_put(futures[j]);
        }
        green_executor_destroy(executor);
    }
    free(data);
}
END_TEST

/* ---- callbacks ---- */

struct heard {
    intptr_t value;
    int err;
    struct green_job *worker;
    struct green_semaphore calls;
};

static void
hear_value(intptr_t value, void *arg)
{
    struct heard *heard = arg;
    heard->value = value;
    heard->worker = green_job_get(green_self());
    green_semaphore_release(&heard->calls);
}

static void
hear_error(int err, void *arg)
{
    struct heard *heard = arg;
    heard->err = err;
    green_semaphore_release(&heard->calls);
}

START_TEST(callbacks_of_apply_async)
{
    for (int i = 0; i < KINDS; i++) {
        struct green_executor *executor = make(kinds[i], 1);
        struct heard heard = {.calls = GREEN_SEMAPHORE_INIT(0)};
        ck_assert_int_eq(green_executor_apply_async(executor, same, POINTER(5), 0, hear_value,
                                                    hear_error, &heard, NULL),
                         0);
        ck_assert_int_eq(green_semaphore_acquire(&heard.calls, green_after(LONG_MS)), 0);
        ck_assert_int_eq(heard.value, 5);
        ck_assert_ptr_ne(heard.worker, green_self());
        ck_assert_int_eq(green_job_kind(heard.worker),
                         kinds[i] == GREEN_THREAD ? GREEN_THREAD : GREEN_TASK);
        ck_assert_int_eq(green_job_pid(heard.worker), getpid());
        green_job_put(heard.worker);
        ck_assert_int_eq(green_executor_apply_async(executor, same, POINTER(-EDOM), 0, hear_value,
                                                    hear_error, &heard, NULL),
                         0);
        ck_assert_int_eq(green_semaphore_acquire(&heard.calls, green_after(LONG_MS)), 0);
        ck_assert_int_eq(heard.err, -EDOM);
        struct green_future *future;
        ck_assert_int_eq(
            green_executor_apply_async(executor, same, NULL, 0, NULL, NULL, NULL, &future), 0);
        ck_assert_int_eq(take(future), 0);
        green_executor_destroy(executor);
    }
}
END_TEST

/* ---- map and apply ---- */

START_TEST(map_keeps_the_order)
{
    enum { COUNT = 50 };
    struct numbers items[COUNT];
    void *pointers[COUNT];
    intptr_t values[COUNT];
    for (int i = 0; i < COUNT; i++) {
        items[i] = (struct numbers){i, 100};
        pointers[i] = POINTER(i);
    }
    for (int i = 0; i < KINDS; i++) {
        struct green_executor *executor = make(kinds[i], 3);
        ck_assert_int_eq(green_executor_map(executor, add_up, items, sizeof *items, COUNT, values,
                                            green_after(LONG_MS)),
                         0);
        for (int j = 0; j < COUNT; j++) {
            ck_assert_int_eq(values[j], j + 100);
        }
        ck_assert_int_eq(
            green_executor_map(executor, same, pointers, 0, COUNT, values, green_after(LONG_MS)),
            0);
        for (int j = 0; j < COUNT; j++) {
            ck_assert_int_eq(values[j], j);
        }
        ck_assert_int_eq(green_executor_map(executor, same, NULL, 0, 0, NULL, GREEN_NOW), 0);
        green_executor_destroy(executor);
    }
}
END_TEST

static intptr_t
fail_at_5(void *number)
{
    return NUMBER(number) == 5 ? -EDOM : NUMBER(number) > 5 ? stay(number) : 0;
}

START_TEST(map_stops_at_the_first_error)
{
    void *items[20];
    intptr_t values[20] = {77};
    for (int i = 0; i < 20; i++) {
        items[i] = POINTER(i);
    }
    for (int i = 0; i < KINDS; i++) {
        share();
        struct green_executor *executor = make(kinds[i], 3);
        ck_assert_int_eq(
            green_executor_map(executor, fail_at_5, items, 0, 20, values, GREEN_FOREVER), -EDOM);
        ck_assert_int_eq(values[0], 77);
        ck_assert_int_eq(
            green_executor_map(executor, fail_at_5, items + 6, 0, 10, values, green_after(20)),
            -ETIMEDOUT);
        ck_assert_int_eq(take(submit(executor, same, POINTER(4))), 4);
        green_executor_destroy(executor);
    }
}
END_TEST

START_TEST(apply_cut_short_leaves_nothing)
{
    for (int i = 0; i < KINDS; i++) {
        share();
        struct green_executor *executor = make(kinds[i], 1);
        intptr_t value = 7;
        ck_assert_int_eq(green_executor_apply(executor, stay, NULL, 0, &value, green_after(20)),
                         -ETIMEDOUT);
        ck_assert_int_eq(value, 7);
        ck_assert_int_eq(
            green_executor_apply(executor, same, POINTER(3), 0, &value, green_after(LONG_MS)), 0);
        ck_assert_int_eq(value, 3);
        green_executor_destroy(executor);
    }
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        values_and_errors,
        workers_are_reused,
        first_come_first_served,
        limit_is_never_exceeded,
        used_from_tasks_and_threads,
        many_small_ones,
        bytes_go_both_ways,
        large_bytes_both_ways_at_once,
        callbacks_of_apply_async,
        map_keeps_the_order,
        map_stops_at_the_first_error,
        apply_cut_short_leaves_nothing,
    };
    return RUN_TESTS("executors", tests);
}
