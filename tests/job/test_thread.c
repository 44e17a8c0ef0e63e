/*
 * Threads as jobs, and tasks and threads that join and cancel one another.
 *
 * The order between threads is nobody's promise: what is stated here is what each call returns.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "../base/support.h"
#include "green/sync.h"

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

/* ---- join ---- */

START_TEST(values_are_whole_words)
{
    static const intptr_t values[] = {0, 1, -1, -ECANCELED, INTPTR_MAX, INTPTR_MIN};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        ck_assert_int_eq(finish(spawn(GREEN_THREAD, return_arg, (void *)values[i])), values[i]);
    }
}
END_TEST

START_TEST(main_without_tasks_joins_a_thread)
{
    struct green_job *job = spawn(GREEN_THREAD, nap, POINTER(20));
    ck_assert_int_eq(green_job_join(job, NULL, GREEN_NOW), -ETIMEDOUT);
    ck_assert_int_eq(green_job_join(job, NULL, green_after(1)), -ETIMEDOUT);
    ck_assert(green_job_alive(job));
    ck_assert_int_eq(finish(job), 20);
}
END_TEST

/* Whoever joins: a task, a thread, a thread by a task of its own; whatever is joined. */
static intptr_t
join_by_a_task(void *job)
{
    struct green_job *joiner;
    int err = green_spawn(join_it, job, &joiner);
    return err != 0 ? err : finish(joiner);
}

START_TEST(all_join_all)
{
    static const enum green_kind kinds[] = {GREEN_TASK, GREEN_THREAD};
    static const green_entry joins[] = {join_it, join_by_a_task};
    for (int joined = 0; joined < 2; joined++) {
        for (int joiner = 0; joiner < 2; joiner++) {
            for (int way = 0; way < 2; way++) {
                for (int ms = 0; ms <= 10; ms += 5) {
                    struct green_job *job = spawn(kinds[joined], nap, POINTER(ms));
                    struct green_job *other = spawn(kinds[joiner], joins[way], job);
                    ck_assert_int_eq(finish(other), ms);
                    ck_assert_int_eq(finish(job), ms);
                }
            }
        }
    }
}
END_TEST

static struct green_job *shared_task;

/* Spawns a task and shows it; the main thread joins it from outside. */
static intptr_t
own_a_task(void *semaphore)
{
    struct green_job *task;
    int err = green_spawn(nap, POINTER(15), &task);
    if (err != 0) {
        return err;
    }
    shared_task = green_job_get(task);
    green_semaphore_release(semaphore);
    return finish(task);
}

START_TEST(thread_joins_a_task_of_another)
{
    struct green_semaphore *semaphore = make_semaphore(0);
    struct green_job *owner = spawn(GREEN_THREAD, own_a_task, semaphore);
    ck_assert_int_eq(green_semaphore_acquire(semaphore, green_after(LONG_MS)), 0);
    struct green_job *joiners[4];
    for (int i = 0; i < 4; i++) {
        joiners[i] = spawn(i % 2 ? GREEN_THREAD : GREEN_TASK, join_it, shared_task);
    }
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(finish(joiners[i]), 15);
    }
    ck_assert_int_eq(finish(shared_task), 15);
    ck_assert_int_eq(finish(owner), 15);
    drop_semaphore(semaphore);
}
END_TEST

/* A thread that the library did not start, and that joins a task of the main thread. */
static void *
foreign_thread(void *job)
{
    return (void *)join_it(job);
}

START_TEST(foreign_thread_joins)
{
    pthread_t thread;
    void *value;
    struct green_job *job = spawn(GREEN_TASK, nap, POINTER(10));
    ck_assert_int_eq(pthread_create(&thread, NULL, foreign_thread, job), 0);
    ck_assert_int_eq(finish(green_job_get(job)), 10);
    pthread_join(thread, &value);
    ck_assert_int_eq((intptr_t)value, 10);
    green_job_put(job);
}
END_TEST

/* ---- the end of a thread ---- */

static atomic_int ended;

static intptr_t
count_end(void *ms)
{
    int err = green_sleep((uint64_t)NUMBER(ms));
    atomic_fetch_add(&ended, err == 0 ? 1 : 100);
    return err;
}

static int
spawn_daemon(green_entry entry, void *arg)
{
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    options.daemon = true;
    return green_spawn_as(GREEN_TASK, entry, arg, &options, NULL);
}

static intptr_t
leave_tasks_behind(void *arg)
{
    (void)arg;
    int err = green_spawn(count_end, POINTER(10), NULL);
    if (err == 0) {
        err = green_spawn(count_end, POINTER(20), NULL);
    }
    return err != 0 ? err : spawn_daemon(count_end, POINTER(LONG_MS));
}

START_TEST(thread_joins_its_tasks_and_cancels_daemons)
{
    struct green_job *job = spawn(GREEN_THREAD, leave_tasks_behind, NULL);
    ck_assert_int_eq(finish(job), 0);
    ck_assert_int_eq(ended, 102);
}
END_TEST

static intptr_t
spawn_late_daemon(void *arg)
{
    (void)arg;
    green_sleep(5); /* by now the thread's own stack has returned */
    return spawn_daemon(count_end, POINTER(LONG_MS));
}

static intptr_t
spawn_at_the_end(void *arg)
{
    (void)arg;
    return green_spawn(spawn_late_daemon, NULL, NULL);
}

START_TEST(daemon_spawned_at_the_end_is_cancelled_too)
{
    struct green_job *job = spawn(GREEN_THREAD, spawn_at_the_end, NULL);
    ck_assert_int_eq(finish(job), 0);
    ck_assert_int_ge(ended, 0); /* it may have been cancelled before it ran */
}
END_TEST

static intptr_t
serve_units(void *semaphore)
{
    while (green_sleep(1) == 0) {
        green_semaphore_release(semaphore);
    }
    return 0;
}

static intptr_t
use_units(void *semaphore)
{
    int err = 0;
    for (int i = 0; i < 5 && err == 0; i++) {
        err = green_semaphore_acquire(semaphore, green_after(LONG_MS));
    }
    atomic_store(&ended, err == 0 ? 1 : -1);
    return err;
}

static intptr_t
need_a_daemon(void *semaphore)
{
    int err = spawn_daemon(serve_units, semaphore);
    return err != 0 ? err : green_spawn(use_units, semaphore, NULL);
}

/* The others are joined first, and may need it until they end. */
START_TEST(daemon_serves_until_the_others_have_ended)
{
    struct green_semaphore *semaphore = make_semaphore(0);
    ck_assert_int_eq(finish(spawn(GREEN_THREAD, need_a_daemon, semaphore)), 0);
    ck_assert_int_eq(ended, 1);
    drop_semaphore(semaphore);
}
END_TEST

/* ---- names ---- */

static intptr_t
kernel_name(void *arg)
{
    char own[16];
    pthread_getname_np(pthread_self(), own, sizeof own);
    return strcmp(own, arg) == 0;
}

START_TEST(names_reach_the_kernel)
{
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    options.name = "a-thread-with-a-long-name-beyond-31-bytes";
    options.stack_size = 1 << 20;
    struct green_job *job;
    ck_assert_int_eq(
        green_spawn_as(GREEN_THREAD, kernel_name, (void *)"a-thread-with-a", &options, &job), 0);
    ck_assert_str_eq(green_job_name(job), "a-thread-with-a-long-name-beyon");
    ck_assert_int_eq(green_job_kind(job), GREEN_THREAD);
    ck_assert_int_eq(green_job_pid(job), getpid());
    ck_assert_int_eq(finish(job), true);
}
END_TEST

START_TEST(small_stacks_are_made_large_enough)
{
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    options.stack_size = 1;
    struct green_job *job;
    ck_assert_int_eq(green_spawn_as(GREEN_THREAD, nap, POINTER(1), &options, &job), 0);
    ck_assert_int_eq(finish(job), 1);
}
END_TEST

/* ---- many ---- */

START_TEST(many_threads_come_and_go)
{
    int count = stress(2000, 100);
    for (int i = 0; i < count; i++) {
        struct green_job *job = spawn(GREEN_THREAD, return_arg, POINTER(i));
        if (i % 3 == 0) {
            ck_assert_int_eq(finish(job), i);
        } else {
            green_job_put(job); /* joined at exit */
        }
    }
}
END_TEST

static intptr_t
one_task_each(void *arg)
{
    struct green_job *job;
    int err = green_spawn(return_arg, arg, &job);
    return err != 0 ? err : finish(job);
}

START_TEST(schedulers_come_and_go)
{
    int count = stress(300, 30);
    /* The first loop of a process leaves descriptors behind that are the process's. */
    ck_assert_int_eq(finish(spawn(GREEN_THREAD, one_task_each, POINTER(1))), 1);
    int before = open_descriptors();
    for (int i = 0; i < count; i++) {
        ck_assert_int_eq(finish(spawn(GREEN_THREAD, one_task_each, POINTER(i))), i);
    }
    ck_assert_int_eq(open_descriptors(), before);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        values_are_whole_words,
        main_without_tasks_joins_a_thread,
        all_join_all,
        thread_joins_a_task_of_another,
        foreign_thread_joins,
        thread_joins_its_tasks_and_cancels_daemons,
        daemon_spawned_at_the_end_is_cancelled_too,
        daemon_serves_until_the_others_have_ended,
        names_reach_the_kernel,
        small_stacks_are_made_large_enough,
        many_threads_come_and_go,
        schedulers_come_and_go,
    };
    return RUN_TESTS("thread", tests);
}
