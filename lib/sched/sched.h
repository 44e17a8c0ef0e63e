/*
 * The scheduler of one thread: its run queue, its libuv loop, its inbox, its tasks.
 *
 * A scheduler belongs to the thread that made it, and so do its tasks, for ever. Others reach it
 * through the inbox alone.
 */
#ifndef GREEN_SCHED_SCHED_H
#define GREEN_SCHED_SCHED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "base/list.h"
#include "context/stack.h"
#include "sched/timers.h"
#include "sched/worker.h"

/**
 * What waits for the outside world on a scheduler's behalf, libuv's loop included.
 *
 * The default one is uv_run() itself; lib/io puts its readiness engine here.
 */
struct green__poller {
    /** Look for events, for at most timeout_ms (-1: without end), and wake those they concern. */
    void (*wait)(struct green__poller *poller, int timeout_ms);
    /** The scheduler ends: no task is left. */
    void (*destroy)(struct green__poller *poller);
    /** In a forked child: close what the poller holds without touching what is registered there. */
    void (*abandon)(struct green__poller *poller);
    /** Descriptors that are watched; 0 lets a scheduler that is busy skip the look. */
    size_t watched;
};

struct green__errand;

/** The lists of a scheduler's tasks. */
enum green__tasks {
    GREEN__PLAIN,
    GREEN__DROWSY, /**< Those that are awake and may hibernate. */
    GREEN__SORTS,
};

/** What a scheduler counts, for people: written by its own thread, read by any. */
struct green__counts {
    atomic_uint_fast64_t turns;
    atomic_uint_fast64_t switches; /**< Workers taken from the run queue. */
    atomic_uint_fast64_t spawns;
    atomic_uint_fast64_t ends;
    atomic_uint_fast64_t parks;
    atomic_uint_fast64_t inbox_wakes;
    atomic_uint_fast64_t ready; /**< The run queue's length at the last turn. */
    atomic_uint_fast64_t ready_max;
    atomic_uint_fast64_t lag_ns; /**< From one look at the outside world to the next. */
    atomic_uint_fast64_t lag_max_ns;
    atomic_uint_fast64_t high_water; /**< Of stacks, in bytes. */
};

/** Not an atomic operation: nobody else writes. */
static inline void
green__count_set(atomic_uint_fast64_t *count, uint64_t value)
{
    atomic_store_explicit(count, value, memory_order_relaxed);
}

/** One more; returns how many. */
static inline uint64_t
green__count(atomic_uint_fast64_t *count)
{
    uint64_t value = atomic_load_explicit(count, memory_order_relaxed) + 1;
    green__count_set(count, value);
    return value;
}

static inline void
green__count_most(atomic_uint_fast64_t *most, uint64_t value)
{
    if (value > atomic_load_explicit(most, memory_order_relaxed)) {
        green__count_set(most, value);
    }
}

struct green__sched {
    struct green_job *ready_first;
    struct green_job **ready_end; /**< Where the next one is to stand. */
    uint64_t readied;             /**< So many were put into the run queue. */
    uint64_t look_at; /**< So many switches in all, and it is time to look at the outside world. */
    struct green_job *scout; /**< The last of those in the run queue that were fetched. */
    unsigned scouted;        /**< How many those are, the next one first. */
    unsigned walked;         /**< Of how many of them the stack's page was looked up. */
    struct green_job
        *round_end;  /**< The first who stood back in this round: its turn comes after the look. */
    bool ending;     /**< The thread waits for its last task. */
    bool seeded;     /**< A deterministic run: it is always time to look. */
    bool uv_touched; /**< uv_run() has not seen the newest handles yet. */
    atomic_bool waiting;           /**< For the outside world. */
    atomic_bool abandoned;         /**< A forked child's copy of one of its parent's. */
    struct green__lock tasks_lock; /**< Others read `tasks`: it changes with the lock held. */
    struct green_job *host;
    struct green_job
        *leftover; /**< A task that has ended and whose stack nobody runs on any more. */
    atomic_uint_fast64_t stamp; /**< The time of the last look at the outside world, to a tick. */
    struct green__counts counts;
    struct green__timers timers;
    struct green__poller *poller;
    struct green__stack_pool *stacks;
    struct green__dormitory *dormitory; /**< NULL until a task may hibernate. */
    struct green_job *free_jobs;        /**< Control blocks that nobody refers to. */
    size_t free_job_count;
    size_t stack_count;                     /**< Of tasks, the kept ones included. */
    struct green__list tasks[GREEN__SORTS]; /**< See green__sched_next_task(). */
    size_t task_count;
    size_t daemon_count; /**< Of those, the daemons. */
    size_t outside;      /**< Workers that wait for the outside world. */
    size_t uv_requests;  /**< Requests of libuv under way: keep the host in the loop. */
    void *io;            /**< lib/io's. */

    /* Of a seeded one. */
    unsigned seed_budget;     /**< Picks left before the next look at the outside world. */
    uint64_t seed_digest;     /**< Of all choices so far. */
    uint64_t seed_began;      /**< Virtual. */
    uint64_t seed_wait_began; /**< Real, during a look that may wait; else 0. */

    uint64_t watched_switches; /**< These two are the monitor's: see debug/monitor.c. */
    uint64_t watched_since;

    _Atomic(struct green__errand *) errands;
    _Atomic(struct green_job *) inbox;
    atomic_uint holders; /**< Other threads that are about to ring: the scheduler outlives them. */
    uv_loop_t loop;
    uv_async_t async;
    uv_timer_t wait_timer; /**< Bounds uv_run() when that is the poller. */
    struct green__poller uv_poller;
    struct green__list registered; /**< Of all schedulers of the process. */
    bool unlisted;                 /**< Ends: a forked child alone still looks at it. */
};

/**
 * The calling thread's scheduler; NULL while it has none.
 *
 * Also what its workers' `sched` is, but where the processor has to know it to go on, this does not
 * have to wait until it is known who runs.
 */
extern __thread struct green__sched *green__sched_own __attribute__((tls_model("initial-exec")));

int green__sched_make(struct green_job *host);

/** The calling thread's scheduler, made on first use; 0 or -ENOMEM, -EMFILE, ... */
static inline int
green__sched_get(struct green__sched **ret_sched)
{
    int err = green__sched_own != NULL ? 0 : green__sched_make(green__self());
    if (err == 0) {
        *ret_sched = green__sched_own;
    }
    return err;
}

/** Its libuv loop, about to get a handle or request. */
uv_loop_t *green__sched_uv(struct green__sched *sched);

/** Let libuv's callbacks run without waiting. */
void green__sched_uv_run(struct green__sched *sched);

/** The smaller of a poller's timeout and what libuv's own timers allow. */
int green__sched_uv_timeout(struct green__sched *sched, int timeout_ms);

/**
 * Make a task, and give it a place in the run queue.
 *
 * @param ret_task  Set on success, to a reference of the caller's; may be NULL.
 * @return 0, -EINVAL for a stack that is too small, -ENOMEM or -ENOSPC.
 */
int green__sched_spawn(struct green__sched *sched, green_entry entry, void *arg,
                       const struct green_spawn_options *options, struct green_job **ret_task);

/** The same with the usual options and without a name; `site` is where in the program that is. */
int green__sched_spawn_plain(struct green__sched *sched, green_entry entry, void *arg,
                             const void *site, struct green_job **ret_task);

/** A task's control block that nobody refers to any more. On its own thread, or another one. */
void green__sched_release(struct green_job *task);

/** See to what the task that ended last left behind. Never on that task's stack. */
void green__sched_sweep(struct green__sched *sched);

/** The scheduler ends: free the control blocks that are kept, while there are the stacks. */
void green__sched_free_tasks(struct green__sched *sched);

/**
 * The task behind this one, the first for NULL; NULL behind the last. On the scheduler's own
 * thread, or with `tasks_lock` held.
 */
struct green_job *green__sched_next_task(const struct green__sched *sched,
                                         const struct green_job *task);

/** Have a task stand first in another one of the lists. */
void green__sched_move_task(struct green__sched *sched, struct green_job *task,
                            enum green__tasks to);

/** Put a worker of this thread, new or parked, into the run queue. */
static inline void
green__sched_ready(struct green_job *job)
{
    struct green__sched *sched = green__sched_own;
    job->state = GREEN__READY;
    job->next = NULL;
    *sched->ready_end = job;
    sched->ready_end = &job->next;
    sched->readied++;
}

static inline uint64_t
green__sched_switches(const struct green__sched *sched)
{
    return atomic_load_explicit(&sched->counts.switches, memory_order_relaxed);
}

/** The run queue's length. */
static inline size_t
green__sched_ready_count(const struct green__sched *sched)
{
    return (size_t)(sched->readied - green__sched_switches(sched));
}

/** Whether it is the turn of the first in the run queue: else it is empty, or it is time to look
 * outside, or another one is chosen. */
static inline bool
green__sched_is_due(const struct green__sched *sched, const struct green_job *first)
{
    return first != NULL && first != sched->round_end &&
           green__sched_switches(sched) < sched->look_at;
}

/** Take it. */
static inline void
green__sched_take(struct green__sched *sched, struct green_job *first)
{
    green__count(&sched->counts.switches);
    sched->ready_first = first->next;
    if (sched->ready_first == NULL) {
        sched->ready_end = &sched->ready_first;
    }
    first->state = GREEN__RUNNING;
}

#define GREEN__LINE 64 /**< Of the cache. */

/** With more tasks than this, what the next one touches is not sure to be in a nearby cache. */
#define GREEN__CROWD 32

static inline bool
green__sched_crowded(const struct green__sched *sched)
{
    return sched->task_count > GREEN__CROWD;
}

/** See green__sched_next(). */
struct green_job *green__sched_next_of_any(struct green__sched *sched);

/** Take the next worker from the run queue; NULL when there is none or when it is time to look
 * outside. */
static inline struct green_job *
green__sched_next(struct green__sched *sched)
{
    struct green_job *first = sched->ready_first;
    if (!green__sched_is_due(sched, first) || green__sched_crowded(sched)) {
        return green__sched_next_of_any(sched);
    }
    green__sched_take(sched, first);
    return first;
}

/** Have the part of a control block brought near that a switch or a wait touches. */
static inline void
green__sched_fetch(const struct green_job *job)
{
    const char *block = (const char *)job;
    __builtin_prefetch(block);
    __builtin_prefetch(block + GREEN__LINE);
    __builtin_prefetch(block + offsetof(struct green_job, waits_since));
}

/** Of a parked stack, what a worker that goes on touches at once, in lines of the cache: above,
 * what it returns to; below, what it calls then. A few: the processor waits if asked for many more.
 */
#define GREEN__LINES_ABOVE 12
#define GREEN__LINES_BELOW 3

/** The same for its stack, once the control block is near. */
static inline void
green__sched_fetch_stack(const struct green_job *job)
{
    const char *stack = job->context.sp;
    for (int line = -GREEN__LINES_BELOW; line < GREEN__LINES_ABOVE; line++) {
        __builtin_prefetch(stack + line * GREEN__LINE);
    }
}

/** Give up the processor: the worker is parked, or in the run queue, and returns when it is next.
 */
void green__sched_switch(struct green__sched *sched, struct green_job *self);

/** Let another thread's worker know that its `attention` has new bits. */
void green__sched_post(struct green_job *task);

/**
 * A worker has made a call that could have waited and did not: after some of these it yields, so
 * that one whose descriptors are always ready keeps neither the others nor the outside world
 * waiting.
 */
void green__sched_pace(struct green_job *self);

/**
 * Stand at the end of the run queue, and come back after a look at the outside world at the
 * earliest: whoever was waiting when we did so is in the queue before us, or right behind.
 */
void green__sched_stand_back(struct green_job *self);

/** Heed what others have left for this thread's tasks, in the order of their coming. */
void green__sched_take_inbox(struct green__sched *sched);

/** Keep the scheduler that a thread's own worker runs, if any, until it is rung. Any thread. */
struct green__sched *green__sched_hold(struct green_job *host);

/** Wake a scheduler that is held from its wait, and let go of it. Any thread; async-signal-safe. */
void green__sched_ring(struct green__sched *sched);

/** Wait until no task is left; daemons are cancelled once they are among themselves. On the host's
 *  stack. */
void green__sched_finish(struct green__sched *sched);

/** Unmake it. No task is left. */
void green__sched_destroy(struct green__sched *sched);

/**
 * Call a function for each scheduler of the process, which stays until it returns.
 *
 * @param ret_ended  Set to what those that have ended had counted; may be NULL.
 */
void green__sched_each(void (*call)(struct green__sched *sched, void *arg), void *arg,
                       struct green__counts *ret_ended);

/** Called before a worker gives up the processor, where somebody wants to know; else NULL. */
extern void (*green__sched_on_leave)(const struct green_job *self);

/** lib/debug's: a scheduler was made. What it does is for the environment to say. */
void green__debug_loop_made(void);

/** Around a fork, and around what makes or closes a loop's descriptors: the child closes those of
 *  the schedulers that it finds. */
void green__sched_fork_prepare(void);
void green__sched_fork_parent(void);

/** In a forked child: all schedulers are the parent's; close their descriptors, forget them. */
void green__sched_fork_child(void);

#endif
