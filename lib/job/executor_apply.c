/*
 * What stands on an executor's submit: apply, apply_async, map.
 *
 * Any worker of the process may call; what has begun is never left behind with the caller's memory.
 */
#include <errno.h>

#include "base/alloc.h"
#include "green/timeout.h"
#include "job/executor.h"
#include "job/hook.h"

/** Cancel futures, NULL ones aside, and wait for those that had begun. */
static void
withdraw(struct green_future *const *futures, size_t count)
{
    struct green_shield shield;
    green_shield_start(&shield);
    for (size_t i = count; i-- > 0;) { /* the last ones first, so that none of them begins */
        if (futures[i] != NULL) {
            green_future_cancel(futures[i]);
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (futures[i] != NULL) {
            green_future_wait(futures[i], GREEN_FOREVER);
        }
    }
    green_shield_stop(&shield);
}

int
green_executor_apply(struct green_executor *executor, green_entry entry, void *arg, size_t size,
                     intptr_t *ret_value, green_deadline deadline)
{
    struct green_future *future;
    int err = green_executor_submit(executor, entry, arg, size, &future);
    if (err != 0) {
        return err;
    }
    err = green_future_wait(future, deadline);
    if (err != 0) {
        withdraw(&future, 1);
    } else {
        err = green_future_error(future);
    }
    if (err == 0 && ret_value != NULL) {
        *ret_value = future->outcome.value;
    }
    green_future_put(future);
    return err;
}

/* ---- callbacks ---- */

struct callbacks {
    struct green__hook hook; /* first: who frees the hook frees it all */
    green_value_callback value;
    green_error_callback error;
    void *arg;
};

static void
call_back(struct green__hook *hook, void *source)
{
    struct callbacks callbacks = *GREEN__CONTAINER(hook, struct callbacks, hook);
    const struct green_future *future = source;
    green__free(hook);
    if (future->outcome.err != 0) {
        if (callbacks.error != NULL) {
            callbacks.error(future->outcome.err, callbacks.arg);
        }
    } else if (callbacks.value != NULL) {
        callbacks.value(future->outcome.value, callbacks.arg);
    }
}

int
green_executor_apply_async(struct green_executor *executor, green_entry entry, void *arg,
                           size_t size, green_value_callback callback,
                           green_error_callback error_callback, void *callback_arg,
                           struct green_future **ret_future)
{
    struct callbacks *made = green__alloc(sizeof *made);
    if (made == NULL) {
        return -ENOMEM;
    }
    *made = (struct callbacks){{.run = call_back}, callback, error_callback, callback_arg};
    green__list_init(&made->hook.link);
    struct green__work_plan plan = {.entry = entry, .arg = arg, .size = size, .hook = &made->hook};
    return green__executor_submit(executor, &plan, ret_future);
}

/* ---- map ---- */

/** Submit all, the futures of those that were submitted being set. */
static int
submit_all(struct green_executor *executor, green_entry entry, const void *items, size_t item_size,
           struct green_future **futures, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct green__work_plan plan = {.entry = entry, .size = item_size};
        plan.arg =
            item_size > 0 ? (char *)(uintptr_t)items + i * item_size : ((void *const *)items)[i];
        int err = green__executor_submit(executor, &plan, &futures[i]);
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

int
green_executor_map(struct green_executor *executor, green_entry entry, const void *items,
                   size_t item_size, size_t count, intptr_t *ret_values, green_deadline deadline)
{
    if (count > SIZE_MAX / sizeof(struct green_future *)) {
        return -ENOMEM;
    }
    struct green_future **futures = green__alloc_zeroed(count * sizeof *futures + 1);
    if (futures == NULL) {
        return -ENOMEM;
    }
    size_t failed = count;
    int err = submit_all(executor, entry, items, item_size, futures, count);
    if (err == 0) {
        err = green_futures_wait(futures, count, GREEN_FIRST_ERROR, &failed, deadline);
    }
    if (err == 0 && failed < count) {
        err = futures[failed]->outcome.err;
    }
    if (err != 0) {
        withdraw(futures, count);
    }
    for (size_t i = 0; i < count; i++) {
        if (err == 0 && ret_values != NULL) {
            ret_values[i] = futures[i]->outcome.value;
        }
        green_future_put(futures[i]);
    }
    green__free(futures);
    return err;
}
