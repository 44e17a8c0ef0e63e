/*
 * Other programs: pipes both ways, statuses, deadlines, death, what cannot be run, nothing left
 * behind.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

static struct green_subprocess *
spawn_shell(const char *script, struct green_subprocess_options options)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    struct green_subprocess *process = NULL;
    return green_subprocess_spawn(argv, &options, &process) == 0 ? process : NULL;
}

/** Read to the end: how much it was. */
static ssize_t
read_all(int fd, char *text, size_t size)
{
    size_t length = 0;
    ssize_t got;
    while ((got = green_read(fd, text + length, size - 1 - length)) > 0) {
        length += (size_t)got;
    }
    text[length] = '\0';
    return got < 0 ? got : (ssize_t)length;
}

static intptr_t
converse(void *arg)
{
    (void)arg;
    char text[128];
    int status = -1;
    struct green_subprocess_options options = GREEN_SUBPROCESS_OPTIONS;
    options.input = options.output = GREEN_STDIO_PIPE;
    options.error = GREEN_STDIO_PIPE;
    struct green_subprocess *process = spawn_shell("tr a-z A-Z; echo oops >&2; exit 3", options);
    WANT(process != NULL, ==, true);
    WANT(green_subprocess_wait(process, &status, GREEN_NOW), ==, -ETIMEDOUT);
    WANT(status, ==, -1);
    WANT(green_writeall(green_subprocess_pipe(process, 0), "hello", 5), ==, 0);
    WANT(green_subprocess_close(process, 0), ==, 0);
    WANT(green_subprocess_close(process, 0), ==, -EBADF);
    WANT(read_all(green_subprocess_pipe(process, 1), text, sizeof text), ==, 5);
    WANT(strcmp(text, "HELLO"), ==, 0);
    WANT(read_all(green_subprocess_pipe(process, 2), text, sizeof text), ==, 5);
    WANT(strcmp(text, "oops\n"), ==, 0);
    WANT(green_subprocess_wait(process, &status, green_after(LIMIT_MS)), ==, 0);
    WANT(WIFEXITED(status), !=, 0);
    WANT(WEXITSTATUS(status), ==, 3);
    WANT(green_subprocess_wait(process, NULL, GREEN_NOW), ==, 0);
    WANT(green_subprocess_kill(process, SIGTERM), ==, -ESRCH);
    green_subprocess_destroy(process);
    return 0;
}

START_TEST(every_caller_converses)
{
    for (int caller = 0; caller < CALLERS_ALONE; caller++) {
        int before = count_fds();
        ASSERT_AS(caller, converse, NULL);
        ASSERT_AS(caller, converse, NULL);
        if (caller == CALL_PROCESS) {
            ck_assert_int_le(count_fds(), before);
        }
    }
}
END_TEST

static intptr_t
kill_it(void *arg)
{
    (void)arg;
    int status = -1;
    struct green_timeout scope;
    const char *argv[] = {"sleep", "1000", NULL};
    struct green_subprocess *process;
    WANT(green_subprocess_spawn(argv, NULL, &process), ==, 0);
    WANT(green_subprocess_pipe(process, 0), ==, -1);
    WANT(kill(green_subprocess_pid(process), 0), ==, 0);
    WANT(green_subprocess_wait(process, &status, green_after(2)), ==, -ETIMEDOUT);
    green_timeout_start(&scope, 2);
    WANT(green_subprocess_wait(process, &status, GREEN_FOREVER), ==, -ETIMEDOUT);
    green_timeout_stop(&scope);
    WANT(green_subprocess_kill(process, 1000), ==, -EINVAL);
    WANT(green_subprocess_kill(process, SIGTERM), ==, 0);
    WANT(green_subprocess_wait(process, &status, green_after(LIMIT_MS)), ==, 0);
    WANT(WIFSIGNALED(status), !=, 0);
    WANT(WTERMSIG(status), ==, SIGTERM);
    green_subprocess_destroy(process);
    return 0;
}

START_TEST(killed)
{
    for (int caller = 0; caller < CALLERS_ALONE; caller++) {
        ASSERT_AS(caller, kill_it, NULL);
    }
}
END_TEST

static intptr_t
be_cancelled(void *arg)
{
    (void)arg;
    const char *argv[] = {"sleep", "1000", NULL};
    struct green_subprocess *process;
    WANT(green_subprocess_spawn(argv, NULL, &process), ==, 0);
    WANT(green_subprocess_wait(process, NULL, GREEN_FOREVER), ==, -ECANCELED);
    WANT(green_subprocess_kill(process, SIGKILL), ==, 0);
    green_subprocess_destroy(process);
    return 0;
}

START_TEST(cancelled)
{
    for (size_t i = 0; i < cancel_order_count; i++) {
        ck_assert_int_eq(call_and_cancel(cancel_order[i], be_cancelled, NULL), 0);
    }
}
END_TEST

START_TEST(options_hold)
{
    char text[128];
    const char *env[] = {"NAME=value", "PATH=/usr/bin:/bin", NULL};
    struct green_subprocess_options options = GREEN_SUBPROCESS_OPTIONS;
    options.input = GREEN_STDIO_NULL;
    options.output = GREEN_STDIO_PIPE;
    options.error = GREEN_STDIO_OUTPUT;
    options.cwd = "/";
    options.env = env;
    struct green_subprocess *process =
        spawn_shell("cat; pwd; echo $NAME $HOME; echo err >&2", options);
    ck_assert_ptr_nonnull(process);
    ck_assert_int_gt(read_all(green_subprocess_pipe(process, 1), text, sizeof text), 0);
    ck_assert_str_eq(text, "/\nvalue\nerr\n");
    green_subprocess_destroy(process);

    /* A descriptor of ours, which stays ours. */
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    options = (struct green_subprocess_options)GREEN_SUBPROCESS_OPTIONS;
    options.output = fds[1];
    process = spawn_shell("echo to a descriptor", options);
    ck_assert_ptr_nonnull(process);
    close(fds[1]);
    ck_assert_int_gt(read_all(fds[0], text, sizeof text), 0);
    ck_assert_str_eq(text, "to a descriptor\n");
    ck_assert_int_eq(green_subprocess_wait(process, NULL, green_after(LIMIT_MS)), 0);
    green_subprocess_destroy(process);
    close(fds[0]);
}
END_TEST

START_TEST(what_cannot_be_run)
{
    const char *nothing[] = {NULL};
    const char *unknown[] = {"/no/such/program", NULL};
    const char *known[] = {"true", NULL};
    struct green_subprocess *process = NULL;
    struct green_subprocess_options options = GREEN_SUBPROCESS_OPTIONS;
    options.input = options.output = options.error = GREEN_STDIO_PIPE;
    int before = count_fds();
    ck_assert_int_eq(green_subprocess_spawn(nothing, &options, &process), -EINVAL);
    ck_assert_int_eq(green_subprocess_spawn(unknown, &options, &process), -ENOENT);
    options.cwd = "/no/such/place";
    ck_assert_int_eq(green_subprocess_spawn(known, &options, &process), -ENOENT);
    options.cwd = NULL;
    options.input = 9999;
    ck_assert_int_eq(green_subprocess_spawn(known, &options, &process), -EBADF);
    options.input = GREEN_STDIO_OUTPUT;
    ck_assert_int_eq(green_subprocess_spawn(known, &options, &process), -EINVAL);
    options.input = GREEN_STDIO_PIPE;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    for (rlim_t more = 0; more < 9; more++) { /* whichever descriptor is the one too many */
        struct rlimit low = {(rlim_t)before + more, limit.rlim_max};
        setrlimit(RLIMIT_NOFILE, &low);
        int err = green_subprocess_spawn(known, &options, &process);
        setrlimit(RLIMIT_NOFILE, &limit);
        if (err == 0) {
            ck_assert_int_eq(green_subprocess_wait(process, NULL, green_after(LIMIT_MS)), 0);
            green_subprocess_destroy(process);
            process = NULL;
        } else {
            ck_assert_int_eq(err, -EMFILE);
        }
        ck_assert_int_eq(count_fds(), before);
    }
    ck_assert_ptr_null(process);
    green_subprocess_destroy(NULL);
}
END_TEST

/** Whether the system signals the process group of a pidfd. */
static bool
signals_groups(void)
{
    int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    bool able = syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 1U << 2) == 0 || errno != EINVAL;
    close(pidfd);
    return able;
}

/** The children of a program with a group of its own end with it. */
START_TEST(group)
{
    char text[16];
    struct green_subprocess_options options = GREEN_SUBPROCESS_OPTIONS;
    options.output = GREEN_STDIO_PIPE;
    options.own_group = true;
    struct green_subprocess *process = spawn_shell("sleep 1000 & echo up; wait", options);
    ck_assert_ptr_nonnull(process);
    int out = green_subprocess_pipe(process, 1);
    ck_assert_int_eq(green_read(out, text, sizeof text), 3);
    pid_t pid = green_subprocess_pid(process);
    ck_assert_int_eq(getpgid(pid), pid);
    ck_assert_int_eq(green_subprocess_kill(process, SIGTERM), 0);
    ck_assert_int_eq(green_subprocess_wait(process, NULL, green_after(LIMIT_MS)), 0);
    if (signals_groups()) {
        /* The pipe ends with the last who holds it. */
        ck_assert_int_eq(read_all(out, text, sizeof text), 0);
    } else {
        ck_assert_int_eq(kill(-pid, SIGTERM), 0);
    }
    green_subprocess_destroy(process);
}
END_TEST

/** One nobody waits for is reaped all the same. */
START_TEST(reaped_unasked)
{
    const char *argv[] = {"true", NULL};
    struct green_subprocess *process;
    ck_assert_int_eq(green_subprocess_spawn(argv, NULL, &process), 0);
    pid_t pid = green_subprocess_pid(process);
    green_subprocess_destroy(process);
    int ms = 0;
    while (kill(pid, 0) == 0 && ms++ < LIMIT_MS) {
        nap(1);
    }
    ck_assert_int_lt(ms, LIMIT_MS);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("subprocess");
    TCase *tcase = new_case(suite, "subprocess");
#ifndef GREEN__VALGRIND /* which knows no pidfd_open() */
    tcase_add_test(tcase, every_caller_converses);
    tcase_add_test(tcase, killed);
    tcase_add_test(tcase, cancelled);
    tcase_add_test(tcase, options_hold);
    tcase_add_test(tcase, what_cannot_be_run);
    tcase_add_test(tcase, group);
    tcase_add_test(tcase, reaped_unasked);
#endif
    return run_suite(suite);
}
