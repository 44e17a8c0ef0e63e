/*
 * Tasks as jobs. A task is spawned on the calling thread's scheduler and stays there.
 */
#include <errno.h>

#include "job/job.h"
#include "sched/sched.h"

int
green__task_spawn(green_entry entry, void *arg, const struct green_spawn_options *options,
                  struct green_job **ret_job)
{
    struct green__sched *sched;
    green__exit_watch();
    int err = green__sched_get(&sched);
    if (err != 0) {
        return err;
    }
    struct green_job *task = green__sched_allocate(sched, entry, arg);
    if (task == NULL) {
        return -ENOMEM;
    }
    task->daemon = options->daemon;
    task->save_fpu = options->save_fpu;
    err = green__job_set_name(task, options);
    /* One is its scheduler's. Counted now: once it is in the scheduler's list, other threads find
     * it. */
    atomic_store_explicit(&task->references, ret_job != NULL ? 2 : 1, memory_order_relaxed);
    if (err == 0) {
        size_t size = options->stack_size == 0 ? GREEN__STACK_DEFAULT : options->stack_size;
        err = size < GREEN__STACK_MIN
                  ? -EINVAL
                  : green__sched_spawn(sched, task, size, options->hibernate_ms);
    }
    if (err != 0) {
        atomic_store_explicit(&task->references, 1, memory_order_relaxed);
        green_job_put(task);
        return err;
    }
    if (ret_job != NULL) {
        *ret_job = task;
    }
    return 0;
}
