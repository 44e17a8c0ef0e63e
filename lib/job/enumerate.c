/*
 * Who is there: all workers of the process, of every kind.
 *
 * Invariant: a list's lock is held while it is walked, and references are taken under it, so what
 * is returned is alive or has ended since. Any thread may call.
 */
#include <stdlib.h>

#include "job/job.h"
#include "sched/registry.h"
#include "sched/sched.h"

struct gathering {
    struct green_job **jobs;
    size_t capacity;
    size_t count;
};

static void
gather(struct gathering *gathering, struct green_job *job)
{
    if (gathering->count < gathering->capacity) {
        if (!green__registry_get(job)) {
            return;
        }
        gathering->jobs[gathering->count] = job;
    }
    gathering->count++;
}

static void
gather_other(struct green_job *job, void *arg)
{
    if (job->kind != GREEN_PROCESS || !green__process_gone(job)) {
        gather(arg, job);
    }
}

static void
gather_tasks(struct green__sched *sched, void *arg)
{
    green__lock(&sched->tasks_lock);
    struct green_job *task = NULL;
    while ((task = green__sched_next_task(sched, task)) != NULL) {
        gather(arg, task);
    }
    green__unlock(&sched->tasks_lock);
}

static int
compare_ids(const void *left, const void *right)
{
    const struct green_job *const *one = left;
    const struct green_job *const *other = right;
    return ((*one)->id > (*other)->id) - ((*one)->id < (*other)->id);
}

size_t
green_enumerate(struct green_job **ret_jobs, size_t capacity)
{
    green__self(); /* who calls is one of them */
    struct gathering gathering = {ret_jobs, capacity, 0};
    green__registry_each(gather_other, &gathering);
    green__sched_each(gather_tasks, &gathering, NULL);
    size_t given = gathering.count < capacity ? gathering.count : capacity;
    if (given > 1) {
        qsort(ret_jobs, given, sizeof(struct green_job *), compare_ids);
    }
    return gathering.count;
}

size_t
green_active_count(void)
{
    return green_enumerate(NULL, 0);
}
