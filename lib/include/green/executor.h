/*
 * Executors: workers of one kind that are used again and again, and futures for what they do.
 *
 * The API is the same for tasks, threads and processes, and that of Python's concurrent.futures and
 * multiprocessing.Pool. All calls may be made by any task or thread of the process that made the
 * executor, in any mixture.
 *
 * Where work runs, and the callbacks of its future with it:
 *   GREEN_TASK     tasks of the thread that made the executor; nothing moves while that thread runs
 *                  something else that does not wait. They are daemons: when the thread ends, what
 * is not done is cancelled; GREEN_THREAD   threads of the executor's own; GREEN_PROCESS  the work
 * runs in children, which are forked from this process when work needs one, or early (see the
 * options), and reused; the callbacks run on a thread of the executor's that looks after the
 * children. The callbacks of what is cancelled before it begins run in the call that cancels it.
 *
 * What a child has is a copy of this process' memory as it was when the child was forked. So a
 * function is known there that this program, or a library that had been loaded by then, has; one
 * that was loaded later by dlopen() is not, and calling it kills the child. The same goes for what
 * a pointer points to.
 *
 * A child that dies, by a signal or by exit(), costs the one future whose work it ran: that gets
 * the error -EOWNERDEAD, green_future_status() says how it died, and another child takes its place.
 * (In Python the whole pool is broken, or waits for ever.) Children die with this process, even
 * when it is killed. What a work printed is flushed when it returns.
 *
 * A value from -4095 to -1 is an error by convention: it becomes the error of the future.
 *
 * An executor that is not shut down when the program ends is abandoned: Python would wait for it.
 */
#ifndef GREEN_EXECUTOR_H
#define GREEN_EXECUTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base.h"
#include "future.h"
#include "job.h"

#ifdef __cplusplus
extern "C" {
#endif

struct green_executor;

/** What each worker does first; 0, or a negative errno value. May suspend. */
typedef int (*green_executor_initializer)(void *arg);

/** How to execute; start from GREEN_EXECUTOR_OPTIONS. */
struct green_executor_options {
    const char *name;       /**< Of the workers; copied. NULL: as those of any job. */
    size_t stack_size;      /**< Of each worker; 0: as green_spawn_as() has it. */
    size_t work_per_worker; /**< After so much a worker is replaced by a fresh one; 0: never. */
    /** Start all workers in green_executor_create(), so that children have the memory of then. */
    bool early;
    const int *keep_fds; /**< Descriptors that children keep, as in struct green_spawn_options. */
    size_t keep_fd_count;
    /**
     * Called once in each worker, in its thread, task or child, before its first work, and again in
     * one that takes another's place. NULL: nothing is.
     *
     * Where it fails, or a child dies in it, the executor is broken, as in concurrent.futures: what
     * has not begun, and what is submitted later, fails with -ENOTRECOVERABLE. What runs goes on.
     */
    green_executor_initializer initializer;
    void *initializer_arg; /**< A child has a copy of what it points to, as of all memory. */
};

#define GREEN_EXECUTOR_OPTIONS                 \
    {                                          \
        NULL, 0, 0, false, NULL, 0, NULL, NULL \
    }

/**
 * Make an executor.
 *
 * Suspends only with the option `early`, until the workers have been started.
 *
 * @param kind          What work runs in.
 * @param limit         How many workers at most. 0: 1,024 tasks, 32 threads, or a process for each
 *                      processor.
 * @param options       NULL for the defaults; read during the call only.
 * @param ret_executor  Set on success; given back by green_executor_destroy().
 * @return 0, or
 *         -EINVAL  the kind is unknown,
 *         or an error of green_spawn_as(); nothing is left then.
 */
GREEN_API GREEN_SUSPENDS int green_executor_create(enum green_kind kind, unsigned limit,
                                                   const struct green_executor_options *options,
                                                   struct green_executor **ret_executor);

/**
 * Have a function run.
 *
 * Never suspends: what the workers cannot do yet waits its turn, first come, first served.
 *
 * @param entry       What runs; the same function would do for green_spawn_as().
 * @param arg         Passed to it: the pointer as it is, or with a size a copy of what it points
 * to.
 * @param size        Bytes that are copied in this call, at any length; 0: none. A process needs it
 *                    for whatever it did not have when it was forked.
 * @param ret_future  Set on success to a handle that the caller puts; NULL when nobody will ask.
 * @return 0, or
 *         -ENOMEM  no memory for it,
 *         -EPIPE   the executor is shut down, or its thread has ended,
 *         -ECHILD  another process made the executor,
 *         -ENOTRECOVERABLE  it is broken: see the initializer,
 *         or an error of green_spawn_as() when there is not one thread; with tasks and processes
 * the future has it.
 */
GREEN_API int green_executor_submit(struct green_executor *executor, green_entry entry, void *arg,
                                    size_t size, struct green_future **ret_future);

/** What a transform hands back beside its value. */
struct green_result;

/**
 * Work on bytes whose result is bytes.
 *
 * @param data    A copy of what was submitted, aligned as by malloc(); freed after the return. May
 * be changed.
 * @param size    How many bytes.
 * @param result  For green_result_write().
 * @return The value; an error discards what was written.
 */
typedef intptr_t (*green_transform)(void *data, size_t size, struct green_result *result);

/** Add bytes to a result, by copying them; 0 or -ENOMEM, which adds nothing. Never suspends. */
GREEN_API int green_result_write(struct green_result *result, const void *data, size_t size);

/**
 * Have bytes transformed: green_executor_submit(), whose future has bytes, too.
 *
 * They are asked for by green_future_bytes(). Where this process has no memory to take a child's
 * result, the future has the error -ENOMEM.
 */
GREEN_API int green_executor_submit_bytes(struct green_executor *executor,
                                          green_transform transform, const void *data, size_t size,
                                          struct green_future **ret_future);

/**
 * Run a function for each item of an array and collect the values: Executor.map(), Pool.map().
 *
 * Suspends until all are done. The first error cancels the rest, as the deadline, a scope or a
 * cancellation of the caller does; what has begun is waited for.
 *
 * @param items       With an item size, the items, each of which is copied; with 0, an array of
 *                    pointers, passed as they are.
 * @param item_size   Bytes.
 * @param count       How many items.
 * @param ret_values  Set on success to the values, in the order of the items; may be NULL.
 * @param deadline    Absolute: see green_after().
 * @return 0, or the first error of a future or of green_executor_submit(), -ETIMEDOUT, -ECANCELED.
 */
GREEN_API GREEN_SUSPENDS int green_executor_map(struct green_executor *executor, green_entry entry,
                                                const void *items, size_t item_size, size_t count,
                                                intptr_t *ret_values, green_deadline deadline);

/**
 * Have a function run, and wait for its value: Pool.apply().
 *
 * Suspends until it is done. When the wait is cut short the work is cancelled, and waited for: see
 * green_future_cancel().
 *
 * @return As green_executor_submit() and green_future_result().
 */
GREEN_API GREEN_SUSPENDS int green_executor_apply(struct green_executor *executor,
                                                  green_entry entry, void *arg, size_t size,
                                                  intptr_t *ret_value, green_deadline deadline);

/** Takes a value. Runs where the executor's callbacks run, and may not wait. */
typedef void (*green_value_callback)(intptr_t value, void *arg);

/** Takes an error: a negative errno value. As green_value_callback. */
typedef void (*green_error_callback)(int err, void *arg);

/**
 * Have a function run and its value or error given to a callback: Pool.apply_async().
 *
 * Never suspends. One of the callbacks is called, once.
 *
 * @param callback        Called with the value and callback_arg; may be NULL.
 * @param error_callback  Called with the error and callback_arg; may be NULL.
 * @return As green_executor_submit().
 */
GREEN_API int green_executor_apply_async(struct green_executor *executor, green_entry entry,
                                         void *arg, size_t size, green_value_callback callback,
                                         green_error_callback error_callback, void *callback_arg,
                                         struct green_future **ret_future);

/**
 * Take no more work, and wait until all is done and the workers have ended.
 *
 * Suspends until then; with GREEN_NOW it does not wait (Python: wait=False). May be called again.
 *
 * @param cancel_pending  Cancel what has not begun. What runs goes on.
 * @return 0, or
 *         -ETIMEDOUT  the deadline passed first,
 *         -ECANCELED  the calling worker was cancelled,
 *         -ECHILD     another process made the executor.
 */
GREEN_API GREEN_SUSPENDS int green_executor_shutdown(struct green_executor *executor,
                                                     bool cancel_pending, green_deadline deadline);

/**
 * Shut an executor down and free it; NULL is taken.
 *
 * Suspends until all work is done, pending work too. When the caller is cancelled, or a timeout
 * scope around the call ends, all work is cancelled, and waited for. Futures live on. A forked
 * child's copy is left alone.
 */
GREEN_API GREEN_SUSPENDS void green_executor_destroy(struct green_executor *executor);

#ifdef __cplusplus
}
#endif

#endif
