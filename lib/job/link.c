/*
 * Links: what is called when a job ends, and what is made of that: joining several, spawning later.
 *
 * Invariant: a hook is called once, or was never taken. Any thread may call.
 */
#include <errno.h>

#include "base/alloc.h"
#include "job/hook.h"
#include "job/job.h"
#include "sched/wait.h"

bool
green__job_hook_attended(struct green_job *job, struct green__hook *hook,
                         struct green__visit *visit)
{
    bool hooked = (visit == NULL || green_job_alive(job)) && green__worker_hook(job, hook);
    if (visit != NULL) {
        green__attend_use(visit, hooked ? job : NULL);
    }
    return hooked;
}

int
green__job_hook(struct green_job *job, struct green__hook *hook)
{
    bool process = job->kind == GREEN_PROCESS && job != green__self();
    struct green__visit *visit = NULL;
    if (process && !green__process_ours(job)) {
        return -ECHILD;
    }
    if (process && green_job_alive(job)) {
        int err = green__attend_reserve(&visit);
        if (err != 0) {
            return err;
        }
    } else if (process) {
        return 0;
    }
    return green__job_hook_attended(job, hook, visit);
}

/* ---- on_exit ---- */

struct callback {
    struct green__hook hook;
    green_exit_callback function;
    void *arg;
};

static void
run_callback(struct green__hook *hook, void *source)
{
    struct callback *callback = GREEN__CONTAINER(hook, struct callback, hook);
    struct green_job *job = source;
    callback->function(job, job->value, green__job_error(job), callback->arg);
    green__free(callback);
}

int
green_job_on_exit(struct green_job *job, green_exit_callback callback, void *arg)
{
    struct callback *made = green__alloc(sizeof *made);
    if (made == NULL) {
        return -ENOMEM;
    }
    green__list_init(&made->hook.link);
    made->hook.run = run_callback;
    made->function = callback;
    made->arg = arg;
    int hooked = green__job_hook(job, &made->hook);
    if (hooked == 0) {
        green__hook_call(&made->hook, job);
    } else if (hooked < 0) {
        green__free(made);
        return hooked;
    }
    return 0;
}

/* ---- several jobs ---- */

int
green_joinall(struct green_job *const *jobs, size_t count, green_deadline deadline)
{
    for (size_t i = 0; i < count; i++) {
        int err = jobs[i] == NULL ? 0 : green_job_join(jobs[i], NULL, deadline);
        if (err != 0 && err != -EOWNERDEAD) {
            return err;
        }
    }
    return 0;
}

static int
hook_job(void *source, struct green__hook *hook)
{
    return source == green__self() ? -EDEADLK : green__job_hook(source, hook);
}

static bool
unhook_job(void *source, struct green__hook *hook)
{
    return green__worker_unhook(source, hook);
}

static bool
job_failed(void *source)
{
    const struct green_job *job = source;
    return job->lost || green__is_error(job->value);
}

int
green_join_any(struct green_job *const *jobs, size_t count, size_t *ret_index,
               green_deadline deadline)
{
    static const struct green__sources how = {hook_job, unhook_job, job_failed, "the end of a job"};
    size_t index;
    int err = green__gather((void *const *)jobs, count, &how, GREEN__UNTIL_FIRST, &index, deadline);
    if (err != 0) {
        return err;
    }
    if (index == count) {
        return -EINVAL;
    }
    *ret_index = index;
    return 0;
}

/* ---- later ---- */

struct later {
    struct green__hook hook;
    uint64_t ms;
    green_entry entry;
    void *arg;
};

static intptr_t
run_later(void *arg)
{
    const struct later *later = arg;
    int err = green_sleep(later->ms);
    return err != 0 ? err : later->entry(later->arg);
}

/** A task that never ran has it freed too. */
static void
free_later(struct green__hook *hook, void *job)
{
    (void)job;
    green__free(GREEN__CONTAINER(hook, struct later, hook));
}

int
green_spawn_later(uint64_t ms, green_entry entry, void *arg, struct green_job **ret_job)
{
    struct later *later = green__alloc(sizeof *later);
    if (later == NULL) {
        return -ENOMEM;
    }
    *later = (struct later){.hook = {.run = free_later}, .ms = ms, .entry = entry, .arg = arg};
    struct green_job *job;
    GREEN__SPAWNED_BY_CALLER();
    int err = green_spawn_as(GREEN_TASK, run_later, later, NULL, &job);
    if (err != 0) {
        green__free(later);
        return err;
    }
    green__worker_hook(job, &later->hook); /* it has not run yet */
    if (ret_job != NULL) {
        *ret_job = job;
    } else {
        green_job_put(job);
    }
    return 0;
}
