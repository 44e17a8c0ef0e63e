/*
 * Waiting for one another: usable between tasks and threads of one process in any mixture.
 */
#ifndef GREEN_SYNC_H
#define GREEN_SYNC_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A counting semaphore. */
struct green_semaphore;

/**
 * Make a semaphore.
 *
 * @param count          How many acquisitions succeed before one has to wait.
 * @param ret_semaphore  Set on success; given back by green_semaphore_destroy().
 * @return 0, or -ENOMEM.
 */
GREEN_API int green_semaphore_create(unsigned count, struct green_semaphore **ret_semaphore);

/** Free it. NULL is taken; one that somebody waits for is misuse and aborts. */
GREEN_API void green_semaphore_destroy(struct green_semaphore *semaphore);

/**
 * Take one unit, waiting until there is one.
 *
 * Suspends while there is none; waiters are served in FIFO order. A call that fails takes nothing.
 *
 * @param semaphore  Usable from any task or thread of this process; not NULL.
 * @param deadline   Absolute: see green_after(). GREEN_NOW polls, GREEN_FOREVER never expires.
 * @return 0, or
 *         -ETIMEDOUT  the deadline passed first,
 *         -ECANCELED  the calling worker was cancelled.
 */
GREEN_API GREEN_SUSPENDS int green_semaphore_acquire(struct green_semaphore *semaphore,
                                                     green_deadline deadline);

/** Give one unit back, to the worker that has waited longest if there is one. Never suspends. */
GREEN_API void green_semaphore_release(struct green_semaphore *semaphore);

#ifdef __cplusplus
}
#endif

#endif
