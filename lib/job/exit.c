/*
 * What a process waits for before it ends: its threads and child processes, daemons aside.
 *
 * Invariant: the list, guarded by its lock, has every job that was started and must be joined; it
 * keeps a reference to each. In a forked child the list is empty, since the child has none of them.
 */
#include <pthread.h>
#include <stdlib.h>

#include "job/job.h"
#include "sched/graph.h"
#include "sched/registry.h"
#include "sched/sched.h"

atomic_bool green__exit_watched;

static struct green__lock lock;
static struct green__list pending = GREEN__LIST(pending);
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
register_at_exit(void)
{
    atexit(green__exit_run);
    atomic_store_explicit(&green__exit_watched, true, memory_order_relaxed);
}

void
green__exit_watch_slow(void)
{
    pthread_once(&once, register_at_exit);
}

void
green__exit_add(struct green_job *job)
{
    green__registry_add(green__host_of(job));
    if (job->daemon) {
        return;
    }
    green__exit_watch();
    green_job_get(job);
    green__lock(&lock);
    green__list_append(&pending, &job->member);
    green__unlock(&lock);
}

void
green__exit_remove(struct green_job *job)
{
    green__registry_remove(green__host_of(job));
    green__lock(&lock);
    bool listed = !green__list_empty(&job->member);
    green__list_remove(&job->member);
    green__unlock(&lock);
    if (listed) {
        green_job_put(job);
    }
}

void
green__exit_sweep(void)
{
    struct green__list ended = GREEN__LIST(ended);
    green__lock(&lock);
    struct green__list *link = pending.next;
    while (link != &pending) {
        struct green_job *job = GREEN__CONTAINER(link, struct green_job, member);
        link = link->next;
        if (job->kind == GREEN_PROCESS && green__process_gone(job)) {
            green__list_remove(&job->member);
            green__list_append(&ended, &job->member);
        }
    }
    /* In that list too they may be joined, and so removed, by others: one at a time. */
    while ((link = green__list_shift(&ended)) != NULL) {
        struct green_job *job = GREEN__CONTAINER(link, struct green_job, member);
        green__unlock(&lock);
        green__process_alive(job); /* its hooks may do what takes our lock */
        green_job_put(job);
        green__lock(&lock);
    }
    green__unlock(&lock);
}

void
green__exit_run(void)
{
    struct green_job *self = green__self();
    if (self->sched != NULL && self->kind != GREEN_TASK) {
        green__sched_finish(self->sched);
    }
    for (;;) {
        green__lock(&lock);
        struct green__list *link = green__list_shift(&pending);
        green__unlock(&lock);
        if (link == NULL) {
            return;
        }
        struct green_job *job = GREEN__CONTAINER(link, struct green_job, member);
        struct green_shield shield;
        green_shield_start(&shield);
        green_job_join(job, NULL, GREEN_FOREVER); /* not ourselves: exit() in a thread */
        green_shield_stop(&shield);
        green_job_put(job);
    }
}

void
green__exit_fork_prepare(void)
{
    green__lock(&lock);
    green__registry_fork_prepare();
    green__graph_fork_prepare();
}

void
green__exit_fork_parent(void)
{
    green__graph_fork_parent();
    green__registry_fork_parent();
    green__unlock(&lock);
}

void
green__exit_fork_child(struct green_job *self)
{
    green__graph_fork_child();
    green__registry_fork_child(self);
    green__list_init(&pending);
    green__unlock(&lock);
}
