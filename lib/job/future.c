/*
 * Futures.
 *
 * Invariant: who sets CLAIMED sets the outcome, then DONE, after which neither changes. CROWDED is
 * set under the lock by the first who waits or leaves a hook, for good; who does that and finds
 * DONE goes on, and who sets DONE and finds CROWDED wakes and calls, so nobody is forgotten. A
 * future that nobody waits for is set, and one that is done is read, without the lock. Hooks run
 * with the lock open, each once. Any worker of the process may call.
 */
#include "job/future.h"

#include <errno.h>
#include <sched.h>

#include "base/alloc.h"
#include "job/hook.h"

enum {
    CROWDED = 1,
    CLAIMED = 2,
    DONE = 4,
};

void
green__future_init(struct green_future *future, int (*cancel)(struct green_future *future),
                   void (*release)(struct green_future *future))
{
    green__waitq_init(&future->queue);
    green__list_init(&future->hooks);
    future->outcome = (struct green__outcome){0};
    atomic_init(&future->state, 0);
    atomic_init(&future->references, 1);
    future->cancel = cancel;
    future->release = release;
}

void
green__future_fini(struct green_future *future)
{
    /* Callbacks of one that nobody has set, and nobody will. */
    struct green__list *link;
    while ((link = green__list_shift(&future->hooks)) != NULL) {
        green__free(GREEN__CONTAINER(link, struct green__hook, link));
    }
    green__free(future->outcome.bytes);
}

static void
free_future(struct green_future *future)
{
    green__future_fini(future);
    green__free(future);
}

int
green_future_create(struct green_future **ret_future)
{
    struct green_future *future = green__alloc(sizeof *future);
    if (future == NULL) {
        return -ENOMEM;
    }
    green__future_init(future, NULL, free_future);
    *ret_future = future;
    return 0;
}

struct green_future *
green_future_get(struct green_future *future)
{
    atomic_fetch_add_explicit(&future->references, 1, memory_order_relaxed);
    return future;
}

void
green_future_put(struct green_future *future)
{
    if (future != NULL &&
        atomic_fetch_sub_explicit(&future->references, 1, memory_order_acq_rel) == 1) {
        future->release(future);
    }
}

static bool
is_done(struct green_future *future)
{
    return (atomic_load_explicit(&future->state, memory_order_acquire) & DONE) != 0;
}

/** Whoever finds a future claimed is told of it as of one that is done: it will be at once. */
static void
await_outcome(struct green_future *future)
{
    while (!is_done(future)) {
        sched_yield();
    }
}

/** The lock is taken, and whether the future waits for somebody to come: false, unlocked, if it is
 *  done. */
static bool
lock_undone(struct green_future *future)
{
    green__waitq_lock(&future->queue);
    bool undone = (atomic_fetch_or(&future->state, CROWDED) & DONE) == 0;
    if (!undone) {
        green__waitq_unlock(&future->queue);
    }
    return undone;
}

/** Tell all who wait. */
static void
announce(struct green_future *future)
{
    green__waitq_lock(&future->queue);
    green__waitq_wake_all(&future->queue);
    struct green__list *link;
    while ((link = green__list_shift(&future->hooks)) != NULL) {
        green__waitq_unlock(&future->queue);
        green__hook_call(GREEN__CONTAINER(link, struct green__hook, link), future);
        green__waitq_lock(&future->queue);
    }
    green__waitq_unlock(&future->queue);
}

int
green__future_settle(struct green_future *future, const struct green__outcome *outcome)
{
    if ((atomic_fetch_or(&future->state, CLAIMED) & CLAIMED) != 0) {
        await_outcome(future);
        green__free(outcome->bytes);
        return -EALREADY;
    }
    future->outcome = *outcome;
    unsigned alone = CLAIMED;
    if (!atomic_compare_exchange_strong(&future->state, &alone, CLAIMED | DONE)) {
        green_future_get(future); /* who sees it done may give the caller's handle back */
        atomic_fetch_or(&future->state, DONE);
        announce(future);
        green_future_put(future);
    }
    return 0;
}

int
green_future_set(struct green_future *future, intptr_t value)
{
    struct green__outcome outcome = {.value = value};
    return future->cancel != NULL ? -EPERM : green__future_settle(future, &outcome);
}

int
green_future_set_error(struct green_future *future, int err)
{
    struct green__outcome outcome = {.err = err};
    if (err >= 0) {
        return -EINVAL;
    }
    return future->cancel != NULL ? -EPERM : green__future_settle(future, &outcome);
}

int
green_future_cancel(struct green_future *future)
{
    struct green__outcome outcome = {.err = -ECANCELED};
    return future->cancel != NULL ? future->cancel(future) : green__future_settle(future, &outcome);
}

bool
green_future_done(struct green_future *future)
{
    return is_done(future);
}

int
green_future_error(struct green_future *future)
{
    return green_future_done(future) ? future->outcome.err : -EINPROGRESS;
}

int
green_future_wait(struct green_future *future, green_deadline deadline)
{
    struct green_job *self = green__self();
    int err = green__wait_check(self);
    if (err != 0 || is_done(future)) {
        return err;
    }
    if (deadline == GREEN_NOW) {
        return -ETIMEDOUT;
    }
    return lock_undone(future) ? green__waitq_wait(&future->queue, self, deadline, "a future") : 0;
}

int
green_future_result(struct green_future *future, intptr_t *ret_value, green_deadline deadline)
{
    int err = green_future_wait(future, deadline);
    if (err == 0) {
        err = future->outcome.err;
    }
    if (err == 0 && ret_value != NULL) {
        *ret_value = future->outcome.value;
    }
    return err;
}

const void *
green_future_bytes(struct green_future *future, size_t *ret_size)
{
    bool done = green_future_done(future);
    *ret_size = done ? future->outcome.size : 0;
    return done ? future->outcome.bytes : NULL;
}

int
green_future_status(struct green_future *future, int *ret_status)
{
    if (!green_future_done(future) || !future->outcome.died) {
        return -EINVAL;
    }
    *ret_status = future->outcome.status;
    return 0;
}

/* ---- callbacks ---- */

struct callback {
    struct green__hook hook; /* first: green__future_fini() frees the hook */
    green_future_callback function;
    void *arg;
};

static void
run_callback(struct green__hook *hook, void *source)
{
    struct callback *callback = GREEN__CONTAINER(hook, struct callback, hook);
    callback->function(source, callback->arg);
    green__free(callback);
}

bool
green__future_hook(struct green_future *future, struct green__hook *hook)
{
    bool taken = lock_undone(future);
    if (taken) {
        green__list_append(&future->hooks, &hook->link);
        green__waitq_unlock(&future->queue);
    }
    return taken;
}

/** As green__job_hook(). */
static int
hook_future(void *source, struct green__hook *hook)
{
    return green__future_hook(source, hook);
}

static bool
unhook_future(void *source, struct green__hook *hook)
{
    struct green_future *future = source;
    green__waitq_lock(&future->queue);
    bool found = !green__list_empty(&hook->link);
    green__list_remove(&hook->link);
    green__waitq_unlock(&future->queue);
    return found;
}

static bool
future_failed(void *source)
{
    return ((const struct green_future *)source)->outcome.err != 0;
}

int
green_future_add_done_callback(struct green_future *future, green_future_callback callback,
                               void *arg)
{
    struct callback *made = green__alloc(sizeof *made);
    if (made == NULL) {
        return -ENOMEM;
    }
    green__list_init(&made->hook.link);
    made->hook.run = run_callback;
    made->function = callback;
    made->arg = arg;
    if (!green__future_hook(future, &made->hook)) {
        green__hook_call(&made->hook, future);
    }
    return 0;
}

int
green_futures_wait(struct green_future *const *futures, size_t count, enum green_until until,
                   size_t *ret_index, green_deadline deadline)
{
    static const struct green__sources how = {hook_future, unhook_future, future_failed, "futures"};
    static const enum green__until untils[] = {
        [GREEN_FIRST_COMPLETED] = GREEN__UNTIL_FIRST,
        [GREEN_FIRST_ERROR] = GREEN__UNTIL_ERROR,
        [GREEN_ALL_COMPLETED] = GREEN__UNTIL_ALL,
    };
    return green__gather((void *const *)futures, count, &how, untils[until], ret_index, deadline);
}
