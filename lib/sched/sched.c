/*
 * The run queue and the loop.
 *
 * A worker that parks hands the processor to the next in the run queue, by one switch; only when
 * that is empty, or a number of switches have been made, does the thread's own stack get it and
 * look at the outside world. The thread's own stack is in the run queue like everybody else when
 * somebody has woken it.
 *
 * Invariant: all members but the inbox belong to the thread that made the scheduler. A worker is in
 * the run queue exactly while its state is GREEN__READY.
 */
#include "sched/sched.h"

#include <errno.h>
#include <fenv.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "sched/errand.h"
#include "sched/quiet.h"
#include "sched/seed.h"
#include "sched/hibernate.h"
#include "sched/wait.h"

/** Switches between two looks at the outside world: keeps the look's price per switch small. */
#define SWITCHES_PER_TURN 512

__thread struct green__sched *green__sched_own;
void (*green__sched_on_leave)(const struct green_job *self);

/* ---- the run queue ---- */

/** How far ahead of the one that is next control blocks are fetched, at most two a switch. */
#define SCOUTED 6

/** Of so many at a time the stacks' pages are looked up: each has a page table's line to itself,
 * and the processor walks some tables at once. */
#define WALKED 4

/**
 * While one runs, have the memory brought near that others will touch: of those that come soon the
 * control blocks, then the pages of their stacks, and of the next one its stack.
 */
static void
fetch_ahead(struct green__sched *sched)
{
    sched->scouted -= sched->scouted > 0;
    sched->walked -= sched->walked > 0;
    if (sched->ready_first == NULL) {
        return;
    }
    for (unsigned step = 0; step < 2 && sched->scouted < SCOUTED; step++) {
        struct green_job *job = sched->scouted == 0 ? sched->ready_first : sched->scout->next;
        if (job == NULL) {
            break;
        }
        sched->scout = job;
        sched->scouted++;
        green__sched_fetch(job);
    }
    const struct green_job *job = sched->ready_first;
    bool due = sched->walked == 0;
    for (; due && sched->walked < WALKED && sched->walked + 1 < sched->scouted; job = job->next) {
        __builtin_prefetch(job->context.sp);
        sched->walked++;
    }
    green__sched_fetch_stack(sched->ready_first);
}

struct green_job *
green__sched_next_of_any(struct green__sched *sched)
{
    struct green_job *job = sched->ready_first;
    if (!green__sched_is_due(sched, job)) {
        return sched->seeded ? green__seed_next(sched) : NULL;
    }
    green__sched_take(sched, job);
    if (green__sched_crowded(sched)) {
        fetch_ahead(sched);
    }
    return job;
}

/** All workers park in this one call: see the switch about predictions of returns. */
__attribute__((noinline)) static void
switch_plainly(struct green_job *from, struct green_job *to)
{
    green__running = to;
    green__context_switch(&from->context, &to->context, false);
    struct green__sched *sched = green__sched_own;
    if (sched->leftover != NULL) {
        green__sched_sweep(sched);
    }
}

__attribute__((noinline)) static void
switch_keeping_fpu(struct green_job *from, struct green_job *to)
{
    fenv_t own;
    fegetenv(&own);
    fesetenv(FE_DFL_ENV);
    switch_plainly(from, to);
    fesetenv(&own);
}

static inline void
switch_to(struct green_job *from, struct green_job *to)
{
    if (__builtin_expect(to->asleep, 0)) {
        green__hibernate_wake(to);
    }
    if (from->save_fpu) {
        switch_keeping_fpu(from, to);
    } else {
        switch_plainly(from, to);
    }
}

/* ---- the loop, on the host's stack ---- */

/** Whether a time is more than least_ns after what the coarse clock said: then the exact one need
 * not be read. */
static inline bool
is_far(const struct green__sched *sched, green_deadline when, uint64_t coarse, uint64_t least_ns)
{
    return !sched->seeded && when > coarse + least_ns;
}

static void
expire_timers(struct green__sched *sched, uint64_t coarse)
{
    if (is_far(sched, green__timers_next(&sched->timers), coarse, GREEN__TICK_NS)) {
        return;
    }
    uint64_t now = green__clock_now();
    struct green__timer *timer;
    while ((timer = green__timers_expire(&sched->timers, now)) != NULL) {
        struct green_job *job = GREEN__CONTAINER(timer, struct green_job, timer);
        if (job->state != GREEN__PARKED || job->deadline == GREEN_FOREVER) {
            continue;
        }
        if (job->deadline > now) { /* it was set for an earlier wait: only now does it move */
            green__timers_set(&sched->timers, timer, job->deadline);
            continue;
        }
        job->expired = true;
        green__sched_ready(job);
    }
}

/** How long to wait for the outside world; a long wait is ended a tick too early, and gone on with
 * by the exact time. */
static int
poll_timeout(struct green__sched *sched, uint64_t coarse)
{
    if (sched->ready_first != NULL ||
        atomic_load_explicit(&sched->host->attention, memory_order_seq_cst) != 0) {
        return 0;
    }
    green_deadline next = green__timers_next(&sched->timers);
    if (sched->dormitory != NULL && green__hibernate_next(sched) < next) {
        next = green__hibernate_next(sched);
    }
    if (next == GREEN_FOREVER) {
        return -1;
    }
    return is_far(sched, next, coarse, GREEN__NS_PER_S)
               ? green__clock_ms_until(next - GREEN__TICK_NS, coarse)
               : green__clock_ms_until(next, green__clock_now());
}

/** A look begins: how long has the outside world waited for it? */
static void
count_look(struct green__sched *sched, uint64_t coarse)
{
    struct green__counts *counts = &sched->counts;
    uint64_t last = atomic_load_explicit(&sched->stamp, memory_order_relaxed);
    uint64_t lag = coarse - last;
    green__count(&counts->turns);
    green__count_set(&counts->ready, green__sched_ready_count(sched));
    green__count_most(&counts->ready_max, green__sched_ready_count(sched));
    green__count_set(&counts->lag_ns, lag);
    green__count_most(&counts->lag_max_ns, lag);
}

/** Look at the outside world, and wait for it when nobody is ready. */
static void
turn(struct green__sched *sched)
{
    sched->look_at = green__sched_switches(sched) + SWITCHES_PER_TURN;
    sched->round_end = NULL;
    uint64_t coarse = green__clock_coarse();
    int timeout_ms = poll_timeout(sched, coarse);
    count_look(sched, coarse);
    if (timeout_ms < 0 && green__quiet_look(sched)) {
        timeout_ms = 0;
    }
    if (sched->seeded) {
        timeout_ms = green__seed_look(sched, timeout_ms);
    }
    if (timeout_ms != 0 || sched->poller->watched > 0 || sched->uv_requests > 0 ||
        sched->uv_touched) {
        atomic_store_explicit(&sched->waiting, true, memory_order_relaxed);
        sched->poller->wait(sched->poller, timeout_ms);
        atomic_store_explicit(&sched->waiting, false, memory_order_relaxed);
    }
    if (sched->seeded) {
        green__seed_looked(sched);
    }
    coarse = green__clock_coarse();
    green__count_set(&sched->stamp, coarse);
    if (atomic_load_explicit(&sched->errands, memory_order_relaxed) != NULL) {
        green__errand_run_all(sched);
    }
    green__sched_take_inbox(sched);
    expire_timers(sched, coarse);
    if (sched->dormitory != NULL && green__hibernate_due(sched)) {
        green__hibernate_sweep(sched);
    }
    if (atomic_load_explicit(&sched->host->attention, memory_order_relaxed) != 0) {
        green__wait_heed(sched->host);
    }
}

/** Run others until the host is due. Not part of its caller, who would save registers for it at
 * every switch. */
__attribute__((noinline)) static void
run(struct green__sched *sched)
{
    struct green_job *host = sched->host;
    for (;;) {
        struct green_job *job;
        while ((job = green__sched_next(sched)) != NULL) {
            if (job == host) {
                return;
            }
            switch_to(host, job);
            if (host->state == GREEN__RUNNING) { /* a task has taken it from the run queue */
                return;
            }
        }
        turn(sched);
    }
}

/** Whoever gives up the processor, and whoever is next. */
__attribute__((noinline)) static void
switch_from_any(struct green__sched *sched, struct green_job *self)
{
    if (green__sched_on_leave != NULL) {
        green__sched_on_leave(self);
    }
    if (self == sched->host) {
        run(sched);
        return;
    }
    struct green_job *next = green__sched_next_of_any(sched);
    if (next != self) {
        switch_to(self, next != NULL ? next : sched->host);
    }
}

/* From one of few tasks to another it calls nothing on the way, so that no registers are saved for
 * that. */
void
green__sched_switch(struct green__sched *sched, struct green_job *self)
{
    struct green_job *next = sched->ready_first;
    if (self == sched->host && green__sched_on_leave == NULL) {
        run(sched);
        return;
    }
    if (!green__sched_is_due(sched, next) || next == self || next->asleep || self->save_fpu ||
        green__sched_crowded(sched) || green__sched_on_leave != NULL) {
        switch_from_any(sched, self);
        return;
    }
    green__sched_take(sched, next);
    switch_plainly(self, next);
}

/** Calls in a row that a worker may make without having to wait. */
#define CALLS_PER_STREAK 16

/** What a streak costs of the turn: its calls take far longer than a switch. */
#define SWITCHES_PER_STREAK 64

void
green__sched_pace(struct green_job *self)
{
    if (++self->streak < CALLS_PER_STREAK || self->callbacks > 0) {
        return;
    }
    struct green__sched *sched = green__sched_own;
    self->streak = 0;
    sched->look_at -= sched->look_at < SWITCHES_PER_STREAK ? sched->look_at : SWITCHES_PER_STREAK;
    green__sched_ready(self);
    green__sched_switch(sched, self);
}

void
green__sched_stand_back(struct green_job *self)
{
    struct green__sched *sched = green__sched_own;
    self->streak = 0;
    green__sched_ready(self);
    if (sched->round_end == NULL) {
        sched->round_end = self;
    }
    green__sched_switch(sched, self);
}
