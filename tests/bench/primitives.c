/*
 * What a task costs: its spawn, its end, a switch, a hand-over, a mutex; beside the system's
 * threads. The peers in peers/ do the same with the same names for it.
 *
 * Not a test: it prints a table, or lines of JSON with --json. Run it on a quiet core.
 */
#include <green.h>

#include <pthread.h>
#include <sched.h>

#include "measure.h"

#define TIMES   300000
#define THREADS 3000
#define TURNS   100000
#define AT_ONCE 1000

static intptr_t
nothing(void *arg)
{
    return (intptr_t)arg;
}

static void
spawn_and_finish(void)
{
    for (int i = 0; i < TIMES; i++) {
        green_spawn(nothing, NULL, NULL);
        green_yield();
    }
}

static void
spawn_many_and_finish(void)
{
    for (int i = 0; i < TIMES / AT_ONCE; i++) {
        for (int k = 0; k < AT_ONCE; k++) {
            green_spawn(nothing, NULL, NULL);
        }
        green_yield();
    }
}

static void
spawn_and_join(void)
{
    for (int i = 0; i < TIMES; i++) {
        struct green_job *job;
        if (green_spawn(nothing, NULL, &job) == 0) {
            green_job_join(job, NULL, GREEN_FOREVER);
            green_job_put(job);
        }
    }
}

static void
spawn_many_and_join(void)
{
    static struct green_job *jobs[AT_ONCE];
    for (int i = 0; i < TIMES / AT_ONCE; i++) {
        for (int k = 0; k < AT_ONCE; k++) {
            if (green_spawn(nothing, NULL, &jobs[k]) != 0) {
                return;
            }
        }
        for (int k = 0; k < AT_ONCE; k++) {
            green_job_join(jobs[k], NULL, GREEN_FOREVER);
            green_job_put(jobs[k]);
        }
    }
}

/** Run an entry in two tasks to their ends, one with NULL and one without. */
static void
run_two(green_entry entry)
{
    struct green_job *jobs[2];
    for (int i = 0; i < 2; i++) {
        if (green_spawn(entry, i == 0 ? NULL : jobs, &jobs[i]) != 0) {
            return;
        }
    }
    for (int i = 0; i < 2; i++) {
        green_job_join(jobs[i], NULL, GREEN_FOREVER);
        green_job_put(jobs[i]);
    }
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
yield(void)
{
    run_two(just_yield);
}

static struct green_semaphore turns[2];

static intptr_t
take_turns(void *arg)
{
    int mine = arg != NULL;
    for (int i = 0; i < TIMES / 2; i++) {
        green_semaphore_acquire(&turns[mine], GREEN_FOREVER);
        green_semaphore_release(&turns[!mine]);
    }
    return 0;
}

static void
hand_over(void)
{
    green_semaphore_init(&turns[0], 1);
    green_semaphore_init(&turns[1], 0);
    run_two(take_turns);
}

static struct green_mutex mutex = GREEN_MUTEX_INIT;

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

static void
lock_free_mutex(void)
{
    for (int i = 0; i < TIMES; i++) {
        green_mutex_lock(&mutex, GREEN_FOREVER);
        green_mutex_unlock(&mutex);
    }
}

/* ---- the system's threads ---- */

static void *
thread_nothing(void *arg)
{
    return arg;
}

static void
thread_spawn_and_join(void)
{
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, thread_nothing, NULL) == 0) {
            pthread_join(thread, NULL);
        }
    }
}

static void
run_two_threads(void *(*entry)(void *arg))
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        if (pthread_create(&threads[i], NULL, entry, i == 0 ? NULL : threads) != 0) {
            return;
        }
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void *
thread_just_yield(void *arg)
{
    for (int i = 0; i < TURNS / 2; i++) {
        sched_yield();
    }
    return arg;
}

static void
thread_yield(void)
{
    run_two_threads(thread_just_yield);
}

static pthread_mutex_t thread_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t thread_turn = PTHREAD_COND_INITIALIZER;
static int thread_next;

static void *
thread_take_turns(void *arg)
{
    int mine = arg != NULL;
    pthread_mutex_lock(&thread_mutex);
    for (int i = 0; i < TURNS / 2; i++) {
        while (thread_next != mine) {
            pthread_cond_wait(&thread_turn, &thread_mutex);
        }
        thread_next = !mine;
        pthread_cond_signal(&thread_turn);
    }
    pthread_mutex_unlock(&thread_mutex);
    return arg;
}

static void
thread_hand_over(void)
{
    thread_next = 0;
    run_two_threads(thread_take_turns);
}

static void
thread_lock_free_mutex(void)
{
    for (int i = 0; i < TIMES; i++) {
        pthread_mutex_lock(&thread_mutex);
        pthread_mutex_unlock(&thread_mutex);
    }
}

int
main(int argc, char **argv)
{
    measure_options(argc, argv);
    measure("green", "spawn, run, finish", TIMES, spawn_and_finish);
    measure("green", "the same, 1,000 at a time", TIMES, spawn_many_and_finish);
    measure("green", "spawn, join", TIMES, spawn_and_join);
    measure("green", "the same, 1,000 at a time, joined", TIMES, spawn_many_and_join);
    measure("green", "yield", TIMES, yield);
    measure("green", "hand-over", TIMES, hand_over);
    measure("green", "mutex, handed over", TIMES, hand_mutex_over);
    measure("green", "mutex, free", TIMES, lock_free_mutex);
    measure("pthreads", "spawn, join", THREADS, thread_spawn_and_join);
    measure("pthreads", "yield", TURNS, thread_yield);
    measure("pthreads", "hand-over", TURNS, thread_hand_over);
    measure("pthreads", "mutex, free", TIMES, thread_lock_free_mutex);
    return 0;
}
