/*
 * Queues between workers: FIFO, LIFO and priority, bounded or not.
 *
 * They work between tasks of one thread, tasks of several threads and plain threads of one process,
 * in any mixture. An item goes to the worker that has waited longest for one, and room to the one
 * that has waited longest to put; nobody overtakes.
 *
 * While nobody waits, a put into a FIFO or LIFO queue and a get from it are one compare-and-swap
 * each and take no lock; nor do task_done, join and what looks (size, empty, full), nor a poll that
 * finds nothing. A lock is taken to wait and while somebody does, to close, and to make room.
 * A PRIORITY QUEUE TAKES ITS OWN LOCK for every put and get: an item moves as many others as its
 * heap is deep, and while they move nobody else may see them, whatever that is called; Python's and
 * Go's heaps are used under a lock for the same reason. That is two atomic operations and about
 * log2(size) calls of the order, and a system call only where two threads meet in it.
 *
 * Room for items is kept until the queue ends; where there are several threads, so are the smaller
 * rings that it had before (as much again), since others may be looking at them.
 *
 * A queue lives in the caller's memory: a static one by GREEN_QUEUE_INIT, others by their init
 * function, which cannot fail; room for the items is allocated as they come. All members are the
 * library's. A queue may not be copied or moved.
 *
 * The semantics are those of Python's queue module. What differs: order among those who wait is
 * kept, waiting can be cancelled, green_queue_join() takes a deadline, and errors are values.
 */
#ifndef GREEN_QUEUE_H
#define GREEN_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base.h"
#include "sync.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The order of two items of a priority queue: negative when `a` is taken before `b`, 0 when the one
 * that was put first is, positive when `b` is. Called while the queue is locked: it may neither
 * suspend nor use the queue.
 */
typedef int (*green_queue_order)(const void *a, const void *b);

/** A queue of pointers. */
struct green_queue {
    struct green_waiters getters;
    struct green_waiters putters;
    struct green_waiters joiners;
    uint64_t word;
    uint64_t done;
    void *items;
    size_t room;
    size_t capacity;
    uint64_t puts;
    green_queue_order order;
    bool lifo;
};

/** A FIFO queue that takes `capacity` items, or any number (to 2^30) if that is 0. */
#define GREEN_QUEUE_INIT(capacity)                                                                \
    {                                                                                             \
        GREEN_WAITERS_INIT, GREEN_WAITERS_INIT, GREEN_WAITERS_INIT, 0, 0, NULL, 0, (capacity), 0, \
            NULL, false                                                                           \
    }

/**
 * Make a queue whose oldest item is taken first, as queue.Queue(capacity) does.
 *
 * @param capacity  How many items it takes before a put has to wait; 0: any number.
 */
GREEN_API void green_queue_init(struct green_queue *queue, size_t capacity);

/** Make a queue whose newest item is taken first: queue.LifoQueue(capacity). */
GREEN_API void green_queue_init_lifo(struct green_queue *queue, size_t capacity);

/**
 * Make a queue whose smallest item is taken first: queue.PriorityQueue(capacity).
 *
 * Among equals the oldest is taken first, which Python leaves open.
 *
 * @param order  Compares two items; not NULL.
 */
GREEN_API void green_queue_init_priority(struct green_queue *queue, size_t capacity,
                                         green_queue_order order);

/**
 * End a queue and free its room. One that somebody waits for is misuse and aborts. Items that are
 * still in it are the caller's, as they were before they were put.
 */
GREEN_API void green_queue_fini(struct green_queue *queue);

/**
 * Put an item, waiting until there is room.
 *
 * Suspends while a bounded queue is full; waiters are served in FIFO order. A call that fails puts
 * nothing.
 *
 * @param queue     Not NULL.
 * @param item      Any pointer, NULL too; the queue's until it is taken.
 * @param deadline  Absolute: see green_after(). GREEN_NOW polls, GREEN_FOREVER never expires.
 * @return 0, or
 *         -ETIMEDOUT  the deadline passed first (Python: Full),
 *         -ECANCELED  the calling worker was cancelled,
 *         -EDEADLK    nobody is left to end the wait: see debug.h,
 *         -EPIPE      the queue is closed, or was closed meanwhile (Python: ShutDown),
 *         -ENOMEM     no memory for room, or 2^30 items are in it.
 */
GREEN_API GREEN_SUSPENDS int green_queue_put(struct green_queue *queue, void *item,
                                             green_deadline deadline);

/**
 * Take the item that comes first, waiting until there is one.
 *
 * Suspends while the queue is empty; waiters are served in FIFO order. A call that fails takes
 * nothing.
 *
 * @param queue     Not NULL.
 * @param ret_item  Set on success only; the caller then owns the item.
 * @param deadline  Absolute: see green_after(). GREEN_NOW polls, GREEN_FOREVER never expires.
 * @return 0, or
 *         -ETIMEDOUT  the deadline passed first (Python: Empty),
 *         -ECANCELED  the calling worker was cancelled,
 *         -EDEADLK    nobody is left to end the wait: see debug.h,
 *         -EPIPE      the queue is closed and empty (Python: ShutDown).
 */
GREEN_API GREEN_SUSPENDS int green_queue_get(struct green_queue *queue, void **ret_item,
                                             green_deadline deadline);

/** How many items are in it at this moment. Never suspends. */
GREEN_API size_t green_queue_size(const struct green_queue *queue);

/** Whether it has no items at this moment. Never suspends. */
GREEN_API bool green_queue_empty(const struct green_queue *queue);

/** Whether it has as many items as it takes at this moment. Never suspends. */
GREEN_API bool green_queue_full(const struct green_queue *queue);

/** Whether it was closed. Never suspends. */
GREEN_API bool green_queue_closed(const struct green_queue *queue);

/**
 * Say that the work for one item that was taken is done. Never suspends.
 *
 * What is put and not done is counted to 2^32.
 *
 * @return 0, or
 *         -EINVAL  it was said for every item that was put (Python: ValueError).
 */
GREEN_API int green_queue_task_done(struct green_queue *queue);

/**
 * Wait until the work for every item that was put is done.
 *
 * Suspends until green_queue_task_done() was called as often as items were put. A call that fails
 * changes nothing.
 *
 * @param deadline  Absolute: see green_after(). GREEN_NOW polls, GREEN_FOREVER never expires.
 * @return 0, or
 *         -ETIMEDOUT  the deadline passed first,
 *         -ECANCELED  the calling worker was cancelled,
 *         -EDEADLK    nobody is left to end the wait: see debug.h.
 */
GREEN_API GREEN_SUSPENDS int green_queue_join(struct green_queue *queue, green_deadline deadline);

/**
 * Close the queue, as shutdown() does: from now on nothing is put, and what is in it can be taken.
 *
 * Those who wait to put get -EPIPE and keep their items; those who wait for an item get -EPIPE.
 * Never suspends. Once more changes nothing.
 */
GREEN_API void green_queue_close(struct green_queue *queue);

/**
 * Close the queue and empty it, as shutdown(immediate=True) does. Never suspends, if `drop` does
 * not.
 *
 * The items count as done: those who join wait only for the ones that were taken before.
 *
 * @param drop  Called for each item, in the queue's order, with arg; the item is the callee's.
 *              NULL: the items are forgotten.
 */
GREEN_API void green_queue_close_now(struct green_queue *queue, void (*drop)(void *item, void *arg),
                                     void *arg);

#ifdef __cplusplus
}
#endif

#endif
