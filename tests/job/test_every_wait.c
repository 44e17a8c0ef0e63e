/*
 * Every call that waits for something else than a descriptor is ended by a timeout scope and by a
 * cancellation, in a task and in a thread. (tests/io/test_bounds.c has the descriptors.)
 *
 * Each row is a call that would wait for ever: what it waits for is prepared by the main stack.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>

#include "../base/support.h"
#include "green.h"

/** What the calls wait for; made anew for each worker, in a process of the test's own. */
static struct {
    struct green_mutex mutex;
    struct green_mutex free_mutex;
    struct green_rwlock rwlock;
    struct green_semaphore semaphore;
    struct green_event event;
    struct green_condition condition;
    struct green_barrier barrier;
    struct green_once once;
    struct green_queue empty;
    struct green_queue full;
    struct green_channel *channel;
    struct green_future *future;
    struct green_group group;
    struct green_executor *executor;
    struct green_imap *imap;
    struct green_array items;
    struct green_job *job;
    struct green_ipc_mutex *ipc_mutex;
    struct green_ipc_mutex *ipc_free_mutex;
    struct green_ipc_semaphore *ipc_semaphore;
    struct green_ipc_event *ipc_event;
    struct green_ipc_condition *ipc_condition;
    struct green_ipc_barrier *ipc_barrier;
    struct green_ipc_queue *ipc_empty;
    struct green_ipc_queue *ipc_full;
    struct green_pipe *pipe;
    struct green_pipe *other_end; /* of that pipe: nobody sends there */
    struct green_subprocess *subprocess;
    int signals;
} it;

static intptr_t
wait_for_ever(void *arg)
{
    (void)arg;
    return green_event_wait(&it.event, GREEN_FOREVER);
}

/* ---- the calls ---- */

static int
call_sleep(void)
{
    return green_sleep(1000000);
}

static int
call_join(void)
{
    return green_job_join(it.job, NULL, GREEN_FOREVER);
}

static int
call_joinall(void)
{
    return green_joinall(&it.job, 1, GREEN_FOREVER);
}

static int
call_join_any(void)
{
    size_t index;
    return green_join_any(&it.job, 1, &index, GREEN_FOREVER);
}

static int
call_mutex(void)
{
    return green_mutex_lock(&it.mutex, GREEN_FOREVER);
}

static int
call_rwlock_read(void)
{
    return green_rwlock_lock_read(&it.rwlock, GREEN_FOREVER);
}

static int
call_rwlock_write(void)
{
    return green_rwlock_lock_write(&it.rwlock, GREEN_FOREVER);
}

static int
call_semaphore(void)
{
    return green_semaphore_acquire(&it.semaphore, GREEN_FOREVER);
}

static int
call_event(void)
{
    return green_event_wait(&it.event, GREEN_FOREVER);
}

static int
call_condition(void)
{
    struct green_shield shield;
    green_shield_start(&shield);
    green_mutex_lock(&it.free_mutex, GREEN_FOREVER);
    green_shield_stop(&shield);
    int err = green_condition_wait(&it.condition, GREEN_FOREVER);
    green_mutex_unlock(&it.free_mutex);
    return err;
}

static int
call_barrier(void)
{
    green_barrier_reset(&it.barrier);
    return green_barrier_wait(&it.barrier, NULL, GREEN_FOREVER);
}

static int
return_0(void *arg)
{
    (void)arg;
    return 0;
}

static int
call_once(void)
{
    return green_once_run(&it.once, return_0, NULL, GREEN_FOREVER);
}

static int
call_queue_get(void)
{
    void *item;
    return green_queue_get(&it.empty, &item, GREEN_FOREVER);
}

static int
call_queue_put(void)
{
    return green_queue_put(&it.full, NULL, GREEN_FOREVER);
}

static int
call_queue_join(void)
{
    return green_queue_join(&it.full, GREEN_FOREVER);
}

static int
call_channel_send(void)
{
    return green_channel_send(it.channel, NULL, GREEN_FOREVER);
}

static int
call_channel_receive(void)
{
    return green_channel_receive(it.channel, NULL, GREEN_FOREVER);
}

static int
call_select(void)
{
    struct green_case cases[] = {GREEN_SEND(it.channel, NULL), GREEN_RECEIVE(it.channel, NULL)};
    return green_select(cases, 2, GREEN_FOREVER);
}

static int
call_future_wait(void)
{
    return green_future_wait(it.future, GREEN_FOREVER);
}

static int
call_future_result(void)
{
    return green_future_result(it.future, NULL, GREEN_FOREVER);
}

static int
call_futures_wait(void)
{
    return green_futures_wait(&it.future, 1, GREEN_ALL_COMPLETED, NULL, GREEN_FOREVER);
}

static int
call_group_spawn(void)
{
    return green_group_spawn(&it.group, wait_for_ever, NULL);
}

static int
call_group_join(void)
{
    return green_group_join(&it.group, GREEN_FOREVER);
}

static int
call_map(void)
{
    void *args[2] = {NULL};
    return green_map(GREEN_TASK, 1, wait_for_ever, args, 2, NULL, GREEN_FOREVER);
}

static int
call_imap(void)
{
    intptr_t value;
    return green_imap_next(it.imap, &value, NULL, GREEN_FOREVER);
}

static int
call_apply(void)
{
    return green_executor_apply(it.executor, wait_for_ever, NULL, 0, NULL, GREEN_FOREVER);
}

static int
call_executor_map(void)
{
    void *items[2] = {NULL};
    return green_executor_map(it.executor, wait_for_ever, items, 0, 2, NULL, GREEN_FOREVER);
}

static int
call_ipc_mutex(void)
{
    return green_ipc_mutex_lock(it.ipc_mutex, GREEN_FOREVER);
}

static int
call_ipc_semaphore(void)
{
    return green_ipc_semaphore_acquire(it.ipc_semaphore, GREEN_FOREVER);
}

static int
call_ipc_event(void)
{
    return green_ipc_event_wait(it.ipc_event, GREEN_FOREVER);
}

static int
call_ipc_condition(void)
{
    struct green_shield shield;
    green_shield_start(&shield);
    green_ipc_mutex_lock(it.ipc_free_mutex, GREEN_FOREVER);
    green_shield_stop(&shield);
    int err = green_ipc_condition_wait(it.ipc_condition, GREEN_FOREVER);
    green_ipc_mutex_unlock(it.ipc_free_mutex);
    return err;
}

static int
call_ipc_barrier(void)
{
    green_ipc_barrier_reset(it.ipc_barrier);
    return green_ipc_barrier_wait(it.ipc_barrier, NULL, GREEN_FOREVER);
}

static int
call_ipc_queue_get(void)
{
    char byte;
    return (int)green_ipc_queue_get(it.ipc_empty, &byte, 1, GREEN_FOREVER);
}

static int
call_ipc_queue_put(void)
{
    return green_ipc_queue_put(it.ipc_full, "x", 1, GREEN_FOREVER);
}

static int
call_ipc_queue_join(void)
{
    return green_ipc_queue_join(it.ipc_full, GREEN_FOREVER);
}

static int
call_pipe_recv(void)
{
    char byte;
    return (int)green_pipe_recv(it.pipe, &byte, 1);
}

static int
call_pipe_poll(void)
{
    return green_pipe_poll(it.pipe, GREEN_FOREVER);
}

static int
call_subprocess(void)
{
    return green_subprocess_wait(it.subprocess, NULL, GREEN_FOREVER);
}

static int
call_signal(void)
{
    return green_signal_wait(it.signals, NULL, GREEN_FOREVER);
}

static const struct {
    const char *name;
    int (*call)(void);
} calls[] = {
    {"sleep", call_sleep},
    {"join", call_join},
    {"joinall", call_joinall},
    {"join_any", call_join_any},
    {"mutex_lock", call_mutex},
    {"rwlock_lock_read", call_rwlock_read},
    {"rwlock_lock_write", call_rwlock_write},
    {"semaphore_acquire", call_semaphore},
    {"event_wait", call_event},
    {"condition_wait", call_condition},
    {"barrier_wait", call_barrier},
    {"once_run", call_once},
    {"queue_get", call_queue_get},
    {"queue_put", call_queue_put},
    {"queue_join", call_queue_join},
    {"channel_send", call_channel_send},
    {"channel_receive", call_channel_receive},
    {"select", call_select},
    {"future_wait", call_future_wait},
    {"future_result", call_future_result},
    {"futures_wait", call_futures_wait},
    {"group_spawn", call_group_spawn},
    {"group_join", call_group_join},
    {"map", call_map},
    {"imap_next", call_imap},
    {"executor_apply", call_apply},
    {"executor_map", call_executor_map},
    {"ipc_mutex_lock", call_ipc_mutex},
    {"ipc_semaphore_acquire", call_ipc_semaphore},
    {"ipc_event_wait", call_ipc_event},
    {"ipc_condition_wait", call_ipc_condition},
    {"ipc_barrier_wait", call_ipc_barrier},
    {"ipc_queue_get", call_ipc_queue_get},
    {"ipc_queue_put", call_ipc_queue_put},
    {"ipc_queue_join", call_ipc_queue_join},
    {"pipe_recv", call_pipe_recv},
    {"pipe_poll", call_pipe_poll},
    {"subprocess_wait", call_subprocess},
    {"signal_wait", call_signal},
};

#define CALLS ((int)(sizeof calls / sizeof *calls))

/* ---- what they wait for ---- */

static int
hold_once(void *arg)
{
    (void)arg;
    return (int)wait_for_ever(NULL);
}

static intptr_t
occupy_once(void *arg)
{
    (void)arg;
    return green_once_run(&it.once, hold_once, NULL, GREEN_FOREVER);
}

static void
prepare_here(void)
{
    static void *item;
    green_mutex_init(&it.mutex);
    green_mutex_lock(&it.mutex, GREEN_NOW);
    green_mutex_init(&it.free_mutex);
    green_rwlock_init(&it.rwlock);
    green_rwlock_lock_write(&it.rwlock, GREEN_NOW);
    green_semaphore_init(&it.semaphore, 0);
    green_event_init(&it.event);
    green_condition_init(&it.condition, &it.free_mutex);
    green_barrier_init(&it.barrier, 2, NULL, NULL);
    green_once_init(&it.once);
    green_queue_init(&it.empty, 1);
    green_queue_init(&it.full, 1);
    green_queue_put(&it.full, NULL, GREEN_NOW);
    ck_assert_int_eq(green_channel_create(0, 0, &it.channel), 0);
    ck_assert_int_eq(green_future_create(&it.future), 0);
    it.items = (struct green_array){&item, 1, 0};
    ck_assert_int_eq(green_imap_create(GREEN_THREAD, 1, wait_for_ever, green_items_of_array,
                                       &it.items, &it.imap),
                     0);
    green_group_init(&it.group, 1);
    ck_assert_int_eq(
        green_group_spawn_as(&it.group, GREEN_THREAD, wait_for_ever, NULL, NULL, NULL, GREEN_NOW),
        0);
    ck_assert_int_eq(green_executor_create(GREEN_THREAD, 1, NULL, &it.executor), 0);
    it.job = spawn(GREEN_THREAD, occupy_once, NULL);
    while (!green_mutex_locked(&it.once.mutex)) {
        green_sleep(1);
    }
}

static void
prepare_beyond(void)
{
    static const char *const cat[] = {"cat", NULL};
    struct green_subprocess_options options = GREEN_SUBPROCESS_OPTIONS;
    int usr2 = SIGUSR2;
    ck_assert_int_eq(green_ipc_mutex_create(&it.ipc_mutex), 0);
    ck_assert_int_eq(green_ipc_mutex_lock(it.ipc_mutex, GREEN_NOW), 0);
    ck_assert_int_eq(green_ipc_mutex_create(&it.ipc_free_mutex), 0);
    ck_assert_int_eq(green_ipc_semaphore_create(0, &it.ipc_semaphore), 0);
    ck_assert_int_eq(green_ipc_event_create(&it.ipc_event), 0);
    ck_assert_int_eq(green_ipc_condition_create(it.ipc_free_mutex, &it.ipc_condition), 0);
    ck_assert_int_eq(green_ipc_barrier_create(2, &it.ipc_barrier), 0);
    ck_assert_int_eq(green_ipc_queue_create(1, 1, &it.ipc_empty), 0);
    ck_assert_int_eq(green_ipc_queue_create(1, 1, &it.ipc_full), 0);
    ck_assert_int_eq(green_ipc_queue_put(it.ipc_full, "x", 1, GREEN_NOW), 0);
    ck_assert_int_eq(green_pipe_create(&it.pipe, &it.other_end), 0);
    options.input = GREEN_STDIO_PIPE; /* it reads what never comes, and ends with us */
    ck_assert_int_eq(green_subprocess_spawn(cat, &options, &it.subprocess), 0);
    it.signals = green_signal_open(&usr2, 1);
    ck_assert_int_ge(it.signals, 0);
}

/* ---- the test ---- */

/** Two scopes, of which the inner one ends first, twice; 0, or the number of what was wrong. */
static intptr_t
time_out(void *arg)
{
    int (*call)(void) = calls[NUMBER(arg)].call;
    struct green_timeout outer;
    struct green_timeout scope;
    green_timeout_start(&outer, LONG_MS);
    for (int ms = 5; ms >= 0; ms -= 5) {
        green_timeout_start(&scope, (uint64_t)ms);
        int err = call();
        green_timeout_stop(&scope);
        if (err != -ETIMEDOUT || !green_timeout_fired(&scope)) {
            return err == -ETIMEDOUT ? 1 : err;
        }
    }
    green_timeout_stop(&outer);
    return green_timeout_fired(&outer) ? 2 : 0;
}

static atomic_bool runs;

static intptr_t
be_cancelled(void *arg)
{
    atomic_store(&runs, true);
    int err = calls[NUMBER(arg)].call();
    int again = calls[NUMBER(arg)].call();
    return err == -ECANCELED && again == -ECANCELED ? 0 : err != -ECANCELED ? err : again;
}

static void
check_all(enum green_kind kind)
{
    prepare_here();
    prepare_beyond();
    for (int i = 0; i < CALLS; i++) {
        intptr_t found = finish(spawn(kind, time_out, POINTER(i)));
        ck_assert_msg(found == 0, "%s in a scope: %d", calls[i].name, (int)found);
        atomic_store(&runs, false);
        struct green_job *job = spawn(kind, be_cancelled, POINTER(i));
        while (!atomic_load(&runs)) {
            green_sleep(1);
        }
        green_sleep(1); /* mostly it waits by then; if not, the call fails at once */
        green_job_cancel(job);
        found = finish(job);
        ck_assert_msg(found == 0, "%s, cancelled: %d", calls[i].name, (int)found);
    }
    /* What nobody could have is still there. */
    green_event_set(&it.event);
    ck_assert_int_eq(finish(it.job), 0);
    ck_assert_int_eq(green_group_fini(&it.group), 0);
    green_imap_destroy(it.imap);
    green_executor_destroy(it.executor);
    green_subprocess_destroy(it.subprocess);
}

START_TEST(tasks)
{
    check_all(GREEN_TASK);
}
END_TEST

START_TEST(threads)
{
    check_all(GREEN_THREAD);
}
END_TEST

int
main(void)
{
    if (!PROCESSES) {
        return SKIPPED; /* no pidfd, which shared memory needs */
    }
    const TTest *const tests[] = {tasks, threads};
    return RUN_TESTS("every wait", tests);
}
