/*
 * The heap of deadlines: four children a node, which are one cache line. The deadlines stand in the
 * heap itself, so that only the timers that move are touched.
 *
 * Invariant: heap[i].timer->place == i + 1, heap[i].when is its deadline, and no node is sooner
 * than its parent. Only the thread that owns the scheduler calls.
 */
#include "sched/timers.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"

#define ARITY 4
#define LINE  64

/** Where a heap begins in its memory: the root at the end of a line, so that its children, and
 * theirs, have lines of their own. */
static struct green__timer_node *
begin_of(void *memory)
{
    uintptr_t line = ((uintptr_t)memory + LINE - 1) & ~(uintptr_t)(LINE - 1);
    return (struct green__timer_node *)line + ARITY - 1;
}

int
green__timers_grow(struct green__timers *timers, size_t count)
{
    size_t capacity = timers->capacity == 0 ? 16 : timers->capacity;
    while (capacity < count) {
        capacity *= 2;
    }
    void *memory = green__alloc((capacity + ARITY - 1) * sizeof *timers->heap + LINE - 1);
    if (memory == NULL) {
        return -ENOMEM;
    }
    struct green__timer_node *heap = begin_of(memory);
    if (timers->count > 0) {
        memcpy(heap, timers->heap, timers->count * sizeof *heap);
    }
    green__free(timers->memory);
    timers->memory = memory;
    timers->heap = heap;
    timers->capacity = capacity;
    return 0;
}

static void
put(struct green__timers *timers, size_t index, struct green__timer_node node)
{
    timers->heap[index] = node;
    node.timer->place = (uint32_t)index + 1;
}

/** Move a node towards the root until its parent is not later; returns where it went. */
static size_t
rise(struct green__timers *timers, size_t index, struct green__timer_node node)
{
    while (index > 0) {
        size_t parent = (index - 1) / ARITY;
        if (timers->heap[parent].when <= node.when) {
            break;
        }
        put(timers, index, timers->heap[parent]);
        index = parent;
    }
    put(timers, index, node);
    return index;
}

/** Move a node away from the root until no child is sooner. */
static void
sink(struct green__timers *timers, size_t index, struct green__timer_node node)
{
    for (;;) {
        size_t first = index * ARITY + 1;
        size_t end = first + ARITY < timers->count ? first + ARITY : timers->count;
        if (first >= end) {
            break;
        }
        size_t soonest = first;
        for (size_t child = first + 1; child < end; child++) {
            if (timers->heap[child].when < timers->heap[soonest].when) {
                soonest = child;
            }
        }
        if (timers->heap[soonest].when >= node.when) {
            break;
        }
        put(timers, index, timers->heap[soonest]);
        index = soonest;
    }
    put(timers, index, node);
}

void
green__timers_set(struct green__timers *timers, struct green__timer *timer, green_deadline when)
{
    timer->when = when;
    size_t index = timer->place == 0 ? timers->count++ : timer->place - 1;
    struct green__timer_node node = {when, timer};
    index = rise(timers, index, node);
    sink(timers, index, node);
}

void
green__timers_remove(struct green__timers *timers, struct green__timer *timer)
{
    size_t index = timer->place - 1;
    timer->place = 0;
    struct green__timer_node last = timers->heap[--timers->count];
    if (last.timer != timer) {
        sink(timers, rise(timers, index, last), last);
    }
}

struct green__timer *
green__timers_expire(struct green__timers *timers, uint64_t now)
{
    if (timers->count == 0 || timers->heap[0].when > now) {
        return NULL;
    }
    struct green__timer *timer = timers->heap[0].timer;
    green__timers_remove(timers, timer);
    return timer;
}

void
green__timers_fini(struct green__timers *timers)
{
    green__free(timers->memory);
    timers->memory = NULL;
    timers->heap = NULL;
    timers->count = 0;
    timers->capacity = 0;
}
