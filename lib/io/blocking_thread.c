/*
 * Functions that block, for a thread that has no tasks: on a thread made for the call, so that the
 * caller can be cancelled and timed out meanwhile. The pool is for those who share a thread: here
 * as many run at once as there are callers.
 *
 * Invariant: caller and runner have a reference each to the errand; which of them came first, the
 * end of the function or giving up, is decided under the lock, and the runner drops the argument if
 * it was the latter. A worker's `errands` counts those of its functions that it did not wait for.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "base/alloc.h"
#include "base/futex.h"
#include "io/blocking.h"
#include "sched/wait.h"

struct errand {
    struct green__waitq queue; /* its lock guards the next two */
    bool done;
    bool given_up;
    atomic_uint references;
    struct green_job *caller;
    green_entry fn;
    void *arg;
    void (*drop)(void *arg);
    intptr_t result;
};

static void
put(struct errand *errand)
{
    if (atomic_fetch_sub_explicit(&errand->references, 1, memory_order_acq_rel) == 1) {
        green__free(errand);
    }
}

static void *
run(void *arg)
{
    struct errand *errand = arg;
    errand->result = errand->fn(errand->arg);
    green__waitq_lock(&errand->queue);
    errand->done = true;
    bool given_up = errand->given_up;
    green__waitq_wake_one(&errand->queue);
    green__waitq_unlock(&errand->queue);
    if (given_up) {
        struct green_job *caller = errand->caller;
        errand->drop(errand->arg);
        atomic_fetch_sub(&green__host_of(caller)->errands, 1);
        green__futex_wake(&green__host_of(caller)->errands, 1);
        green_job_put(caller);
    }
    put(errand);
    return NULL;
}

/** Start the runner, which no signal of the program's reaches. */
static int
start(struct errand *errand)
{
    sigset_t all;
    sigset_t mask;
    pthread_t thread;
    pthread_attr_t attributes;
    int err = pthread_attr_init(&attributes);
    if (err != 0) {
        return -err;
    }
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &mask);
    err = pthread_create(&thread, &attributes, run, errand);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    pthread_attr_destroy(&attributes);
    return -err;
}

/** Wait for the end of the function, or give up. */
static int
await(struct errand *errand, struct green_job *self)
{
    int err = 0;
    green__waitq_lock(&errand->queue);
    if (!errand->done) {
        err = green__waitq_wait(&errand->queue, self, GREEN_FOREVER, "a blocking function");
        green__waitq_lock(&errand->queue);
    }
    if (errand->done) {
        err = 0;
    } else {
        errand->given_up = true;
        errand->caller = green_job_get(self);
        atomic_fetch_add(&green__host_of(self)->errands, 1);
    }
    green__waitq_unlock(&errand->queue);
    return err;
}

int
green__blocking_on_thread(struct green_job *self, green_entry fn, void *arg,
                          void (*drop)(void *arg), intptr_t *ret_result)
{
    struct errand *errand = green__alloc_zeroed(sizeof *errand);
    int err = -ENOMEM;
    if (errand != NULL) {
        green__waitq_init(&errand->queue);
        atomic_init(&errand->references, 2);
        errand->fn = fn;
        errand->arg = arg;
        errand->drop = drop;
        err = start(errand);
    }
    if (err != 0) {
        green__free(errand);
        drop(arg);
        return err;
    }
    err = await(errand, self);
    if (err == 0) {
        *ret_result = errand->result;
    }
    put(errand);
    return err;
}
