/*
 * Futures between tasks and threads, their callbacks, and waiting for several.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>

#include "../base/support.h"
#include "green/future.h"
#include "green/timeout.h"

static const enum green_kind kinds[] = {GREEN_TASK, GREEN_THREAD};
#define KINDS 2

static struct green_future *
make(void)
{
    struct green_future *future = NULL;
    ck_assert_int_eq(green_future_create(&future), 0);
    return future;
}

START_TEST(set_once)
{
    struct green_future *future = make();
    intptr_t value = 9;
    size_t size = 9;
    int status = 9;
    ck_assert(!green_future_done(future));
    ck_assert_int_eq(green_future_error(future), -EINPROGRESS);
    ck_assert_int_eq(green_future_result(future, &value, GREEN_NOW), -ETIMEDOUT);
    ck_assert_int_eq(green_future_wait(future, green_after(2)), -ETIMEDOUT);
    ck_assert_int_eq(green_future_set_error(future, 0), -EINVAL);
    ck_assert_int_eq(value, 9);
    ck_assert_int_eq(green_future_set(future, -5), 0);
    ck_assert_int_eq(green_future_set(future, 6), -EALREADY);
    ck_assert_int_eq(green_future_set_error(future, -EDOM), -EALREADY);
    ck_assert_int_eq(green_future_cancel(future), -EALREADY);
    ck_assert(green_future_done(future));
    ck_assert_int_eq(green_future_error(future), 0);
    ck_assert_int_eq(green_future_wait(future, GREEN_NOW), 0);
    ck_assert_int_eq(green_future_result(future, &value, GREEN_FOREVER), 0);
    ck_assert_int_eq(value, -5);
    ck_assert_ptr_null(green_future_bytes(future, &size));
    ck_assert_uint_eq(size, 0);
    ck_assert_int_eq(green_future_status(future, &status), -EINVAL);
    green_future_put(future);
    green_future_put(NULL);
}
END_TEST

START_TEST(errors_and_cancels)
{
    struct green_future *future = make();
    intptr_t value = 9;
    ck_assert_int_eq(green_future_set_error(future, -ETIMEDOUT), 0);
    ck_assert_int_eq(green_future_wait(future, GREEN_NOW), 0);
    ck_assert_int_eq(green_future_result(future, &value, GREEN_NOW), -ETIMEDOUT);
    ck_assert_int_eq(green_future_error(future), -ETIMEDOUT);
    green_future_put(future);
    future = make();
    ck_assert_int_eq(green_future_cancel(future), 0);
    ck_assert_int_eq(green_future_set(future, 1), -EALREADY);
    ck_assert_int_eq(green_future_result(future, &value, GREEN_FOREVER), -ECANCELED);
    ck_assert_int_eq(value, 9);
    green_future_put(future);
}
END_TEST

static intptr_t
ask(void *future)
{
    intptr_t value = -1;
    int err = green_future_result(future, &value, GREEN_FOREVER);
    return err != 0 ? err : value;
}

static intptr_t
set_7(void *future)
{
    green_sleep(5);
    return green_future_set(future, 7);
}

START_TEST(between_all_kinds)
{
    for (int setter = 0; setter < KINDS; setter++) {
        struct green_future *future = make();
        struct green_job *asking[6];
        for (int i = 0; i < 6; i++) {
            asking[i] = spawn(kinds[i % KINDS], ask, future);
        }
        struct green_job *setting = spawn(kinds[setter], set_7, future);
        ck_assert_int_eq(ask(future), 7);
        for (int i = 0; i < 6; i++) {
            ck_assert_int_eq(finish(asking[i]), 7);
        }
        ck_assert_int_eq(finish(setting), 0);
        green_future_put(future);
    }
}
END_TEST

START_TEST(cancelled_waiter_leaves_the_others)
{
    for (int i = 0; i < KINDS; i++) {
        struct green_future *future = make();
        struct green_job *jobs[3];
        for (int j = 0; j < 3; j++) {
            jobs[j] = spawn(kinds[i], ask, future);
        }
        green_sleep(5);
        green_job_cancel(jobs[1]);
        ck_assert_int_eq(finish(jobs[1]), -ECANCELED);
        ck_assert(!green_future_done(future));
        green_future_set(future, 3);
        ck_assert_int_eq(finish(jobs[0]), 3);
        ck_assert_int_eq(finish(jobs[2]), 3);
        green_future_put(future);
    }
}
END_TEST

/* ---- callbacks ---- */

static void
note_it(struct green_future *future, void *label)
{
    intptr_t value = 0;
    int err = green_future_result(future, &value, GREEN_NOW);
    char text[32];
    snprintf(text, sizeof text, "%s%d", (char *)label, err != 0 ? err : (int)value);
    note(text);
}

static void
add_another(struct green_future *future, void *label)
{
    note("add");
    green_future_add_done_callback(future, note_it, label);
    note("added");
}

START_TEST(callbacks_run_in_order)
{
    struct green_future *future = make();
    ck_assert_int_eq(green_future_add_done_callback(future, note_it, "a"), 0);
    ck_assert_int_eq(green_future_add_done_callback(future, add_another, "b"), 0);
    ck_assert_int_eq(green_future_add_done_callback(future, note_it, "c"), 0);
    note("set");
    green_future_set(future, 1);
    note("done");
    ck_assert_int_eq(green_future_add_done_callback(future, note_it, "d"), 0);
    ck_assert_trace("set a1 add b1 added c1 done d1");
    green_future_put(future);
}
END_TEST

static void
set_next(struct green_future *future, void *next)
{
    intptr_t value = 0;
    green_future_result(future, &value, GREEN_NOW);
    green_future_set(next, value + 1);
}

START_TEST(callbacks_chain)
{
    struct green_future *chain[5];
    intptr_t value = 0;
    for (int i = 0; i < 5; i++) {
        chain[i] = make();
    }
    for (int i = 0; i < 4; i++) {
        green_future_add_done_callback(chain[i], set_next, chain[i + 1]);
    }
    struct green_job *thread = spawn(GREEN_THREAD, set_7, chain[0]);
    ck_assert_int_eq(green_future_result(chain[4], &value, green_after(LONG_MS)), 0);
    ck_assert_int_eq(value, 11);
    finish(thread);
    for (int i = 0; i < 5; i++) {
        green_future_put(chain[i]);
    }
}
END_TEST

START_TEST(callback_of_a_cancelled_one)
{
    struct green_future *future = make();
    green_future_add_done_callback(future, note_it, "x");
    green_future_cancel(future);
    char text[16];
    snprintf(text, sizeof text, "x%d", -ECANCELED);
    ck_assert_trace(text);
    green_future_put(future);
    /* Nobody will ever set this one: its callback goes with it. */
    future = make();
    green_future_add_done_callback(future, note_it, "never");
    green_future_put(future);
    ck_assert_trace(text);
}
END_TEST

static void
wait_in_callback(struct green_future *future, void *arg)
{
    (void)future;
    (void)arg;
    green_sleep(1);
}

static void
misuse(void)
{
    struct green_future *future = make();
    green_future_add_done_callback(future, wait_in_callback, NULL);
    green_future_set(future, 1);
}

START_TEST(callback_that_waits_aborts)
{
    char text[256];
    ck_assert_int_eq(last_words(misuse, text, sizeof text), -SIGABRT);
    ck_assert_str_eq(text,
                     "green: a callback may not wait, and this one would for a time to pass\n");
}
END_TEST

/* ---- several ---- */

START_TEST(wait_for_several)
{
    struct green_future *futures[5] = {make(), NULL, make(), make(), make()};
    size_t index = 99;
    ck_assert_int_eq(green_futures_wait(NULL, 0, GREEN_ALL_COMPLETED, &index, GREEN_FOREVER), 0);
    ck_assert_uint_eq(index, 0);
    index = 99;
    for (int until = GREEN_FIRST_COMPLETED; until <= GREEN_ALL_COMPLETED; until++) {
        ck_assert_int_eq(
            green_futures_wait(futures, 5, (enum green_until)until, &index, green_after(2)),
            -ETIMEDOUT);
    }
    ck_assert_uint_eq(index, 99);
    green_future_set(futures[3], 1);
    ck_assert_int_eq(green_futures_wait(futures, 5, GREEN_FIRST_COMPLETED, &index, GREEN_NOW), 0);
    ck_assert_uint_eq(index, 3);
    ck_assert_int_eq(green_futures_wait(futures, 5, GREEN_FIRST_ERROR, &index, GREEN_NOW),
                     -ETIMEDOUT);
    green_future_set_error(futures[2], -EDOM);
    ck_assert_int_eq(green_futures_wait(futures, 5, GREEN_FIRST_ERROR, &index, GREEN_NOW), 0);
    ck_assert_uint_eq(index, 2);
    ck_assert_int_eq(green_futures_wait(futures, 5, GREEN_ALL_COMPLETED, NULL, GREEN_NOW),
                     -ETIMEDOUT);
    green_future_set(futures[0], 1);
    green_future_set(futures[4], 1);
    ck_assert_int_eq(green_futures_wait(futures, 5, GREEN_ALL_COMPLETED, NULL, GREEN_NOW), 0);
    futures[2] = (green_future_put(futures[2]), NULL);
    ck_assert_int_eq(green_futures_wait(futures, 5, GREEN_FIRST_ERROR, &index, GREEN_FOREVER), 0);
    ck_assert_uint_eq(index, 5);
    for (int i = 0; i < 5; i++) {
        green_future_put(futures[i]);
    }
}
END_TEST

/* One of several futures that are set in an order: each once the event of its turn is set. */
struct later {
    struct green_future *future;
    int err;
    struct green_event turn;
    struct green_event *next; /* whose turn it is then; NULL: the collector knows */
};

static intptr_t
set_later(void *arg)
{
    struct later *later = arg;
    green_event_wait(&later->turn, green_after(LONG_MS));
    int err = later->err != 0 ? green_future_set_error(later->future, later->err)
                              : green_future_set(later->future, 1);
    if (later->next != NULL) {
        green_event_set(later->next);
    }
    return err;
}

/** The indexes in the order of their being done, and the first error. */
static intptr_t
collect(void *arg)
{
    struct later *laters = arg;
    struct green_future *futures[3];
    intptr_t order = 0;
    size_t index;
    for (int i = 0; i < 3; i++) {
        futures[i] = laters[i].future;
    }
    int err = green_futures_wait(futures, 3, GREEN_FIRST_ERROR, &index, green_after(LONG_MS));
    if (err != 0 || index != 2) {
        return -1;
    }
    for (int i = 0; i < 3; i++) {
        if (i == 2) {
            green_event_set(&laters[0].turn);
        }
        err = green_futures_wait(futures, 3, GREEN_FIRST_COMPLETED, &index, green_after(LONG_MS));
        if (err != 0) {
            return err;
        }
        order = order * 10 + (intptr_t)index;
        futures[index] = NULL;
    }
    return order;
}

START_TEST(one_after_the_other)
{
    for (int i = 0; i < 2 * KINDS; i++) {
        struct later laters[3] = {{.future = make()},
                                  {.future = make(), .next = &laters[2].turn},
                                  {.future = make(), .err = -EDOM}};
        struct green_job *jobs[3];
        green_event_set(&laters[1].turn);
        for (int j = 0; j < 3; j++) {
            jobs[j] = spawn(kinds[i / 2], set_later, &laters[j]);
        }
        ck_assert_int_eq(finish(spawn(kinds[i % 2], collect, laters)), 120);
        for (int j = 0; j < 3; j++) {
            ck_assert_int_eq(finish(jobs[j]), 0);
            green_future_put(laters[j].future);
        }
    }
}
END_TEST

static intptr_t
wait_all(void *futures)
{
    return green_futures_wait(futures, 4, GREEN_ALL_COMPLETED, NULL, GREEN_FOREVER);
}

START_TEST(cancelled_while_waiting_for_several)
{
    struct green_future *futures[4] = {make(), make(), make(), make()};
    for (int i = 0; i < KINDS; i++) {
        struct green_job *job = spawn(kinds[i], wait_all, futures);
        green_sleep(5);
        green_job_cancel(job);
        ck_assert_int_eq(finish(job), -ECANCELED);
    }
    struct green_timeout scope;
    green_timeout_start(&scope, 5);
    ck_assert_int_eq(wait_all(futures), -ETIMEDOUT);
    ck_assert(green_timeout_fired(&scope));
    green_timeout_stop(&scope);
    for (int i = 0; i < 4; i++) {
        green_future_set(futures[i], i);
        green_future_put(futures[i]);
    }
}
END_TEST

static intptr_t
set_at_once(void *future)
{
    int err = green_future_set(future, 1);
    green_future_put(future);
    return err;
}

/** Who sets, who waits and who gives up, all at the same moment; and the last reference anywhere.
 */
START_TEST(sets_and_waits_race)
{
    int rounds = stress(2000, 100);
    for (int i = 0; i < rounds; i++) {
        struct green_future *futures[2] = {make(), make()};
        struct green_job *jobs[2];
        for (int j = 0; j < 2; j++) {
            jobs[j] = spawn(GREEN_THREAD, set_at_once, green_future_get(futures[j]));
        }
        size_t index;
        int err = green_futures_wait(futures, 2, GREEN_FIRST_COMPLETED, &index,
                                     i % 3 == 0 ? GREEN_NOW : GREEN_FOREVER);
        ck_assert(err == 0 || (i % 3 == 0 && err == -ETIMEDOUT));
        for (int j = 0; j < 2; j++) {
            green_future_put(futures[j]);
            ck_assert_int_eq(finish(jobs[j]), 0);
        }
    }
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
    struct green_future *future = make();
    struct green_future *none = NULL;
    allocations_left = 0;
    int created = green_future_create(&none);
    int added = green_future_add_done_callback(future, note_it, "x");
    int waited = green_futures_wait(&future, 1, GREEN_ALL_COMPLETED, NULL, GREEN_FOREVER);
    int set = green_future_set(future, 2);
    allocations_left = SIZE_MAX;
    ck_assert_int_eq(created, -ENOMEM);
    ck_assert_ptr_null(none);
    ck_assert_int_eq(added, -ENOMEM);
    ck_assert_int_eq(waited, -ENOMEM);
    ck_assert_int_eq(set, 0);
    ck_assert_trace("");
    green_future_put(future);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        set_once,
        errors_and_cancels,
        between_all_kinds,
        cancelled_waiter_leaves_the_others,
        callbacks_run_in_order,
        callbacks_chain,
        callback_of_a_cancelled_one,
        callback_that_waits_aborts,
        wait_for_several,
        one_after_the_other,
        cancelled_while_waiting_for_several,
        sets_and_waits_race,
        no_memory,
    };
    return RUN_TESTS("futures", tests);
}
