/*
 * Something that is done once.
 *
 * Invariant: `done` is set, for ever, after the function has returned 0; it runs under the mutex,
 * whose order is the order of those who try after a failure. Any worker may call.
 */
#include "sync/waiters.h"

void
green_once_init(struct green_once *once)
{
    *once = (struct green_once)GREEN_ONCE_INIT;
}

void
green_once_fini(struct green_once *once)
{
    green_mutex_fini(&once->mutex);
}

static int
run(struct green_once *once, int (*function)(void *arg), void *arg, green_deadline deadline)
{
    int err = green_mutex_lock(&once->mutex, deadline);
    if (err != 0) {
        return err;
    }
    if (!GREEN__LOAD(&once->done)) {
        err = function(arg);
        if (err == 0) {
            GREEN__STORE_RELEASE(&once->done, 1);
        }
    }
    green_mutex_unlock(&once->mutex);
    return err;
}

int
green_once_run(struct green_once *once, int (*function)(void *arg), void *arg,
               green_deadline deadline)
{
    return GREEN__LOAD_ACQUIRE(&once->done) ? 0 : run(once, function, arg, deadline);
}
