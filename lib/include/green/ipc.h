/*
 * Between processes: primitives, queues, values and arrays in shared memory.
 *
 * An object is created before the fork and used by every process that descends from its creator,
 * by tasks and threads alike, through the pointer that was returned: nothing has to be handed over.
 * A task that waits is parked, its thread runs others. Who waits is served in the order of coming,
 * whatever process it is in. What needs no waiting costs a few atomic operations and no system
 * call.
 *
 * **Death.** A process that dies, by SIGKILL at any instruction, leaves every object usable, and
 * nobody waits for it in vain: the next to lock a mutex that it held gets -EOWNERDEAD; what was
 * handed to it while it waited goes to the next; an item is in a queue wholly or not at all. Units
 * of a semaphore that it had acquired are lost, as in Python. This is about processes: a task or
 * thread that ends while it holds a mutex leaves it locked.
 *
 * **Limits.** 256 processes may use objects of one family at a time, 1,024 workers wait for one
 * object and 128 threads for any, else -EAGAIN. The first object takes 128 descriptors of the
 * process and of its descendants, the last one gives them back. A process that waits needs one
 * descriptor more, and one for each other process: else -EMFILE or -ENFILE, and nobody waits.
 *
 * Any call that takes part may return these errors; they are named together here, as
 *         -EAGAIN                    too many processes, threads or workers, as above,
 *         -EMFILE, -ENFILE, -ENOMEM  the deaths of others cannot be watched.
 *
 * Destroying an object unmaps it in the calling process alone. One that a worker of the calling
 * process waits for is misuse and aborts.
 */
#ifndef GREEN_IPC_H
#define GREEN_IPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- mutex ---- */

/** A mutex between processes: multiprocessing.Lock, but only its holder unlocks it. */
struct green_ipc_mutex;

/**
 * Make a mutex that nobody holds.
 *
 * @param ret_mutex  Set on success; given back by green_ipc_mutex_destroy(), by each process that
 *                   cares to.
 * @return 0, or
 *         -ENOMEM           no memory,
 *         -EMFILE, -ENFILE  no descriptors for the first object.
 */
GREEN_API int green_ipc_mutex_create(struct green_ipc_mutex **ret_mutex);

/** Make one that its holder may lock again and again: multiprocessing.RLock. */
GREEN_API int green_ipc_mutex_create_recursive(struct green_ipc_mutex **ret_mutex);

/** Let go of a mutex in this process. NULL is taken. */
GREEN_API void green_ipc_mutex_destroy(struct green_ipc_mutex *mutex);

/**
 * Lock a mutex.
 *
 * Suspends while another worker, of whatever process, holds it; it is handed over in the order of
 * coming.
 *
 * @param mutex     Not NULL.
 * @param deadline  Absolute: see green_after(). GREEN_NOW polls, GREEN_FOREVER never expires.
 * @return 0, or
 *         -EOWNERDEAD  the caller HOLDS it, and the process that held it before died of it: what
 *                      the mutex guards may be half changed. Said once for each death,
 *         -ETIMEDOUT   the deadline passed first,
 *         -ECANCELED   the calling worker was cancelled,
 *         -EDEADLK     the caller holds it already, and it is not recursive,
 *         -EOVERFLOW   it was locked too often by the caller,
 *         or one of those named at the top of this header.
 */
GREEN_API GREEN_SUSPENDS int green_ipc_mutex_lock(struct green_ipc_mutex *mutex,
                                                  green_deadline deadline);

/** Unlock it. Never suspends. By anybody but its holder it is misuse and aborts. */
GREEN_API void green_ipc_mutex_unlock(struct green_ipc_mutex *mutex);

/** Whether the calling worker holds it. Never suspends. */
GREEN_API bool green_ipc_mutex_mine(const struct green_ipc_mutex *mutex);

/* ---- semaphore ---- */

/** A semaphore between processes: multiprocessing.Semaphore. */
struct green_ipc_semaphore;

/** Make a semaphore of `count` units. Errors as of green_ipc_mutex_create(). */
GREEN_API int green_ipc_semaphore_create(unsigned count,
                                         struct green_ipc_semaphore **ret_semaphore);

/** Make one that never has more than `count` units: multiprocessing.BoundedSemaphore. */
GREEN_API int green_ipc_semaphore_create_bounded(unsigned count,
                                                 struct green_ipc_semaphore **ret_semaphore);

/** Let go of a semaphore in this process. NULL is taken. */
GREEN_API void green_ipc_semaphore_destroy(struct green_ipc_semaphore *semaphore);

/**
 * Take a unit.
 *
 * Suspends while there is none; waiters are served in FIFO order.
 *
 * @return 0, -ETIMEDOUT, -ECANCELED, or one of those named at the top of this header.
 */
GREEN_API GREEN_SUSPENDS int green_ipc_semaphore_acquire(struct green_ipc_semaphore *semaphore,
                                                         green_deadline deadline);

/**
 * Give a unit back. Never suspends.
 *
 * @return 0, or
 *         -EOVERFLOW  a bounded one would have more units than at first; nothing was given,
 *         -EAGAIN     too many processes.
 */
GREEN_API int green_ipc_semaphore_release(struct green_ipc_semaphore *semaphore);

/** Give several units back, all or none. As green_ipc_semaphore_release(). */
GREEN_API int green_ipc_semaphore_release_many(struct green_ipc_semaphore *semaphore,
                                               unsigned count);

/** How many units nobody holds at this moment. Never suspends. */
GREEN_API unsigned green_ipc_semaphore_value(const struct green_ipc_semaphore *semaphore);

/* ---- event ---- */

/** A flag between processes: multiprocessing.Event. */
struct green_ipc_event;

/** Make an event that is not set. Errors as of green_ipc_mutex_create(). */
GREEN_API int green_ipc_event_create(struct green_ipc_event **ret_event);

/** Let go of an event in this process. NULL is taken. */
GREEN_API void green_ipc_event_destroy(struct green_ipc_event *event);

/** Set the flag: all who wait go on. Never suspends. Returns 0, or -EAGAIN: too many processes. */
GREEN_API int green_ipc_event_set(struct green_ipc_event *event);

/** Clear the flag. As green_ipc_event_set(). */
GREEN_API int green_ipc_event_clear(struct green_ipc_event *event);

/** Whether the flag is set. Never suspends. */
GREEN_API bool green_ipc_event_is_set(const struct green_ipc_event *event);

/**
 * Wait until the flag is set.
 *
 * Suspends while it is not.
 *
 * @return 0, -ETIMEDOUT, -ECANCELED, or one of those named at the top of this header.
 */
GREEN_API GREEN_SUSPENDS int green_ipc_event_wait(struct green_ipc_event *event,
                                                  green_deadline deadline);

/* ---- condition ---- */

/** What is announced under a mutex between processes: multiprocessing.Condition. */
struct green_ipc_condition;

/**
 * Make a condition.
 *
 * @param mutex  Its mutex, recursive or not, which several conditions may share; outlives it.
 * @return As green_ipc_mutex_create().
 */
GREEN_API int green_ipc_condition_create(struct green_ipc_mutex *mutex,
                                         struct green_ipc_condition **ret_condition);

/** Let go of a condition in this process. NULL is taken. */
GREEN_API void green_ipc_condition_destroy(struct green_ipc_condition *condition);

/**
 * Unlock the mutex, wait to be notified, and lock it again.
 *
 * Suspends until notified, and then until the mutex is free. The caller holds the mutex again
 * whatever is returned, as deeply as before.
 *
 * @param condition  Its mutex is held by the caller; anything else is misuse and aborts.
 * @param deadline   Absolute: bounds the wait for the notification.
 * @return 0, or
 *         -EOWNERDEAD  notified or not, the mutex was had from a process that died holding it,
 *         -ETIMEDOUT, -ECANCELED, or one of those named at the top of this header.
 */
GREEN_API GREEN_SUSPENDS int green_ipc_condition_wait(struct green_ipc_condition *condition,
                                                      green_deadline deadline);

/**
 * Wait until a predicate, called with arg under the mutex, holds; one that does needs no waiting.
 *
 * Suspends as green_ipc_condition_wait() does, and returns what it returns; 0 whenever the
 * predicate holds, but for -EOWNERDEAD.
 */
GREEN_API GREEN_SUSPENDS int green_ipc_condition_wait_for(struct green_ipc_condition *condition,
                                                          bool (*predicate)(void *arg), void *arg,
                                                          green_deadline deadline);

/**
 * Wake some of those who wait, who has waited longest first. Never suspends.
 *
 * @param condition  Its mutex is held by the caller; anything else is misuse and aborts.
 * @return 0, or -EAGAIN: too many processes.
 */
GREEN_API int green_ipc_condition_notify(struct green_ipc_condition *condition, unsigned count);

/** Wake all who wait. As green_ipc_condition_notify(). */
GREEN_API int green_ipc_condition_notify_all(struct green_ipc_condition *condition);

/* ---- barrier ---- */

/** A place where workers of several processes wait for each other: multiprocessing.Barrier. */
struct green_ipc_barrier;

/**
 * Make a barrier. Unlike Python's it has no action: the one whose index is 0 can run it.
 *
 * @param parties  How many wait for each other, 1 to 1,024.
 * @return As green_ipc_mutex_create(), or -EINVAL.
 */
GREEN_API int green_ipc_barrier_create(unsigned parties, struct green_ipc_barrier **ret_barrier);

/** Let go of a barrier in this process. NULL is taken. */
GREEN_API void green_ipc_barrier_destroy(struct green_ipc_barrier *barrier);

/**
 * Wait until all parties have come.
 *
 * Suspends until then. One that leaves early, by a failure or by the death of its process, breaks
 * the barrier for all, until green_ipc_barrier_reset().
 *
 * @param ret_index  Set on success to the caller's place in the order of coming, from 0; may be
 *                   NULL.
 * @return 0, or
 *         -EPIPE      the barrier is or was broken,
 *         -ETIMEDOUT, -ECANCELED, or one of those named at the top of this header.
 */
GREEN_API GREEN_SUSPENDS int green_ipc_barrier_wait(struct green_ipc_barrier *barrier,
                                                    unsigned *ret_index, green_deadline deadline);

/** Break the barrier: who waits, and who comes, gets -EPIPE. Never suspends. 0 or -EAGAIN. */
GREEN_API int green_ipc_barrier_abort(struct green_ipc_barrier *barrier);

/** Make it whole and empty again; who waits gets -EPIPE. Never suspends. 0 or -EAGAIN. */
GREEN_API int green_ipc_barrier_reset(struct green_ipc_barrier *barrier);

/** Whether it is broken. Never suspends. */
GREEN_API bool green_ipc_barrier_broken(const struct green_ipc_barrier *barrier);

/* ---- queue ---- */

/** A queue between processes: multiprocessing.Queue and JoinableQueue in one, always bounded. */
struct green_ipc_queue;

/**
 * Make a queue.
 *
 * Its memory is used as items are put; an item takes its room for the length of the queue's life.
 *
 * @param capacity   How many items it takes before a put has to wait; not 0.
 * @param item_size  How many bytes an item has at most.
 * @return As green_ipc_mutex_create(), or -EINVAL.
 */
GREEN_API int green_ipc_queue_create(size_t capacity, size_t item_size,
                                     struct green_ipc_queue **ret_queue);

/** Let go of a queue in this process, and of the items it has there. NULL is taken. */
GREEN_API void green_ipc_queue_destroy(struct green_ipc_queue *queue);

/**
 * Put an item.
 *
 * Suspends while the queue is full; waiters are served in FIFO order. A call that fails puts
 * nothing. When it returns, the item is there for others: no thread has to carry it, as in Python.
 *
 * @param item      Copied.
 * @param length    0 to item_size bytes.
 * @param deadline  Absolute: see green_after().
 * @return 0, or
 *         -EMSGSIZE   it is longer than item_size,
 *         -EPIPE      the queue is closed,
 *         -ETIMEDOUT, -ECANCELED, or one of those named at the top of this header.
 */
GREEN_API GREEN_SUSPENDS int green_ipc_queue_put(struct green_ipc_queue *queue, const void *item,
                                                 size_t length, green_deadline deadline);

/**
 * Take the oldest item.
 *
 * Suspends while the queue is empty; waiters are served in FIFO order. A call that fails takes
 * nothing.
 *
 * @param buffer  Receives the item.
 * @param size    Its size in bytes.
 * @return The item's length, or
 *         -EMSGSIZE   the oldest item is longer than the buffer,
 *         -EPIPE      the queue is closed and empty,
 *         -ETIMEDOUT, -ECANCELED, or one of those named at the top of this header.
 */
GREEN_API GREEN_SUSPENDS ssize_t green_ipc_queue_get(struct green_ipc_queue *queue, void *buffer,
                                                     size_t size, green_deadline deadline);

/** How many items are in it at this moment. Never suspends. */
GREEN_API size_t green_ipc_queue_size(const struct green_ipc_queue *queue);

/** Close it: nothing is put any more, and what is in it can be taken. Never suspends. 0 or -EAGAIN.
 */
GREEN_API int green_ipc_queue_close(struct green_ipc_queue *queue);

/** Whether it was closed. Never suspends. */
GREEN_API bool green_ipc_queue_closed(const struct green_ipc_queue *queue);

/**
 * Say that the work for one item is done: by the process that took it. Never suspends.
 *
 * @return 0, or
 *         -EINVAL  it was said for every item that was put,
 *         -EAGAIN  too many processes.
 */
GREEN_API int green_ipc_queue_task_done(struct green_ipc_queue *queue);

/**
 * Wait until the work for every item that was put is done.
 *
 * Suspends until then.
 *
 * @return 0, or
 *         -EOWNERDEAD  nothing is left to be done, but a process died with items it had taken and
 *                      not said to be done. Said once; Python waits for ever,
 *         -ETIMEDOUT, -ECANCELED, or one of those named at the top of this header.
 */
GREEN_API GREEN_SUSPENDS int green_ipc_queue_join(struct green_ipc_queue *queue,
                                                  green_deadline deadline);

/* ---- value and array ---- */

/** A number in shared memory: multiprocessing.Value, whose changes are atomic without a lock. */
struct green_ipc_value;

/** Make a value. 0 or -ENOMEM. */
GREEN_API int green_ipc_value_create(int64_t initial, struct green_ipc_value **ret_value);

/** Let go of a value in this process. NULL is taken. */
GREEN_API void green_ipc_value_destroy(struct green_ipc_value *value);

/** What it is. Never suspends, as all calls of values. */
GREEN_API int64_t green_ipc_value_get(const struct green_ipc_value *value);

/** Set it. */
GREEN_API void green_ipc_value_set(struct green_ipc_value *value, int64_t to);

/** Add to it, atomically; returns what it is then. */
GREEN_API int64_t green_ipc_value_add(struct green_ipc_value *value, int64_t amount);

/** Set it if it is *expected, atomically; else false, and *expected is set to what it is. */
GREEN_API bool green_ipc_value_replace(struct green_ipc_value *value, int64_t *expected,
                                       int64_t to);

/** Items of one size in shared memory and a mutex for them: multiprocessing.Array. */
struct green_ipc_array;

/** Make an array of `count` items of `item_size` zero bytes. Errors as of green_ipc_mutex_create().
 */
GREEN_API int green_ipc_array_create(size_t count, size_t item_size,
                                     struct green_ipc_array **ret_array);

/** Let go of an array in this process. NULL is taken. */
GREEN_API void green_ipc_array_destroy(struct green_ipc_array *array);

/** How many items it has. */
GREEN_API size_t green_ipc_array_count(const struct green_ipc_array *array);

/** The item itself, for those who hold the mutex or need none; NULL when there is none. */
GREEN_API void *green_ipc_array_at(struct green_ipc_array *array, size_t index);

/** The array's mutex; the array's own. */
GREEN_API struct green_ipc_mutex *green_ipc_array_mutex(struct green_ipc_array *array);

/**
 * Copy an item out, under the mutex, which the caller does not hold.
 *
 * Suspends as green_ipc_mutex_lock() does.
 *
 * @return 0, or
 *         -ERANGE      there is no such item,
 *         -EOWNERDEAD  it was copied, but a process died while it held the mutex,
 *         or another error of green_ipc_mutex_lock().
 */
GREEN_API GREEN_SUSPENDS int green_ipc_array_get(struct green_ipc_array *array, size_t index,
                                                 void *ret_item, green_deadline deadline);

/** Copy an item in, as green_ipc_array_get() copies it out. */
GREEN_API GREEN_SUSPENDS int green_ipc_array_set(struct green_ipc_array *array, size_t index,
                                                 const void *item, green_deadline deadline);

#ifdef __cplusplus
}
#endif

#endif
