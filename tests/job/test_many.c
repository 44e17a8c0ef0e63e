/*
 * Many tasks alive at once, and many that come and go: the figures that the library promises.
 */
#include <errno.h>

#include "../base/support.h"

/* ThreadSanitizer ends at some 8,000 fibers; valgrind and AddressSanitizer are slow at stacks. */
#if defined(GREEN__TSAN) || defined(GREEN__VALGRIND)
#define MANY 1000
#elif defined(GREEN__ASAN)
#define MANY 5000
#else
#define MANY 100000
#endif

static struct green_job *jobs[MANY];
static struct green_semaphore *gate;
static int passed;

static intptr_t
pass(void *arg)
{
    int err = green_semaphore_acquire(gate, GREEN_FOREVER);
    if (err == 0) {
        passed += NUMBER(arg) == passed; /* in the order of their coming */
        green_semaphore_release(gate);
    }
    return err;
}

START_TEST(many_alive)
{
    gate = make_semaphore(0);
    for (int i = 0; i < MANY; i++) {
        jobs[i] = spawn(GREEN_TASK, pass, POINTER(i));
    }
    green_yield();
    ck_assert(green_job_alive(jobs[0]) && green_job_alive(jobs[MANY - 1]));
    green_semaphore_release(gate);
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(finish(jobs[i]), 0);
    }
    ck_assert_int_eq(passed, MANY);
    drop_semaphore(gate);
}
END_TEST

START_TEST(many_cancelled)
{
    gate = make_semaphore(0);
    for (int i = 0; i < MANY; i++) {
        jobs[i] = spawn(GREEN_TASK, pass, NULL);
        if (i == MANY / 2) {
            green_sleep(1); /* half of them wait, half have not run */
        }
    }
    for (int i = 0; i < MANY; i++) {
        green_job_cancel(jobs[i]);
    }
    for (int i = MANY; i-- > 0;) {
        ck_assert_int_eq(finish(jobs[i]), -ECANCELED);
    }
    drop_semaphore(gate);
}
END_TEST

static intptr_t
sleep_a_little(void *ms)
{
    return green_sleep((uint64_t)NUMBER(ms));
}

START_TEST(many_timers)
{
    for (int i = 0; i < MANY; i++) {
        jobs[i] = spawn(GREEN_TASK, sleep_a_little, POINTER(1 + i * 37 % 50));
    }
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(finish(jobs[i]), 0);
    }
}
END_TEST

static intptr_t
count_down(void *left)
{
    return NUMBER(left) > 0 ? green_spawn(count_down, POINTER(NUMBER(left) - 1), NULL) : 7;
}

START_TEST(many_come_and_go)
{
    ck_assert_int_eq(finish(spawn(GREEN_TASK, count_down, POINTER(3 * MANY))), 0);
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(finish(spawn(GREEN_TASK, sleep_a_little, NULL)), 0);
    }
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {many_alive, many_cancelled, many_timers, many_come_and_go};
    return RUN_TESTS("many", tests);
}
