/*
 * Executors: making and ending them, submitting and cancelling work.
 *
 * Invariant, under the lock: when work is pending, a worker is coming for it, or as many workers as
 * may be are busy, or none could be started and `hire_error` says why.
 */
#include "job/executor.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "green/timeout.h"

enum {
    TASKS_USUAL = 1024,
    THREADS_USUAL = 32,
};

/* ---- making ---- */

static void
free_executor(struct green_executor *executor)
{
    green__free(executor->name);
    green__free(executor->keep_fds);
    green__free(executor);
}

void
green__executor_put(struct green_executor *executor)
{
    if (atomic_fetch_sub_explicit(&executor->references, 1, memory_order_acq_rel) == 1) {
        free_executor(executor);
    }
}

static int
copy_options(struct green_executor *executor, const struct green_executor_options *options)
{
    executor->early = options->early;
    executor->stack_size = options->stack_size;
    executor->work_per_worker = options->work_per_worker;
    executor->initializer = options->initializer;
    executor->initializer_arg = options->initializer_arg;
    executor->keep_fd_count = options->keep_fd_count;
    executor->keep_fds = green__alloc((options->keep_fd_count + 1) * sizeof(int));
    if (options->name != NULL) {
        executor->name = green__alloc(GREEN__NAME_SIZE);
    }
    if (executor->keep_fds == NULL || (options->name != NULL && executor->name == NULL)) {
        return -ENOMEM;
    }
    if (options->keep_fd_count > 0) {
        memcpy(executor->keep_fds, options->keep_fds, options->keep_fd_count * sizeof(int));
    }
    if (options->name != NULL) {
        size_t length = strnlen(options->name, GREEN__NAME_SIZE - 1);
        memcpy(executor->name, options->name, length);
        executor->name[length] = '\0';
    }
    return 0;
}

static unsigned
usual_limit(enum green_kind kind)
{
    if (kind == GREEN_PROCESS) {
        long processors = sysconf(_SC_NPROCESSORS_ONLN);
        return processors > 0 ? (unsigned)processors : 1;
    }
    return kind == GREEN_TASK ? TASKS_USUAL : THREADS_USUAL;
}

/** Wait until the early workers are there. */
static int
await_early(struct green_executor *executor)
{
    green__lock(&executor->lock);
    while (!executor->hired_early) {
        int err = green__wait_in(&executor->lock, &executor->creators, green__self(), GREEN_FOREVER,
                                 "the workers of an executor");
        if (err != 0) {
            green__unlock(&executor->lock);
            return err;
        }
        green__lock(&executor->lock);
    }
    int err = executor->workers < executor->limit ? executor->hire_error : 0;
    green__unlock(&executor->lock);
    return err;
}

int
green_executor_create(enum green_kind kind, unsigned limit,
                      const struct green_executor_options *options,
                      struct green_executor **ret_executor)
{
    static const struct green_executor_options defaults = GREEN_EXECUTOR_OPTIONS;
    if (kind != GREEN_TASK && kind != GREEN_THREAD && kind != GREEN_PROCESS) {
        return -EINVAL;
    }
    struct green_executor *executor = green__alloc_zeroed(sizeof *executor);
    if (executor == NULL) {
        return -ENOMEM;
    }
    green__list_init(&executor->idle);
    green__list_init(&executor->hiring);
    green__list_init(&executor->pending);
    green__list_init(&executor->creators);
    executor->kind = kind;
    executor->limit = limit != 0 ? limit : usual_limit(kind);
    executor->pid = getpid();
    green_group_init(&executor->crew, 0);
    executor->crew.keep_going = true;
    atomic_init(&executor->references, 1);
    int err = copy_options(executor, options != NULL ? options : &defaults);
    if (err == 0) {
        err = green__executor_staff(executor);
    }
    if (err == 0 && executor->early) {
        err = await_early(executor);
    }
    if (err != 0) {
        green_executor_destroy(executor);
        return err;
    }
    *ret_executor = executor;
    return 0;
}

/* ---- work ---- */

static struct green__work *
work_of(struct green_future *future)
{
    return GREEN__CONTAINER(future, struct green__work, future);
}

static void
release_work(struct green_future *future)
{
    struct green__work *work = work_of(future);
    green__future_fini(future);
    green__executor_put(work->executor);
    green__free(work);
}

/** Cancel a work that no worker has; the executor's reference goes. */
static void
drop_work(struct green__work *work, int err)
{
    struct green__outcome outcome = {.err = err};
    green__future_settle(&work->future, &outcome);
    green_future_put(&work->future);
}

/** Take a work out of the pending ones; the lock is held. */
static void
unlist(struct green_executor *executor, struct green__work *work)
{
    green__list_remove(&work->link);
    executor->pending_count--;
    work->state = GREEN__WORK_OVER;
    if (executor->shut && executor->pending_count == 0) {
        green__executor_wake_all(&executor->hiring);
    }
}

/** What green_future_cancel() does for a work. */
static int
cancel_work(struct green_future *future)
{
    struct green__work *work = work_of(future);
    struct green_executor *executor = work->executor;
    if (executor->pid != getpid()) {
        return -ECHILD;
    }
    green__lock(&executor->lock);
    int result = -EALREADY;
    if (work->state == GREEN__WORK_PENDING) {
        unlist(executor, work);
        result = 0;
    } else if (work->state == GREEN__WORK_RUNNING) {
        struct green__crewman *crewman = work->crewman;
        crewman->cancelled = true;
        if (crewman->child.job != NULL) {
            green_job_terminate(crewman->child.job, SIGKILL);
        } else {
            green_job_cancel(crewman->job);
        }
        result = -EINPROGRESS;
    }
    green__unlock(&executor->lock);
    if (result == 0) {
        drop_work(work, -ECANCELED);
    }
    return result;
}

void
green__executor_cancel_pending(struct green_executor *executor, bool shut)
{
    for (;;) {
        green__lock(&executor->lock);
        executor->shut |= shut;
        struct green__work *work = NULL;
        if (!green__list_empty(&executor->pending)) {
            work = GREEN__CONTAINER(executor->pending.next, struct green__work, link);
            unlist(executor, work);
        }
        green__unlock(&executor->lock);
        if (work == NULL) {
            return;
        }
        drop_work(work, -ECANCELED);
    }
}

/** Put a work in line, and see to it that somebody does it. */
static int
enqueue(struct green_executor *executor, struct green__work *work)
{
    green__lock(&executor->lock);
    if (executor->shut) {
        int refusal = executor->broken ? -ENOTRECOVERABLE : -EPIPE;
        green__unlock(&executor->lock);
        return refusal;
    }
    green_future_get(&work->future);
    green__list_append(&executor->pending, &work->link);
    executor->pending_count++;
    int err = green__executor_hire(executor);
    if (err != 0 && work->state == GREEN__WORK_PENDING) {
        unlist(executor, work);
        green__unlock(&executor->lock);
        green_future_put(&work->future);
        return err;
    }
    green__unlock(&executor->lock);
    return 0;
}

int
green__executor_submit(struct green_executor *executor, const struct green__work_plan *plan,
                       struct green_future **ret_future)
{
    size_t size = plan->size;
    int err = executor->pid != getpid() ? -ECHILD : 0;
    struct green__work *work = NULL;
    if (err == 0 &&
        (size > SIZE_MAX - sizeof *work || (work = green__alloc(sizeof *work + size)) == NULL)) {
        err = -ENOMEM;
    }
    if (err != 0) {
        green__free(plan->hook);
        return err;
    }
    green__future_init(&work->future, cancel_work, release_work);
    green__list_init(&work->link);
    work->executor = executor;
    atomic_fetch_add_explicit(&executor->references, 1, memory_order_relaxed);
    work->crewman = NULL;
    work->state = GREEN__WORK_PENDING;
    work->entry = plan->entry;
    work->transform = plan->transform;
    work->size = size;
    work->arg = size > 0 || plan->transform != NULL ? work->copy : plan->arg;
    if (size > 0) {
        memcpy(work->copy, plan->arg, size);
    }
    if (plan->hook != NULL) {
        green__future_hook(&work->future, plan->hook);
    }
    err = enqueue(executor, work);
    if (err != 0 || ret_future == NULL) {
        green_future_put(&work->future);
    } else {
        *ret_future = &work->future;
    }
    return err;
}

int
green_executor_submit(struct green_executor *executor, green_entry entry, void *arg, size_t size,
                      struct green_future **ret_future)
{
    struct green__work_plan plan = {.entry = entry, .arg = arg, .size = size};
    return green__executor_submit(executor, &plan, ret_future);
}

int
green_executor_submit_bytes(struct green_executor *executor, green_transform transform,
                            const void *data, size_t size, struct green_future **ret_future)
{
    struct green__work_plan plan = {
        .transform = transform, .arg = (void *)(uintptr_t)data, .size = size};
    return green__executor_submit(executor, &plan, ret_future);
}

/* ---- ending ---- */

int
green_executor_shutdown(struct green_executor *executor, bool cancel_pending,
                        green_deadline deadline)
{
    if (executor->pid != getpid()) {
        return -ECHILD;
    }
    green__lock(&executor->lock);
    executor->shut = true;
    green__executor_wake_all(&executor->hiring);
    green__executor_wake_all(&executor->idle);
    green__unlock(&executor->lock);
    if (cancel_pending) {
        green__executor_cancel_pending(executor, true);
    }
    return green__group_wait(&executor->crew, deadline);
}

void
green_executor_destroy(struct green_executor *executor)
{
    if (executor == NULL || executor->pid != getpid()) {
        return;
    }
    int err = green_executor_shutdown(executor, false, GREEN_FOREVER);
    if (err != 0) {
        green__executor_cancel_pending(executor, true);
    }
    green_group_fini(&executor->crew);
    green__executor_put(executor);
}
