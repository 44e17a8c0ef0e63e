/*
 * Hibernation: the stacks of tasks that have long waited for a descriptor move out of the way.
 *
 * What of such a stack is alive goes into a compact image, and its pages back to the kernel. Both
 * return to the same addresses before the task runs again: the switch sees to it. A task is taken
 * only if that was promised for it at its spawn, and only while it waits in a call that says, by
 * green__hibernate_allow(), that nobody else has a pointer into the stack meanwhile, neither a
 * worker nor the kernel.
 *
 * A module of the scheduler, for its own thread. Builds with sanitizers or for valgrind, which keep
 * books on stacks, never do it.
 */
#ifndef GREEN_SCHED_HIBERNATE_H
#define GREEN_SCHED_HIBERNATE_H

#include <stdbool.h>
#include <stddef.h>

#include "sched/sched.h"

#if !defined(GREEN__ASAN) && !defined(GREEN__TSAN) && !defined(GREEN__VALGRIND)
#define GREEN__HIBERNATES 1
#else
#define GREEN__HIBERNATES 0
#endif

/** Guard the pages of sleeping stacks, so that whoever touches one dies of it; on in builds without
 * optimisation. */
extern bool green__hibernate_guard;

/** A task of this scheduler was spawned with the promise, for when it has waited for so long.
 * Without memory it never hibernates. */
void green__hibernate_enlist(struct green__sched *sched, struct green_job *task,
                             uint64_t hibernate_ms);

/** One that is awake is about to leave the list of those. */
void green__hibernate_leave(struct green__sched *sched, const struct green_job *task);

/** A task ends. */
static inline void
green__hibernate_delist(struct green__sched *sched, struct green_job *task)
{
    if (task->own->hibernate_ms > 0) {
        green__hibernate_leave(sched, task);
        task->own->hibernate_ms = 0;
    }
}

/** Bring the stack back. Not on that stack. */
void green__hibernate_wake(struct green_job *task);

/** Let a parked task that was woken to be looked at go on to hibernate. Not on its stack. */
void green__hibernate_resume(struct green_job *task);

/** Look at some tasks, and let those hibernate that have waited for long enough. On no task's
 * stack, `sched->stamp` being new. */
void green__hibernate_sweep(struct green__sched *sched);

/** Whether it is time to. */
bool green__hibernate_due(const struct green__sched *sched);

/** When to look next; GREEN_FOREVER when nobody is awake who could hibernate. */
green_deadline green__hibernate_next(const struct green__sched *sched);

/** How many tasks hibernate, and the bytes of their images. */
size_t green__hibernate_count(const struct green__sched *sched, size_t *ret_bytes);

/** The scheduler ends: no task is left. */
void green__hibernate_fini(struct green__sched *sched);

/** In the wait that has begun the task may hibernate. */
static inline void
green__hibernate_allow(struct green_job *self)
{
    self->rests = true;
}

#endif
