/*
 * Linux futexes, and the slow paths of the lock that stands on them.
 *
 * Any thread may call; the words are private to the process.
 */
#include "base/futex.h"

#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/lock.h"

void
green__futex_wait(atomic_uint *word, unsigned expected, green_deadline deadline)
{
    struct timespec at;
    struct timespec *timeout = NULL;
    if (deadline != GREEN_FOREVER) {
        at.tv_sec = (time_t)(deadline / GREEN__NS_PER_S);
        at.tv_nsec = (long)(deadline % GREEN__NS_PER_S);
        timeout = &at;
    }
    /* The bitset form takes an absolute time of the monotonic clock. */
    syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, expected, timeout, NULL,
            FUTEX_BITSET_MATCH_ANY);
}

void
green__futex_wake(atomic_uint *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

void
green__lock_slow(struct green__lock *lock)
{
    while (atomic_exchange_explicit(&lock->state, 2, memory_order_acquire) != 0) {
        green__futex_wait(&lock->state, 2, GREEN_FOREVER);
    }
}

void
green__unlock_slow(struct green__lock *lock)
{
    green__futex_wake(&lock->state, 1);
}
