/*
 * Processes as jobs: their values, their ends, who may join them, what they inherit.
 *
 * A child tells what it saw by its value, since an assertion there would not reach Check.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "../base/support.h"
#include "green/net.h"
#include "green/sync.h"
#include "green/timeout.h"

static intptr_t
return_arg(void *arg)
{
    return (intptr_t)arg;
}

static intptr_t
nap(void *ms)
{
    int err = green_sleep((uint64_t)NUMBER(ms));
    return err != 0 ? err : NUMBER(ms);
}

static intptr_t
join_it(void *job)
{
    intptr_t value = 0;
    int err = green_job_join(job, &value, green_after(LONG_MS));
    return err != 0 ? err : value;
}

/* ---- values and ends ---- */

START_TEST(values_are_whole_words)
{
    static const intptr_t values[] = {0, 1, -1, 256, -ECANCELED, INTPTR_MAX, INTPTR_MIN};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct green_job *job = spawn(GREEN_PROCESS, return_arg, (void *)values[i]);
        ck_assert_int_eq(green_job_kind(job), GREEN_PROCESS);
        ck_assert_int_eq(finish(green_job_get(job)), values[i]);
        int status = -1;
        ck_assert_int_eq(green_job_status(job, &status), 0);
        ck_assert_int_eq(status, 0);
        ck_assert(!green_job_alive(job));
        ck_assert_int_eq(green_job_terminate(job, SIGTERM), -ESRCH);
        green_job_cancel(job);
        ck_assert_int_eq(finish(job), values[i]);
    }
}
END_TEST

static intptr_t
report_self(void *fd)
{
    struct green_job *self = green_self();
    int saved[3] = {(int)green_job_kind(self), green_job_pid(self), getpid()};
    return write(NUMBER(fd), saved, sizeof saved) == sizeof saved ? (intptr_t)green_job_id(self)
                                                                  : -1;
}

START_TEST(child_is_the_job)
{
    int ends[2];
    int saved[3];
    ck_assert_int_eq(pipe(ends), 0);
    struct green_job *job = spawn(GREEN_PROCESS, report_self, POINTER(ends[1]));
    pid_t pid = green_job_pid(job);
    ck_assert_int_ne(pid, getpid());
    ck_assert_int_eq(read(ends[0], saved, sizeof saved), sizeof saved);
    ck_assert_int_eq(saved[0], GREEN_PROCESS);
    ck_assert_int_eq(saved[1], pid);
    ck_assert_int_eq(saved[2], pid);
    char name[32];
    snprintf(name, sizeof name, "process-%lu", (unsigned long)green_job_id(job));
    ck_assert_str_eq(green_job_name(job), name);
    intptr_t id = (intptr_t)green_job_id(job);
    ck_assert_int_eq(finish(job), id);
}
END_TEST

static intptr_t
end_by_exit(void *arg)
{
    _exit(NUMBER(arg));
}

static intptr_t
end_by_signal(void *signo)
{
    signal(NUMBER(signo), SIG_DFL);
    raise(NUMBER(signo));
    return 0;
}

START_TEST(crash_is_an_owner_that_died)
{
    int status;
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    struct green_job *job = spawn(GREEN_PROCESS, end_by_exit, POINTER(3));
    ck_assert_int_eq(green_job_join(job, NULL, GREEN_FOREVER), -EOWNERDEAD);
    ck_assert_int_eq(green_job_join(job, NULL, GREEN_NOW), -EOWNERDEAD);
    ck_assert_int_eq(green_job_status(job, &status), 0);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    green_job_put(job);
    job = spawn(GREEN_PROCESS, end_by_signal, POINTER(SIGUSR1));
    ck_assert_int_eq(green_job_join(job, NULL, GREEN_FOREVER), -EOWNERDEAD);
    ck_assert_int_eq(green_job_status(job, &status), 0);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
    green_job_put(job);
}
END_TEST

START_TEST(terminate)
{
    int status;
    struct green_job *job = spawn(GREEN_PROCESS, nap, POINTER(10 * LONG_MS));
    ck_assert_int_eq(green_job_status(job, &status), -EAGAIN);
    ck_assert_int_eq(green_job_terminate(job, 12345), -EINVAL);
    ck_assert_int_eq(green_job_join(job, NULL, GREEN_NOW), -ETIMEDOUT);
    ck_assert_int_eq(green_job_join(job, NULL, green_after(5)), -ETIMEDOUT);
    ck_assert_int_eq(green_wait_fd(green_job_fd(job), POLLIN, green_after(5)), -ETIMEDOUT);
    ck_assert_int_eq(green_job_terminate(job, SIGKILL), 0);
    ck_assert_int_gt(green_wait_fd(green_job_fd(job), POLLIN, green_after(LONG_MS)), 0);
    ck_assert_int_eq(green_job_join(job, NULL, GREEN_FOREVER), -EOWNERDEAD);
    ck_assert_int_eq(green_job_status(job, &status), 0);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    green_job_put(job);
}
END_TEST

/* ---- cancel ---- */

static intptr_t
block_in_recv(void *fd)
{
    char byte;
    return green_recv(NUMBER(fd), &byte, 1, 0);
}

static intptr_t
block_with_tasks(void *fd)
{
    struct green_job *task;
    int err = green_spawn(nap, POINTER(100), &task);
    ssize_t got = err != 0 ? err : green_recv(NUMBER(fd), &(char){0}, 1, 0);
    green_job_put(task);
    return got;
}

static intptr_t
nap_long(void *fd)
{
    (void)fd;
    return green_sleep(10 * LONG_MS);
}

START_TEST(cancelled_wherever_it_blocks)
{
    static const green_entry entries[] = {block_in_recv, block_with_tasks, nap_long};
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    for (int i = 0; i < 3; i++) {
        for (int delay_ms = 0; delay_ms <= 20; delay_ms += 10) {
            struct green_job *job = spawn(GREEN_PROCESS, entries[i], POINTER(ends[0]));
            usleep((unsigned)delay_ms * 1000);
            green_job_cancel(job);
            ck_assert_int_eq(finish(job), -ECANCELED);
        }
    }
}
END_TEST

/* As in a program that takes its signals by sigwait() or signalfd(). */
START_TEST(cancelled_though_its_parent_blocks_signals)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    struct green_job *job = spawn(GREEN_PROCESS, nap_long, NULL);
    usleep(10000);
    green_job_cancel(job);
    ck_assert_int_eq(finish(job), -ECANCELED);
}
END_TEST

/* ---- join ---- */

static int gate[2];

static intptr_t
wait_at_gate(void *arg)
{
    return green_wait_fd(gate[0], POLLIN, GREEN_FOREVER) == POLLIN ? (intptr_t)arg : -1;
}

START_TEST(several_join_at_once)
{
    ck_assert_int_eq(pipe(gate), 0);
    struct green_job *job = spawn(GREEN_PROCESS, wait_at_gate, POINTER(500));
    struct green_job *joiners[8];
    for (int i = 0; i < 8; i++) {
        joiners[i] = spawn(i % 2 ? GREEN_TASK : GREEN_THREAD, join_it, job);
    }
    green_yield();
    ck_assert_int_eq(green_job_join(job, NULL, GREEN_NOW), -ETIMEDOUT);
    ck_assert_int_eq(write(gate[1], "", 1), 1);
    for (int i = 0; i < 8; i++) {
        ck_assert_int_eq(finish(joiners[i]), 500);
    }
    ck_assert_int_eq(finish(job), 500);
}
END_TEST

static intptr_t
join_shortly(void *job)
{
    return green_job_join(job, NULL, green_after(10));
}

/* Who watches gives up, and another has to go on for the rest. */
START_TEST(watcher_gives_up)
{
    ck_assert_int_eq(pipe(gate), 0);
    struct green_job *job = spawn(GREEN_PROCESS, wait_at_gate, POINTER(60));
    struct green_job *first = spawn(GREEN_TASK, join_shortly, job);
    struct green_job *second = spawn(GREEN_TASK, join_it, job);
    struct green_job *third = spawn(GREEN_THREAD, join_it, job);
    ck_assert_int_eq(finish(first), -ETIMEDOUT);
    green_job_cancel(second);
    ck_assert_int_eq(finish(second), -ECANCELED);
    ck_assert_int_eq(write(gate[1], "", 1), 1);
    ck_assert_int_eq(finish(third), 60);
    ck_assert_int_eq(finish(job), 60);
}
END_TEST

static intptr_t
spawn_and_join(void *arg)
{
    intptr_t sum = 0;
    for (int i = 0; i < NUMBER(arg); i++) {
        struct green_job *job;
        int err = green_spawn_as(GREEN_PROCESS, return_arg, POINTER(i), NULL, &job);
        sum += err != 0 ? err : finish(job);
    }
    return sum;
}

START_TEST(spawned_by_several_threads_at_once)
{
    int each = stress(25, 5);
    struct green_job *threads[4];
    for (int i = 0; i < 4; i++) {
        threads[i] = spawn(GREEN_THREAD, spawn_and_join, POINTER(each));
    }
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(finish(threads[i]), each * (each - 1) / 2);
    }
}
END_TEST

static struct green_job *first_joined;

/* Joins a process by a task of its own, whose loop then knows the process' descriptor. */
static intptr_t
join_by_a_task(void *job)
{
    struct green_job *task;
    int err = green_spawn(join_it, job, &task);
    return err != 0 ? err : finish(task);
}

static intptr_t
put_it(void *job)
{
    green_job_put(job);
    return 0;
}

/* The handle goes on another thread; the next process gets the descriptor's number. */
START_TEST(descriptor_of_a_process_is_used_again)
{
    struct green_job *keeper = spawn(GREEN_TASK, nap, POINTER(1)); /* the main stack has a loop */
    ck_assert_int_eq(finish(keeper), 1);
    for (int i = 0; i < 5; i++) {
        first_joined = spawn(GREEN_PROCESS, nap, POINTER(10));
        ck_assert_int_eq(join_by_a_task(first_joined), 10);
        ck_assert_int_eq(finish(spawn(GREEN_THREAD, put_it, first_joined)), 0);
    }
}
END_TEST

static intptr_t
poll_its_descriptor(void *job)
{
    return green_wait_fd(green_job_fd(job), POLLIN, green_after(LONG_MS));
}

START_TEST(join_while_another_polls_the_descriptor)
{
    struct green_job *job = spawn(GREEN_PROCESS, nap, POINTER(20));
    struct green_job *poller = spawn(GREEN_TASK, poll_its_descriptor, job);
    green_yield();
    ck_assert_int_eq(green_job_join(job, NULL, green_after(LONG_MS)), 0);
    ck_assert_int_eq(finish(poller) & POLLIN, POLLIN);
    green_job_put(job);
}
END_TEST

/* ---- what a spawn costs ---- */

START_TEST(processes_nobody_asks_for_keep_no_descriptors)
{
    int count = stress(40, 8);
    ck_assert_int_eq(finish(spawn(GREEN_PROCESS, return_arg, NULL)), 0);
    int before = open_descriptors();
    for (int i = 0; i < count; i++) {
        ck_assert_int_eq(green_spawn_as(GREEN_PROCESS, return_arg, NULL, NULL, NULL), 0);
        usleep(2000);
    }
    usleep(50000);
    ck_assert_int_eq(finish(spawn(GREEN_PROCESS, return_arg, NULL)), 0);
    ck_assert_int_le(open_descriptors(), before + 8);
}
END_TEST

START_TEST(no_descriptors_left)
{
    struct rlimit limit;
    struct green_job *job = NULL;
    ck_assert_int_eq(finish(spawn(GREEN_PROCESS, return_arg, NULL)), 0);
    int before = open_descriptors();
    getrlimit(RLIMIT_NOFILE, &limit);
    for (int spare = 0; spare < 3; spare++) {
        int lowest = dup(0); /* the lowest free number */
        close(lowest);
        struct rlimit tight = {(rlim_t)(lowest + spare), limit.rlim_max};
        setrlimit(RLIMIT_NOFILE, &tight);
        int err = green_spawn_as(GREEN_PROCESS, return_arg, NULL, NULL, &job);
        setrlimit(RLIMIT_NOFILE, &limit);
        ck_assert_int_eq(err, -EMFILE);
        ck_assert_ptr_null(job);
        ck_assert_int_eq(open_descriptors(), before);
    }
    ck_assert_int_eq(finish(spawn(GREEN_PROCESS, return_arg, NULL)), 0);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        values_are_whole_words,
        child_is_the_job,
        crash_is_an_owner_that_died,
        terminate,
        cancelled_wherever_it_blocks,
        cancelled_though_its_parent_blocks_signals,
        several_join_at_once,
        watcher_gives_up,
        spawned_by_several_threads_at_once,
        descriptor_of_a_process_is_used_again,
        join_while_another_polls_the_descriptor,
        processes_nobody_asks_for_keep_no_descriptors,
        no_descriptors_left,
    };
    return PROCESSES ? RUN_TESTS("process", tests) : SKIPPED;
}
