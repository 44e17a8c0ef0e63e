/*
 * The workers of an executor, and who starts them.
 *
 * Threads are started by whoever submits work or ends. Tasks and children belong to one thread:
 * there the manager starts them, for children a thread of the executor's own, so that they are
 * forked on its stack and looked after whatever the program's threads do.
 *
 * Invariant: every worker that was woken for work or started, and has not looked for it since, is
 * counted in `coming`; a worker takes one work at a time. Lock order: the executor, then its crew,
 * then jobs.
 */
#include <errno.h>

#include "base/alloc.h"
#include "job/executor.h"
#include "job/hook.h"

void
green__executor_wake_all(struct green__list *list)
{
    green__waiters_wake_all(list, NULL);
}

/** Whether one more worker is of use; the lock is held. */
static bool
wants_more(const struct green_executor *executor)
{
    return executor->workers < executor->limit &&
           (executor->pending_count > executor->coming ||
            (executor->early && !executor->hired_early && !executor->broken));
}

/* ---- work ---- */

void
green__outcome_set(struct green__outcome *outcome, intptr_t value, void *bytes, size_t size)
{
    *outcome = (struct green__outcome){0};
    if (green__is_error(value)) {
        outcome->err = (int)value;
        green__free(bytes);
        return;
    }
    outcome->value = value;
    outcome->bytes = bytes;
    outcome->size = size;
}

void
green__work_run(struct green__work *work, struct green__outcome *outcome)
{
    if (work->transform == NULL) {
        green__outcome_set(outcome, work->entry(work->arg), NULL, 0);
        return;
    }
    struct green_result result = {NULL, 0, 0};
    intptr_t value = work->transform(work->arg, work->size, &result);
    green__outcome_set(outcome, value, result.bytes, result.size);
}

/** Run a work that is this worker's, and settle it. False when the worker is done with it. */
static bool
do_work(struct green__crewman *self, struct green__work *work)
{
    struct green_executor *executor = self->executor;
    struct green__outcome outcome;
    bool fit = true;
    if (executor->kind == GREEN_PROCESS) {
        fit = green__child_run(self, work, &outcome);
    } else {
        green__work_run(work, &outcome);
    }
    green__lock(&executor->lock);
    work->state = GREEN__WORK_OVER;
    work->crewman = NULL;
    fit &= !self->cancelled;
    green__unlock(&executor->lock);
    green__future_settle(&work->future, &outcome);
    green_future_put(&work->future);
    return fit;
}

/** None can be started, and there is none, or none is fit: what waits would wait for ever. The lock
 *  is open. */
static void
fail_pending(struct green_executor *executor, int err)
{
    struct green__list *link;
    for (;;) {
        green__lock(&executor->lock);
        bool served = executor->workers > 0 && !executor->broken;
        link = served ? NULL : green__list_shift(&executor->pending);
        if (link == NULL) {
            green__unlock(&executor->lock);
            return;
        }
        executor->pending_count--;
        struct green__work *work = GREEN__CONTAINER(link, struct green__work, link);
        work->state = GREEN__WORK_OVER;
        green__unlock(&executor->lock);
        struct green__outcome outcome = {.err = err};
        green__future_settle(&work->future, &outcome);
        green_future_put(&work->future);
    }
}

/** Wait for work; NULL when the worker is to end. `counted`: it is one of those that come. */
static struct green__work *
take_work(struct green__crewman *self, bool counted)
{
    struct green_executor *executor = self->executor;
    green__lock(&executor->lock);
    for (;;) {
        executor->coming -= counted;
        if (green__wait_check(self->job) != 0) { /* by whoever ends us all */
            green__unlock(&executor->lock);
            green__executor_cancel_pending(executor, true);
            return NULL;
        }
        struct green__list *link = green__list_shift(&executor->pending);
        if (link != NULL) {
            struct green__work *work = GREEN__CONTAINER(link, struct green__work, link);
            work->state = GREEN__WORK_RUNNING;
            work->crewman = self;
            if (--executor->pending_count == 0 && executor->shut) {
                green__executor_wake_all(&executor->hiring);
            }
            green__unlock(&executor->lock);
            return work;
        }
        if (executor->shut) {
            green__unlock(&executor->lock);
            return NULL;
        }
        counted = false;
        self->job->firm++;
        int err = green__wait_in(&executor->lock, &executor->idle, self->job, GREEN_FOREVER,
                                 "work of an executor");
        self->job->firm--;
        if (err == 0) {
            counted = self->job->own->waiter.value != NULL;
            green__lock(&executor->lock);
        }
    }
}

/** The worker ends; somebody may have to take its place. */
static void
leave(struct green_executor *executor)
{
    green__lock(&executor->lock);
    executor->workers--;
    int err = green__executor_hire(executor);
    green__unlock(&executor->lock);
    if (err != 0) {
        fail_pending(executor, err);
    }
}

/** Do what comes before the first work; false when that failed, and all is broken. */
static bool
initialize(struct green__crewman *self)
{
    struct green_executor *executor = self->executor;
    if (executor->initializer == NULL) {
        return true;
    }
    int err = executor->kind == GREEN_PROCESS ? green__child_initialize(&self->child)
                                              : executor->initializer(executor->initializer_arg);
    if (err >= 0) {
        return true;
    }
    green__lock(&executor->lock);
    executor->coming--; /* it does not take work any more */
    executor->broken = true;
    executor->shut = true;
    green__executor_wake_all(&executor->hiring);
    green__executor_wake_all(&executor->idle);
    green__unlock(&executor->lock);
    fail_pending(executor, -ENOTRECOVERABLE);
    return false;
}

/** What every worker does, in its task or thread. */
static void
serve(struct green__crewman *self)
{
    struct green_executor *executor = self->executor;
    size_t left = executor->work_per_worker;
    struct green__work *work;
    bool started = true;
    self->job = green__self();
    bool fit = initialize(self);
    while (fit && (work = take_work(self, started)) != NULL) {
        fit = do_work(self, work) && (left == 0 || --left > 0);
        started = false;
    }
    if (executor->kind == GREEN_PROCESS) {
        struct green__child_link child = self->child;
        green__lock(&executor->lock);
        self->child.job = NULL;
        green__unlock(&executor->lock);
        green__child_close(&child);
    }
    leave(executor);
}

static intptr_t
serve_alone(void *arg)
{
    struct green__crewman self = {.executor = arg, .child = {NULL, -1}};
    serve(&self);
    return 0;
}

static intptr_t
serve_for_child(void *arg)
{
    struct green__crewman self = *(struct green__crewman *)arg;
    green__free(arg);
    serve(&self);
    return 0;
}

/* ---- hiring ---- */

/** Start a task or thread of the crew. */
static int
spawn_crewman(struct green_executor *executor, enum green_kind kind, green_entry entry, void *arg,
              bool daemon)
{
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    options.name = executor->name;
    options.daemon = daemon;
    options.stack_size = executor->kind == GREEN_PROCESS ? 0 : executor->stack_size;
    struct green__member_plan plan = {
        .kind = kind, .entry = entry, .arg = arg, .options = &options};
    return green__group_spawn(&executor->crew, &plan, NULL, GREEN_NOW);
}

/** Fork a child and start the task that looks after it. On the manager's thread. */
static int
start_child(struct green_executor *executor)
{
    struct green__crewman *crewman = green__alloc_zeroed(sizeof *crewman);
    if (crewman == NULL) {
        return -ENOMEM;
    }
    crewman->executor = executor;
    int err = green__child_open(executor, &crewman->child);
    if (err == 0) {
        err = spawn_crewman(executor, GREEN_TASK, serve_for_child, crewman, false);
        if (err != 0) {
            green__child_close(&crewman->child);
        }
    }
    if (err != 0) {
        green__free(crewman);
    }
    return err;
}

/** Start one more worker, with the lock open meanwhile. */
static int
start_worker(struct green_executor *executor)
{
    executor->workers++;
    executor->coming++;
    green__unlock(&executor->lock);
    int err = executor->kind == GREEN_PROCESS
                  ? start_child(executor)
                  : spawn_crewman(executor, executor->kind, serve_alone, executor, true);
    green__lock(&executor->lock);
    if (err != 0) {
        executor->workers--;
        executor->coming--;
    }
    return err;
}

int
green__executor_hire(struct green_executor *executor)
{
    if (executor->pending_count <= executor->coming) {
        return 0;
    }
    struct green__waiter *idle = green__waiters_take(&executor->idle);
    if (idle != NULL) {
        executor->coming++;
        idle->value = executor; /* it is counted */
        green__wait_wake(idle->job);
        return 0;
    }
    if (!wants_more(executor)) {
        return 0;
    }
    if (executor->kind != GREEN_THREAD) {
        green__executor_wake_all(&executor->hiring);
        return 0;
    }
    int err = start_worker(executor);
    return executor->workers == 0 ? err : 0;
}

static void
end_early(struct green_executor *executor)
{
    if (!executor->hired_early) {
        executor->hired_early = true;
        green__executor_wake_all(&executor->creators);
    }
}

/** Start workers as long as they are wanted; false when that failed. The lock is held. */
static bool
hire_all(struct green_executor *executor)
{
    while (wants_more(executor)) {
        int err = start_worker(executor);
        if (err != 0) {
            executor->hire_error = err;
            end_early(executor);
            green__unlock(&executor->lock);
            fail_pending(executor, err);
            green__lock(&executor->lock);
            return false;
        }
    }
    end_early(executor);
    return true;
}

static intptr_t
manage(void *arg)
{
    struct green_executor *executor = arg;
    struct green_job *self = green__self();
    int err = 0;
    green__lock(&executor->lock);
    while (err == 0) {
        bool hired = hire_all(executor);
        if (executor->shut && executor->pending_count == 0) {
            break;
        }
        if ((hired || executor->workers == 0) && wants_more(executor)) {
            continue;
        }
        self->firm++;
        err = green__wait_in(&executor->lock, &executor->hiring, self, GREEN_FOREVER,
                             "an executor to need workers");
        self->firm--;
        if (err == 0) {
            green__lock(&executor->lock);
        }
    }
    end_early(executor);
    green__unlock(&executor->lock);
    if (err != 0) {
        green__executor_cancel_pending(executor, true); /* our thread ends, or the crew is ended */
    }
    return err;
}

int
green__executor_staff(struct green_executor *executor)
{
    if (executor->kind == GREEN_THREAD) {
        int err = 0;
        green__lock(&executor->lock);
        while (err == 0 && executor->early && executor->workers < executor->limit) {
            err = start_worker(executor);
        }
        executor->hired_early = true;
        green__unlock(&executor->lock);
        return err;
    }
    return spawn_crewman(executor, executor->kind == GREEN_TASK ? GREEN_TASK : GREEN_THREAD, manage,
                         executor, true);
}
