/*
 * The filters of system calls, alone: what is refused, what goes on to work, that they do not pile
 * up.
 *
 * Each check runs in a child, as a filter stays for good.
 */
#include <check.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "filter.h"
#include "log.h"
#include "upgrade.h"

static bool upgraded;

bool
upgrade_is_filtered(void)
{
    return upgraded;
}

void
log_write(enum log_level level, const char *format, ...)
{
    (void)level;
    (void)format;
}

/** Run a check in a child under a filter; it returns 0 when all was as it should be. */
static int
run(int (*check)(void), bool worker)
{
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        int code = filter_start(true);
        if (code == 0 && worker) {
            filter_tighten();
        }
        _exit(code != 0 ? 100 : check());
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static bool
refused(long result)
{
    return result == -1 && errno == EPERM;
}

static int
check_refused(void)
{
    if (!refused(syscall(SYS_mount, "a", "/", "b", 0, 0))) {
        return 1;
    }
    if (!refused(syscall(SYS_bpf, 0, NULL, 0)) || !refused(syscall(SYS_keyctl, 0, 0, 0, 0, 0))) {
        return 2;
    }
    if (!refused(ptrace(PTRACE_TRACEME, 0, NULL, NULL))) {
        return 3;
    }
    if (!refused(socket(AF_PACKET, SOCK_RAW, 0)) || !refused(unshare(CLONE_NEWUSER))) {
        return 4;
    }
    return refused(setuid(0)) ? 0 : 5;
}

static void *
be(void *arg)
{
    return arg;
}

/** What both a supervisor and its workers go on to do. */
static int
check_common(void)
{
    pthread_t thread;
    void *result = NULL;
    struct io_uring_params params;
    memset(&params, 0, sizeof params);
    if (pthread_create(&thread, NULL, be, &params) != 0 || pthread_join(thread, &result) != 0 ||
        result != &params) {
        return 10;
    }
    int ring = (int)syscall(SYS_io_uring_setup, 4, &params);
    if (ring < 0 && errno != ENOSYS) {
        return 11;
    }
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return fd >= 0 && kill(getppid(), 0) == 0 ? 0 : 12;
}

static int
check_supervisor(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", "exit 7", (char *)NULL);
        _exit(1);
    }
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 7) {
        return 20;
    }
    return check_common();
}

static int
check_worker(void)
{
    char *const nothing[] = {NULL};
    if (!refused(execve("/bin/true", nothing, nothing)) || !refused(fork())) {
        return 30;
    }
    if (!refused(unlink("/nonexistent")) || !refused(listen(0, 1)) || !refused(kill(1, 0))) {
        return 31;
    }
    int code = check_common();
    return code != 0 ? code : check_refused();
}

/** One that took over does not install the list again. */
static int
check_once(void)
{
    upgraded = true;
    if (!filter_holds() || filter_start(true) != 0 || !filter_holds()) {
        return 40;
    }
    char line[128] = "";
    FILE *file = fopen("/proc/self/status", "re");
    while (fgets(line, sizeof line, file) != NULL && strncmp(line, "Seccomp_filters:", 16) != 0) {
    }
    fclose(file);
    const char *before = getenv("FILTERS_BEFORE");
    int inherited = before == NULL ? 0 : atoi(before);
    return line[0] == '\0' || atoi(line + 16) == inherited + 1 ? 0 : 41;
}

START_TEST(what_has_no_use_is_refused)
{
    ck_assert_int_eq(run(check_refused, false), 0);
}
END_TEST

START_TEST(a_supervisor_runs_programs)
{
    ck_assert_int_eq(run(check_supervisor, false), 0);
}
END_TEST

START_TEST(a_worker_runs_none)
{
    ck_assert_int_eq(run(check_worker, true), 0);
}
END_TEST

START_TEST(filters_do_not_pile_up)
{
    ck_assert_int_eq(run(check_once, false), 0);
}
END_TEST

/** Filters that this process has already: of a container, or a service manager. */
static void
note_inherited(void)
{
    char line[128];
    int count = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "Seccomp_filters:", 16) == 0) {
            count = atoi(line + 16);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    snprintf(line, sizeof line, "%d", count);
    setenv("FILTERS_BEFORE", line, 1);
}

int
main(void)
{
    Suite *suite = suite_create("filter");
    TCase *tcase = tcase_create("filter");
    note_inherited();
    tcase_add_test(tcase, what_has_no_use_is_refused);
    tcase_add_test(tcase, a_supervisor_runs_programs);
    tcase_add_test(tcase, a_worker_runs_none);
    tcase_add_test(tcase, filters_do_not_pile_up);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
