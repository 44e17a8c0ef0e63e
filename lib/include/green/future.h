/*
 * Futures: results that will be there later.
 *
 * One side sets a future, once; any number of workers wait for it. What is done is read without a
 * lock. They work between tasks of one
 * thread, tasks of several threads and plain threads of one process, in any mixture. A forked
 * child's copy is set by nobody.
 *
 * The semantics are those of Python's concurrent.futures.Future. What differs: errors are negative
 * errno values, waiting can be cancelled, setting twice is an error of the call that does it, and a
 * future that an executor's worker has begun already can be asked to end.
 */
#ifndef GREEN_FUTURE_H
#define GREEN_FUTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A result to come. Handles are counted. */
struct green_future;

/** Make a future that the caller, or whoever it is given to, sets; 0 or -ENOMEM. Never suspends. */
GREEN_API int green_future_create(struct green_future **ret_future);

/** Take another reference; returns the future. */
GREEN_API struct green_future *green_future_get(struct green_future *future);

/** Give a reference back. NULL is taken. What runs for it goes on. */
GREEN_API void green_future_put(struct green_future *future);

/**
 * Set the value. Never suspends.
 *
 * Who waits is woken, then the callbacks run, in this call.
 *
 * @return 0, or
 *         -EALREADY  it was set or cancelled before; nothing has changed,
 *         -EPERM     it is an executor's.
 */
GREEN_API int green_future_set(struct green_future *future, intptr_t value);

/** Set an error, a negative errno value; otherwise as green_future_set(), or -EINVAL. */
GREEN_API int green_future_set_error(struct green_future *future, int err);

/**
 * Cancel a future.
 *
 * Never suspends. One that nobody has begun is done with the error -ECANCELED when the call
 * returns. What an executor has begun is asked to end: a task or thread is cancelled, so that its
 * blocked call returns -ECANCELED, and a process is killed. The future is done when that has ended;
 * its result is what the work made of it, and for a process -ECANCELED.
 *
 * @return 0, or
 *         -EINPROGRESS  it was begun, and is asked to end,
 *         -EALREADY     it is done,
 *         -ECHILD       it is another process' copy of an executor's.
 */
GREEN_API int green_future_cancel(struct green_future *future);

/** Whether there is a result or an error. Never suspends. */
GREEN_API bool green_future_done(struct green_future *future);

/** The error: 0 when there is a value, -EINPROGRESS when it is not done. Never suspends. */
GREEN_API int green_future_error(struct green_future *future);

/**
 * Wait until a future is done.
 *
 * Suspends until then.
 *
 * @param deadline  Absolute: see green_after(). GREEN_NOW polls, GREEN_FOREVER never expires.
 * @return 0, whether it has a value or an error; or
 *         -ETIMEDOUT  the deadline passed first,
 *         -ECANCELED  the calling worker was cancelled,
 *         -EDEADLK    nobody is left to end the wait: see debug.h.
 */
GREEN_API GREEN_SUSPENDS int green_future_wait(struct green_future *future,
                                               green_deadline deadline);

/**
 * The value of a future, waiting until it is there.
 *
 * Suspends until it is done.
 *
 * @param ret_value  Set on success; may be NULL.
 * @param deadline   Absolute: see green_after().
 * @return 0, or
 *         the future's error: -EOWNERDEAD when a process died of it (green_future_status() says
 *                     how), -ECANCELED when it was cancelled, or what was set,
 *         -ETIMEDOUT, -ECANCELED  as for green_future_wait(), which tells them from the future's.
 */
GREEN_API GREEN_SUSPENDS int green_future_result(struct green_future *future, intptr_t *ret_value,
                                                 green_deadline deadline);

/**
 * The bytes that came with the value: see green_executor_submit_bytes(). Never suspends.
 *
 * @param ret_size  Set to how many they are; 0 when there are none or it is not done.
 * @return Them, for as long as the caller has its handle; aligned as by malloc(). NULL for none.
 */
GREEN_API const void *green_future_bytes(struct green_future *future, size_t *ret_size);

/**
 * How the process died that a future's error -EOWNERDEAD tells of.
 *
 * @param ret_status  Set on success: for WIFEXITED() and its family.
 * @return 0, or -EINVAL when no process died, or it is not known how.
 */
GREEN_API int green_future_status(struct green_future *future, int *ret_status);

/** What is called when a future is done; borrows it. May not wait: that is misuse and aborts. */
typedef void (*green_future_callback)(struct green_future *future, void *arg);

/**
 * Have a function called when a future is done; at once if it is.
 *
 * Never suspends. Callbacks run in the order of their adding, on the worker that sets or cancels
 * the future: see executor.h for whose that is. Workers that wait are woken before, as in Python,
 * and may be faster.
 *
 * @return 0 or -ENOMEM.
 */
GREEN_API int green_future_add_done_callback(struct green_future *future,
                                             green_future_callback callback, void *arg);

/** What green_futures_wait() waits for. */
enum green_until {
    GREEN_FIRST_COMPLETED,
    GREEN_FIRST_ERROR, /**< An error, or all. */
    GREEN_ALL_COMPLETED,
};

/**
 * Wait for several futures: concurrent.futures.wait().
 *
 * Suspends until then. To have one after the other, as by as_completed(), set the entry that was
 * given to NULL and call again.
 *
 * @param futures    Entries that are NULL are passed over.
 * @param count      How many entries.
 * @param until      What for.
 * @param ret_index  Set on success: with GREEN_FIRST_COMPLETED to the future that was done first
 * (of those that were before the call, the first in the array), otherwise to the one that failed
 * first; to `count` when there is no such. May be NULL.
 * @param deadline   Absolute: see green_after().
 * @return 0, or
 *         -ETIMEDOUT  the deadline passed first,
 *         -ECANCELED  the calling worker was cancelled,
 *         -ENOMEM     no memory for the wait.
 */
GREEN_API GREEN_SUSPENDS int green_futures_wait(struct green_future *const *futures, size_t count,
                                                enum green_until until, size_t *ret_index,
                                                green_deadline deadline);

#ifdef __cplusplus
}
#endif

#endif
