/*
 * Wakes, deadlines and cancellations that meet, across threads: nothing is lost, nothing is
 * doubled, and whoever was woken may end, and free everything, while who woke it is still at it.
 *
 * Most of these state a sum at the end; they are worth most under the sanitizers.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "../base/support.h"
#include "sched/wait.h"

#define THREADS 4

static struct green_semaphore *semaphore;
static atomic_int taken;
static atomic_bool stop;

static unsigned
next_random(unsigned *state)
{
    *state = *state * 1103515245u + 12345u;
    return *state >> 16;
}

/* ---- queues of waiters ---- */

static struct green__waitq queue;

static intptr_t
wait_in_queue(void *label)
{
    green__waitq_lock(&queue);
    int err = green__waitq_wait(&queue, green_self(), GREEN_FOREVER, "a test");
    note(label);
    return err;
}

START_TEST(queue_is_first_in_first_out)
{
    green__waitq_init(&queue);
    struct green_job *jobs[] = {
        spawn(GREEN_TASK, wait_in_queue, "a"), spawn(GREEN_TASK, wait_in_queue, "b"),
        spawn(GREEN_TASK, wait_in_queue, "c"), spawn(GREEN_TASK, wait_in_queue, "d")};
    green_yield();
    green_job_cancel(jobs[1]); /* withdraws from the middle */
    ck_assert_int_eq(finish(jobs[1]), -ECANCELED);
    green__waitq_lock(&queue);
    ck_assert(green__waitq_wake_one(&queue));
    ck_assert(green__waitq_wake_one(&queue));
    ck_assert(green__waitq_wake_one(&queue));
    ck_assert(!green__waitq_wake_one(&queue));
    green__waitq_unlock(&queue);
    ck_assert_int_eq(finish(jobs[3]), 0);
    ck_assert_int_eq(finish(jobs[2]), 0);
    ck_assert_int_eq(finish(jobs[0]), 0);
    ck_assert_trace("b a c d");
}
END_TEST

/* Chosen and cancelled before it runs: what it was given is its own, and the call succeeds. */
START_TEST(chosen_and_cancelled_at_once)
{
    green__waitq_init(&queue);
    struct green_job *job = spawn(GREEN_TASK, wait_in_queue, "a");
    green_yield();
    green__waitq_lock(&queue);
    ck_assert(green__waitq_wake_one(&queue));
    green__waitq_unlock(&queue);
    green_job_cancel(job);
    ck_assert_int_eq(finish(job), 0);
}
END_TEST

/* ---- units that go round ---- */

static intptr_t
pass_units(void *rounds)
{
    for (int i = 0; i < NUMBER(rounds); i++) {
        int err = green_semaphore_acquire(semaphore, green_after(6 * LONG_MS));
        if (err != 0) {
            return err;
        }
        atomic_fetch_add(&taken, 1);
        if (i % 8 == 0) {
            green_yield();
        }
        green_semaphore_release(semaphore);
    }
    return 0;
}

struct crowd {
    green_entry entry;
    int tasks;
    void *arg;
};

static intptr_t
run_crowd(void *arg)
{
    const struct crowd *crowd = arg;
    struct green_job *jobs[100];
    for (int i = 0; i < crowd->tasks; i++) {
        int err = green_spawn(crowd->entry, crowd->arg, &jobs[i]);
        if (err != 0) {
            return err;
        }
    }
    intptr_t sum = crowd->entry(crowd->arg); /* the thread's own stack joins in */
    for (int i = 0; i < crowd->tasks; i++) {
        sum += finish(jobs[i]);
    }
    return sum;
}

static intptr_t
run_crowds(struct crowd *crowd)
{
    struct green_job *threads[THREADS];
    intptr_t sum = 0;
    for (int i = 0; i < THREADS; i++) {
        threads[i] = spawn(GREEN_THREAD, run_crowd, crowd);
    }
    for (int i = 0; i < THREADS; i++) {
        sum += finish(threads[i]);
    }
    return sum;
}

START_TEST(units_go_round)
{
    semaphore = make_semaphore(3);
    int rounds = stress(200, 10);
    struct crowd crowd = {pass_units, stress(100, 20), POINTER(rounds)};
    ck_assert_int_eq(run_crowds(&crowd), 0);
    ck_assert_int_eq(taken, THREADS * (crowd.tasks + 1) * rounds);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(green_semaphore_acquire(semaphore, GREEN_NOW), 0);
    }
    ck_assert_int_eq(green_semaphore_acquire(semaphore, GREEN_NOW), -ETIMEDOUT);
    drop_semaphore(semaphore);
}
END_TEST

/* ---- wakes against deadlines ---- */

/* Takes units with deadlines so short that many pass at the moment of the wake. */
static intptr_t
take_shortly(void *seed)
{
    unsigned state = (unsigned)NUMBER(seed) + (unsigned)green_job_id(green_self());
    while (!atomic_load(&stop)) {
        green_deadline deadline = green_after(0) + next_random(&state) % 200000;
        int err = green_semaphore_acquire(semaphore, deadline);
        if (err == 0) {
            atomic_fetch_add(&taken, 1);
        } else if (err != -ETIMEDOUT) {
            return err;
        }
    }
    return 0;
}

static void *
give_units(void *count)
{
    for (int i = 0; i < NUMBER(count); i++) {
        green_semaphore_release(semaphore);
        if (i % 16 == 0) {
            sched_yield();
        }
    }
    return NULL;
}

static void
drain_units(void)
{
    while (green_semaphore_acquire(semaphore, GREEN_NOW) == 0) {
        atomic_fetch_add(&taken, 1);
    }
}

START_TEST(deadlines_against_wakes)
{
    semaphore = make_semaphore(0);
    int count = stress(50000, 1000);
    struct green_job *takers[2 * THREADS];
    struct crowd crowd = {take_shortly, 8, POINTER(1)};
    for (int i = 0; i < 2 * THREADS; i++) {
        takers[i] = i % 2 ? spawn(GREEN_THREAD, run_crowd, &crowd)
                          : spawn(GREEN_THREAD, take_shortly, POINTER(i));
    }
    pthread_t givers[2];
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_create(&givers[i], NULL, give_units, POINTER(count)), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(givers[i], NULL);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 2 * THREADS; i++) {
        ck_assert_int_eq(finish(takers[i]), 0);
    }
    drain_units();
    ck_assert_int_eq(taken, 2 * count);
    drop_semaphore(semaphore);
}
END_TEST

/* ---- wakes against cancellations ---- */

static intptr_t
take_until_cancelled(void *arg)
{
    (void)arg;
    for (;;) {
        int err = green_semaphore_acquire(semaphore, green_after(6 * LONG_MS));
        if (err != 0) {
            return err;
        }
        atomic_fetch_add(&taken, 1);
    }
}

#define VICTIMS 8

static struct green_job *victims[VICTIMS];
static atomic_int ready;

static intptr_t
own_victims(void *arg)
{
    (void)arg;
    for (int i = 0; i < VICTIMS; i++) {
        int err = green_spawn(take_until_cancelled, NULL, &victims[i]);
        if (err != 0) {
            return err;
        }
    }
    atomic_store(&ready, 1);
    intptr_t sum = 0;
    for (int i = 0; i < VICTIMS; i++) {
        intptr_t value = 0;
        green_job_join(victims[i], &value, GREEN_FOREVER);
        sum += value;
    }
    return sum;
}

START_TEST(cancellations_against_wakes)
{
    int rounds = stress(200, 10);
    int given = 0;
    semaphore = make_semaphore(0);
    for (int round = 0; round < rounds; round++) {
        atomic_store(&ready, 0);
        struct green_job *owner = spawn(GREEN_THREAD, own_victims, NULL);
        struct green_job *thread = spawn(GREEN_THREAD, take_until_cancelled, NULL);
        while (atomic_load(&ready) == 0) {
            sched_yield();
        }
        pthread_t giver;
        pthread_create(&giver, NULL, give_units, POINTER(100));
        given += 100;
        for (int i = 0; i < VICTIMS; i++) {
            green_job_cancel(victims[i]);
        }
        green_job_cancel(thread);
        ck_assert_int_eq(finish(owner), VICTIMS * -ECANCELED);
        ck_assert_int_eq(finish(thread), -ECANCELED);
        pthread_join(giver, NULL);
        for (int i = 0; i < VICTIMS; i++) {
            green_job_put(victims[i]);
        }
    }
    drain_units();
    ck_assert_int_eq(taken, given);
    drop_semaphore(semaphore);
}
END_TEST

/* ---- who was woken ends at once ---- */

static intptr_t
acquire_one(void *arg)
{
    return green_semaphore_acquire(arg, green_after(6 * LONG_MS));
}

static intptr_t
acquire_by_a_task(void *arg)
{
    struct green_job *task;
    int err = green_spawn(acquire_one, arg, &task);
    return err != 0 ? err : finish(task);
}

static intptr_t
acquire_beside_a_task(void *arg)
{
    int err = green_spawn(acquire_one, arg, NULL);
    return err != 0 ? err : acquire_one(arg);
}

START_TEST(woken_thread_ends_at_once)
{
    static const green_entry entries[] = {acquire_one, acquire_by_a_task, acquire_beside_a_task};
    int rounds = stress(500, 30);
    for (int i = 0; i < 3 * rounds; i++) {
        struct green_semaphore *gate = make_semaphore(0);
        struct green_job *job = spawn(GREEN_THREAD, entries[i % 3], gate);
        if (i % 2) {
            usleep((unsigned)(i % 7 * 20));
        }
        green_semaphore_release(gate);
        green_semaphore_release(gate);
        ck_assert_int_eq(finish(job), 0);
        drop_semaphore(gate);
    }
}
END_TEST

/* The giver is another thread, and the taker destroys what the giver has just let go of. */
static void *
give_one(void *arg)
{
    green_semaphore_release(arg);
    return NULL;
}

START_TEST(woken_worker_destroys_the_semaphore)
{
    int rounds = stress(2000, 50);
    for (int i = 0; i < rounds; i++) {
        struct green_semaphore *gate = make_semaphore(0);
        pthread_t giver;
        ck_assert_int_eq(pthread_create(&giver, NULL, give_one, gate), 0);
        ck_assert_int_eq(green_semaphore_acquire(gate, green_after(LONG_MS)), 0);
        drop_semaphore(gate);
        pthread_join(giver, NULL);
    }
}
END_TEST

/* All join each other's thread while those end. */
static intptr_t
join_and_put(void *job)
{
    int err = green_job_join(job, NULL, green_after(6 * LONG_MS));
    green_job_put(job);
    return err;
}

START_TEST(joins_against_ends)
{
    int rounds = stress(300, 20);
    for (int i = 0; i < rounds; i++) {
        semaphore = make_semaphore(1);
        struct green_job *job =
            spawn(GREEN_THREAD, i % 2 ? acquire_by_a_task : acquire_one, semaphore);
        struct green_job *one = spawn(GREEN_THREAD, join_and_put, green_job_get(job));
        struct green_job *two = spawn(GREEN_TASK, join_and_put, green_job_get(job));
        if (i % 3 == 0) {
            green_job_cancel(job);
        }
        ck_assert_int_eq(finish(one), 0);
        ck_assert_int_eq(finish(two), 0);
        green_job_put(job);
        drop_semaphore(semaphore);
    }
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        queue_is_first_in_first_out,
        chosen_and_cancelled_at_once,
        units_go_round,
        deadlines_against_wakes,
        cancellations_against_wakes,
        woken_thread_ends_at_once,
        woken_worker_destroys_the_semaphore,
        joins_against_ends,
    };
    return RUN_TESTS("wait", tests);
}
