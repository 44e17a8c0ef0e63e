/*
 * Functions that block: others run meanwhile, a call that is cut short leaves its function and its
 * argument whole, and every kind of caller gets the result.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/failing.h"
#include "support.h"

static intptr_t
add_one(void *arg)
{
    return (intptr_t)arg + 1;
}

static intptr_t
call_it(void *arg)
{
    intptr_t result = -1;
    (void)arg;
    WANT(green_blocking(add_one, (void *)41, &result), ==, 0);
    WANT(result, ==, 42);
    WANT(green_blocking(add_one, (void *)41, NULL), ==, 0);
    return 0;
}

START_TEST(every_caller_gets_the_result)
{
    for (int caller = 0; caller < CALLERS_HERE; caller++) {
        ASSERT_AS(caller, call_it, NULL);
    }
}
END_TEST

/* ---- a function that ends when it is told to ---- */

struct gate {
    int fds[2];
    atomic_int ran;
    atomic_int dropped;
};

static intptr_t
pass(void *arg)
{
    struct gate *gate = arg;
    char byte;
    atomic_fetch_add(&gate->ran, 1);
    ssize_t got;
    do {
        got = read(gate->fds[0], &byte, 1);
    } while (got < 0 && errno == EINTR);
    return (intptr_t)got;
}

static void
drop_gate(void *arg)
{
    struct gate *gate = arg;
    atomic_fetch_add(&gate->dropped, 1);
}

static char trace[64];

static intptr_t
call_through(void *arg)
{
    intptr_t result = -1;
    strcat(trace, "call ");
    WANT(green_blocking(pass, arg, &result), ==, 0);
    WANT(result, ==, 1);
    strcat(trace, "result ");
    return 0;
}

static intptr_t
open_it(void *arg)
{
    struct gate *gate = arg;
    strcat(trace, "open ");
    WANT(write(gate->fds[1], "x", 1), ==, 1);
    return 0;
}

START_TEST(others_run_meanwhile)
{
    struct gate gate = {.ran = 0};
    ck_assert_int_eq(pipe(gate.fds), 0);
    struct green_job *jobs[2];
    ck_assert_int_eq(green_spawn(call_through, &gate, &jobs[0]), 0);
    ck_assert_int_eq(green_spawn(open_it, &gate, &jobs[1]), 0);
    for (int i = 0; i < 2; i++) {
        intptr_t line = -1;
        ck_assert_int_eq(green_job_join(jobs[i], &line, green_after(LIMIT_MS)), 0);
        ck_assert_int_eq(line, 0);
        green_job_put(jobs[i]);
    }
    ck_assert_str_eq(trace, "call open result ");
}
END_TEST

START_TEST(a_hundred_at_once)
{
    struct green_job *jobs[100];
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(green_spawn(call_it, NULL, &jobs[i]), 0);
    }
    ck_assert_int_eq(green_joinall(jobs, 100, green_after(LIMIT_MS)), 0);
    for (int i = 0; i < 100; i++) {
        intptr_t line = -1;
        ck_assert_int_eq(green_job_join(jobs[i], &line, GREEN_NOW), 0);
        ck_assert_int_eq(line, 0);
        green_job_put(jobs[i]);
    }
}
END_TEST

/* ---- calls that give up ---- */

static intptr_t
give_up(void *arg)
{
    intptr_t result = 7;
    WANT(green_blocking_owned(pass, arg, drop_gate, &result), ==, -ECANCELED);
    WANT(result, ==, 7);
    return 0;
}

static intptr_t
time_out(void *arg)
{
    intptr_t result = 7;
    struct green_timeout scope;
    green_timeout_start(&scope, 1);
    WANT(green_blocking_owned(pass, arg, drop_gate, &result), ==, -ETIMEDOUT);
    WANT(green_timeout_fired(&scope), ==, true);
    green_timeout_stop(&scope);
    WANT(result, ==, 7);
    return 0;
}

/** Wait until the argument is dropped: the loop must run for it. */
static void
expect_dropped(struct gate *gate, int count)
{
    for (int ms = 0; atomic_load(&gate->dropped) < count && ms < LIMIT_MS; ms++) {
        ck_assert_int_eq(green_sleep(1), 0);
    }
    ck_assert_int_eq(atomic_load(&gate->dropped), count);
}

START_TEST(a_cancelled_call_leaves_its_function)
{
    struct gate gate = {.ran = 0};
    ck_assert_int_eq(pipe(gate.fds), 0);
    struct green_job *job;
    ck_assert_int_eq(green_spawn(give_up, &gate, &job), 0);
    for (int ms = 0; atomic_load(&gate.ran) == 0 && ms < LIMIT_MS; ms++) {
        ck_assert_int_eq(green_sleep(1), 0);
    }
    ck_assert_int_eq(atomic_load(&gate.ran), 1);
    green_job_cancel(job);
    intptr_t line = -1;
    ck_assert_int_eq(green_job_join(job, &line, green_after(LIMIT_MS)), 0);
    ck_assert_int_eq(line, 0);
    green_job_put(job);
    ck_assert_int_eq(atomic_load(&gate.dropped), 0); /* the function has it */
    ck_assert_int_eq(write(gate.fds[1], "x", 1), 1);
    expect_dropped(&gate, 1);
}
END_TEST

/** More than the pool has threads: some functions have not begun, and never do. */
START_TEST(calls_that_have_not_begun_never_run)
{
    enum { COUNT = 64 };
    struct gate gate = {.ran = 0};
    ck_assert_int_eq(pipe(gate.fds), 0);
    setenv("UV_THREADPOOL_SIZE", "2", 1);
    struct green_job *jobs[COUNT];
    for (int i = 0; i < COUNT; i++) {
        ck_assert_int_eq(green_spawn(time_out, &gate, &jobs[i]), 0);
    }
    for (int i = 0; i < COUNT; i++) {
        intptr_t line = -1;
        ck_assert_int_eq(green_job_join(jobs[i], &line, green_after(LIMIT_MS)), 0);
        ck_assert_int_eq(line, 0);
        green_job_put(jobs[i]);
    }
    close(gate.fds[1]);
    expect_dropped(&gate, COUNT);
    ck_assert_int_le(atomic_load(&gate.ran), 2);
}
END_TEST

static void
open_gate(void *arg)
{
    struct gate *gate = arg;
    if (write(gate->fds[1], "x", 1) != 1) {
        abort();
    }
}

struct left {
    struct gate gate;
    struct later later;
};

/** A thread whose task gave up ends when the function has, which is after it has given up. */
static intptr_t
leave_it_behind(void *arg)
{
    struct left *left = arg;
    struct green_job *job;
    intptr_t line = -1;
    WANT(green_spawn(time_out, &left->gate, &job), ==, 0);
    WANT(green_job_join(job, &line, green_after(LIMIT_MS)), ==, 0);
    green_job_put(job);
    later_start(&left->later, MOMENT_MS, open_gate, &left->gate);
    return line;
}

START_TEST(a_thread_ends_after_its_functions)
{
    struct left left = {.gate = {.ran = 0}};
    ck_assert_int_eq(pipe(left.gate.fds), 0);
    ck_assert_int_eq(call_as(CALL_THREAD, leave_it_behind, &left), 0);
    ck_assert_int_eq(atomic_load(&left.gate.dropped), 1);
    later_join(&left.later);
}
END_TEST

/* The gate is opened once the call has given up, so that it cannot end by itself. */
static intptr_t
time_out_and_open(void *arg)
{
    WANT_ALL(time_out(arg));
    open_gate(arg);
    return 0;
}

static intptr_t
give_up_and_open(void *arg)
{
    WANT_ALL(give_up(arg));
    open_gate(arg);
    return 0;
}

/** Every kind of caller gives up, by a scope and by a cancellation; its function goes on. */
START_TEST(every_caller_can_give_up)
{
    static struct gate gates[2 * CALLERS];
    size_t count = 0;
    for (int caller = 0; caller < CALLERS_HERE; caller++) {
        struct gate *gate = &gates[count++];
        ck_assert_int_eq(pipe(gate->fds), 0);
        ASSERT_AS(caller, time_out_and_open, gate);
        if (caller != CALL_PROCESS) {
            expect_dropped(gate, 1);
        }
    }
    for (size_t i = 0; i < cancel_order_count; i++) {
        int caller = cancel_order[i];
        if (caller == CALL_PROCESS && caller >= CALLERS_HERE) {
            continue;
        }
        struct gate *gate = &gates[count++];
        ck_assert_int_eq(pipe(gate->fds), 0);
        ck_assert_int_eq(call_and_cancel(caller, give_up_and_open, gate), 0);
        if (caller == CALL_TASK || caller == CALL_THREAD) { /* the main stack is cancelled */
            expect_dropped(gate, 1);
        }
    }
}
END_TEST

static intptr_t
give_up_at_once(void *arg)
{
    struct gate *gate = arg;
    while (green_sleep(LIMIT_MS) == 0) {
    }
    WANT(green_blocking_owned(pass, gate, drop_gate, NULL), ==, -ECANCELED);
    WANT(atomic_load(&gate->dropped), ==, 1);
    WANT(atomic_load(&gate->ran), ==, 0);
    return 0;
}

START_TEST(who_is_cancelled_calls_nothing)
{
    for (size_t i = 0; i < cancel_order_count; i++) {
        struct gate gate = {.ran = 0};
        ck_assert_int_eq(call_and_cancel(cancel_order[i], give_up_at_once, &gate), 0);
    }
}
END_TEST

/* ---- no memory ---- */

static intptr_t
starve(void *arg)
{
    struct gate *gate = arg;
    intptr_t result = 7;
    failing = true;
    int err = green_blocking_owned(pass, gate, drop_gate, &result);
    failing = false;
    WANT(err, ==, -ENOMEM);
    WANT(result, ==, 7);
    WANT(atomic_load(&gate->ran), ==, 0);
    WANT(atomic_load(&gate->dropped), ==, 1);
    return 0;
}

START_TEST(no_memory)
{
    ck_assert_int_eq(green_set_allocator(&failing_allocator), 0);
    struct gate gate = {.ran = 0};
    ASSERT_AS(CALL_TASK, starve, &gate);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("blocking");
    TCase *tcase = new_case(suite, "blocking");
    tcase_add_test(tcase, every_caller_gets_the_result);
    tcase_add_test(tcase, others_run_meanwhile);
    tcase_add_test(tcase, a_hundred_at_once);
    tcase_add_test(tcase, a_cancelled_call_leaves_its_function);
    tcase_add_test(tcase, calls_that_have_not_begun_never_run);
    tcase_add_test(tcase, a_thread_ends_after_its_functions);
    tcase_add_test(tcase, every_caller_can_give_up);
    tcase_add_test(tcase, who_is_cancelled_calls_nothing);
    tcase_add_test(tcase, no_memory);
    return run_suite(suite);
}
