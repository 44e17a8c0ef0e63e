/*
 * What the kinds of jobs share inside lib/job.
 */
#ifndef GREEN_JOB_JOB_H
#define GREEN_JOB_JOB_H

#include <stdatomic.h>

#include "green/job.h"
#include "sched/worker.h"

/** Give a job the name of its options, if they have one; 0 or -ENOMEM. */
static inline int
green__job_set_name(struct green_job *job, const struct green_spawn_options *options)
{
    return options->name == NULL ? 0 : green__worker_set_name(job, options->name);
}

/* Each spawns a job of its kind and sets *ret_job to a handle of the caller's, as green_spawn_as().
 */
int green__thread_spawn(green_entry entry, void *arg, const struct green_spawn_options *options,
                        struct green_job **ret_job);
int green__process_spawn(green_entry entry, void *arg, const struct green_spawn_options *options,
                         struct green_job **ret_job);

/* What differs for processes, which are looked at from outside. */
int green__process_join(struct green_job *job, green_deadline deadline);
bool green__process_alive(struct green_job *job);
/** Whether the calling process spawned it. */
bool green__process_ours(const struct green_job *job);
/** As alive, but nobody is told: no hook is called. */
bool green__process_gone(struct green_job *job);
void green__process_cancel(struct green_job *job);

/** Around a fork: whoever attends to processes attends to the parent's. */
void green__attend_fork_prepare(void);
void green__attend_fork_parent(void);
void green__attend_fork_child(void);

/* ---- the end of a process ---- */

extern atomic_bool green__exit_watched;
void green__exit_watch_slow(void);

/** See to it that green__exit_run() is called at exit. */
static inline void
green__exit_watch(void)
{
    if (!atomic_load_explicit(&green__exit_watched, memory_order_relaxed)) {
        green__exit_watch_slow();
    }
}

/** A thread or process is there: list it, and join it before this process ends unless it is a
 *  daemon; a reference is kept until then. */
void green__exit_add(struct green_job *job);

/** Its job has ended by itself. */
void green__exit_remove(struct green_job *job);

/** Wait until threads whose end was told have left, so that no library has a lock of theirs. */
void green__thread_settle(void);

/** None of them is in the child. */
void green__thread_fork_child(void);

/** Let go of processes that have ended and that nobody joined, with their descriptors. */
void green__exit_sweep(void);

/** Join this thread's tasks and all that was added: at exit, and at the end of a process job. */
void green__exit_run(void);

/** Around a fork. In the child nothing is left to join. */
void green__exit_fork_prepare(void);
void green__exit_fork_parent(void);
void green__exit_fork_child(struct green_job *self);

#endif
