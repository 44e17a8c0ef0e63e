/*
 * What the primitives cost, in nanoseconds: free, and handed from task to task.
 *
 * Not a test: it prints a table, each figure the best of several rounds. Run it on a quiet machine.
 */
#include <green.h>

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#define ROUNDS 7
#define TIMES  400000

static uint64_t
now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/** Run a body that does TIMES operations, and print what one of them takes. */
static void
report(const char *what, void (*body)(void))
{
    uint64_t best = UINT64_MAX;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t start = now_ns();
        body();
        uint64_t took = now_ns() - start;
        best = took < best ? took : best;
    }
    printf("%-52s %8.1f\n", what, (double)best / TIMES);
}

/** Run an entry in two tasks to their ends. */
static void
run_two(green_entry entry)
{
    struct green_job *jobs[2];
    for (int i = 0; i < 2; i++) {
        if (green_spawn(entry, NULL, &jobs[i]) != 0) {
            return;
        }
    }
    for (int i = 0; i < 2; i++) {
        green_job_join(jobs[i], NULL, GREEN_FOREVER);
        green_job_put(jobs[i]);
    }
}

/* ---- nobody waits ---- */

static struct green_mutex mutex = GREEN_MUTEX_INIT;
static struct green_mutex recursive = GREEN_RECURSIVE_MUTEX_INIT;
static struct green_rwlock rwlock = GREEN_RWLOCK_INIT;
static struct green_semaphore semaphore = GREEN_SEMAPHORE_INIT(1);
static struct green_event event = GREEN_EVENT_INIT;
static struct green_once once = GREEN_ONCE_INIT;
static struct green_queue queue = GREEN_QUEUE_INIT(0);
static struct green_condition condition = GREEN_CONDITION_INIT(&mutex);

static void
lock_free_mutex(void)
{
    for (int i = 0; i < TIMES; i++) {
        green_mutex_lock(&mutex, GREEN_FOREVER);
        green_mutex_unlock(&mutex);
    }
}

static void
lock_recursively(void)
{
    green_mutex_lock(&recursive, GREEN_FOREVER);
    for (int i = 0; i < TIMES; i++) {
        green_mutex_lock(&recursive, GREEN_FOREVER);
        green_mutex_unlock(&recursive);
    }
    green_mutex_unlock(&recursive);
}

static void
lock_to_read(void)
{
    for (int i = 0; i < TIMES; i++) {
        green_rwlock_lock_read(&rwlock, GREEN_FOREVER);
        green_rwlock_unlock(&rwlock);
    }
}

static void
lock_to_write(void)
{
    for (int i = 0; i < TIMES; i++) {
        green_rwlock_lock_write(&rwlock, GREEN_FOREVER);
        green_rwlock_unlock(&rwlock);
    }
}

static void
take_free_unit(void)
{
    for (int i = 0; i < TIMES; i++) {
        green_semaphore_acquire(&semaphore, GREEN_FOREVER);
        green_semaphore_release(&semaphore);
    }
}

static void
wait_for_set_event(void)
{
    for (int i = 0; i < TIMES; i++) {
        green_event_wait(&event, GREEN_FOREVER);
    }
}

static void
set_and_clear(void)
{
    for (int i = 0; i < TIMES; i++) {
        green_event_set(&event);
        green_event_clear(&event);
    }
    green_event_set(&event);
}

static void
notify_nobody(void)
{
    green_mutex_lock(&mutex, GREEN_FOREVER);
    for (int i = 0; i < TIMES; i++) {
        green_condition_notify(&condition, 1);
    }
    green_mutex_unlock(&mutex);
}

static int
nothing(void *arg)
{
    (void)arg;
    return 0;
}

static void
run_once(void)
{
    for (int i = 0; i < TIMES; i++) {
        green_once_run(&once, nothing, NULL, GREEN_FOREVER);
    }
}

static void
put_and_get(void)
{
    void *item;
    for (int i = 0; i < TIMES; i++) {
        green_queue_put(&queue, NULL, GREEN_FOREVER);
        green_queue_get(&queue, &item, GREEN_FOREVER);
    }
}

/* ---- from task to task ---- */

static intptr_t
lock_and_yield(void *arg)
{
    (void)arg;
    /* Each holds the mutex while the other comes for it: every lock is handed over. */
    for (int i = 0; i < TIMES / 2; i++) {
        green_mutex_lock(&mutex, GREEN_FOREVER);
        green_yield();
        green_mutex_unlock(&mutex);
    }
    return 0;
}

static void
hand_mutex_over(void)
{
    run_two(lock_and_yield);
}

static intptr_t
just_yield(void *arg)
{
    (void)arg;
    for (int i = 0; i < TIMES / 2; i++) {
        green_yield();
    }
    return 0;
}

static void
yield_only(void)
{
    run_two(just_yield);
}

static struct green_semaphore ping = GREEN_SEMAPHORE_INIT(1);
static struct green_semaphore pong = GREEN_SEMAPHORE_INIT(0);

static intptr_t
play(void *arg)
{
    (void)arg;
    static int players;
    bool first = players++ % 2 == 0;
    for (int i = 0; i < TIMES / 2; i++) {
        green_semaphore_acquire(first ? &ping : &pong, GREEN_FOREVER);
        green_semaphore_release(first ? &pong : &ping);
    }
    return 0;
}

static void
hand_unit_over(void)
{
    run_two(play);
}

static struct green_queue baton = GREEN_QUEUE_INIT(1);

static intptr_t
produce_or_consume(void *arg)
{
    (void)arg;
    static int workers;
    bool producer = workers++ % 2 == 0;
    void *item = NULL;
    for (int i = 0; i < TIMES; i++) {
        if (producer) {
            green_queue_put(&baton, item, GREEN_FOREVER);
        } else {
            green_queue_get(&baton, &item, GREEN_FOREVER);
        }
    }
    return 0;
}

static void
hand_item_over(void)
{
    run_two(produce_or_consume);
}

int
main(void)
{
    green_event_set(&event);
    printf("%-52s %8s\n", "", "ns");
    report("mutex, free: lock and unlock", lock_free_mutex);
    report("recursive mutex, held: lock and unlock", lock_recursively);
    report("rwlock, free: lock to read and unlock", lock_to_read);
    report("rwlock, free: lock to write and unlock", lock_to_write);
    report("semaphore, free: acquire and release", take_free_unit);
    report("event, set: wait", wait_for_set_event);
    report("event: set and clear", set_and_clear);
    report("condition, nobody waits: notify", notify_nobody);
    report("once, done: run", run_once);
    report("queue: put and get", put_and_get);
    report("two tasks: yield", yield_only);
    report("two tasks: a mutex handed over, and a yield", hand_mutex_over);
    report("two tasks: a semaphore's unit handed over", hand_unit_over);
    report("two tasks: an item through a queue of one", hand_item_over);
    green_queue_fini(&queue);
    green_queue_fini(&baton);
    return 0;
}
