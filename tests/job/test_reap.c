/*
 * Reaping: no child of the library's is a zombie for longer than it takes to notice, whatever its
 * parent does just then; and the program's own children and handlers are left to the program.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>

#include "../base/support.h"
#include "green/net.h"
#include "green/timeout.h"

static intptr_t
return_arg(void *arg)
{
    return (intptr_t)arg;
}

static intptr_t
nap(void *ms)
{
    return green_sleep((uint64_t)NUMBER(ms));
}

/* Whether the process is gone, not even a zombie, within LONG_MS. */
static bool
vanishes(pid_t pid)
{
    for (int ms = 0; ms < LONG_MS; ms++) {
        if (kill(pid, 0) != 0 && errno == ESRCH) {
            return true;
        }
        usleep(1000);
    }
    return false;
}

static pid_t
spawn_unasked(int ms)
{
    struct green_job *job = spawn(GREEN_PROCESS, nap, POINTER(ms));
    pid_t pid = green_job_pid(job);
    green_job_put(job);
    return pid;
}

/* ---- whatever the parent does ---- */

START_TEST(reaped_while_the_parent_sleeps)
{
    pid_t pid = spawn_unasked(5);
    ck_assert_int_eq(green_sleep(200), 0);
    ck_assert(vanishes(pid));
}
END_TEST

START_TEST(nothing_is_kept_of_one_seen_to_have_ended)
{
    ck_assert_int_eq(finish(spawn(GREEN_PROCESS, return_arg, NULL)), 0);
    int before = open_descriptors();
    struct green_job *job = spawn(GREEN_PROCESS, return_arg, NULL);
    while (green_job_alive(job)) {
        usleep(1000);
    }
    green_job_put(job);
    ck_assert_int_eq(open_descriptors(), before);
}
END_TEST

START_TEST(reaped_while_the_parent_polls)
{
    struct pollfd none = {.fd = -1};
    pid_t pid = spawn_unasked(5);
    ck_assert_int_eq(green_poll(&none, 1, green_after(200)), -ETIMEDOUT);
    ck_assert(vanishes(pid));
    pid = spawn_unasked(5);
    while (poll(NULL, 0, 200) != 0) { /* not a call of the library's */
    }
    ck_assert(vanishes(pid));
}
END_TEST

START_TEST(reaped_while_tasks_run)
{
    struct green_job *task = spawn(GREEN_TASK, nap, POINTER(200));
    pid_t pid = spawn_unasked(5);
    ck_assert_int_eq(finish(task), 0);
    ck_assert(vanishes(pid));
}
END_TEST

static intptr_t
spawn_and_stay(void *arg)
{
    (void)arg;
    struct green_job *job;
    int err = green_spawn_as(GREEN_PROCESS, nap, POINTER(5), NULL, &job);
    if (err != 0) {
        return err;
    }
    pid_t pid = green_job_pid(job);
    green_job_put(job);
    green_sleep(100);
    return vanishes(pid);
}

START_TEST(reaped_while_a_thread_sleeps)
{
    ck_assert_int_eq(finish(spawn(GREEN_THREAD, spawn_and_stay, NULL)), true);
    ck_assert_int_eq(finish(spawn(GREEN_PROCESS, spawn_and_stay, NULL)), true);
}
END_TEST

START_TEST(reaped_in_large_numbers)
{
    int count = stress(100, 10);
    pid_t pids[100];
    for (int i = 0; i < count; i++) {
        pids[i] = spawn_unasked(i % 3);
    }
    for (int i = 0; i < count; i++) {
        ck_assert(vanishes(pids[i]));
    }
}
END_TEST

/* Not by the handler, since the signal is blocked, but still by who asks. */
START_TEST(joined_though_the_signal_is_blocked)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    struct green_job *job = spawn(GREEN_PROCESS, return_arg, POINTER(5));
    pid_t pid = green_job_pid(job);
    ck_assert_int_eq(finish(job), 5);
    ck_assert(vanishes(pid));
}
END_TEST

START_TEST(handle_outlives_the_child)
{
    int status = -1;
    struct green_job *job = spawn(GREEN_PROCESS, return_arg, POINTER(5));
    ck_assert(vanishes(green_job_pid(job)));
    ck_assert(!green_job_alive(job));
    ck_assert_int_eq(green_job_terminate(job, SIGKILL), -ESRCH);
    ck_assert_int_eq(green_job_status(job, &status), 0);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(finish(job), 5);
}
END_TEST

/* ---- the program's own ---- */

static pid_t
fork_own(int status)
{
    pid_t pid = fork();
    if (pid == 0) {
        _exit(status);
    }
    return pid;
}

START_TEST(own_children_are_left_alone)
{
    for (int i = 0; i < stress(50, 5); i++) {
        pid_t first = fork_own(i);
        struct green_job *job = spawn(GREEN_PROCESS, return_arg, POINTER(i));
        pid_t second = fork_own(i + 1);
        green_sleep(2);
        ck_assert_int_eq(finish(job), i);
        int status;
        ck_assert_int_eq(waitpid(first, &status, 0), first);
        ck_assert_int_eq(WEXITSTATUS(status), i);
        ck_assert_int_eq(waitpid(second, &status, 0), second);
        ck_assert_int_eq(WEXITSTATUS(status), i + 1);
    }
}
END_TEST

static volatile sig_atomic_t calls;
static volatile sig_atomic_t last_pid;

static void
on_child(int signo)
{
    calls += signo == SIGCHLD;
}

static void
on_child_informed(int signo, siginfo_t *info, void *context)
{
    last_pid = signo == SIGCHLD && context != NULL ? info->si_pid : 0;
}

START_TEST(programs_handler_is_called)
{
    signal(SIGCHLD, on_child);
    ck_assert_int_eq(finish(spawn(GREEN_PROCESS, return_arg, POINTER(1))), 1);
    for (int ms = 0; calls == 0 && ms < LONG_MS; ms++) {
        usleep(1000);
    }
    ck_assert_int_ge(calls, 1);
}
END_TEST

START_TEST(programs_informed_handler_is_called)
{
    struct sigaction action = {.sa_sigaction = on_child_informed, .sa_flags = SA_SIGINFO};
    sigaction(SIGCHLD, &action, NULL);
    struct green_job *job = spawn(GREEN_PROCESS, return_arg, POINTER(1));
    pid_t pid = green_job_pid(job);
    ck_assert_int_eq(finish(job), 1);
    for (int ms = 0; last_pid != pid && ms < LONG_MS; ms++) {
        usleep(1000);
    }
    ck_assert_int_eq(last_pid, pid);
}
END_TEST

/* A program that ignores SIGCHLD wants no zombies, of its own neither. */
START_TEST(program_ignores_the_signal)
{
    int status;
    signal(SIGCHLD, SIG_IGN);
    struct green_job *job = spawn(GREEN_PROCESS, return_arg, POINTER(6));
    pid_t own = fork_own(0);
    ck_assert_int_eq(finish(green_job_get(job)), 6);
    ck_assert_int_eq(green_job_status(job, &status), -ECHILD);
    ck_assert(vanishes(own));
    green_job_put(job);
}
END_TEST

/* A program that waits for any child takes ours too: the value is there, the status is not. */
START_TEST(program_waits_for_any_child)
{
    sigset_t set;
    int status;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    struct green_job *job =
        spawn(GREEN_PROCESS, nap, POINTER(500)); /* one that ends at once is ours */
    ck_assert_int_eq(wait(NULL), green_job_pid(job));
    ck_assert_int_eq(finish(green_job_get(job)), 0);
    ck_assert_int_eq(green_job_status(job, &status), -ECHILD);
    green_job_put(job);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        reaped_while_the_parent_sleeps,      nothing_is_kept_of_one_seen_to_have_ended,
        reaped_while_the_parent_polls,       reaped_while_tasks_run,
        reaped_while_a_thread_sleeps,        reaped_in_large_numbers,
        joined_though_the_signal_is_blocked, handle_outlives_the_child,
        own_children_are_left_alone,         programs_handler_is_called,
        programs_informed_handler_is_called, program_ignores_the_signal,
        program_waits_for_any_child,
    };
    return PROCESSES ? RUN_TESTS("reap", tests) : SKIPPED;
}
