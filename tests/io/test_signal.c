/*
 * Signals as waits: by every kind of caller, in the order of coming, cut short, and refused.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "support.h"

static const int both[] = {SIGUSR1, SIGUSR2};

static intptr_t
take(void *arg)
{
    (void)arg;
    int fd = green_signal_open(both, 2);
    WANT(fd, >=, 0);
    WANT(fcntl(fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
    struct green_signal signal = {.number = -1};
    WANT(green_signal_wait(fd, &signal, GREEN_NOW), ==, -ETIMEDOUT);
    WANT(green_signal_wait(fd, &signal, green_after(2)), ==, -ETIMEDOUT);
    WANT(signal.number, ==, -1);
    /* To this thread, since others of the process may have them unblocked. */
    WANT(pthread_kill(pthread_self(), SIGUSR2), ==, 0);
    WANT(green_signal_wait(fd, &signal, green_after(LIMIT_MS)), ==, SIGUSR2);
    WANT(signal.number, ==, SIGUSR2);
    WANT(signal.pid, ==, getpid());
    WANT(signal.uid, ==, getuid());
    WANT(green_signal_wait(fd, NULL, GREEN_NOW), ==, -ETIMEDOUT);
    WANT(pthread_kill(pthread_self(), SIGUSR1), ==, 0);
    WANT(pthread_kill(pthread_self(), SIGUSR2), ==, 0);
    WANT(green_signal_wait(fd, NULL, GREEN_NOW) + green_signal_wait(fd, NULL, GREEN_NOW), ==,
         SIGUSR1 + SIGUSR2);
    WANT(green_close(fd), ==, 0);
    return 0;
}

START_TEST(every_caller_takes_signals)
{
    for (int caller = 0; caller < CALLERS_ALONE; caller++) {
        ASSERT_AS(caller, take, NULL);
    }
}
END_TEST

/** The number comes later, from another thread, while the caller waits. */
static void
send_later(void *arg)
{
    union sigval value = {.sival_int = 42};
    (void)arg;
    sigqueue(getpid(), SIGUSR1, value);
}

static intptr_t
await_later(void *arg)
{
    struct later later;
    struct green_signal signal;
    int fd = *(int *)arg;
    later_start(&later, MOMENT_MS, send_later, NULL);
    int number = green_signal_wait(fd, &signal, green_after(LIMIT_MS));
    later_join(&later);
    WANT(number, ==, SIGUSR1);
    WANT(signal.code, ==, SI_QUEUE);
    WANT(signal.value, ==, 42);
    return 0;
}

START_TEST(every_caller_waits)
{
    int fd = green_signal_open(both, 2); /* before the threads, which inherit the mask */
    ck_assert_int_ge(fd, 0);
    for (int caller = 0; caller < CALL_PROCESS; caller++) {
        ASSERT_AS(caller, await_later, &fd);
    }
}
END_TEST

static intptr_t
be_cancelled(void *arg)
{
    (void)arg;
    int fd = green_signal_open(both, 2);
    WANT(fd, >=, 0);
    WANT(green_signal_wait(fd, NULL, GREEN_FOREVER), ==, -ECANCELED);
    WANT(green_signal_wait(fd, NULL, GREEN_FOREVER), ==, -ECANCELED);
    green_close(fd);
    return 0;
}

START_TEST(cancelled)
{
    for (size_t i = 0; i < cancel_order_count; i++) {
        ck_assert_int_eq(call_and_cancel(cancel_order[i], be_cancelled, NULL), 0);
    }
}
END_TEST

static intptr_t
close_under(void *arg)
{
    return green_signal_wait(*(int *)arg, NULL, green_after(LIMIT_MS));
}

START_TEST(closed_meanwhile)
{
    int fd = green_signal_open(both, 2);
    struct green_job *job;
    ck_assert_int_eq(green_spawn(close_under, &fd, &job), 0);
    green_yield();
    ck_assert_int_eq(green_close(fd), 0);
    intptr_t result = 0;
    ck_assert_int_eq(green_job_join(job, &result, green_after(LIMIT_MS)), 0);
    ck_assert_int_eq(result, -EBADF);
    green_job_put(job);
}
END_TEST

START_TEST(what_is_refused)
{
    const int refused[] = {0, -1, SIGKILL, SIGSTOP, SIGRTMAX + 1};
    sigset_t before;
    sigset_t after;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const int set[] = {SIGUSR1, refused[i]};
        ck_assert_int_eq(green_signal_open(set, 2), -EINVAL);
    }
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    struct rlimit none = {0, limit.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    int fd = green_signal_open(both, 2);
    setrlimit(RLIMIT_NOFILE, &limit);
    ck_assert_int_eq(fd, -EMFILE);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    ck_assert_int_eq(sigismember(&before, SIGUSR1), sigismember(&after, SIGUSR1));
    ck_assert_int_eq(green_signal_wait(-1, NULL, GREEN_NOW), -EBADF);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("signal");
    TCase *tcase = new_case(suite, "signal");
    tcase_add_test(tcase, every_caller_takes_signals);
    tcase_add_test(tcase, every_caller_waits);
    tcase_add_test(tcase, cancelled);
    tcase_add_test(tcase, closed_meanwhile);
    tcase_add_test(tcase, what_is_refused);
    return run_suite(suite);
}
