/*
 * Park and wake, for tasks and for threads' own stacks.
 *
 * Invariant: `woken` is written by the worker's own thread alone; other threads leave a bit in
 * `attention` and see to it that the thread looks. So a wait needs no atomic operation as long as
 * one thread does it all. A worker that another thread took out of a queue is owed exactly one
 * wake, and does not return before it has come.
 */
#include "sched/wait.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/futex.h"
#include "context/context.h"
#include "sched/graph.h"
#include "sched/quiet.h"
#include "sched/sched.h"

void
green__wait_reconsider(struct green_job *job)
{
    if (job->state == GREEN__PARKED && (job->woken || job->doomed || green__wait_cancelled(job))) {
        green__sched_ready(job);
    }
}

void
green__wait_heed(struct green_job *job)
{
    unsigned bits = atomic_exchange(&job->attention, 0);
    if (bits & GREEN__WAKE) {
        job->woken = true;
    }
    if (bits & GREEN__CANCEL) {
        green__wait_mark_cancelled(job);
    }
    if (bits & GREEN__LOOK) {
        green__graph_heed(job);
    }
    green__wait_reconsider(job);
}

/** Leave a bit for a task of another thread; it takes note through its scheduler's inbox. */
static void
call_task(struct green_job *task, unsigned bit)
{
    if (atomic_fetch_or(&task->attention, bit) == 0) {
        green__sched_post(task);
    }
}

/**
 * Leave a bit for another thread's own worker, which sleeps on the word or runs its loop.
 *
 * Once a wake is there the worker may go on and end, its scheduler with it: what rings the loop is
 * held before. A worker that is cancelled does not end meanwhile, but may be making its scheduler.
 */
static void
call_host(struct green_job *host, unsigned bit)
{
    struct green__sched *loop = green__sched_hold(host);
    unsigned before = atomic_fetch_or(&host->attention, bit);
    if (before & GREEN__ASLEEP) {
        green__futex_wake(&host->attention, 1);
    }
    if (loop == NULL && bit == GREEN__CANCEL) {
        loop = green__sched_hold(host);
    }
    if (loop != NULL) {
        green__sched_ring(loop);
    }
}

/** Leave a bit for a worker of another thread. */
static void
call(struct green_job *job, unsigned bit)
{
    if (job->kind == GREEN_TASK) {
        call_task(job, bit);
    } else {
        call_host(job, bit);
    }
}

void
green__wait_wake_far(struct green_job *job)
{
    call(job, GREEN__WAKE);
}

void
green__wait_cancel(struct green_job *job)
{
    if (job->kind != GREEN_TASK) {
        call_host(job, GREEN__CANCEL);
        green__kernel_interrupt(job);
    } else if (job == green__running) {
        /* Perhaps in a signal handler, and on its way to park: no queue is touched here. */
        green__wait_mark_cancelled(job);
        call_task(job, GREEN__CANCEL);
    } else if (green__wait_local(job)) {
        green__wait_mark_cancelled(job);
        green__wait_reconsider(job);
    } else {
        call_task(job, GREEN__CANCEL);
    }
}

void
green__wait_look(struct green_job *job)
{
    call(job, GREEN__LOOK);
}

/** A thread's own stack without tasks: sleep on the word that others leave their bits in. */
__attribute__((noinline)) static void
sleep_in_kernel(struct green_job *self, green_deadline limit)
{
    if (limit == GREEN_FOREVER && self->inside && green__quiet_alone(self)) {
        self->doomed = true;
        return;
    }
    unsigned expected = 0;
    green_deadline until = limit;
    if (GREEN__SLEEP_MOST_MS > 0 && until > green_after(GREEN__SLEEP_MOST_MS)) {
        until = green_after(GREEN__SLEEP_MOST_MS);
    }
    green__context_take_signals();
    if (atomic_compare_exchange_strong(&self->attention, &expected, GREEN__ASLEEP)) {
        green__futex_wait(&self->attention, GREEN__ASLEEP, until);
        green__context_take_signals();
    }
    green__wait_heed(self);
    if (limit != GREEN_FOREVER && !self->woken && green__clock_now() >= limit) {
        self->expired = true;
    }
}

/** Hand the processor on until somebody makes the worker ready. */
static void
park_in_loop(struct green_job *self, green_deadline limit)
{
    struct green__sched *sched = green__sched_own;
    if (limit != GREEN_FOREVER && (self->timer.place == 0 || self->timer.when > limit)) {
        green__timers_set(&sched->timers, &self->timer, limit);
    }
    if (self->deadline != limit) { /* here and below a store that is not needed is dearer */
        self->deadline = limit;
    }
    self->parked = (uint32_t)green__count(&sched->counts.parks);
    if (self->streak != 0) {
        self->streak = 0;
    }
    self->state = GREEN__PARKED;
    green__sched_switch(sched, self);
}

void
green__wait_forbidden(const char *what)
{
    green__misuse("a callback may not wait, and this one would for %s", what);
}

/** Say what a worker waits for from now on. */
static void
note(struct green_job *self, const char *what)
{
    green__wait_note(self, what,
                     green__wait_in_kernel(self)
                         ? green__clock_coarse()
                         : atomic_load_explicit(&green__sched_own->stamp, memory_order_relaxed));
}

/** Why a wait that was not ended by a wake is over; 0 when it is not. */
static inline int
give_up(const struct green_job *self, green_deadline limit)
{
    if (!self->cancelled && !self->expired && !self->doomed && limit != GREEN_NOW) {
        return 0;
    }
    if (green__wait_cancelled(self)) {
        return -ECANCELED;
    }
    if (self->expired || limit == GREEN_NOW) {
        return -ETIMEDOUT;
    }
    return self->doomed ? -EDEADLK : 0;
}

/** Park; after -ETIMEDOUT no scope is marked yet, since a wake may be on its way. */
__attribute__((always_inline)) static inline int
park(struct green_job *self, green_deadline deadline, const char *what)
{
    green_deadline limit = green__wait_limit(self, deadline);
    note(self, what);
    int err = 0;
    while (!self->woken && (err = give_up(self, limit)) == 0) {
        green__wait_forbid(self, what);
        if (green__wait_in_kernel(self)) {
            sleep_in_kernel(self, limit);
        } else {
            park_in_loop(self, limit);
        }
    }
    green__wait_noted(self);
    return err;
}

int
green__wait_park(struct green_job *self, green_deadline deadline, const char *what)
{
    struct green__sched *sched = green__sched_own;
    self->inside = false;
    if (sched != NULL) {
        sched->outside++;
    }
    int err = park(self, deadline, what);
    if (sched != NULL) {
        sched->outside--;
    }
    if (err == -ETIMEDOUT) {
        green__wait_timed_out(self, deadline);
    }
    return err;
}

void
green__wait_settle(struct green_job *self)
{
    uint16_t shields = self->shields++;
    self->inside = false;
    self->rests = false;
    while (!self->woken) {
        if (green__wait_in_kernel(self)) {
            sleep_in_kernel(self, GREEN_FOREVER);
        } else {
            park_in_loop(self, GREEN_FOREVER);
        }
    }
    self->shields = shields;
}

void
green__wait_timed_out(struct green_job *self, green_deadline deadline)
{
    struct green_timeout *scope = self->scopes;
    if (scope == NULL || scope->effective >= deadline) {
        return;
    }
    while (scope->deadline != scope->effective) {
        scope = scope->outer;
    }
    scope->fired = true;
}

/* ---- queues of waiters ---- */

void
green__waitq_init(struct green__waitq *queue)
{
    atomic_init(&queue->lock.state, 0);
    green__list_init(&queue->waiters);
}

/** What a wait in a list has come to: leave the list unless somebody took us out. */
static int
withdraw(struct green__lock *lock, struct green_job *self, green_deadline deadline, int err)
{
    if (err == 0) {
        return 0;
    }
    green__lock(lock);
    if (!green__list_empty(&self->own->waiter.link)) {
        green__list_remove(&self->own->waiter.link);
        if (err == -ETIMEDOUT) {
            green__wait_timed_out(self, deadline);
        }
        return err;
    }
    green__unlock(lock);
    /* Somebody chose us at the same moment: what he gave is ours, once his wake has come. */
    green__wait_settle(self);
    return 0;
}

int
green__wait_in(struct green__lock *lock, struct green__list *waiters, struct green_job *self,
               green_deadline deadline, const char *what)
{
    green__wait_begin(self);
    self->inside = true;
    green__wait_on(self, lock);
    green__list_append(waiters, &self->own->waiter.link);
    green__unlock_brief(lock);
    return withdraw(lock, self, deadline, park(self, deadline, what));
}

/** Whether the caller's wait, for what somebody owns, would be for ever. */
static bool
is_closed(struct green_job *self, const char *what)
{
    green__wait_forbid(self, what);
    note(self, what);
    bool closed = green__graph_enter(self);
    if (closed) {
        green__wait_noted(self);
    }
    return closed;
}

int
green__wait_for_owner(struct green__waitq *queue, const uintptr_t *owner_word,
                      enum green__want want, struct green_job *self, green_deadline deadline,
                      const char *what)
{
    struct green__waiter *waiter = &self->own->waiter;
    green__wait_begin(self);
    self->inside = true;
    waiter->want = (uint8_t)want;
    waiter->steady = green__wait_limit(self, deadline) == GREEN_FOREVER;
    atomic_store_explicit(&waiter->owner_word, owner_word, memory_order_release);
    green__wait_on(self, owner_word);
    green__list_append(&queue->waiters, &waiter->link);
    green__waitq_unlock(queue);
    bool counts = want == GREEN__WANT_END
                      ? green__graph_joins(self, (struct green_job *)(void *)owner_word)
                      : green__graph_matters(self);
    int err = -EDEADLK;
    if (!waiter->steady || !counts || !is_closed(self, what)) {
        err = park(self, deadline, what);
    }
    if (self->own->edge != NULL) {
        green__graph_leave(self);
    }
    atomic_store_explicit(&waiter->owner_word, NULL, memory_order_relaxed);
    return withdraw(&queue->lock, self, deadline, err);
}

int
green__waitq_wait(struct green__waitq *queue, struct green_job *self, green_deadline deadline,
                  const char *what)
{
    int err = green__wait_in(&queue->lock, &queue->waiters, self, deadline, what);
    if (err != 0) {
        green__waitq_unlock(queue);
    }
    return err;
}

bool
green__waitq_wake_one(struct green__waitq *queue)
{
    struct green__list *link = green__list_shift(&queue->waiters);
    if (link == NULL) {
        return false;
    }
    green__wait_wake(GREEN__CONTAINER(link, struct green__waiter, link)->job);
    return true;
}

/* ---- several lists ---- */

struct green__waiter *
green__wait_places(struct green_job *self, size_t count)
{
    struct green__several *several = self->own->several;
    if (several != NULL && several->capacity >= count) {
        return several->places;
    }
    if (count > (SIZE_MAX - sizeof *several) / sizeof(struct green__waiter)) {
        return NULL;
    }
    several = green__alloc_zeroed(sizeof *several + count * sizeof(struct green__waiter));
    if (several == NULL) {
        return NULL;
    }
    several->capacity = count;
    for (size_t i = 0; i < count; i++) {
        several->places[i].job = self;
        green__list_init(&several->places[i].link);
    }
    green__free(self->own->several);
    self->own->several = several;
    return several->places;
}

int
green__wait_park_several(struct green_job *self, green_deadline deadline, const char *what,
                         struct green__waiter **ret_chosen)
{
    _Atomic(struct green__waiter *) *chosen = &self->own->several->chosen;
    self->inside = true;
    int err = park(self, deadline, what);
    if (err != 0) {
        struct green__waiter *none = NULL;
        if (atomic_compare_exchange_strong(chosen, &none, &self->own->waiter)) {
            if (err == -ETIMEDOUT) {
                green__wait_timed_out(self, deadline);
            }
            return err;
        }
        green__wait_settle(self); /* somebody chose us at the same moment */
    }
    *ret_chosen = atomic_load_explicit(chosen, memory_order_relaxed);
    return 0;
}
