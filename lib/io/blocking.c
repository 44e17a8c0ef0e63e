/*
 * Functions that block, off the loop: on a thread of libuv's pool.
 *
 * Invariant: a request under way belongs to the loop. A worker that gives up leaves it there; its
 * callback drops the argument and frees it. For a thread without tasks see blocking_thread.c. Any
 * worker may call.
 */
#include "base/alloc.h"
#include "green/os.h"
#include "io/blocking.h"
#include "sched/sched.h"
#include "sched/wait.h"

struct request {
    uv_work_t uv;
    struct green__sched *sched;
    struct green_job *waiter; /**< NULL once he has given up. */
    green_entry fn;
    void *arg;
    void (*drop)(void *arg);
    intptr_t result;
};

static void
drop_nothing(void *arg)
{
    (void)arg;
}

/** On a thread of the pool. */
static void
work(uv_work_t *uv)
{
    struct request *request = uv->data;
    request->result = request->fn(request->arg);
}

static void
on_done(uv_work_t *uv, int status)
{
    struct request *request = uv->data;
    (void)status; /* UV_ECANCELED only when nobody waits */
    request->sched->uv_requests--;
    if (request->waiter == NULL) {
        request->drop(request->arg);
        green__free(request);
        return;
    }
    green__wait_wake(request->waiter);
}

static int
call_parked(struct green_job *self, green_entry fn, void *arg, void (*drop)(void *arg),
            intptr_t *ret_result)
{
    struct request *request = green__alloc_zeroed(sizeof *request);
    if (request == NULL) {
        drop(arg);
        return -ENOMEM;
    }
    request->sched = self->sched;
    request->waiter = self;
    request->fn = fn;
    request->arg = arg;
    request->drop = drop;
    request->uv.data = request;
    int err = uv_queue_work(green__sched_uv(self->sched), &request->uv, work, on_done);
    if (err != 0) {
        green__free(request);
        drop(arg);
        return err;
    }
    self->sched->uv_requests++;
    green__wait_begin(self);
    err = green__wait_park(self, GREEN_FOREVER, "a blocking function");
    if (err != 0) {
        request->waiter = NULL;
        uv_cancel((uv_req_t *)&request->uv);
        return err;
    }
    *ret_result = request->result;
    green__free(request);
    return 0;
}

int
green_blocking_owned(green_entry fn, void *arg, void (*drop)(void *arg), intptr_t *ret_result)
{
    struct green_job *self = green__self();
    int err = green__wait_check(self);
    if (err != 0) {
        drop(arg);
        return err;
    }
    intptr_t result;
    err = green__wait_in_kernel(self) ? green__blocking_on_thread(self, fn, arg, drop, &result)
                                      : call_parked(self, fn, arg, drop, &result);
    if (err == 0 && ret_result != NULL) {
        *ret_result = result;
    }
    return err;
}

int
green__blocking_soon(green_entry fn, void *arg, void (*drop)(void *arg), intptr_t *ret_result)
{
    struct green_job *self = green__self();
    if (!green__wait_in_kernel(self)) {
        return green_blocking_owned(fn, arg, drop, ret_result);
    }
    int err = green__wait_check(self);
    if (err != 0) {
        drop(arg);
        return err;
    }
    *ret_result = fn(arg);
    return 0;
}

int
green_blocking(green_entry fn, void *arg, intptr_t *ret_result)
{
    return green_blocking_owned(fn, arg, drop_nothing, ret_result);
}
