/*
 * What the tests of the inside share: a trace of events, the size of stress, a child's last words,
 * and main().
 *
 * A trace is written by the tasks of one thread and compared by its main stack: assertions are made
 * there alone, since a failed one must not jump off a task's stack.
 */
#ifndef TESTS_BASE_SUPPORT_H
#define TESTS_BASE_SUPPORT_H

#include <check.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "context/context.h"
#include "green/job.h"
#include "green/sync.h"

#if defined(GREEN__VALGRIND) || defined(GREEN__TSAN)
#define SLOW_MACHINE true
#else
#define SLOW_MACHINE false
#endif

/* Valgrind 3.19 knows no pidfd_open(), without which there are no process jobs. */
#if defined(GREEN__VALGRIND)
#define PROCESSES false
#else
#define PROCESSES true
#endif

/* A test that is about processes begins with this: there is nothing to see where there are none. */
#define NEEDS_PROCESSES() \
    do {                  \
        if (!PROCESSES) { \
            return;       \
        }                 \
    } while (0)

/* What main() returns when it has nothing that this build can run. */
#define SKIPPED 77

/* So long that only a call that never ends exceeds it. */
#define LONG_MS 60000

/** The first number, or the second where everything takes longer. */
static inline int
stress(int usual, int small)
{
    const char *wanted = getenv("GREEN_STRESS");
    return SLOW_MACHINE || (wanted != NULL && strcmp(wanted, "small") == 0) ? small : usual;
}

/* ---- the trace ---- */

static char trace[4096];

/** Add a label: the trace reads "a b c". */
__attribute__((unused)) static void
note(const char *label)
{
    size_t length = strlen(trace);
    snprintf(trace + length, sizeof trace - length, "%s%s", length > 0 ? " " : "", label);
}

#define ck_assert_trace(expected) ck_assert_str_eq(trace, expected)

/* ---- jobs ---- */

__attribute__((unused)) static struct green_job *
spawn(enum green_kind kind, green_entry entry, void *arg)
{
    struct green_job *job = NULL;
    ck_assert_int_eq(green_spawn_as(kind, entry, arg, NULL, &job), 0);
    return job;
}

/** Join, give the handle back, and return the job's value; a failure to join is one far off. */
__attribute__((unused)) static intptr_t
finish(struct green_job *job)
{
    intptr_t value = 0;
    int err = green_job_join(job, &value, green_after(LONG_MS));
    green_job_put(job);
    return err == 0 ? value : 1000000 - err;
}

/* In memory that goes at once, so that who still touches it is found. */
__attribute__((unused)) static struct green_semaphore *
make_semaphore(unsigned count)
{
    struct green_semaphore *semaphore = malloc(sizeof *semaphore);
    green_semaphore_init(semaphore, count);
    return semaphore;
}

__attribute__((unused)) static void
drop_semaphore(struct green_semaphore *semaphore)
{
    green_semaphore_fini(semaphore);
    free(semaphore);
}

/** For entries that return an int or an errno value. */
#define VALUE(x)   ((intptr_t)(x))
#define NUMBER(x)  ((int)(intptr_t)(x))
#define POINTER(x) ((void *)(intptr_t)(x))

/* ---- processes ---- */

/** How many descriptors this process has. */
__attribute__((unused)) static int
open_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    int count = -3; /* ".", ".." and the directory itself */
    while (readdir(directory) != NULL) {
        count++;
    }
    closedir(directory);
    return count;
}

/** Run `body` in a child; what it wrote to standard error, and its exit status or -signal. */
__attribute__((unused)) static int
last_words(void (*body)(void), char *ret_text, size_t size)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        body();
        exit(0);
    }
    close(ends[1]);
    size_t length = 0;
    for (ssize_t got = 1; got > 0 && length < size - 1; length += (size_t)(got > 0 ? got : 0)) {
        got = read(ends[0], ret_text + length, size - 1 - length);
    }
    ret_text[length] = '\0';
    close(ends[0]);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/** Whether a process is gone, or a zombie that waits for its parent, within LONG_MS. */
__attribute__((unused)) static bool
dies(pid_t pid)
{
    for (int i = 0; i < LONG_MS; i++) {
        char path[64];
        char state = 'X';
        snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
        FILE *file = fopen(path, "r");
        if (file == NULL || fscanf(file, "%*d (%*[^)]) %c", &state) != 1 || state == 'Z' ||
            state == 'X') {
            if (file != NULL) {
                fclose(file);
            }
            return true;
        }
        fclose(file);
        usleep(1000);
    }
    return false;
}

/* ---- main ---- */

#ifdef GREEN__TSAN
/* libuv closes by the bare system call, which ThreadSanitizer does not see: it takes the number's
 * next use by another thread for a race. */
const char *__tsan_default_suppressions(void);

const char *
__tsan_default_suppressions(void)
{
    return "race:epoll_create1\nrace:eventfd\nrace:pipe2\nrace:green_close\nrace:open_pidfd\nrace:"
           "open_descriptors\n";
}
#endif

/** A case whose time limit only tests exceed that never end. */
__attribute__((unused)) static TCase *
make_case(const char *name)
{
    TCase *tests = tcase_create(name);
    tcase_set_timeout(tests, SLOW_MACHINE ? 600 : 180);
    return tests;
}

/** Run the tests of a case, each in a process of its own; what main() returns. */
__attribute__((unused)) static int
run_case_of(const char *name, TCase *tests)
{
    Suite *suite = suite_create(name);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures == 0 ? 0 : 1;
}

__attribute__((unused)) static int
run_tests(const char *name, const TTest *const *tests, size_t count)
{
    TCase *tcase = make_case(name);
    for (size_t i = 0; i < count; i++) {
        tcase_add_test(tcase, tests[i]);
    }
    return run_case_of(name, tcase);
}

#define RUN_TESTS(name, tests) run_tests(name, tests, sizeof(tests) / sizeof *(tests))

#endif
