/*
 * All workers of the process that are no tasks: threads, those of others included, and processes.
 * The tasks are in their schedulers' lists.
 */
#ifndef GREEN_SCHED_REGISTRY_H
#define GREEN_SCHED_REGISTRY_H

#include "sched/worker.h"

/** List a worker; one that is listed must be removed before its control block goes. */
void green__registry_add(struct green__host *host);

/** One that is not listed is left alone. */
void green__registry_remove(struct green__host *host);

/** Call a function for each listed worker, none of which goes until it returns. It takes no lock
 *  under which workers are added or removed. */
void green__registry_each(void (*call)(struct green_job *job, void *arg), void *arg);

/** Another reference to a listed worker; false when the last was just given back. */
bool green__registry_get(struct green_job *job);

/** Around a fork. In the child only the worker that goes on there is left. */
void green__registry_fork_prepare(void);
void green__registry_fork_parent(void);
void green__registry_fork_child(struct green_job *self);

#endif
