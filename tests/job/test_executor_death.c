/*
 * Executors of processes: children that die cost their own work and nothing else.
 */
#include "executor_process_support.h"

static bool
died_so(int status, enum death how)
{
    switch (how) {
    case BY_SIGKILL:
        return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    case BY_ABORT:
        return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
    case BY_FAULT:
        return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
    case BY_EXIT:
        return WIFEXITED(status) && WEXITSTATUS(status) == 3;
    default:
        return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }
}

static intptr_t
die_like_all(void *arg)
{
    struct green_executor *executor = arg;
    for (int how = 0; how < DEATHS; how++) {
        struct green_future *futures[4];
        int status = -1;
        for (int i = 0; i < 4; i++) {
            int err = green_executor_submit(executor, i == 1 ? die : same,
                                            POINTER(i == 1 ? how : i), 0, &futures[i]);
            if (err != 0) {
                return err;
            }
        }
        for (int i = 0; i < 4; i++) {
            intptr_t value = -1;
            int err = green_future_result(futures[i], &value, green_after(2 * LONG_MS));
            if (i == 1 ? err != -EOWNERDEAD : err != 0 || value != i) {
                return 100 * how + i;
            }
            err = green_future_status(futures[i], &status);
            if (err != (i == 1 ? 0 : -EINVAL)) {
                return 200 + how;
            }
            green_future_put(futures[i]);
        }
        if (!died_so(status, (enum death)how)) {
            return 300 + how;
        }
    }
    return 0;
}

START_TEST(deaths_cost_their_own_work)
{
    for (unsigned limit = 1; limit <= 3; limit += 2) {
        struct green_executor *executor = make(limit, false);
        ck_assert_int_eq(die_like_all(executor), 0);
        ck_assert_int_eq(finish(spawn(GREEN_TASK, die_like_all, executor)), 0);
        ck_assert_int_eq(finish(spawn(GREEN_THREAD, die_like_all, executor)), 0);
        green_executor_destroy(executor);
    }
}
END_TEST

static intptr_t
close_everything(void *arg)
{
    (void)arg;
    for (int fd = 3; fd < 1000; fd++) {
        close(fd);
    }
    return 1;
}

START_TEST(child_that_closes_its_stream)
{
    struct green_executor *executor = make(1, false);
    struct green_future *future = submit(executor, close_everything, NULL);
    ck_assert_int_eq(take(future), -EOWNERDEAD);
    ck_assert_int_eq(take(submit(executor, same, POINTER(5))), 5);
    green_executor_destroy(executor);
}
END_TEST

/** Its own child keeps a copy of the stream. */
static intptr_t
leave_a_grandchild(void *arg)
{
    (void)arg;
    if (fork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        usleep(300000);
        _exit(0);
    }
    raise(SIGKILL);
    return 0;
}

START_TEST(grandchild_with_the_stream_keeps_nobody_waiting)
{
    struct green_executor *executor = make(1, false);
    ck_assert_int_eq(take(submit(executor, leave_a_grandchild, NULL)), -EOWNERDEAD);
    ck_assert_int_eq(take(submit(executor, same, POINTER(5))), 5);
    green_executor_destroy(executor);
}
END_TEST

/* A large work is being sent, or its result, when the child dies. */
static volatile sig_atomic_t kill_in_ms;

static intptr_t
die_soon(void *data, size_t size, struct green_result *result)
{
    (void)data;
    if (fork() == 0) {
        usleep(1000 * (unsigned)kill_in_ms);
        kill(getppid(), SIGKILL);
        _exit(0);
    }
    char *bytes = calloc(1, 64 << 20);
    int err = green_result_write(result, bytes, 64 << 20);
    free(bytes);
    return err != 0 ? err : (intptr_t)size;
}

START_TEST(death_in_the_middle_of_a_result)
{
    for (kill_in_ms = 0; kill_in_ms <= 40; kill_in_ms += 20) {
        struct green_executor *executor = make(1, false);
        struct green_future *future;
        ck_assert_int_eq(green_executor_submit_bytes(executor, die_soon, "x", 1, &future), 0);
        intptr_t value = take(future);
        ck_assert_msg(value == -EOWNERDEAD || value == 1, "%ld", (long)value);
        ck_assert_int_eq(take(submit(executor, same, POINTER(5))), 5);
        green_executor_destroy(executor);
    }
}
END_TEST

static intptr_t
kill_by_pid(void *pid)
{
    return kill((pid_t)NUMBER(pid), SIGKILL);
}

static intptr_t
first_byte(void *data, size_t size, struct green_result *result)
{
    (void)size;
    (void)result;
    return *(unsigned char *)data;
}

START_TEST(death_in_the_middle_of_an_argument)
{
    size_t size = 64 << 20;
    char *data = malloc(size);
    memset(data, 7, size);
    for (int i = 0; i < 4; i++) {
        struct green_executor *executor = make(1, false);
        intptr_t pid = take(submit(executor, own_pid, NULL));
        struct green_future *future;
        ck_assert_int_eq(green_executor_submit_bytes(executor, first_byte, data, size, &future), 0);
        usleep((unsigned)i * 5000);
        kill_by_pid((void *)pid);
        intptr_t value = take(future);
        ck_assert_msg(value == -EOWNERDEAD || value == 7, "%ld", (long)value);
        ck_assert_int_eq(take(submit(executor, same, POINTER(5))), 5);
        green_executor_destroy(executor);
    }
    free(data);
}
END_TEST

START_TEST(idle_children_that_die_are_replaced)
{
    struct green_executor *executor = make(2, true);
    for (int i = 0; i < 6; i++) {
        intptr_t pid = take(submit(executor, own_pid, NULL));
        if (pid == -EOWNERDEAD) { /* the one that was killed before had not been met again */
            pid = take(submit(executor, own_pid, NULL));
        }
        ck_assert_int_gt(pid, 0);
        ck_assert_int_eq(kill((pid_t)pid, SIGKILL), 0);
        ck_assert(dies((pid_t)pid));
        /* Nobody looked at it since: the work that finds it so may be lost, and no other. */
        intptr_t value = take(submit(executor, same, POINTER(5)));
        ck_assert(value == 5 || value == -EOWNERDEAD);
        ck_assert_int_eq(take(submit(executor, same, POINTER(6))) == 6 ||
                             take(submit(executor, same, POINTER(6))) == 6,
                         1);
    }
    green_executor_destroy(executor);
}
END_TEST

static intptr_t
ignore_all(void *fd)
{
    signal(SIGTERM, SIG_IGN);
    if (write(NUMBER(fd), "x", 1) != 1) {
        return -EIO;
    }
    for (;;) {
        pause();
    }
}

START_TEST(cancel_kills)
{
    int ends[2];
    char byte;
    int status;
    ck_assert_int_eq(pipe(ends), 0);
    struct green_executor *executor = make(1, false);
    struct green_future *future = submit(executor, ignore_all, POINTER(ends[1]));
    struct green_future *next = submit(executor, same, POINTER(9));
    ck_assert_int_eq(green_read(ends[0], &byte, 1), 1);
    ck_assert_int_eq(green_future_cancel(future), -EINPROGRESS);
    ck_assert_int_eq(take(green_future_get(future)), -ECANCELED);
    ck_assert_int_eq(green_future_status(future, &status), -EINVAL);
    green_future_put(future);
    ck_assert_int_eq(take(next), 9);
    green_executor_destroy(executor);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        deaths_cost_their_own_work,
        child_that_closes_its_stream,
        grandchild_with_the_stream_keeps_nobody_waiting,
        death_in_the_middle_of_a_result,
        death_in_the_middle_of_an_argument,
        idle_children_that_die_are_replaced,
        cancel_kills,
    };
    return PROCESSES ? RUN_TESTS("deaths of executors", tests) : SKIPPED;
}
