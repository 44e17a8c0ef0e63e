/*
 * Job handles: what all kinds have in common.
 *
 * Invariant: `value` is set once, before `ended`, under the lock of those who join. Any thread may
 * call; what suspends parks or blocks the calling worker alone.
 */
#include "job/job.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "sched/graph.h"
#include "sched/sched.h"
#include "sched/wait.h"

static const struct green_spawn_options defaults = GREEN_SPAWN_OPTIONS;

/** The scheduler that the calling thread spawns tasks on; 0 or an error of making it. */
static inline int
get_sched(struct green__sched **ret_sched)
{
    green__exit_watch();
    return green__sched_get(ret_sched);
}

/** A task stays on the calling thread's scheduler. */
static int
spawn_task(green_entry entry, void *arg, const struct green_spawn_options *options,
           struct green_job **ret_job)
{
    struct green__sched *sched;
    int err = get_sched(&sched);
    return err != 0 ? err : green__sched_spawn(sched, entry, arg, options, ret_job);
}

int
green_spawn_as(enum green_kind kind, green_entry entry, void *arg,
               const struct green_spawn_options *options, struct green_job **ret_job)
{
    if (options == NULL) {
        options = &defaults;
    }
    if (green__spawn_site == NULL) {
        GREEN__SPAWNED_BY_CALLER();
    }
    struct green_job *job = NULL;
    int err = -EINVAL;
    switch (kind) {
    case GREEN_TASK:
        err = spawn_task(entry, arg, options, ret_job != NULL ? &job : NULL);
        break;
    case GREEN_THREAD:
        err = green__thread_spawn(entry, arg, options, &job);
        break;
    case GREEN_PROCESS:
        err = green__process_spawn(entry, arg, options, &job);
        break;
    }
    green__spawn_site = NULL;
    if (err != 0) {
        return err;
    }
    if (ret_job != NULL) {
        *ret_job = job;
    } else {
        green_job_put(job);
    }
    return 0;
}

/** A thread's first task, or a process's. */
__attribute__((noinline)) static int
spawn_first(green_entry entry, void *arg, const void *site, struct green_job **ret_job)
{
    struct green__sched *sched;
    int err = get_sched(&sched);
    return err != 0 ? err : green__sched_spawn_plain(sched, entry, arg, site, ret_job);
}

int
green_spawn(green_entry entry, void *arg, struct green_job **ret_job)
{
    const void *site = __builtin_return_address(0);
    struct green__sched *sched = green__sched_own;
    if (sched == NULL || !atomic_load_explicit(&green__exit_watched, memory_order_relaxed)) {
        return spawn_first(entry, arg, site, ret_job);
    }
    return green__sched_spawn_plain(sched, entry, arg, site, ret_job);
}

int
green_job_join(struct green_job *job, intptr_t *ret_value, green_deadline deadline)
{
    struct green_job *self = green__self();
    if (job == self) {
        green__graph_own(self, (const uintptr_t *)(void *)job, GREEN__WANT_END, deadline);
        return -EDEADLK;
    }
    int err = green__wait_check(self);
    if (err != 0) {
        return err;
    }
    if (job->kind == GREEN_PROCESS) {
        err = green__process_join(job, deadline);
    } else {
        green__waitq_lock(&job->end);
        if (job->ended) {
            green__waitq_unlock(&job->end);
        } else {
            err = green__wait_for_owner(&job->end, (const uintptr_t *)(void *)job, GREEN__WANT_END,
                                        self, deadline, "the end of a job");
            if (err != 0) {
                green__waitq_unlock(&job->end);
            }
        }
    }
    if (err == 0 && ret_value != NULL) {
        *ret_value = job->value;
    }
    return err;
}

void
green_job_cancel(struct green_job *job)
{
    const struct green_job *self = green__running;
    if (job == self || (self != NULL && self->sched != NULL && job == self->sched->host)) {
        green__wait_cancel(job); /* no lock: this may be a signal handler, and we do not end */
        return;
    }
    if (job->kind == GREEN_PROCESS) {
        green__process_cancel(job);
        return;
    }
    green__waitq_lock(&job->end);
    if (!job->ended) {
        green__wait_cancel(job);
    }
    green__waitq_unlock(&job->end);
}

bool
green_job_alive(struct green_job *job)
{
    if (job->kind == GREEN_PROCESS && job != green__running) {
        return green__process_alive(job);
    }
    green__waitq_lock(&job->end);
    bool alive = !job->ended;
    green__waitq_unlock(&job->end);
    return alive;
}

enum green_kind
green_job_kind(const struct green_job *job)
{
    return (enum green_kind)job->kind;
}

uint64_t
green_job_id(const struct green_job *job)
{
    return job->id;
}

struct green_job *
green_self(void)
{
    return green__self();
}

void
green_yield(void)
{
    struct green_job *self = green__self();
    if (green__wait_in_kernel(self)) {
        sched_yield();
        return;
    }
    green__wait_forbid(self, "others to run");
    green__sched_ready(self);
    green__sched_switch(green__sched_own, self);
}

int
green_sleep(uint64_t ms)
{
    struct green_job *self = green__self();
    int err = green__wait_check(self);
    if (err != 0) {
        return err;
    }
    if (ms == 0) {
        green_yield();
        return 0;
    }
    green_deadline until = green_after(ms);
    bool own = green__wait_limit(self, until) == until;
    green__wait_begin(self);
    err = green__wait_park(self, until, "a time to pass");
    return err == -ETIMEDOUT && own ? 0 : err;
}
