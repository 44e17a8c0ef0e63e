/*
 * Descriptors, engines and the ends of their owners: forked children with copies of them, threads
 * that end with some open, and the choice of the engine.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

/* ---- processes ---- */

static intptr_t
serve(void *arg)
{
    char bytes[8];
    int fd = green_accept(*(int *)arg, NULL);
    WANT(fd, >=, 0);
    WANT(green_recv(fd, bytes, 5, MSG_WAITALL), ==, 5);
    WANT(green_sendall(fd, bytes, 5, 0), ==, 0);
    green_close(fd);
    return 0;
}

/** The same by a task of the child's: its engine is its own. */
static intptr_t
serve_by_task(void *arg)
{
    struct green_job *job;
    intptr_t line = -1;
    WANT(green_spawn(serve, arg, &job), ==, 0);
    WANT(green_job_join(job, &line, green_after(LIMIT_MS)), ==, 0);
    green_job_put(job);
    return line;
}

static intptr_t
talk(void *arg)
{
    char bytes[8];
    int fd = green_connect_address(arg);
    WANT(fd, >=, 0);
    WANT(green_sendall(fd, "hello", 5, 0), ==, 0);
    WANT(green_recv(fd, bytes, 5, MSG_WAITALL), ==, 5);
    WANT(green_recv(fd, bytes, 5, 0), ==, 0);
    green_close(fd);
    return 0;
}

START_TEST(children_accept_on_the_inherited_listener)
{
    static const green_entry servers[] = {serve, serve_by_task};
    struct green_address address;
    int listener = listener_make(8, &address);
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    options.keep_fds = &listener;
    options.keep_fd_count = 1;
    for (int round = 0; round < 4; round++) {
        struct green_job *server;
        intptr_t line;
        ck_assert_int_eq(green_spawn_as(GREEN_PROCESS, servers[_i], &listener, &options, &server),
                         0);
        ASSERT_AS(CALL_TASK, talk, &address); /* from now on there is an engine to inherit */
        ck_assert_int_eq(green_job_join(server, &line, green_after(LIMIT_MS)), 0);
        ck_assert_int_eq(line, 0);
        green_job_put(server);
    }
}
END_TEST

static intptr_t
idle(void *arg)
{
    (void)arg;
    return green_sleep(6 * LIMIT_MS);
}

static void
speak(void *arg)
{
    ssize_t sent = send(*(int *)arg, "x", 1, 0);
    (void)sent;
}

/** A copy in a child keeps the file of a closed descriptor alive, and its number comes back. */
static intptr_t
close_with_a_copy_in_a_child(void *arg)
{
    (void)arg;
    int fds[2];
    int again[2];
    char byte;
    struct green_timeout scope;
    struct green_job *child;
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    options.keep_all_fds = true;
    for (int round = 0; round < 3; round++) {
        WANT(pair_make(PAIR_UNIX, fds), ==, 0);
        green_timeout_start(&scope, 1);
        WANT(green_recv(fds[0], &byte, 1, 0), ==, -ETIMEDOUT); /* it is watched now */
        green_timeout_stop(&scope);
        WANT(green_spawn_as(GREEN_PROCESS, idle, NULL, &options, &child), ==, 0);
        WANT(green_close(fds[0]), ==, 0);
        WANT(pair_make(PAIR_UNIX, again), ==, 0);
        WANT(again[0], ==, fds[0]);
        /* The old one has news, the new one has not. */
        WANT(send(fds[1], "old", 3, 0), ==, 3);
        green_timeout_start(&scope, 10);
        WANT(green_recv(again[0], &byte, 1, 0), ==, -ETIMEDOUT);
        green_timeout_stop(&scope);
        struct later later;
        later_start(&later, 3, speak, &again[1]);
        WANT(green_recv(again[0], &byte, 1, 0), ==, 1);
        later_join(&later);
        green_job_cancel(child);
        WANT(green_job_join(child, NULL, green_after(LIMIT_MS)), ==, 0);
        green_job_put(child);
        green_close(again[0]);
        close(again[1]);
        close(fds[1]);
    }
    return 0;
}

START_TEST(a_copy_in_a_child_raises_nothing)
{
    ASSERT_AS(CALL_TASK, close_with_a_copy_in_a_child, NULL);
    ASSERT_AS(CALL_MAIN, close_with_a_copy_in_a_child, NULL);
    ASSERT_AS(CALL_THREAD, close_with_a_copy_in_a_child, NULL);
}
END_TEST

/** What the parent's tasks wait for is not disturbed by what a child does with its copies. */
static intptr_t
close_all_copies(void *arg)
{
    int *fds = arg;
    char byte;
    struct green_timeout scope;
    green_timeout_start(&scope, 5);
    WANT(green_recv(fds[0], &byte, 1, 0), ==, -ETIMEDOUT);
    green_timeout_stop(&scope);
    WANT(green_close(fds[0]), ==, 0);
    WANT(green_close(fds[1]), ==, 0);
    return 0;
}

static intptr_t
recv_one(void *arg)
{
    char byte;
    return green_recv(*(int *)arg, &byte, 1, 0);
}

START_TEST(a_child_closes_its_copies)
{
    int fds[2];
    intptr_t got;
    struct green_job *reader;
    ck_assert_int_eq(pair_make(PAIR_UNIX, fds), 0);
    ck_assert_int_eq(green_spawn(recv_one, &fds[0], &reader), 0);
    ck_assert_int_eq(green_sleep(1), 0);
    for (int round = 0; round < 3; round++) {
        ASSERT_AS(CALL_PROCESS, close_all_copies, fds);
    }
    speak(&fds[1]);
    ck_assert_int_eq(green_job_join(reader, &got, green_after(LIMIT_MS)), 0);
    ck_assert_int_eq(got, 1);
    green_job_put(reader);
}
END_TEST

/* ---- threads that end ---- */

static intptr_t
leave_them_open(void *arg)
{
    int *fds = arg;
    char byte;
    struct green_timeout scope;
    green_timeout_start(&scope, 1);
    WANT(green_recv(fds[0], &byte, 1, 0), ==, -ETIMEDOUT);
    green_timeout_stop(&scope);
    return 0;
}

static intptr_t
thread_with_a_task(void *arg)
{
    struct green_job *task;
    intptr_t line = -1;
    WANT(green_spawn(leave_them_open, arg, &task), ==, 0);
    WANT(green_job_join(task, &line, green_after(LIMIT_MS)), ==, 0);
    green_job_put(task);
    return line;
}

START_TEST(threads_end_with_descriptors_open)
{
    int fds[2];
    char byte;
    ck_assert_int_eq(pair_make(PAIR_UNIX, fds), 0);
    ASSERT_AS(CALL_THREAD, thread_with_a_task, fds);
    int before = count_fds();
    for (int round = 0; round < 10; round++) {
        ASSERT_AS(CALL_THREAD, thread_with_a_task, fds);
    }
    /* The last thread is still on its way out perhaps. */
    for (int i = 0; i < 100 && count_fds() > before; i++) {
        nap(10);
    }
    ck_assert_int_le(count_fds(), before);
    struct later later;
    later_start(&later, 3, speak, &fds[1]);
    ck_assert_int_eq(green_recv(fds[0], &byte, 1, 0), 1);
    later_join(&later);
}
END_TEST

/* ---- the choice of the engine ---- */

/** What a child with this GREEN_IO writes to stderr, and its wait status. */
static int
run_with_engine(const char *name, char *text, size_t size)
{
    int fds[2];
    ck_assert_int_eq(pair_make(PAIR_PIPE, fds), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        int pair[2];
        intptr_t line = 1;
        struct green_job *job;
        setenv("GREEN_IO", name, 1);
        dup2(fds[1], STDERR_FILENO);
        _exit(pair_make(PAIR_UNIX, pair) == 0 && green_spawn(leave_them_open, pair, &job) == 0 &&
                      green_job_join(job, &line, green_after(LIMIT_MS)) == 0 && line == 0
                  ? 0
                  : 1);
    }
    close(fds[1]);
    size_t length = 0;
    ssize_t got;
    while ((got = read(fds[0], text + length, size - 1 - length)) > 0) {
        length += (size_t)got;
    }
    text[length] = '\0';
    close(fds[0]);
    int status = -1;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

START_TEST(engines_by_name)
{
    static const char *const good[] = {"", "epoll", "poll"};
    char text[4096];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ck_assert_int_eq(run_with_engine(good[i], text, sizeof text), 0);
        ck_assert_str_eq(text, "");
    }
    int status = run_with_engine("nonsense", text, sizeof text);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    ck_assert_ptr_nonnull(strstr(text, "GREEN_IO=nonsense"));
    ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("fork");
    if (CALL_PROCESS < CALLERS_ALONE) {
        TCase *processes = new_case(suite, "processes");
        tcase_add_loop_test(processes, children_accept_on_the_inherited_listener, 0, 2);
        tcase_add_test(processes, a_copy_in_a_child_raises_nothing);
        tcase_add_test(processes, a_child_closes_its_copies);
    }
    TCase *owners = new_case(suite, "owners");
    tcase_add_test(owners, threads_end_with_descriptors_open);
    tcase_add_test(owners, engines_by_name);
    return run_suite(suite);
}
