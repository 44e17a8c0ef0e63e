/*
 * Waiting, all of it: park, wake, deadline, cancel, for tasks and for threads.
 *
 * A wait goes: green__wait_begin(), make it known to whoever will wake us, green__wait_park().
 * Exactly one green__wait_wake() is made for a wait that was made known and not withdrawn. Who
 * wakes holds the lock under which the waiter was found, so that it cannot have gone away.
 *
 * A task is parked and its thread runs others. A thread's own stack runs its tasks meanwhile, or
 * sleeps in the kernel when it has none; descriptors it waits for by the system call itself,
 * between green__kernel_enter() and green__kernel_leave().
 */
#ifndef GREEN_SCHED_WAIT_H
#define GREEN_SCHED_WAIT_H

#include <errno.h>
#include <stdbool.h>

#include "sched/sched.h"
#include "sched/worker.h"

/** Take note of what others wanted of a thread's own worker. */
void green__wait_heed(struct green_job *host);

/** Note on the worker's own thread that it was cancelled; others may look: see graph.c. */
static inline void
green__wait_mark_cancelled(struct green_job *job)
{
    __atomic_store_n(&job->cancelled, true, __ATOMIC_RELAXED);
}

/** Whether the worker knows that it was cancelled, and is not shielded. */
static inline bool
green__wait_cancelled(const struct green_job *job)
{
    return job->cancelled && job->shields == 0;
}

/**
 * -ECANCELED when the calling worker was cancelled and is not shielded, else 0. Every blocking call
 * starts with it; not to be called inside a wait.
 */
static inline int
green__wait_check(struct green_job *self)
{
    if (atomic_load(&self->attention) != 0 && self->kind != GREEN_TASK) {
        green__wait_heed(self); /* a task hears of it from its scheduler */
    }
    return green__wait_cancelled(self) ? -ECANCELED : 0;
}

/** Whether there is nothing that the calling worker would have to look at first: then the above
 * need not be called. */
static inline bool
green__wait_is_clear(void)
{
    const struct green_job *self = green__running;
    return self != NULL && !self->cancelled &&
           (self->kind == GREEN_TASK ||
            atomic_load_explicit(&self->attention, memory_order_relaxed) == 0);
}

/** Say which object a worker is about to wait for; its next wait forgets it again. */
static inline void
green__wait_on(struct green_job *self, const void *object)
{
    atomic_store_explicit(&self->waits_on, (uintptr_t)object, memory_order_relaxed);
}

/** The same of a descriptor, which an odd number stands for: objects lie at even addresses. */
static inline void
green__wait_on_fd(struct green_job *self, int fd)
{
    atomic_store_explicit(&self->waits_on, (uintptr_t)(unsigned)fd << 1 | 1, memory_order_relaxed);
}

/** Say what a worker waits for from now on, in words, in static storage. */
static inline void
green__wait_note(struct green_job *self, const char *what, uint64_t since)
{
    atomic_store_explicit(&self->waits_since, since, memory_order_relaxed);
    atomic_store_explicit(&self->waits_for, what, memory_order_relaxed);
}

/** It waits no more. */
static inline void
green__wait_noted(struct green_job *self)
{
    atomic_store_explicit(&self->waits_for, NULL, memory_order_relaxed);
    atomic_store_explicit(&self->waits_on, 0, memory_order_relaxed);
}

/** Start a wait of the calling worker. */
static inline void
green__wait_begin(struct green_job *self)
{
    self->woken = false;
    self->wait_bits = 0;
}

/**
 * Park the calling worker until it is woken, cancelled, or the deadline or a scope ends.
 *
 * This is for what the outside world brings: what other workers bring is waited for in lists, by
 * the calls below. After a failure the caller withdraws from whoever would have woken it.
 *
 * @param what  What it waits for, in words, in static storage.
 * @return 0, -ETIMEDOUT or -ECANCELED.
 */
int green__wait_park(struct green_job *self, green_deadline deadline, const char *what);

/** A deadline of its own does not hold any more: from now on the worker, of the calling thread,
 * waits until that one if it still does. */
static inline void
green__wait_prolong(struct green_job *job, green_deadline limit)
{
    if (job->state == GREEN__PARKED) {
        job->deadline = limit; /* its timer moves when it is due */
    }
}

/** Park until the wake that is under way has come, whatever else happens. */
void green__wait_settle(struct green_job *self);

/** Have a worker look whether it is part of a cycle: see graph.h. It has not ended. */
void green__wait_look(struct green_job *job);

/** Whether the worker lives on the calling thread. */
static inline bool
green__wait_local(const struct green_job *job)
{
    const struct green__sched *sched = green__sched_own;
    if (job == green__running || sched == NULL) {
        return job == green__running;
    }
    return job->kind == GREEN_TASK ? job->sched == sched : job == sched->host;
}

/** Wake a worker of another thread. */
void green__wait_wake_far(struct green_job *job);

/** Wake a worker that waits. Any thread, and each wait once. */
static inline void
green__wait_wake(struct green_job *job)
{
    if (!green__wait_local(job)) {
        green__wait_wake_far(job);
        return;
    }
    job->woken = true;
    if (job->state == GREEN__PARKED) {
        green__sched_ready(job);
    }
}

/** Make a parked worker of the calling thread ready if it has a reason to run. */
void green__wait_reconsider(struct green_job *job);

/** Cancel a worker that has not ended (the caller holds the lock of its end, or is itself). */
void green__wait_cancel(struct green_job *job);

_Noreturn void green__wait_forbidden(const char *what);

/** A worker that runs a callback is about to wait: that is misuse, and aborts. */
static inline void
green__wait_forbid(const struct green_job *self, const char *what)
{
    if (self->callbacks > 0) {
        green__wait_forbidden(what);
    }
}

/** The deadline that holds for a call: its own or that of the innermost scopes. */
static inline green_deadline
green__wait_limit(const struct green_job *self, green_deadline deadline)
{
    const struct green_timeout *scope = self->scopes;
    return scope != NULL && scope->effective < deadline ? scope->effective : deadline;
}

/** A call with this deadline of its own returns -ETIMEDOUT: mark the scope that did it, if one did.
 */
void green__wait_timed_out(struct green_job *self, green_deadline deadline);

/* ---- queues of waiters ---- */

void green__waitq_init(struct green__waitq *queue);

static inline void
green__waitq_lock(struct green__waitq *queue)
{
    green__lock_brief(&queue->lock);
}

static inline void
green__waitq_unlock(struct green__waitq *queue)
{
    green__unlock_brief(&queue->lock);
}

/**
 * Wait in a queue whose lock the caller holds; it is free when the call returns.
 *
 * @return 0 when green__waitq_wake_one() chose us; -ETIMEDOUT, -ECANCELED or -EDEADLK when nobody
 *         did and nobody will.
 */
int green__waitq_wait(struct green__waitq *queue, struct green_job *self, green_deadline deadline,
                      const char *what);

/**
 * The same in any list that a lock guards, for those who have to mend what a withdrawal leaves.
 *
 * @return 0 when somebody took us out of the list and woke us, the lock being free; -ETIMEDOUT,
 *         -ECANCELED or -EDEADLK when nobody did and nobody will, the caller holding the lock
 * again.
 */
int green__wait_in(struct green__lock *lock, struct green__list *waiters, struct green_job *self,
                   green_deadline deadline, const char *what);

/**
 * Wait in a list for what another worker holds, or for its end.
 *
 * @param owner_word  Names the owner; of GREEN__WANT_END the job itself.
 * @return As green__wait_in(), and -EDEADLK when that would be for ever.
 */
int green__wait_for_owner(struct green__waitq *queue, const uintptr_t *owner_word,
                          enum green__want want, struct green_job *self, green_deadline deadline,
                          const char *what);

/** Wake who has waited longest; the caller holds the lock. False when nobody waits. */
bool green__waitq_wake_one(struct green__waitq *queue);

/** Wake all who wait; the caller holds the lock. */
static inline void
green__waitq_wake_all(struct green__waitq *queue)
{
    struct green__list *link;
    while ((link = green__list_shift(&queue->waiters)) != NULL) {
        green__wait_wake(GREEN__CONTAINER(link, struct green__waiter, link)->job);
    }
}

/* ---- waiting in several lists at once ---- */

/**
 * The places of a wait of the calling worker in several lists, one for each: it fills in what they
 * bring, appends them under the lists' locks after green__wait_begin_several(), and takes those
 * that are left out again, under the same locks, once green__wait_park_several() has returned.
 *
 * @return NULL without memory. They are the worker's until it asks the next time.
 */
struct green__waiter *green__wait_places(struct green_job *self, size_t count);

/** Start a wait in several lists. */
static inline void
green__wait_begin_several(struct green_job *self)
{
    atomic_store_explicit(&self->own->several->chosen, NULL, memory_order_relaxed);
    green__wait_begin(self);
}

/**
 * Park until one of the places is chosen; see green__wait_park(). The caller holds no lock.
 *
 * @param ret_chosen  Set on success.
 * @return 0; -ETIMEDOUT, -ECANCELED or -EDEADLK when none was chosen and none will be.
 */
int green__wait_park_several(struct green_job *self, green_deadline deadline, const char *what,
                             struct green__waiter **ret_chosen);

/**
 * Whether a waiter that was just taken out of its list, whose lock is held, may be given something
 * and is to be woken. One that waits in other lists too may have been chosen there.
 */
static inline bool
green__waiter_claim(struct green__waiter *waiter)
{
    struct green_job *job = waiter->job;
    if (waiter == &job->own->waiter) {
        return true; /* it stands in one list, and we have that one's lock */
    }
    struct green__waiter *none = NULL;
    return atomic_compare_exchange_strong(&job->own->several->chosen, &none, waiter);
}

/* ---- blocking in the kernel ---- */

/** Whether the worker blocks in the kernel: it is a thread's own stack and the thread has no tasks.
 */
static inline bool
green__wait_in_kernel(const struct green_job *self)
{
    const struct green__sched *sched = green__sched_own;
    return self->kind != GREEN_TASK &&
           (sched == NULL || (sched->task_count == 0 && sched->uv_requests == 0 && !sched->seeded));
}

/**
 * A thread is about to make a system call that may block.
 *
 * From here on a cancellation, or the deadline, interrupts the call (EINTR), again and again until
 * green__kernel_leave(). After an EINTR call this again before the next try.
 *
 * A deadline that has passed is found so when it matters: at the latest by the call's interruption.
 *
 * @return 0, -ETIMEDOUT (the caller calls green__wait_timed_out() if that is its result),
 * -ECANCELED, or -EAGAIN when the system has no timer left for the deadline.
 */
int green__kernel_enter(struct green_job *self, green_deadline deadline);
void green__kernel_leave(struct green_job *self);

/** Interrupt the thread's system call, if it is in one. Any thread; async-signal-safe. */
void green__kernel_interrupt(struct green_job *job);

/** The thread's alarm goes with the thread. */
void green__kernel_detach(struct green_job *job);

/** Have the handlers of the reserved signals, before the first thread blocks. */
void green__kernel_listen(void);

/** In a forked child: the calling thread has no alarm; it was the parent's. */
void green__kernel_forked(void);

/** The signal that is reserved for interrupting blocked threads. */
int green__kernel_signal(void);

/** The signal that is reserved for cancellations from the parent process. */
int green__kernel_foreign_signal(void);

/**
 * What such a cancellation does: runs in the signal's handler. The sender is 0 where the system
 * had no memory left to say who it was.
 */
extern void (*green__kernel_on_foreign)(pid_t sender);

#endif
