/*
 * The heap of deadlines: four children a node, so that a level is one cache line.
 *
 * Invariant: heap[i]->place == i + 1, and no node is sooner than its parent. Only the thread that
 * owns the scheduler calls.
 */
#include "sched/timers.h"

#include <errno.h>

#include "base/alloc.h"

#define ARITY 4

int
green__timers_grow(struct green__timers *timers, size_t count)
{
    size_t capacity = timers->capacity == 0 ? 16 : timers->capacity;
    while (capacity < count) {
        capacity *= 2;
    }
    struct green__timer **heap =
        green__realloc(timers->heap, capacity * sizeof(struct green__timer *));
    if (heap == NULL) {
        return -ENOMEM;
    }
    timers->heap = heap;
    timers->capacity = capacity;
    return 0;
}

static void
put(struct green__timers *timers, size_t index, struct green__timer *timer)
{
    timers->heap[index] = timer;
    timer->place = index + 1;
}

/** Move a node towards the root until its parent is not later; returns where it went. */
static size_t
rise(struct green__timers *timers, size_t index, struct green__timer *timer)
{
    while (index > 0) {
        size_t parent = (index - 1) / ARITY;
        if (timers->heap[parent]->when <= timer->when) {
            break;
        }
        put(timers, index, timers->heap[parent]);
        index = parent;
    }
    put(timers, index, timer);
    return index;
}

/** Move a node away from the root until no child is sooner. */
static void
sink(struct green__timers *timers, size_t index, struct green__timer *timer)
{
    for (;;) {
        size_t first = index * ARITY + 1;
        size_t end = first + ARITY < timers->count ? first + ARITY : timers->count;
        if (first >= end) {
            break;
        }
        size_t soonest = first;
        for (size_t child = first + 1; child < end; child++) {
            if (timers->heap[child]->when < timers->heap[soonest]->when) {
                soonest = child;
            }
        }
        if (timers->heap[soonest]->when >= timer->when) {
            break;
        }
        put(timers, index, timers->heap[soonest]);
        index = soonest;
    }
    put(timers, index, timer);
}

void
green__timers_set(struct green__timers *timers, struct green__timer *timer, green_deadline when)
{
    timer->when = when;
    size_t index = timer->place == 0 ? timers->count++ : timer->place - 1;
    index = rise(timers, index, timer);
    sink(timers, index, timer);
}

void
green__timers_unset(struct green__timers *timers, struct green__timer *timer)
{
    if (timer->place == 0) {
        return;
    }
    size_t index = timer->place - 1;
    timer->place = 0;
    struct green__timer *last = timers->heap[--timers->count];
    if (last != timer) {
        sink(timers, rise(timers, index, last), last);
    }
}

struct green__timer *
green__timers_expire(struct green__timers *timers, uint64_t now)
{
    if (timers->count == 0 || timers->heap[0]->when > now) {
        return NULL;
    }
    struct green__timer *timer = timers->heap[0];
    green__timers_unset(timers, timer);
    return timer;
}

void
green__timers_fini(struct green__timers *timers)
{
    green__free(timers->heap);
    timers->heap = NULL;
    timers->count = 0;
    timers->capacity = 0;
}
