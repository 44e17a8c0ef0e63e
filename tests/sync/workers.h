/*
 * What the tests of the primitives share: workers of every kind, in every mixture, and how many of
 * them wait.
 */
#ifndef TESTS_SYNC_WORKERS_H
#define TESTS_SYNC_WORKERS_H

#include <pthread.h>

#include "../base/support.h"
#include "green/queue.h"
#include "green/sync.h"
#include "sync/waiters.h"

static pthread_mutex_t mark_lock = PTHREAD_MUTEX_INITIALIZER;

/** Add a label to the trace, from any thread. */
__attribute__((unused)) static void
mark(const char *label)
{
    pthread_mutex_lock(&mark_lock);
    note(label);
    pthread_mutex_unlock(&mark_lock);
}

/** Who works: tasks of the main thread, threads, or tasks of three threads and the main one. */
enum mixture {
    TASKS,
    THREADS,
    MIXED,
};

#define MIXED_THREADS 3
#define WORKERS_MAX   400

/** One of several workers. */
struct worker {
    int index;
    void *shared;
    green_entry entry;
    struct green_job *job;
};

struct host {
    struct worker *workers;
    int count;
    int step;
};

/** Spawn every step-th worker as a task of this thread, and join them; the number of failures. */
static intptr_t
run_tasks(void *arg)
{
    const struct host *host = arg;
    intptr_t failures = 0;
    for (int i = 0; i < host->count; i += host->step) {
        struct worker *worker = &host->workers[i];
        if (green_spawn(worker->entry, worker, &worker->job) != 0) {
            return 1000;
        }
    }
    for (int i = 0; i < host->count; i += host->step) {
        failures += finish(host->workers[i].job) != 0;
    }
    return failures;
}

/** Let `count` workers run `entry`, each with its struct worker, to the end; how many did not
 *  return 0. */
__attribute__((unused)) static intptr_t
run_workers(enum mixture mixture, int count, green_entry entry, void *shared)
{
    static struct worker workers[WORKERS_MAX];
    struct host hosts[MIXED_THREADS + 1];
    struct green_job *threads[MIXED_THREADS];
    intptr_t failures = 0;
    for (int i = 0; i < count; i++) {
        workers[i] = (struct worker){i, shared, entry, NULL};
    }
    if (mixture == TASKS) {
        hosts[0] = (struct host){workers, count, 1};
        return run_tasks(&hosts[0]);
    }
    if (mixture == THREADS) {
        for (int i = 0; i < count; i++) {
            workers[i].job = spawn(GREEN_THREAD, entry, &workers[i]);
        }
        for (int i = 0; i < count; i++) {
            failures += finish(workers[i].job) != 0;
        }
        return failures;
    }
    for (int i = 0; i <= MIXED_THREADS; i++) {
        hosts[i] = (struct host){workers + i, count - i, MIXED_THREADS + 1};
        if (i < MIXED_THREADS) {
            threads[i] = spawn(GREEN_THREAD, run_tasks, &hosts[i]);
        }
    }
    failures += run_tasks(&hosts[MIXED_THREADS]);
    for (int i = 0; i < MIXED_THREADS; i++) {
        failures += finish(threads[i]);
    }
    return failures;
}

/** How many wait, under the lock that guards the list. */
__attribute__((unused)) static int
length_of(struct green_waiters *guard, struct green_waiters *waiters)
{
    int length = 0;
    green__waiters_lock(guard);
    struct green__list *list = green__waiters_list(waiters);
    for (struct green__list *link = list->next; link != list; link = link->next) {
        length++;
    }
    green__waiters_unlock(guard);
    return length;
}

/** Until `count` workers wait, so that the next one comes behind them; false after LONG_MS. */
__attribute__((unused)) static bool
until_waiting(struct green_waiters *waiters, int count)
{
    for (int i = 0; i < LONG_MS; i++) {
        if (length_of(waiters, waiters) == count) {
            return true;
        }
        green_sleep(1);
    }
    return false;
}

/** The same test for every mixture. */
#define TEST_EACH_MIXTURE(name) \
    START_TEST(name##_tasks)    \
    {                           \
        name(TASKS);            \
    }                           \
    END_TEST                    \
    START_TEST(name##_threads)  \
    {                           \
        name(THREADS);          \
    }                           \
    END_TEST                    \
    START_TEST(name##_mixed)    \
    {                           \
        name(MIXED);            \
    }                           \
    END_TEST

#define EACH_MIXTURE(name) name##_tasks, name##_threads, name##_mixed

/** Start a worker that returns what `entry` returns, and let it come to where it waits. */
__attribute__((unused)) static struct green_job *
spawn_until_waiting(enum green_kind kind, green_entry entry, void *arg,
                    struct green_waiters *waiters)
{
    int before = length_of(waiters, waiters);
    struct green_job *job = spawn(kind, entry, arg);
    ck_assert(until_waiting(waiters, before + 1));
    return job;
}

/** Run a misuse in a child: it aborts, and says what was expected. */
#define ck_assert_misuse(body, expected)                                   \
    do {                                                                   \
        char words[512];                                                   \
        ck_assert_int_eq(last_words(body, words, sizeof words), -SIGABRT); \
        ck_assert_str_eq(words, "green: " expected "\n");                  \
    } while (0)

#endif
