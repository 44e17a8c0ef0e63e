/*
 * The deadlines of one thread's tasks, soonest first.
 *
 * A heap of nodes that live in the jobs. Adding and removing are O(log n) and never fail: room is
 * made when a job is spawned. Owner: the thread's scheduler; nobody else calls.
 */
#ifndef GREEN_SCHED_TIMERS_H
#define GREEN_SCHED_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "green/base.h"

/** All zero is a timer that is not set. Packed, so that a job has something else behind it. */
struct __attribute__((packed, aligned(4))) green__timer {
    green_deadline when;
    uint32_t place; /**< 1 + its index in the heap; 0 while it is not set. */
};

/** A place in the heap: the deadline stands here too. */
struct green__timer_node {
    green_deadline when;
    struct green__timer *timer;
};

struct green__timers {
    struct green__timer_node *heap;
    void *memory; /**< That the heap lies in. */
    size_t count;
    size_t capacity;
};

int green__timers_grow(struct green__timers *timers, size_t count);

/** Make room for `count` timers in all; 0 or -ENOMEM. */
static inline int
green__timers_reserve(struct green__timers *timers, size_t count)
{
    return count <= timers->capacity ? 0 : green__timers_grow(timers, count);
}

/** Set a timer, or move one that is set. Room was made before. */
void green__timers_set(struct green__timers *timers, struct green__timer *timer,
                       green_deadline when);

/** Unset one that is set. */
void green__timers_remove(struct green__timers *timers, struct green__timer *timer);

/** Unset a timer; one that is not set is left alone. */
static inline void
green__timers_unset(struct green__timers *timers, struct green__timer *timer)
{
    if (timer->place != 0) {
        green__timers_remove(timers, timer);
    }
}

/** The soonest deadline, GREEN_FOREVER when none is set. */
static inline green_deadline
green__timers_next(const struct green__timers *timers)
{
    return timers->count == 0 ? GREEN_FOREVER : timers->heap[0].when;
}

/** Unset and return a timer whose time has come, NULL when there is none. */
struct green__timer *green__timers_expire(struct green__timers *timers, uint64_t now);

/** Free the heap; no timer is set. */
void green__timers_fini(struct green__timers *timers);

#endif
