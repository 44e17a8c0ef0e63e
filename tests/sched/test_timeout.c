/*
 * Timeout scopes and shields, for every kind of worker: each case is a function that returns 0, run
 * by the main stack alone, by the main stack beside a task, and by a task, a thread and a process.
 */
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>

#include "../base/support.h"
#include "green/net.h"
#include "green/timeout.h"

#define EXPECT(condition)    \
    do {                     \
        if (!(condition)) {  \
            return __LINE__; \
        }                    \
    } while (0)

static intptr_t
one_scope(void)
{
    struct green_timeout scope;
    green_timeout_start(&scope, 5);
    EXPECT(!green_timeout_fired(&scope));
    EXPECT(green_sleep(LONG_MS) == -ETIMEDOUT);
    EXPECT(green_timeout_fired(&scope));
    EXPECT(green_sleep(LONG_MS) == -ETIMEDOUT); /* sticky */
    green_timeout_stop(&scope);
    EXPECT(green_timeout_fired(&scope));
    EXPECT(green_sleep(1) == 0);
    return 0;
}

static intptr_t
scope_that_does_not_end(void)
{
    struct green_timeout scope;
    green_timeout_start(&scope, 6 * LONG_MS);
    EXPECT(green_sleep(2) == 0);
    green_timeout_stop(&scope);
    EXPECT(!green_timeout_fired(&scope));
    green_timeout_start(&scope, UINT64_MAX);
    EXPECT(green_sleep(2) == 0);
    green_timeout_stop(&scope);
    EXPECT(!green_timeout_fired(&scope));
    return 0;
}

static intptr_t
inner_is_sooner(void)
{
    struct green_timeout outer;
    struct green_timeout inner;
    green_timeout_start(&outer, 6 * LONG_MS);
    green_timeout_start(&inner, 5);
    EXPECT(green_sleep(LONG_MS) == -ETIMEDOUT);
    green_timeout_stop(&inner);
    EXPECT(green_timeout_fired(&inner) && !green_timeout_fired(&outer));
    EXPECT(green_sleep(2) == 0);
    green_timeout_stop(&outer);
    EXPECT(!green_timeout_fired(&outer));
    return 0;
}

static intptr_t
outer_is_sooner(void)
{
    struct green_timeout scopes[3];
    green_timeout_start(&scopes[0], 6 * LONG_MS);
    green_timeout_start(&scopes[1], 5);
    green_timeout_start(&scopes[2], 5 * LONG_MS);
    EXPECT(green_sleep(LONG_MS) == -ETIMEDOUT);
    EXPECT(!green_timeout_fired(&scopes[0]) && green_timeout_fired(&scopes[1]) &&
           !green_timeout_fired(&scopes[2]));
    green_timeout_stop(&scopes[2]);
    EXPECT(green_sleep(LONG_MS) == -ETIMEDOUT);
    green_timeout_stop(&scopes[1]);
    EXPECT(green_sleep(2) == 0);
    green_timeout_stop(&scopes[0]);
    return 0;
}

static intptr_t
deadline_of_the_call(void)
{
    struct green_timeout scope;
    struct green_semaphore *semaphore = make_semaphore(0);
    green_timeout_start(&scope, 6 * LONG_MS);
    EXPECT(green_semaphore_acquire(semaphore, green_after(2)) == -ETIMEDOUT);
    EXPECT(green_semaphore_acquire(semaphore, GREEN_NOW) == -ETIMEDOUT);
    EXPECT(!green_timeout_fired(&scope)); /* neither was its doing */
    green_timeout_stop(&scope);
    green_timeout_start(&scope, 2);
    EXPECT(green_semaphore_acquire(semaphore, GREEN_FOREVER) == -ETIMEDOUT);
    EXPECT(green_timeout_fired(&scope));
    green_timeout_stop(&scope);
    drop_semaphore(semaphore);
    return 0;
}

static intptr_t
no_time_at_all(void)
{
    struct green_timeout scope;
    struct green_semaphore *semaphore = make_semaphore(1);
    int ends[2];
    char byte = 'x';
    EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    green_timeout_start(&scope, 0);
    EXPECT(green_semaphore_acquire(semaphore, GREEN_FOREVER) == 0);
    EXPECT(green_send(ends[0], &byte, 1, 0) == 1);
    EXPECT(green_recv(ends[1], &byte, 1, 0) == 1);
    EXPECT(green_wait_fd(ends[1], POLLOUT, GREEN_FOREVER) == POLLOUT);
    EXPECT(!green_timeout_fired(&scope));
    EXPECT(green_semaphore_acquire(semaphore, GREEN_FOREVER) == -ETIMEDOUT);
    EXPECT(green_timeout_fired(&scope));
    EXPECT(green_recv(ends[1], &byte, 1, 0) == -ETIMEDOUT);
    EXPECT(green_wait_fd(ends[1], POLLIN, GREEN_FOREVER) == -ETIMEDOUT);
    EXPECT(green_sleep(1) == -ETIMEDOUT);
    EXPECT(green_sleep(0) == 0);
    green_timeout_stop(&scope);
    green_close(ends[0]);
    green_close(ends[1]);
    drop_semaphore(semaphore);
    return 0;
}

static intptr_t
descriptors(void)
{
    struct green_timeout scope;
    int ends[2];
    char byte;
    EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    for (int i = 0; i < 3; i++) {
        green_timeout_start(&scope, 3);
        EXPECT(green_recv(ends[0], &byte, 1, 0) == -ETIMEDOUT);
        EXPECT(green_timeout_fired(&scope));
        green_timeout_stop(&scope);
        green_timeout_start(&scope, 3);
        EXPECT(green_wait_fd(ends[0], POLLIN, GREEN_FOREVER) == -ETIMEDOUT);
        EXPECT(green_timeout_fired(&scope));
        green_timeout_stop(&scope);
        EXPECT(green_wait_fd(ends[0], POLLIN, green_after(3)) == -ETIMEDOUT);
    }
    green_close(ends[0]);
    green_close(ends[1]);
    return 0;
}

static intptr_t
shield_hides_scopes(void)
{
    struct green_timeout outer;
    struct green_timeout inner;
    struct green_shield shield;
    struct green_shield second;
    green_timeout_start(&outer, 2);
    green_shield_start(&shield);
    EXPECT(green_sleep(10) == 0);
    green_shield_start(&second);
    green_timeout_start(&inner, 2);
    EXPECT(green_sleep(LONG_MS) == -ETIMEDOUT);
    EXPECT(green_timeout_fired(&inner) && !green_timeout_fired(&outer));
    green_timeout_stop(&inner);
    green_shield_stop(&second);
    EXPECT(green_sleep(1) == 0);
    green_shield_stop(&shield);
    EXPECT(!green_timeout_fired(&outer));
    EXPECT(green_sleep(LONG_MS) == -ETIMEDOUT);
    EXPECT(green_timeout_fired(&outer));
    green_timeout_stop(&outer);
    return 0;
}

static intptr_t
cancelled_inside(void)
{
    struct green_timeout scope;
    struct green_shield shield;
    green_job_cancel(green_self());
    green_timeout_start(&scope, 2);
    EXPECT(green_sleep(LONG_MS) == -ECANCELED);
    EXPECT(!green_timeout_fired(&scope));
    green_shield_start(&shield);
    EXPECT(green_sleep(5) == 0);
    green_shield_stop(&shield);
    EXPECT(green_sleep(5) == -ECANCELED);
    green_timeout_stop(&scope);
    return 0;
}

static intptr_t (*const cases[])(void) = {
    one_scope,       scope_that_does_not_end, inner_is_sooner,
    outer_is_sooner, deadline_of_the_call,    no_time_at_all,
    descriptors,     shield_hides_scopes,     cancelled_inside,
};
#define CASE_COUNT (int)(sizeof cases / sizeof *cases)

static intptr_t
run_case(void *number)
{
    return cases[NUMBER(number)]();
}

static intptr_t
run_case_beside_a_task(void *number)
{
    struct green_job *job;
    int err = green_spawn((green_entry)run_case, number, &job);
    intptr_t line = err != 0 ? err : run_case(number);
    green_job_put(job);
    return line;
}

/* Each returns the line of the expectation that did not hold. */
START_TEST(main_stack)
{
    ck_assert_int_eq(run_case(POINTER(_i)), 0);
}
END_TEST

START_TEST(main_stack_beside_a_task)
{
    ck_assert_int_eq(run_case_beside_a_task(POINTER(_i)), 0);
}
END_TEST

START_TEST(other_workers)
{
    ck_assert_int_eq(finish(spawn(GREEN_TASK, run_case, POINTER(_i))), 0);
    ck_assert_int_eq(finish(spawn(GREEN_THREAD, run_case, POINTER(_i))), 0);
    ck_assert_int_eq(finish(spawn(GREEN_THREAD, run_case_beside_a_task, POINTER(_i))), 0);
    if (PROCESSES) {
        ck_assert_int_eq(finish(spawn(GREEN_PROCESS, run_case, POINTER(_i))), 0);
        ck_assert_int_eq(finish(spawn(GREEN_PROCESS, run_case_beside_a_task, POINTER(_i))), 0);
    }
}
END_TEST

/* ---- misuse ---- */

static void
stop_the_outer_scope(void)
{
    struct green_timeout outer;
    struct green_timeout inner;
    green_timeout_start(&outer, 10);
    green_timeout_start(&inner, 10);
    green_timeout_stop(&outer);
}

static void
stop_no_shield(void)
{
    struct green_shield shield = {NULL};
    green_shield_stop(&shield);
}

static void
stop_a_shield_around_a_scope(void)
{
    struct green_shield shield;
    struct green_timeout scope;
    green_shield_start(&shield);
    green_timeout_start(&scope, 10);
    green_shield_stop(&shield);
}

START_TEST(wrong_order_aborts)
{
    char text[256];
    ck_assert_int_eq(last_words(stop_the_outer_scope, text, sizeof text), -SIGABRT);
    ck_assert_str_eq(text,
                     "green: green_timeout_stop: this is not the innermost scope of its worker\n");
    const char *line = "green: green_shield_stop: no shield was started, or a timeout scope inside "
                       "it was not stopped\n";
    ck_assert_int_eq(last_words(stop_no_shield, text, sizeof text), -SIGABRT);
    ck_assert_str_eq(text, line);
    ck_assert_int_eq(last_words(stop_a_shield_around_a_scope, text, sizeof text), -SIGABRT);
    ck_assert_str_eq(text, line);
}
END_TEST

int
main(void)
{
    TCase *tests = make_case("timeout");
    tcase_add_loop_test(tests, main_stack, 0, CASE_COUNT);
    tcase_add_loop_test(tests, main_stack_beside_a_task, 0, CASE_COUNT);
    tcase_add_loop_test(tests, other_workers, 0, CASE_COUNT);
    tcase_add_test(tests, wrong_order_aborts);
    return run_case_of("timeout", tests);
}
