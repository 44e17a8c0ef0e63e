/*
 * Each primitive and queue, and futures, a million times, between 4 threads of 100 tasks: without
 * loss, duplication, starvation or hang.
 *
 * A worker's share is the same for all, so one that starved would keep the test from its end. The
 * tests take turns between coming one by one and meeting: now and then a worker yields with what it
 * holds, so that the others come to wait.
 */
#include "green/future.h"
#include "workers.h"

#define WORKERS 400
#define PAIRS   (WORKERS / 2)

struct stress {
    struct green_mutex mutex;
    struct green_rwlock rwlock;
    struct green_semaphore semaphore;
    struct green_condition condition;
    struct green_barrier barrier;
    struct green_queue queue;
    struct green_event *events;
    struct green_once *onces;
    int rounds; /* of each worker */
    long plain; /* changed under what is tested */
    atomic_int inside;
    atomic_long sum;
};

static struct stress shared;

/** A million operations in all, `each` of them a round. */
static void
prepare(int each)
{
    memset(&shared, 0, sizeof shared);
    shared.rounds = stress(1000000, 20000) / WORKERS / each;
}

static bool
meets(const struct worker *worker, int round)
{
    return (round + worker->index) % 16 == 0;
}

/* ---- mutex ---- */

static intptr_t
use_mutex(void *arg)
{
    const struct worker *worker = arg;
    for (int i = 0; i < shared.rounds; i++) {
        if (green_mutex_lock(&shared.mutex, GREEN_FOREVER) != 0) {
            return 1;
        }
        long plain = shared.plain;
        if (meets(worker, i)) {
            green_yield();
        }
        if (shared.mutex.recursive) {
            if (green_mutex_lock(&shared.mutex, GREEN_FOREVER) != 0) {
                return 2;
            }
            green_mutex_unlock(&shared.mutex);
        }
        shared.plain = plain + 1;
        green_mutex_unlock(&shared.mutex);
    }
    return 0;
}

START_TEST(mutex)
{
    for (int recursive = 0; recursive < 2; recursive++) {
        prepare(1 + recursive);
        shared.mutex.recursive = recursive;
        ck_assert_int_eq(run_workers(MIXED, WORKERS, use_mutex, NULL), 0);
        ck_assert_int_eq(shared.plain, (long)WORKERS * shared.rounds);
        green_mutex_fini(&shared.mutex);
    }
}
END_TEST

/* ---- rwlock ---- */

static intptr_t
use_rwlock(void *arg)
{
    const struct worker *worker = arg;
    for (int i = 0; i < shared.rounds; i++) {
        bool writes = (i + worker->index) % 8 == 0;
        if ((writes ? green_rwlock_lock_write(&shared.rwlock, GREEN_FOREVER)
                    : green_rwlock_lock_read(&shared.rwlock, GREEN_FOREVER)) != 0) {
            return 1;
        }
        long plain = shared.plain;
        if (meets(worker, i)) {
            green_yield();
        }
        if (shared.plain != plain) {
            return 2;
        }
        if (writes) {
            shared.plain = plain + 1;
            atomic_fetch_add_explicit(&shared.sum, 1, memory_order_relaxed);
        }
        green_rwlock_unlock(&shared.rwlock);
    }
    return 0;
}

START_TEST(rwlock)
{
    prepare(1);
    ck_assert_int_eq(run_workers(MIXED, WORKERS, use_rwlock, NULL), 0);
    ck_assert_int_eq(shared.plain, atomic_load(&shared.sum));
    green_rwlock_fini(&shared.rwlock);
}
END_TEST

/* ---- semaphore ---- */

#define UNITS 7

static intptr_t
use_semaphore(void *arg)
{
    const struct worker *worker = arg;
    for (int i = 0; i < shared.rounds; i++) {
        if (green_semaphore_acquire(&shared.semaphore, GREEN_FOREVER) != 0 ||
            atomic_fetch_add(&shared.inside, 1) >= UNITS) {
            return 1;
        }
        if (meets(worker, i)) {
            green_yield();
        }
        atomic_fetch_sub(&shared.inside, 1);
        if (green_semaphore_release(&shared.semaphore) != 0) {
            return 2;
        }
    }
    return 0;
}

START_TEST(semaphore)
{
    prepare(1);
    green_semaphore_init_bounded(&shared.semaphore, UNITS);
    ck_assert_int_eq(run_workers(MIXED, WORKERS, use_semaphore, NULL), 0);
    ck_assert_uint_eq(green_semaphore_value(&shared.semaphore), UNITS);
    green_semaphore_fini(&shared.semaphore);
}
END_TEST

/* ---- event: pairs that let each other go in turn ---- */

static intptr_t
use_event(void *arg)
{
    const struct worker *worker = arg;
    /* The two of a pair live on different threads. */
    int pair = worker->index / 2;
    struct green_event *mine = &shared.events[2 * pair + worker->index % 2];
    struct green_event *theirs = &shared.events[2 * pair + 1 - worker->index % 2];
    for (int i = 0; i < shared.rounds; i++) {
        if (green_event_wait(mine, GREEN_FOREVER) != 0) {
            return 1;
        }
        green_event_clear(mine);
        green_event_set(theirs);
    }
    return 0;
}

START_TEST(event)
{
    static struct green_event events[2 * PAIRS];
    prepare(1);
    shared.events = events;
    for (int i = 0; i < 2 * PAIRS; i++) {
        green_event_init(&events[i]);
        if (i % 2 == 0) {
            green_event_set(&events[i]);
        }
    }
    ck_assert_int_eq(run_workers(MIXED, WORKERS, use_event, NULL), 0);
    for (int i = 0; i < 2 * PAIRS; i++) {
        ck_assert_int_eq(green_event_is_set(&events[i]), i % 2 == 0);
        green_event_fini(&events[i]);
    }
}
END_TEST

/* ---- condition: a box of a few places ---- */

#define PLACES 50

static bool
can_go_on(void *arg)
{
    const struct worker *worker = arg;
    return worker->index % 4 < 2 ? shared.plain < PLACES : shared.plain > 0;
}

static intptr_t
use_condition(void *arg)
{
    struct worker *worker = arg;
    bool producer = worker->index % 4 < 2;
    for (int i = 0; i < shared.rounds; i++) {
        if (green_mutex_lock(&shared.mutex, GREEN_FOREVER) != 0 ||
            green_condition_wait_for(&shared.condition, can_go_on, worker, GREEN_FOREVER) != 0) {
            return 1;
        }
        long before = shared.plain;
        shared.plain += producer ? 1 : -1;
        /* Both sides wait at the one condition; they wait only when the box is at an end. */
        if (before == (producer ? 0 : PLACES)) {
            green_condition_notify_all(&shared.condition);
        }
        green_mutex_unlock(&shared.mutex);
    }
    return 0;
}

START_TEST(condition)
{
    prepare(1);
    green_condition_init(&shared.condition, &shared.mutex);
    ck_assert_int_eq(run_workers(MIXED, WORKERS, use_condition, NULL), 0);
    ck_assert_int_eq(shared.plain, 0);
    green_condition_fini(&shared.condition);
}
END_TEST

/* ---- barrier ---- */

static intptr_t
use_barrier(void *arg)
{
    const struct worker *worker = arg;
    (void)worker;
    for (int i = 1; i <= shared.rounds; i++) {
        unsigned index;
        atomic_fetch_add(&shared.inside, 1);
        if (green_barrier_wait(&shared.barrier, &index, GREEN_FOREVER) != 0) {
            return 1;
        }
        int inside = atomic_load(&shared.inside);
        if (inside < i * WORKERS || inside > (i + 1) * WORKERS) {
            return 2;
        }
        atomic_fetch_add_explicit(&shared.sum, (long)index, memory_order_relaxed);
    }
    return 0;
}

START_TEST(barrier)
{
    prepare(1);
    green_barrier_init(&shared.barrier, WORKERS, NULL, NULL);
    ck_assert_int_eq(run_workers(MIXED, WORKERS, use_barrier, NULL), 0);
    ck_assert_int_eq(atomic_load(&shared.sum), (long)shared.rounds * WORKERS * (WORKERS - 1) / 2);
    green_barrier_fini(&shared.barrier);
}
END_TEST

/* ---- once ---- */

static int
count_run(void *arg)
{
    (void)arg;
    green_yield();
    atomic_fetch_add(&shared.inside, 1);
    return 0;
}

static intptr_t
use_once(void *arg)
{
    (void)arg;
    for (int i = 0; i < shared.rounds; i++) {
        if (green_once_run(&shared.onces[i], count_run, NULL, GREEN_FOREVER) != 0 ||
            atomic_load(&shared.inside) < i + 1) {
            return 1;
        }
    }
    return 0;
}

START_TEST(once)
{
    prepare(1);
    shared.onces = calloc((size_t)shared.rounds, sizeof *shared.onces);
    ck_assert_int_eq(run_workers(MIXED, WORKERS, use_once, NULL), 0);
    ck_assert_int_eq(atomic_load(&shared.inside), shared.rounds);
    free(shared.onces);
}
END_TEST

/* ---- queues ---- */

/* Half of the workers put numbers, the other half take them: each comes once. */
static intptr_t
use_queue(void *arg)
{
    const struct worker *worker = arg;
    bool producer = worker->index % 4 < 2;
    for (int i = 0; i < shared.rounds; i++) {
        void *item = POINTER(worker->index * shared.rounds + i);
        int err = producer ? green_queue_put(&shared.queue, item, GREEN_FOREVER)
                           : green_queue_get(&shared.queue, &item, GREEN_FOREVER);
        if (err != 0) {
            return 1;
        }
        atomic_uchar *seen = &((atomic_uchar *)worker->shared)[NUMBER(item)];
        if (!producer && atomic_fetch_add_explicit(seen, 1, memory_order_relaxed) != 0) {
            return 2;
        }
        if (!producer && green_queue_task_done(&shared.queue) != 0) {
            return 3;
        }
    }
    return 0;
}

static int
by_number(const void *a, const void *b)
{
    return NUMBER(a) < NUMBER(b) ? -1 : NUMBER(a) > NUMBER(b);
}

static void
run_queue(void)
{
    size_t numbers = (size_t)WORKERS * (size_t)shared.rounds;
    atomic_uchar *seen = calloc(numbers, sizeof *seen);
    ck_assert_int_eq(run_workers(MIXED, WORKERS, use_queue, seen), 0);
    size_t count = 0;
    for (size_t i = 0; i < numbers; i++) {
        count += atomic_load(&seen[i]);
    }
    ck_assert_uint_eq(count, numbers / 2);
    ck_assert(green_queue_empty(&shared.queue));
    ck_assert_int_eq(green_queue_join(&shared.queue, GREEN_NOW), 0);
    green_queue_fini(&shared.queue);
    free(seen);
}

START_TEST(fifo_queue)
{
    prepare(1);
    green_queue_init(&shared.queue, 64);
    run_queue();
}
END_TEST

START_TEST(lifo_queue)
{
    prepare(1);
    green_queue_init_lifo(&shared.queue, 0);
    run_queue();
}
END_TEST

START_TEST(priority_queue)
{
    prepare(1);
    green_queue_init_priority(&shared.queue, 64, by_number);
    run_queue();
}
END_TEST

/* ---- futures: one of a pair makes them and waits, the other sets them ---- */

static struct green_queue asked[PAIRS];

static void
count_callback(struct green_future *future, void *arg)
{
    (void)future;
    atomic_fetch_add_explicit((atomic_long *)arg, 1, memory_order_relaxed);
}

static intptr_t
ask(int pair, int round)
{
    struct green_future *future;
    intptr_t value = -1;
    int err = green_future_create(&future);
    if (err == 0 && round % 16 == 0) {
        err = green_future_add_done_callback(future, count_callback, &shared.sum);
    }
    if (err == 0) {
        err = green_queue_put(&asked[pair], future, GREEN_FOREVER);
    }
    if (err == 0) {
        err = green_future_result(future, &value, GREEN_FOREVER);
    }
    green_future_put(future); /* perhaps while it is still being set */
    return err != 0 ? err : value != (intptr_t)pair + round;
}

static intptr_t
use_future(void *arg)
{
    const struct worker *worker = arg;
    int pair = worker->index / 2;
    for (int i = 0; i < shared.rounds; i++) {
        void *future;
        intptr_t err = worker->index % 2 == 0 ? ask(pair, i)
                       : green_queue_get(&asked[pair], &future, GREEN_FOREVER) != 0
                           ? 1
                           : green_future_set(future, (intptr_t)pair + i);
        if (err != 0) {
            return 1;
        }
    }
    return 0;
}

START_TEST(future)
{
    prepare(1);
    for (int i = 0; i < PAIRS; i++) {
        green_queue_init(&asked[i], 1);
    }
    ck_assert_int_eq(run_workers(MIXED, WORKERS, use_future, NULL), 0);
    ck_assert_int_eq(atomic_load(&shared.sum), (long)PAIRS * ((shared.rounds + 15) / 16));
    for (int i = 0; i < PAIRS; i++) {
        green_queue_fini(&asked[i]);
    }
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        mutex, rwlock, semaphore,  event,      condition,      barrier,
        once,  future, fifo_queue, lifo_queue, priority_queue,
    };
    return RUN_TESTS("sync stress", tests);
}
