/*
 * Who notices the end of a process that has hooks, when nobody joins it: a thread with a task for
 * each such process.
 *
 * A visit can be had before its process is forked, so that nothing can fail once the child runs: it
 * waits until it is told whom to visit, or that there is nobody.
 *
 * Invariant: `attendant` is NULL or takes processes; the thread takes itself out of there, under
 * the lock, when it has none left, and ends. In a forked child the parent's is forgotten.
 */
#include <errno.h>

#include "base/alloc.h"
#include "green/queue.h"
#include "green/sync.h"
#include "green/timeout.h"
#include "job/hook.h"
#include "job/job.h"

/** What lacks for waiting, memory or descriptors, may be there then. */
#define RETRY_MS 10

struct attendant {
    struct green_queue processes;
    size_t count; /* of those put and not ended */
};

static struct green__lock lock;
static struct attendant *attendant;

/** One process less; the last closes the shop. */
static void
finish_one(struct attendant *self)
{
    green__lock(&lock);
    bool last = --self->count == 0;
    if (last && attendant == self) {
        attendant = NULL;
    }
    green__unlock(&lock);
    if (last) {
        green_queue_close(&self->processes);
    }
}

struct green__visit {
    struct attendant *attendant;
    struct green_job *process; /**< NULL: nobody. */
    struct green_event told;   /**< Set under the lock, so it is not touched once that is free. */
};

static intptr_t
visit(void *arg)
{
    struct green__visit *self = arg;
    while (green_event_wait(&self->told, GREEN_FOREVER) != 0) {
        green_sleep(RETRY_MS);
    }
    while (self->process != NULL && green_job_alive(self->process)) {
        int err = green_job_join(self->process, NULL, GREEN_FOREVER);
        if (err != 0 && err != -EOWNERDEAD) {
            green_sleep(RETRY_MS);
        }
    }
    green_job_put(self->process);
    finish_one(self->attendant);
    green_event_fini(&self->told);
    green__free(self);
    return 0;
}

static intptr_t
attend(void *arg)
{
    struct attendant *self = arg;
    void *item;
    while (green_queue_get(&self->processes, &item, GREEN_FOREVER) == 0) {
        struct green__visit *made = item;
        /* Without memory for a task this thread joins by itself, one after the other. */
        if (green_spawn(visit, made, NULL) != 0) {
            visit(made);
        }
    }
    green_queue_fini(&self->processes);
    green__free(self);
    return 0;
}

/** The lock is held. */
static int
start(void)
{
    static const struct green_spawn_options options = {.name = "attendant", .daemon = true};
    struct attendant *made = green__alloc_zeroed(sizeof *made);
    if (made == NULL) {
        return -ENOMEM;
    }
    green_queue_init(&made->processes, 0);
    int err = green_spawn_as(GREEN_THREAD, attend, made, &options, NULL);
    if (err != 0) {
        green_queue_fini(&made->processes);
        green__free(made);
        return err;
    }
    attendant = made;
    return 0;
}

int
green__attend_reserve(struct green__visit **ret_visit)
{
    struct green__visit *made = green__alloc_zeroed(sizeof *made);
    if (made == NULL) {
        return -ENOMEM;
    }
    green_event_init(&made->told);
    green__lock(&lock);
    int err = attendant == NULL ? start() : 0;
    if (err == 0) {
        made->attendant = attendant;
        attendant->count++;
        struct green_shield shield; /* the caller may be cancelled */
        green_shield_start(&shield);
        err = green_queue_put(&attendant->processes, made, GREEN_NOW);
        green_shield_stop(&shield);
        attendant->count -= err != 0;
    }
    green__unlock(&lock);
    if (err != 0) {
        green_event_fini(&made->told);
        green__free(made);
        return err;
    }
    *ret_visit = made;
    return 0;
}

void
green__attend_use(struct green__visit *visit, struct green_job *process)
{
    green__lock(&lock);
    visit->process = process == NULL ? NULL : green_job_get(process);
    green_event_set(&visit->told);
    green__unlock(&lock);
}

/* ---- fork ---- */

void
green__attend_fork_prepare(void)
{
    green__lock(&lock);
}

void
green__attend_fork_parent(void)
{
    green__unlock(&lock);
}

void
green__attend_fork_child(void)
{
    attendant = NULL;
    green__unlock(&lock);
}
