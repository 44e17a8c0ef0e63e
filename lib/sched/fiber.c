/*
 * Fibers: stacks of one worker that switch to each other, with values.
 *
 * Invariant: the worker's `fiber` is the one that runs; all its others are new, stand in a switch
 * at `here`, or have ended. A fiber keeps its parent's memory (by a reference, not its stack), so
 * that the way up to the main fiber never breaks. Only the fiber's own worker calls.
 *
 * Source: the semantics of greenlet (Armin Rigo, Christian Tismer), from Stackless Python.
 */
#include <errno.h>

#include "base/alloc.h"
#include "base/errors.h"
#include "green/generator.h"
#include "sched/coroutine.h"

enum state {
    NEW,
    WAITS, /* in a switch */
    RUNS,
    ENDED,
};

struct green_fiber {
    struct green__coroutine coroutine; /**< Unused in a main fiber. */
    struct green__spot here;
    struct green_job *worker;
    struct green_fiber *parent; /**< NULL: a main fiber. */
    unsigned references;
    enum state state;
    green_fiber_entry entry;
    void *arg;
    /* What it is given with a switch to it. */
    intptr_t value;
    int err;
    /* Its own, while it does not run. */
    struct green_timeout *scopes;
    uint16_t shields;
};

/* ---- memory ---- */

static void
let_go(struct green_fiber *fiber)
{
    while (fiber != NULL && --fiber->references == 0) {
        struct green_fiber *parent = fiber->parent;
        green__free(fiber);
        fiber = parent;
    }
}

static void
set_parent(struct green_fiber *fiber, struct green_fiber *parent)
{
    struct green_fiber *before = fiber->parent;
    parent->references++;
    fiber->parent = parent;
    let_go(before);
}

/** The running fiber of the calling worker, which has a main one from now on; NULL without memory.
 */
static struct green_fiber *
running(struct green_job *self)
{
    if (self->own->fiber == NULL) {
        struct green_fiber *main = green__alloc_zeroed(sizeof *main);
        if (main == NULL) {
            return NULL;
        }
        main->worker = self;
        main->references = 1;
        main->state = RUNS;
        self->own->fiber = main;
    }
    return self->own->fiber;
}

void
green__fiber_end_worker(struct green__own *own)
{
    let_go(own->fiber);
    own->fiber = NULL;
}

static void
check_worker(const struct green_fiber *fiber, const struct green_job *self, const char *function)
{
    if (fiber->worker != self) {
        green__misuse("%s: the fiber belongs to another worker", function);
    }
}

/* ---- switching ---- */

/** Who stands for a fiber that may have ended. A main fiber never does. */
static struct green_fiber *
alive(struct green_fiber *fiber)
{
    while (fiber->state == ENDED) {
        fiber = fiber->parent;
    }
    return fiber;
}

/** Go on in `to`, and leave the running fiber in `state`. */
static void
go(struct green_job *self, struct green_fiber *to, enum state state)
{
    struct green_fiber *from = self->own->fiber;
    from->state = state;
    from->scopes = self->scopes;
    from->shields = self->shields;
    to->state = RUNS;
    self->scopes = to->scopes;
    self->shields = to->shields;
    self->own->fiber = to;
    green__coroutine_switch(self, &from->here, &to->here, state == ENDED);
}

/** Give a fiber, or who stands for it, a value or an error, and wait for the next of one's own. */
static int
deliver(struct green_job *self, struct green_fiber *fiber, intptr_t value, int err,
        intptr_t *ret_value)
{
    struct green_fiber *from = running(self);
    struct green_fiber *to = alive(fiber);
    if (to->state == NEW && err != 0) {
        to->state = ENDED;
        to = alive(to);
        value = err;
        err = 0;
    }
    to->value = value;
    to->err = err;
    if (to != from) {
        go(self, to, WAITS);
    }
    if (from->err == 0 && ret_value != NULL) {
        *ret_value = from->value;
    }
    return from->err;
}

static void
fiber_main(void *arg)
{
    struct green_fiber *fiber = arg;
    intptr_t value = fiber->entry(fiber->arg, fiber->value);
    struct green_job *self = green__self();
    if (self->scopes != NULL || self->shields != 0) {
        char name[GREEN__NAME_SIZE];
        green__misuse("fiber \"%s\" ends inside a timeout scope or shield that it has started",
                      green__coroutine_name(&fiber->coroutine, name));
    }
    struct green_fiber *to = alive(fiber->parent);
    to->value = value;
    to->err = 0;
    go(self, to, ENDED);
}

/* ---- the interface ---- */

int
green_fiber_create(green_fiber_entry entry, void *arg, const struct green_fiber_options *options,
                   struct green_fiber **ret_fiber)
{
    static const struct green_fiber_options defaults = GREEN_FIBER_OPTIONS;
    if (options == NULL) {
        options = &defaults;
    }
    struct green_job *self = green__self();
    if (options->parent != NULL) {
        check_worker(options->parent, self, "green_fiber_create");
    }
    struct green_fiber *current = running(self);
    struct green_fiber *fiber = current == NULL ? NULL : green__alloc_zeroed(sizeof *fiber);
    if (fiber == NULL) {
        return -ENOMEM;
    }
    fiber->worker = self;
    fiber->references = 1;
    fiber->entry = entry;
    fiber->arg = arg;
    int err = green__coroutine_init(&fiber->coroutine, "fiber", options->name, options->stack_size,
                                    &fiber->here, fiber_main, fiber);
    if (err != 0) {
        green__free(fiber);
        return err;
    }
    set_parent(fiber, options->parent != NULL ? options->parent : current);
    *ret_fiber = fiber;
    return 0;
}

int
green_fiber_switch(struct green_fiber *fiber, intptr_t value, intptr_t *ret_value)
{
    struct green_job *self = green__self();
    check_worker(fiber, self, "green_fiber_switch");
    return deliver(self, fiber, value, 0, ret_value);
}

int
green_fiber_throw(struct green_fiber *fiber, int err, intptr_t *ret_value)
{
    struct green_job *self = green__self();
    check_worker(fiber, self, "green_fiber_throw");
    return err >= 0 ? -EINVAL : deliver(self, fiber, 0, err, ret_value);
}

void
green_fiber_destroy(struct green_fiber *fiber)
{
    if (fiber == NULL) {
        return;
    }
    if (fiber->parent == NULL || fiber->state == RUNS) {
        green__misuse("green_fiber_destroy: it is %s",
                      fiber->parent == NULL ? "a main fiber" : "running");
    }
    green__coroutine_check_thread(&fiber->coroutine, "green_fiber_destroy");
    if (fiber->state == WAITS) {
        struct green_job *self = green__self();
        check_worker(fiber, self, "green_fiber_destroy");
        struct green_fiber *parent = fiber->parent;
        parent->references++;
        set_parent(fiber, running(self));
        deliver(self, fiber, 0, -ECANCELED, NULL);
        set_parent(fiber, parent); /* the caller's own way up may lead through it */
        let_go(parent);
        if (fiber->state != ENDED) {
            char name[GREEN__NAME_SIZE];
            green__misuse("fiber \"%s\" goes on although it was destroyed",
                          green__coroutine_name(&fiber->coroutine, name));
        }
    }
    green__coroutine_fini(&fiber->coroutine, &fiber->here);
    fiber->state = ENDED; /* for those whose parent it is */
    let_go(fiber);
}

struct green_fiber *
green_fiber_self(void)
{
    return running(green__self());
}

struct green_fiber *
green_fiber_parent(const struct green_fiber *fiber)
{
    return fiber->parent;
}

bool
green_fiber_ended(const struct green_fiber *fiber)
{
    return fiber->state == ENDED;
}
