/*
 * Cancelling threads that block in the kernel, and cancelling from other threads.
 *
 * A cancellation may come at any instruction: before the call, between the last look and the call,
 * in it, after it. Each case must end; that the calls return -ECANCELED is stated, and when is not.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/syscall.h>
#include <time.h>

#include "../base/support.h"
#include "green/net.h"
#include "green/sync.h"
#include "green/timeout.h"

static int ends[2];
static atomic_int running;

static intptr_t
in_sleep(void *arg)
{
    (void)arg;
    atomic_store(&running, 1);
    return green_sleep(UINT64_MAX);
}

static intptr_t
in_semaphore(void *arg)
{
    (void)arg;
    struct green_semaphore *semaphore = make_semaphore(0);
    atomic_store(&running, 1);
    int err = green_semaphore_acquire(semaphore, GREEN_FOREVER);
    drop_semaphore(semaphore);
    return err;
}

static intptr_t
in_recv(void *arg)
{
    char byte;
    (void)arg;
    atomic_store(&running, 1);
    return green_recv(ends[0], &byte, 1, 0);
}

static intptr_t
in_recv_with_scope(void *arg)
{
    struct green_timeout scope;
    green_timeout_start(&scope, 6 * LONG_MS);
    intptr_t got = in_recv(arg);
    green_timeout_stop(&scope);
    return got;
}

static intptr_t
in_poll(void *arg)
{
    (void)arg;
    struct pollfd entry = {.fd = ends[0], .events = POLLIN};
    atomic_store(&running, 1);
    return green_poll(&entry, 1, GREEN_FOREVER);
}

static intptr_t
in_wait_fd(void *arg)
{
    (void)arg;
    atomic_store(&running, 1);
    return green_wait_fd(ends[0], POLLIN, green_after(6 * LONG_MS));
}

static intptr_t
in_accept(void *arg)
{
    (void)arg;
    struct green_address address;
    green_address_parse("127.0.0.1", 0, &address);
    int listener = green_listen(&address, 1);
    if (listener < 0) {
        return listener;
    }
    atomic_store(&running, 1);
    int err = green_accept(listener, NULL);
    green_close(listener);
    return err;
}

static intptr_t
in_join(void *arg)
{
    atomic_store(&running, 1);
    return green_job_join(arg, NULL, GREEN_FOREVER);
}

static intptr_t
in_task(void *entry)
{
    struct green_job *task;
    int err = green_spawn(*(green_entry *)entry, NULL, &task);
    if (err != 0) {
        return err;
    }
    err = green_job_join(task, NULL, GREEN_FOREVER); /* cancelled itself: hands it on */
    green_job_cancel(task);
    struct green_shield shield;
    green_shield_start(&shield);
    intptr_t value = 0;
    green_job_join(task, &value, GREEN_FOREVER);
    green_shield_stop(&shield);
    green_job_put(task);
    return err == value ? err : -EPROTO;
}

static green_entry blocking[] = {in_sleep,           in_semaphore, in_recv,  in_poll,
                                 in_recv_with_scope, in_wait_fd,   in_accept};
#define BLOCKING_COUNT (int)(sizeof blocking / sizeof *blocking)

static void
setup(void)
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
}

static void
await_running(int wanted)
{
    while (atomic_load(&running) < wanted) {
        usleep(100);
    }
}

START_TEST(blocked_thread)
{
    setup();
    struct green_job *job = spawn(GREEN_THREAD, blocking[_i], NULL);
    await_running(1);
    usleep(10000);
    ck_assert(green_job_alive(job));
    green_job_cancel(job);
    ck_assert_int_eq(finish(job), -ECANCELED);
}
END_TEST

START_TEST(blocked_thread_with_tasks)
{
    setup();
    struct green_job *job = spawn(GREEN_THREAD, in_task, &blocking[_i]);
    await_running(1);
    usleep(10000);
    green_job_cancel(job);
    ck_assert_int_eq(finish(job), -ECANCELED);
}
END_TEST

START_TEST(thread_that_joins)
{
    struct green_job *forever = spawn(GREEN_THREAD, in_sleep, NULL);
    await_running(1);
    struct green_job *job = spawn(GREEN_THREAD, in_join, forever);
    usleep(10000);
    green_job_cancel(job);
    ck_assert_int_eq(finish(job), -ECANCELED);
    ck_assert(green_job_alive(forever));
    green_job_cancel(forever);
    ck_assert_int_eq(finish(forever), -ECANCELED);
}
END_TEST

/* The race between the look and the call: at every moment around the start of the call. */
START_TEST(blocking_thread_at_any_moment)
{
    setup();
    int rounds = stress(400, 40);
    for (int i = 0; i < rounds; i++) {
        atomic_store(&running, 0);
        struct green_job *job = spawn(GREEN_THREAD, blocking[_i], NULL);
        if (i % 4 != 0) {
            while (atomic_load(&running) == 0) {
                sched_yield();
            }
        }
        for (volatile int spin = 0; spin < i % 50 * 20; spin = spin + 1) {
        }
        green_job_cancel(job);
        ck_assert_int_eq(finish(job), -ECANCELED);
    }
}
END_TEST

/* ---- the narrowest moment: while the thread sets its alarm ---- */

static _Atomic(struct green_job *) cancel_at_alarm;

static void *
cancel_it(void *job)
{
    green_job_cancel(job);
    return NULL;
}

/** In place of the C library's: the cancellation, signal included, comes just before the call. */
int
timer_settime(timer_t timer, int flags, const struct itimerspec *spec, struct itimerspec *ret_old)
{
    struct green_job *job = atomic_exchange(&cancel_at_alarm, NULL);
    if (job != NULL) {
        pthread_t thread;
        pthread_create(&thread, NULL, cancel_it, job);
        pthread_join(thread, NULL);
    }
    return (int)syscall(SYS_timer_settime, (int)(intptr_t)timer, flags, spec, ret_old);
}

static intptr_t
recv_cancelled_at_alarm(void *arg)
{
    atomic_store(&cancel_at_alarm, green_self());
    return in_recv_with_scope(arg);
}

START_TEST(thread_that_sets_its_alarm)
{
    setup();
    struct green_job *job = spawn(GREEN_THREAD, recv_cancelled_at_alarm, NULL);
    ck_assert_int_eq(finish(job), -ECANCELED);
}
END_TEST

/* ---- from elsewhere ---- */

static intptr_t
cancel_job(void *job)
{
    green_job_cancel(job);
    return 0;
}

START_TEST(main_thread_from_a_thread)
{
    setup();
    struct green_job *other = spawn(GREEN_THREAD, cancel_job, green_self());
    ck_assert_int_eq(blocking[_i](NULL), -ECANCELED);
    ck_assert_int_eq(green_sleep(1), -ECANCELED);
    struct green_shield shield;
    green_shield_start(&shield);
    ck_assert_int_eq(finish(other), 0);
    green_shield_stop(&shield);
}
END_TEST

START_TEST(main_thread_from_its_task)
{
    setup();
    struct green_job *task = spawn(GREEN_TASK, cancel_job, green_self());
    ck_assert_int_eq(blocking[_i](NULL), -ECANCELED);
    green_job_put(task);
}
END_TEST

static struct green_job *main_job;

static void
on_alarm(int signo)
{
    (void)signo;
    green_job_cancel(main_job); /* NOLINT(bugprone-signal-handler): it promises to be safe here */
}

START_TEST(main_thread_from_a_signal_handler)
{
    setup();
    main_job = green_self();
    signal(SIGALRM, on_alarm);
    struct itimerval timer = {.it_value.tv_usec = 10000};
    setitimer(ITIMER_REAL, &timer, NULL);
    ck_assert_int_eq(blocking[_i](NULL), -ECANCELED);
}
END_TEST

static struct green_job *tasks[100];

static intptr_t
own_tasks(void *semaphore)
{
    for (int i = 0; i < 100; i++) {
        int err = green_spawn(in_sleep, NULL, &tasks[i]);
        if (err != 0) {
            return err;
        }
    }
    green_semaphore_release(semaphore);
    intptr_t sum = 0;
    for (int i = 0; i < 100; i++) {
        intptr_t value = 0;
        green_job_join(tasks[i], &value, GREEN_FOREVER);
        sum += value;
    }
    return sum;
}

START_TEST(tasks_of_another_thread)
{
    int rounds = stress(50, 5);
    struct green_semaphore *semaphore = make_semaphore(0);
    for (int round = 0; round < rounds; round++) {
        struct green_job *owner = spawn(GREEN_THREAD, own_tasks, semaphore);
        ck_assert_int_eq(green_semaphore_acquire(semaphore, green_after(LONG_MS)), 0);
        for (int i = 0; i < 100; i++) {
            green_job_cancel(tasks[i]);
        }
        ck_assert_int_eq(finish(owner), 100 * -ECANCELED);
        for (int i = 0; i < 100; i++) {
            green_job_cancel(tasks[i]); /* ended: left alone */
            green_job_put(tasks[i]);
        }
    }
    drop_semaphore(semaphore);
}
END_TEST

int
main(void)
{
    TCase *tests = make_case("cancel");
    tcase_add_loop_test(tests, blocked_thread, 0, BLOCKING_COUNT);
    tcase_add_loop_test(tests, blocked_thread_with_tasks, 0, BLOCKING_COUNT);
    tcase_add_test(tests, thread_that_joins);
    tcase_add_loop_test(tests, blocking_thread_at_any_moment, 0, BLOCKING_COUNT);
    tcase_add_test(tests, thread_that_sets_its_alarm);
    tcase_add_loop_test(tests, main_thread_from_a_thread, 0, BLOCKING_COUNT);
    tcase_add_loop_test(tests, main_thread_from_its_task, 0, BLOCKING_COUNT);
    tcase_add_loop_test(tests, main_thread_from_a_signal_handler, 0, BLOCKING_COUNT);
    tcase_add_test(tests, tasks_of_another_thread);
    return run_case_of("cancel", tests);
}
