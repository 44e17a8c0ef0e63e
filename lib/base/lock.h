/*
 * A small lock for a few instructions, between threads.
 *
 * Held for short, never across a switch or a wait. Free, it costs one atomic operation each way and
 * no system call; contended, the thread sleeps in the kernel. All zero is unlocked. Not for signal
 * handlers, nor for memory that processes share.
 *
 * Source: the three-state mutex of Ulrich Drepper, "Futexes Are Tricky".
 */
#ifndef GREEN_BASE_LOCK_H
#define GREEN_BASE_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/alone.h"

struct green__lock {
    atomic_uint state; /**< 0 free, 1 held, 2 held and somebody sleeps. */
};

void green__lock_slow(struct green__lock *lock);
void green__unlock_slow(struct green__lock *lock);

static inline void
green__lock(struct green__lock *lock)
{
    unsigned expected = 0;
    if (green__alone()) { /* nobody can hold it */
        atomic_store_explicit(&lock->state, 1, memory_order_relaxed);
        return;
    }
    if (!atomic_compare_exchange_strong_explicit(&lock->state, &expected, 1, memory_order_acquire,
                                                 memory_order_relaxed)) {
        green__lock_slow(lock);
    }
}

static inline void
green__unlock(struct green__lock *lock)
{
    if (green__alone()) { /* nobody can be asleep */
        atomic_store_explicit(&lock->state, 0, memory_order_relaxed);
        return;
    }
    if (atomic_exchange_explicit(&lock->state, 0, memory_order_release) == 2) {
        green__unlock_slow(lock);
    }
}

/** The same for sections that make no thread: while the process has one, nothing is written. */
static inline void
green__lock_brief(struct green__lock *lock)
{
    if (!green__alone()) {
        green__lock(lock);
    }
}

static inline void
green__unlock_brief(struct green__lock *lock)
{
    /* It may have been locked when there were others, who are gone. */
    if (!green__alone() || atomic_load_explicit(&lock->state, memory_order_relaxed) != 0) {
        green__unlock(lock);
    }
}

#endif
