/*
 * Who is alive: workers of every kind, on every thread, from spawn to end.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "../base/support.h"

#define ROOM 16

/** The kinds of all that live, but for the caller's own: "task thread". */
static const char *
kinds_alive(void)
{
    static const char *const names[] = {"task", "thread", "process"};
    static char text[256];
    struct green_job *jobs[ROOM];
    size_t count = green_enumerate(jobs, ROOM);
    text[0] = '\0';
    for (size_t i = 0; i < count && i < ROOM; i++) {
        if (jobs[i] != green_self()) {
            size_t length = strlen(text);
            snprintf(text + length, sizeof text - length, "%s%s", length > 0 ? " " : "",
                     names[green_job_kind(jobs[i])]);
        }
        green_job_put(jobs[i]);
    }
    return text;
}

static intptr_t
wait_for(void *event)
{
    return green_event_wait(event, GREEN_FOREVER);
}

static intptr_t
nap(void *ms)
{
    return green_sleep((uint64_t)NUMBER(ms));
}

START_TEST(caller_is_alone_at_first)
{
    struct green_job *jobs[ROOM];
    ck_assert_uint_eq(green_active_count(), 1);
    ck_assert_uint_eq(green_enumerate(jobs, ROOM), 1);
    ck_assert_ptr_eq(jobs[0], green_self());
    green_job_put(jobs[0]);
}
END_TEST

START_TEST(all_kinds_are_listed_from_spawn_to_end)
{
    struct green_event event = GREEN_EVENT_INIT;
    struct green_job *task = spawn(GREEN_TASK, wait_for, &event);
    struct green_job *thread = spawn(GREEN_THREAD, wait_for, &event);
    ck_assert_str_eq(kinds_alive(), "task thread");
    if (PROCESSES) {
        struct green_job *process = spawn(GREEN_PROCESS, nap, POINTER(LONG_MS));
        ck_assert_str_eq(kinds_alive(), "task thread process");
        ck_assert_uint_eq(green_active_count(), 4);
        green_job_terminate(process, SIGKILL);
        /* Nobody has joined it: that it has ended counts. */
        struct pollfd end = {.fd = green_job_fd(process), .events = POLLIN};
        ck_assert_int_eq(poll(&end, 1, LONG_MS), 1);
        ck_assert_str_eq(kinds_alive(), "task thread");
        green_job_put(process);
    }
    green_event_set(&event);
    ck_assert_int_eq(finish(thread), 0);
    ck_assert_int_eq(finish(task), 0);
    ck_assert_str_eq(kinds_alive(), "");
}
END_TEST

START_TEST(what_does_not_fit_is_counted)
{
    struct green_event event = GREEN_EVENT_INIT;
    struct green_job *jobs[3];
    struct green_job *tasks[5];
    for (int i = 0; i < 5; i++) {
        tasks[i] = spawn(GREEN_TASK, wait_for, &event);
    }
    ck_assert_uint_eq(green_enumerate(jobs, 3), 6);
    ck_assert_uint_lt(green_job_id(jobs[0]), green_job_id(jobs[1]));
    ck_assert_uint_lt(green_job_id(jobs[1]), green_job_id(jobs[2]));
    for (int i = 0; i < 3; i++) {
        green_job_put(jobs[i]);
    }
    green_event_set(&event);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(finish(tasks[i]), 0);
    }
}
END_TEST

static void *
call_the_library(void *ret_count)
{
    *(size_t *)ret_count = green_active_count();
    return NULL;
}

START_TEST(threads_of_others_count_once_they_call)
{
    pthread_t thread;
    size_t count = 0;
    ck_assert_uint_eq(green_active_count(), 1);
    ck_assert_int_eq(pthread_create(&thread, NULL, call_the_library, &count), 0);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(green_active_count(), 1);
}
END_TEST

/* In the child: itself and what it spawns. */
static intptr_t
count_in_child(void *arg)
{
    struct green_job *own = green_self();
    struct green_job *jobs[ROOM];
    (void)arg;
    if (green_enumerate(jobs, ROOM) != 1 || jobs[0] != own) {
        return 1;
    }
    green_job_put(jobs[0]);
    struct green_job *task;
    if (green_spawn(nap, POINTER(1), &task) != 0 || green_active_count() != 2) {
        return 2;
    }
    green_job_join(task, NULL, GREEN_FOREVER);
    green_job_put(task);
    return green_active_count() == 1 ? 0 : 3;
}

START_TEST(child_has_itself_alone)
{
    struct green_event event = GREEN_EVENT_INIT;
    struct green_job *task = spawn(GREEN_TASK, wait_for, &event);
    struct green_job *thread = spawn(GREEN_THREAD, wait_for, &event);
    struct green_job *brother = spawn(GREEN_PROCESS, nap, POINTER(LONG_MS));
    ck_assert_int_eq(finish(spawn(GREEN_PROCESS, count_in_child, NULL)), 0);
    ck_assert_str_eq(kinds_alive(), "task thread process");
    green_job_terminate(brother, SIGKILL);
    green_job_put(brother);
    green_event_set(&event);
    ck_assert_int_eq(finish(thread), 0);
    ck_assert_int_eq(finish(task), 0);
}
END_TEST

/* Threads spawn and end tasks while others list them: every handle is good. */
static atomic_bool over;

static intptr_t
come_and_go(void *arg)
{
    (void)arg;
    while (!atomic_load(&over)) {
        struct green_job *task;
        if (green_spawn(nap, POINTER(0), &task) != 0 ||
            green_job_join(task, NULL, GREEN_FOREVER) != 0) {
            return 1;
        }
        green_job_put(task);
    }
    return 0;
}

START_TEST(lists_are_whole_while_workers_come_and_go)
{
    struct green_job *threads[3];
    struct green_job *jobs[ROOM];
    for (int i = 0; i < 3; i++) {
        threads[i] = spawn(GREEN_THREAD, come_and_go, NULL);
    }
    for (int i = stress(20000, 500); i > 0; i--) {
        size_t count = green_enumerate(jobs, ROOM);
        ck_assert_uint_ge(count, 4);
        ck_assert_uint_le(count, 7);
        for (size_t j = 0; j < count; j++) {
            ck_assert_uint_ne(green_job_id(jobs[j]), 0);
            green_job_put(jobs[j]);
        }
    }
    atomic_store(&over, true);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(finish(threads[i]), 0);
    }
}
END_TEST

int
main(void)
{
    TCase *tests = make_case("enumerate");
    tcase_add_test(tests, caller_is_alone_at_first);
    tcase_add_test(tests, all_kinds_are_listed_from_spawn_to_end);
    tcase_add_test(tests, what_does_not_fit_is_counted);
    tcase_add_test(tests, threads_of_others_count_once_they_call);
    tcase_add_test(tests, lists_are_whole_while_workers_come_and_go);
    if (PROCESSES) {
        tcase_add_test(tests, child_has_itself_alone);
    }
    return run_case_of("enumerate", tests);
}
