/*
 * A scheduler's life, and the libuv loop inside it.
 *
 * Every thread that spawns a task gets a scheduler, which goes with the thread. libuv's loop is
 * there from the start: other threads ring its async handle, name look-ups and pool work run on it.
 * Unless lib/io has put its engine into the way, waiting is uv_run() itself.
 *
 * Invariant: the list of schedulers, guarded by its lock, has all of the process, so that a forked
 * child finds what it must close. A loop's descriptors are made and closed under that lock.
 */
#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/errors.h"
#include "sched/coroutine.h"
#include "sched/errand.h"
#include "sched/hibernate.h"
#include "sched/sched.h"
#include "sched/seed.h"
#include "sched/wait.h"

static struct green__lock all_lock;
static struct green__list all = GREEN__LIST(all);

static struct green__counts ended_counts; /* what schedulers that have ended had counted */

static void
add_count(atomic_uint_fast64_t *to, const atomic_uint_fast64_t *count)
{
    green__count_set(to, atomic_load_explicit(to, memory_order_relaxed) +
                             atomic_load_explicit(count, memory_order_relaxed));
}

/** Those that are sums over the past. */
static void
add_counts(struct green__counts *to, const struct green__counts *counts)
{
    add_count(&to->turns, &counts->turns);
    add_count(&to->switches, &counts->switches);
    add_count(&to->spawns, &counts->spawns);
    add_count(&to->parks, &counts->parks);
    add_count(&to->inbox_wakes, &counts->inbox_wakes);
}

/* ---- libuv ---- */

static void
on_async(uv_async_t *async)
{
    (void)async; /* the loop has woken up, that is all: it looks at its inbox each turn */
}

uv_loop_t *
green__sched_uv(struct green__sched *sched)
{
    sched->uv_touched = true;
    return &sched->loop;
}

void
green__sched_uv_run(struct green__sched *sched)
{
    sched->uv_touched = false;
    uv_run(&sched->loop, UV_RUN_NOWAIT);
}

int
green__sched_uv_timeout(struct green__sched *sched, int timeout_ms)
{
    int uv_ms = uv_backend_timeout(&sched->loop);
    if (uv_ms > 0) { /* by the loop's own clock, which may have stood still */
        uv_update_time(&sched->loop);
        uv_ms = uv_backend_timeout(&sched->loop);
    }
    return uv_ms >= 0 && (timeout_ms < 0 || uv_ms < timeout_ms) ? uv_ms : timeout_ms;
}

/**
 * The time is up. It may be so before uv_run() has looked for events: without the stop it would go
 * on to wait for them, and no timer would be left to end that.
 */
static void
on_timeout(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

/** The poller of a scheduler whose tasks wait for no descriptors, and of the poll engine. */
static void
uv_wait(struct green__poller *poller, int timeout_ms)
{
    struct green__sched *sched = GREEN__CONTAINER(poller, struct green__sched, uv_poller);
    sched->uv_touched = false;
    if (timeout_ms == 0) {
        uv_run(&sched->loop, UV_RUN_NOWAIT);
        return;
    }
    if (timeout_ms > 0) {
        uv_update_time(&sched->loop);
        uv_timer_start(&sched->wait_timer, on_timeout, (uint64_t)timeout_ms, 0);
    }
    uv_run(&sched->loop, UV_RUN_ONCE);
    uv_timer_stop(&sched->wait_timer);
}

static void
uv_destroy(struct green__poller *poller)
{
    (void)poller; /* it is part of the scheduler */
}

/** The numbers are the parent's registrations too: close them and touch nothing else. */
static void
abandon_loop(uv_loop_t *loop)
{
    close(uv_backend_fd(loop));
    close(loop->async_io_watcher.fd);
    close(loop->signal_pipefd[0]);
    close(loop->signal_pipefd[1]);
}

/* ---- the scheduler ---- */

static bool
describe_running(struct green__stack *ret_stack, const char **ret_kind, const char **ret_name)
{
    static __thread char name[GREEN__NAME_SIZE];
    const struct green_job *job = green__running;
    const struct green__coroutine *coroutine =
        job == NULL || job->own == NULL ? NULL : job->own->coroutine;
    if (coroutine != NULL) {
        *ret_stack = coroutine->stack;
        *ret_kind = coroutine->kind;
        *ret_name = green__coroutine_name(coroutine, name);
        return true;
    }
    if (job == NULL) {
        return false;
    }
    *ret_stack = green__worker_stack(job);
    if (ret_stack->size == 0) {
        return false; /* the stack is the system's */
    }
    *ret_kind = job->kind == GREEN_PROCESS ? "process" : "task";
    *ret_name = green__worker_name(job, name);
    return true;
}

/** Everything but libuv, which is last because unmaking it takes most. */
static int
init_parts(struct green__sched *sched)
{
    int err = green__timers_reserve(&sched->timers, 16);
    if (err == 0) {
        err = green__stack_pool_create(&sched->stacks);
    }
    if (err == 0) {
        err = green__overflow_watch_thread(describe_running);
    }
    if (err != 0) {
        green__stack_pool_destroy(sched->stacks);
        green__timers_fini(&sched->timers);
    }
    return err;
}

static void
fini_parts(struct green__sched *sched)
{
    green__overflow_unwatch_thread();
    green__stack_pool_destroy(sched->stacks);
    green__timers_fini(&sched->timers);
}

static int
init_loop(struct green__sched *sched)
{
    int err = uv_loop_init(&sched->loop);
    if (err != 0) {
        return err;
    }
    err = uv_async_init(&sched->loop, &sched->async, on_async);
    if (err != 0) {
        uv_loop_close(&sched->loop);
        return err;
    }
    uv_timer_init(&sched->loop, &sched->wait_timer);
    green__sched_uv_run(sched); /* libuv registers its own descriptors at its first run */
    return 0;
}

static int
create(struct green_job *host, struct green__sched **ret_sched)
{
    struct green__sched *sched = green__alloc_zeroed(sizeof *sched);
    if (sched == NULL) {
        return -ENOMEM;
    }
    int err = init_parts(sched);
    if (err != 0) {
        green__free(sched);
        return err;
    }
    err = init_loop(sched);
    if (err != 0) {
        fini_parts(sched);
        green__free(sched);
        return err;
    }
    green__list_init(&sched->tasks[GREEN__PLAIN]);
    green__list_init(&sched->tasks[GREEN__DROWSY]);
    green__count_set(&sched->stamp, green__clock_coarse());
    sched->uv_poller.wait = uv_wait;
    sched->uv_poller.destroy = uv_destroy;
    sched->uv_poller.abandon = uv_destroy;
    sched->poller = &sched->uv_poller;
    sched->host = host;
    sched->ready_end = &sched->ready_first;
    green__seed_environment(sched);
    *ret_sched = sched;
    return 0;
}

int
green__sched_make(struct green_job *host)
{
    struct green__sched *sched;
    green__lock(&all_lock);
    int err = create(host, &sched);
    if (err == 0) {
        green__list_append(&all, &sched->registered);
    }
    green__unlock(&all_lock);
    if (err != 0) {
        return err;
    }
    host->sched = sched;
    green__sched_own = sched;
    /* From here on those who want the host's attention ring; it looks before it waits. */
    atomic_store(&green__host_of(host)->doorbell, sched);
    green__debug_loop_made();
    return 0;
}

void
green__sched_destroy(struct green__sched *sched)
{
    struct green_job *host = sched->host;
    green__waitq_lock(&host->end); /* who cancels the host holds this lock */
    atomic_store(&green__host_of(host)->doorbell, NULL);
    green__waitq_unlock(&host->end);
    while (atomic_load(&sched->holders) > 0) {
        sched_yield();
    }
    host->sched = NULL;
    green__sched_own = NULL;
    green__seed_forget();
    green__lock(&all_lock);
    sched->unlisted = true;
    add_counts(&ended_counts, &sched->counts);
    green__unlock(&all_lock);
    green__errand_run_all(sched); /* nobody finds it any more: these are the last */
    green__lock(&all_lock);
    sched->poller->destroy(sched->poller);
    sched->poller = &sched->uv_poller;
    green__unlock(&all_lock);
    uv_close((uv_handle_t *)&sched->async, NULL);
    uv_close((uv_handle_t *)&sched->wait_timer, NULL);
    uv_run(&sched->loop, UV_RUN_DEFAULT);
    green__lock(&all_lock);
    green__list_remove(&sched->registered);
    int err = uv_loop_close(&sched->loop);
    green__unlock(&all_lock);
    if (err != 0) {
        green__misuse("a libuv handle is still open in a loop whose thread ends");
    }
    green__sched_free_tasks(sched);
    fini_parts(sched);
    green__hibernate_fini(sched);
    green__free(sched);
}

void
green__sched_each(void (*call)(struct green__sched *sched, void *arg), void *arg,
                  struct green__counts *ret_ended)
{
    green__lock(&all_lock);
    for (struct green__list *link = all.next; link != &all; link = link->next) {
        struct green__sched *sched = GREEN__CONTAINER(link, struct green__sched, registered);
        if (!sched->unlisted) {
            call(sched, arg);
        }
    }
    if (ret_ended != NULL) {
        *ret_ended = (struct green__counts){0};
        add_counts(ret_ended, &ended_counts);
    }
    green__unlock(&all_lock);
}

/* ---- fork ---- */

void
green__sched_fork_prepare(void)
{
    green__lock(&all_lock);
}

void
green__sched_fork_parent(void)
{
    green__unlock(&all_lock);
}

void
green__sched_fork_child(void)
{
    struct green__list *link;
    green__seed_forget();
    green__sched_own = NULL;
    while ((link = green__list_shift(&all)) != NULL) {
        struct green__sched *sched = GREEN__CONTAINER(link, struct green__sched, registered);
        sched->abandoned = true;
        sched->poller->abandon(sched->poller);
        abandon_loop(&sched->loop);
    }
    green__unlock(&all_lock);
}
