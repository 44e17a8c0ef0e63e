/*
 * What the tests of executors of all kinds share: what runs, and memory that processes share.
 *
 * What runs as any kind tells the test through its value, or that memory.
 */
#ifndef TESTS_JOB_EXECUTOR_SUPPORT_H
#define TESTS_JOB_EXECUTOR_SUPPORT_H

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "../base/support.h"
#include "green/executor.h"
#include "green/timeout.h"

static const enum green_kind kinds[] = {GREEN_TASK, GREEN_THREAD, GREEN_PROCESS};
#define KINDS (PROCESSES ? 3 : 2)

/* Seen by processes too. */
static struct {
    atomic_int running;
    atomic_int most;
    atomic_int ended;
} * shared;

__attribute__((unused)) static void
share(void)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(shared, MAP_FAILED);
}

__attribute__((unused)) static struct green_executor *
make(enum green_kind kind, unsigned limit)
{
    struct green_executor *executor = NULL;
    ck_assert_int_eq(green_executor_create(kind, limit, NULL, &executor), 0);
    return executor;
}

__attribute__((unused)) static struct green_future *
submit(struct green_executor *executor, green_entry entry, void *arg)
{
    struct green_future *future = NULL;
    ck_assert_int_eq(green_executor_submit(executor, entry, arg, 0, &future), 0);
    return future;
}

/** The value or error of a future, whose handle goes. */
__attribute__((unused)) static intptr_t
take(struct green_future *future)
{
    intptr_t value = 1000000;
    ck_assert_int_eq(green_future_wait(future, green_after(LONG_MS)), 0);
    int err = green_future_result(future, &value, GREEN_NOW);
    green_future_put(future);
    return err != 0 ? err : value;
}

/* ---- what runs ---- */

__attribute__((unused)) static intptr_t
same(void *arg)
{
    return (intptr_t)arg;
}

__attribute__((unused)) static intptr_t
work(void *arg)
{
    int now = atomic_fetch_add(&shared->running, 1) + 1;
    int most = atomic_load(&shared->most);
    while (now > most && !atomic_compare_exchange_weak(&shared->most, &most, now)) {
    }
    int err = green_sleep(1);
    atomic_fetch_sub(&shared->running, 1);
    atomic_fetch_add(&shared->ended, 1);
    return err != 0 ? err : (intptr_t)arg;
}

__attribute__((unused)) static intptr_t
stay(void *arg)
{
    (void)arg;
    atomic_fetch_add(&shared->running, 1);
    int err = green_sleep(10 * LONG_MS);
    atomic_fetch_sub(&shared->running, 1);
    return err;
}

__attribute__((unused)) static void
await_running(int count)
{
    for (int i = 0; i < LONG_MS && atomic_load(&shared->running) < count; i++) {
        green_sleep(1);
    }
    ck_assert_int_eq(atomic_load(&shared->running), count);
}

struct numbers {
    int a;
    int b;
};

__attribute__((unused)) static intptr_t
add_up(void *arg)
{
    const struct numbers *numbers = arg;
    return numbers->a + numbers->b;
}

__attribute__((unused)) static intptr_t
worker_of(void *arg)
{
    (void)arg;
    green_sleep(1);
    return (intptr_t)green_job_id(green_self()) * 100000 + getpid() % 100000;
}

#endif
