/*
 * What the system offers beside sockets: calls that know no waiting but blocking.
 */
#ifndef GREEN_OS_H
#define GREEN_OS_H

#include <stddef.h>
#include <stdint.h>

#include "base.h"
#include "job.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- calls that block ---- */

/**
 * Call a function that blocks its thread, without keeping this thread's tasks waiting.
 *
 * Suspends while a thread of libuv's pool (UV_THREADPOOL_SIZE, 4 by default) runs it. A thread
 * without tasks calls it itself, and then neither a scope nor a cancellation cuts it short. A
 * thread that ends waits for the functions that it has begun.
 *
 * @param fn          Plain code: it may not wait in calls of this library.
 * @param arg         Passed to fn. A call that gives up leaves fn running, or about to run: arg is
 *                    then fn's for as long as the calling thread lives; see green_blocking_owned().
 * @param ret_result  Set on success to what fn returned; may be NULL.
 * @return 0, or
 *         -ETIMEDOUT  a scope ended first,
 *         -ECANCELED  the calling worker was cancelled,
 *         -ENOMEM     no memory for the request: fn never runs.
 */
GREEN_API GREEN_SUSPENDS int green_blocking(green_entry fn, void *arg, intptr_t *ret_result);

/**
 * The same with an arg that is handed over should the call fail.
 *
 * @param drop  Called with arg, once, when the call has failed and fn does not use arg any more: on
 *              the calling thread, in this call or later. It may not wait.
 */
GREEN_API GREEN_SUSPENDS int green_blocking_owned(green_entry fn, void *arg,
                                                  void (*drop)(void *arg), intptr_t *ret_result);

#ifdef __cplusplus
}
#endif

#endif
