/*
 * Tasks: how they are made, and what becomes of them when they have ended.
 *
 * A task that has ended is kept with its stack, ready to be another one, as long as so many unused
 * stacks may have pages; one that somebody still refers to is held, until a spawn wants it. Else,
 * and if it is referred to even then, the stack goes back to the pool, and the control block to the
 * others or the allocator, as soon as nobody refers to it.
 *
 * Invariant: all of it belongs to the thread that made the scheduler, but the lists of tasks, which
 * others read. What is kept or held has a reference of ours, so nobody's is the last.
 */
#include <errno.h>
#include <fenv.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "sched/hibernate.h"
#include "sched/sched.h"
#include "sched/wait.h"

/* ---- the lists ---- */

struct green_job *
green__sched_next_task(const struct green__sched *sched, const struct green_job *task)
{
    const struct green__list *link =
        task != NULL ? task->member.next : sched->tasks[GREEN__PLAIN].next;
    for (int i = 0; i < GREEN__SORTS; i++) {
        if (link == &sched->tasks[i]) {
            link = i + 1 < GREEN__SORTS ? sched->tasks[i + 1].next : NULL;
        }
    }
    return link == NULL ? NULL : GREEN__CONTAINER(link, struct green_job, member);
}

void
green__sched_move_task(struct green__sched *sched, struct green_job *task, enum green__tasks to)
{
    green__lock_brief(&sched->tasks_lock);
    green__list_remove(&task->member);
    green__list_append(sched->tasks[to].next, &task->member);
    green__unlock_brief(&sched->tasks_lock);
}

/* ---- ends ---- */

/** Control blocks that wait to be used again; more than this go back to the allocator. */
#define FREE_JOBS_MAX 1024

static inline struct green__stack
stack_of(const struct green_job *task)
{
    return green__stack_at(task->own + 1, task->stack_class);
}

/** Whether nobody else refers to a task that has ended. */
static inline bool
is_ours(const struct green_job *task)
{
    return atomic_load_explicit(&task->references, memory_order_acquire) == 1;
}

static inline void
keep(struct green_job *task)
{
    task->next = task->stack_class->keeper;
    task->stack_class->keeper = task;
}

static inline void
hold(struct green_job *task)
{
    struct green__stack_class *class = task->stack_class;
    struct green_job *last = class->held_last;
    task->next = NULL;
    if (class->held_first == NULL) {
        class->held_first = task;
    } else {
        last->next = task;
    }
    class->held_last = task;
}

/** Have the stack go back to the pool, on which nothing runs, and let go of a reference. */
static void
give(struct green__sched *sched, struct green_job *task)
{
    struct green__stack stack = stack_of(task);
    task->own = NULL;
    sched->stack_count--;
    green__stack_give(&stack);
    green_job_put(task);
}

/** The one of a class that was kept last, or was held for longest and is not referred to any more;
 * NULL when there is neither. */
static inline struct green_job *
take_kept(struct green__stack_class *class)
{
    struct green_job *task = class->keeper;
    if (task != NULL) {
        class->keeper = task->next;
    } else {
        task = class->held_first;
        if (task == NULL || !is_ours(task) ||
            atomic_load_explicit(&task->name, memory_order_relaxed) != NULL) {
            return NULL;
        }
        class->held_first = task->next;
    }
    green__stack_reuse(class);
    return task;
}

/** The same; one that was held and is still referred to gives its stack back. */
static struct green_job *
take_unused(struct green__sched *sched, struct green__stack_class *class)
{
    struct green_job *task = take_kept(class);
    struct green_job *held = class->held_first;
    if (task == NULL && held != NULL) {
        class->held_first = held->next;
        green__stack_reuse(class);
        give(sched, held);
    }
    return task;
}

void
green__sched_release(struct green_job *task)
{
    struct green__sched *sched = green__sched_own;
    if (atomic_load_explicit(&task->name, memory_order_relaxed) != NULL) {
        green__worker_forget_name(task);
    }
    if (sched == NULL || sched->free_job_count >= FREE_JOBS_MAX) {
        green__free(task);
        return;
    }
    task->next = sched->free_jobs;
    sched->free_jobs = task;
    sched->free_job_count++;
}

void
green__sched_free_tasks(struct green__sched *sched)
{
    struct green_job *next;
    struct green__stack_class *class = sched->stacks->classes;
    for (; class != NULL; class = class->next) {
        while (class->kept > 0) {
            struct green_job *task = take_unused(sched, class);
            if (task != NULL) {
                green__free(task);
            }
        }
    }
    for (struct green_job *job = sched->free_jobs; job != NULL; job = next) {
        next = job->next;
        green__free(job);
    }
}

/** Measuring takes system calls: one stack tells enough of many. */
#define ENDS_PER_MEASURE 1024

/** Not part of its caller, whose stack would have to be in memory for it. */
__attribute__((noinline)) static void
measure(struct green__sched *sched, const struct green_job *task)
{
    struct green__stack stack = stack_of(task);
    green__count_most(&sched->counts.high_water, green__stack_high_water(&stack));
}

/** Keep or hold a task, if it may be. */
static inline bool
keep_or_hold(struct green_job *task)
{
    if (atomic_load_explicit(&task->name, memory_order_relaxed) != NULL ||
        !green__stack_may_keep(task->stack_class)) {
        return false;
    }
    struct green__stack stack = stack_of(task);
    green__stack_keep(&stack);
    if (is_ours(task)) {
        keep(task);
    } else {
        hold(task);
    }
    return true;
}

/** A task's stack, on which nothing runs, is not used any more. */
static inline void
dispose(struct green__sched *sched, struct green_job *task)
{
    green__context_drop(&task->context);
    green__own_fini(task->own);
    if (!keep_or_hold(task)) {
        give(sched, task);
    }
}

/** Whether one is to be measured once it is left. */
static inline bool
is_sample(const struct green__sched *sched)
{
    return atomic_load_explicit(&sched->counts.ends, memory_order_relaxed) % ENDS_PER_MEASURE == 1;
}

void
green__sched_sweep(struct green__sched *sched)
{
    struct green_job *task = sched->leftover;
    sched->leftover = NULL;
    if (is_sample(sched)) {
        measure(sched, task);
    }
    dispose(sched, task);
}

/** The end of a task that somebody refers to: as green__worker_end(), which has no lock to take
 * where there is one thread, and no hooks to call here. */
static inline void
tell_end(struct green_job *self, intptr_t value)
{
    if (!green__alone() || self->hooks != NULL) {
        green__worker_end(self, value);
        return;
    }
    self->value = value;
    self->announced = true;
    self->ended = true;
    green__waitq_wake_all(&self->end);
}

/** The first and last frame of every task. */
static void
task_main(void *arg)
{
    struct green_job *self = arg;
    struct green__sched *sched = green__sched_own;
    if (sched->leftover != NULL) {
        green__sched_sweep(sched);
    }
    intptr_t value = self->cancelled ? -ECANCELED : self->entry(self->arg);
    green__worker_finish(self);
    self->state = GREEN__ENDED;
    green__timers_unset(&sched->timers, &self->timer);
    green__hibernate_delist(sched, self);
    green__lock_brief(&sched->tasks_lock);
    green__list_unlink(&self->member);
    green__unlock_brief(&sched->tasks_lock);
    green__count(&sched->counts.ends);
    if (sched->task_count-- == GREEN__CROWD + 1) { /* nobody is fetched from now on */
        sched->scouted = 0;
        sched->walked = 0;
    }
    if (self->daemon) {
        sched->daemon_count--;
    }
    if (sched->ending && sched->task_count == sched->daemon_count) {
        green__wait_wake(sched->host);
    }
    /* Who could ask, or join, would have a reference: there is only ours, and the task has left the
     * list, where others might have got one. */
    if (atomic_load_explicit(&self->references, memory_order_acquire) != 1 || self->hooks != NULL) {
        tell_end(self, value);
    }
    /* It may be put with those that are unused while it still runs: it leaves before anybody takes
     * one from there. To give its stack back it has to have left. */
    if (GREEN__CONTEXT_TOLD || !green__own_is_bare(self->own) || is_sample(sched) ||
        !keep_or_hold(self)) {
        sched->leftover = self;
    }
    if (self->save_fpu) {
        fesetenv(FE_DFL_ENV);
    }
    struct green_job *next = green__sched_next(sched);
    if (next == NULL) {
        next = sched->host;
    }
    if (__builtin_expect(next->asleep, 0)) {
        green__hibernate_wake(next);
    }
    green__running = next;
    green__context_leave(&self->context, &next->context);
}

/* ---- beginnings ---- */

/** A task that is ready to begin, or why there is none: -ENOMEM or -ENOSPC. */
struct provided {
    struct green_job *task;
    int err;
};

/** One that has ended, if it has a stack of this size, or a new one. */
static struct provided
provide(struct green__sched *sched, size_t stack_size)
{
    struct green__stack_class *class = green__stack_choose(sched->stacks, stack_size);
    struct green_job *task = class != NULL ? take_unused(sched, class) : NULL;
    if (task != NULL) {
        return (struct provided){task, 0};
    }
    struct green__stack stack;
    /* One timer a task and one for the host. */
    int err = green__timers_reserve(&sched->timers, sched->stack_count + 2);
    if (err == 0) {
        err = green__stack_take(sched->stacks, stack_size, &stack);
    }
    if (err != 0) {
        return (struct provided){NULL, err};
    }
    task = sched->free_jobs;
    if (task != NULL) {
        sched->free_jobs = task->next;
        sched->free_job_count--;
    } else {
        task = green__alloc_zeroed(sizeof *task);
        if (task == NULL) {
            green__stack_give(&stack);
            return (struct provided){NULL, -ENOMEM};
        }
        green__worker_make(task);
    }
    sched->stack_count++;
    task->sched = sched;
    task->stack_class = stack.class;
    task->own = (struct green__own *)((char *)stack.low + stack.size) - 1;
    green__own_init(task->own, task);
    return (struct provided){task, 0};
}

/** Without tasks nobody looked at the time, and nobody had to. */
__attribute__((noinline)) static int
look_at_time(struct green__sched *sched)
{
    green__count_set(&sched->stamp, green__clock_coarse());
    return 0;
}

/** Let it have its turn, once it is in the list; returns 0. */
static inline int
start(struct green__sched *sched, struct green_job *task)
{
    green__count(&sched->counts.spawns);
    green__sched_ready(task);
    return sched->task_count++ == 0 ? look_at_time(sched) : 0;
}

static int
spawn(struct green__sched *sched, green_entry entry, void *arg, const void *site,
      const struct green_spawn_options *options, struct green_job **ret_task)
{
    size_t size = options->stack_size == 0 ? GREEN__STACK_DEFAULT : options->stack_size;
    if (size < GREEN__STACK_MIN) {
        return -EINVAL;
    }
    struct provided provided = provide(sched, size);
    struct green_job *task = provided.task;
    if (task == NULL) {
        return provided.err;
    }
    struct green__stack stack = stack_of(task);
    green__worker_renew(task, entry, arg, site, 1);
    green__context_make(&task->context, stack.low, stack.size - sizeof *task->own, task_main, task);
    if (options->name != NULL && green__worker_set_name(task, options->name) != 0) {
        dispose(sched, task);
        return -ENOMEM;
    }
    task->save_fpu = options->save_fpu;
    if (options->daemon) {
        task->daemon = true;
        sched->daemon_count++;
    }
    if (ret_task != NULL) { /* counted now: once it is in the list, other threads find it */
        atomic_init(&task->references, 2);
        *ret_task = task;
    }
    green__lock_brief(&sched->tasks_lock);
    green__list_append(&sched->tasks[GREEN__PLAIN], &task->member);
    green__unlock_brief(&sched->tasks_lock);
    start(sched, task);
    if (options->hibernate_ms > 0) {
        green__hibernate_enlist(sched, task, options->hibernate_ms);
    }
    return 0;
}

int
green__sched_spawn(struct green__sched *sched, green_entry entry, void *arg,
                   const struct green_spawn_options *options, struct green_job **ret_task)
{
    return spawn(sched, entry, arg, green__spawn_site, options, ret_task);
}

/* Where a task is at hand and nobody else could look at the list, it calls nothing that it returns
 * from, so that no registers are saved for that. */
int
green__sched_spawn_plain(struct green__sched *sched, green_entry entry, void *arg, const void *site,
                         struct green_job **ret_task)
{
    static const struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    struct green__stack_class *class = sched->stacks->classes;
    struct green_job *task = NULL;
    if (green__alone() && class != NULL && class->asked == GREEN__STACK_DEFAULT) {
        task = take_kept(class);
    }
    if (task == NULL) {
        return spawn(sched, entry, arg, site, &options, ret_task);
    }
    struct green__stack stack = stack_of(task);
    green__worker_renew(task, entry, arg, site, ret_task != NULL ? 2 : 1);
    green__context_make_again(&task->context, stack.low, stack.size - sizeof *task->own, task_main,
                              task);
    if (ret_task != NULL) {
        *ret_task = task;
    }
    green__list_append(&sched->tasks[GREEN__PLAIN], &task->member);
    return start(sched, task);
}

/* ---- the end of all ---- */

static void
cancel_all(struct green__sched *sched)
{
    struct green_job *task = NULL;
    while ((task = green__sched_next_task(sched, task)) != NULL) {
        green__wait_cancel(task);
    }
}

void
green__sched_finish(struct green__sched *sched)
{
    sched->ending = true;
    while (sched->task_count > 0) {
        /* The others may need the daemons to the end, and both may spawn more of either. */
        if (sched->task_count == sched->daemon_count) {
            cancel_all(sched);
        }
        green__wait_begin(sched->host);
        green__wait_settle(sched->host);
    }
    sched->ending = false;
    if (sched->leftover != NULL) {
        green__sched_sweep(sched);
    }
    green__sched_take_inbox(sched);
}
