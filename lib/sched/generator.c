/*
 * Generators: a function that waits in the middle, resumed by whoever wants its next value.
 *
 * Invariant: while it runs, `caller` is where the worker was that asked for a value; while it does
 * not, `here` is where it goes on. Calls nest strictly, so that a generator which has resumed
 * another one is running too. Any worker of its thread may call.
 */
#include "green/generator.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/errors.h"
#include "sched/coroutine.h"

enum state {
    NEW,
    WAITS, /* in a yield */
    RUNS,
    ENDED,
};

struct green_generator {
    struct green__coroutine coroutine;
    struct green__spot here;
    struct green__spot caller;
    green_generator_entry entry;
    void *arg;
    /* What goes in with a resume and out with a yield. */
    intptr_t value;
    int err;
    enum state state;
    bool closing;
    /* The caller's: the generator leaves them as it found them. */
    struct green_timeout *scopes;
    unsigned shields;
};

/** Give control back to the caller. */
static void
leave(struct green_generator *generator, enum state state)
{
    struct green_job *self = green__self();
    if (self->scopes != generator->scopes || self->shields != generator->shields) {
        char name[GREEN__NAME_SIZE];
        green__misuse("generator \"%s\" %s inside a timeout scope or shield that it has started",
                      green__coroutine_name(&generator->coroutine, name),
                      state == ENDED ? "ends" : "yields");
    }
    generator->state = state;
    green__coroutine_switch(self, &generator->here, &generator->caller, state == ENDED);
}

static void
generator_main(void *arg)
{
    struct green_generator *generator = arg;
    generator->value = generator->entry(generator, generator->arg);
    leave(generator, ENDED);
}

int
green_generator_create(green_generator_entry entry, void *arg,
                       const struct green_generator_options *options,
                       struct green_generator **ret_generator)
{
    static const struct green_generator_options defaults = GREEN_GENERATOR_OPTIONS;
    if (options == NULL) {
        options = &defaults;
    }
    struct green_generator *generator = green__alloc_zeroed(sizeof *generator);
    if (generator == NULL) {
        return -ENOMEM;
    }
    generator->entry = entry;
    generator->arg = arg;
    int err =
        green__coroutine_init(&generator->coroutine, "generator", options->name,
                              options->stack_size, &generator->here, generator_main, generator);
    if (err != 0) {
        green__free(generator);
        return err;
    }
    *ret_generator = generator;
    return 0;
}

/** End one that has not started. */
static void
end_unstarted(struct green_generator *generator, int err)
{
    generator->state = ENDED;
    generator->value = err;
}

/** Let it go on with what its yield returns; 0 when it stands in the next one. */
static int
resume(struct green_generator *generator, intptr_t value, int err)
{
    if (generator->state == RUNS) {
        return -EBUSY;
    }
    if (generator->state == NEW && err != 0) {
        end_unstarted(generator, err);
    }
    if (generator->state == ENDED) {
        return -ENODATA;
    }
    struct green_job *self = green__self();
    generator->value = value;
    generator->err = err;
    generator->scopes = self->scopes;
    generator->shields = self->shields;
    generator->state = RUNS;
    green__coroutine_switch(self, &generator->caller, &generator->here, false);
    return generator->state == ENDED ? -ENODATA : 0;
}

/** What a resume gave its caller. */
static int
result(const struct green_generator *generator, int err, intptr_t *ret_value)
{
    if (err == 0 && ret_value != NULL) {
        *ret_value = generator->value;
    }
    return err;
}

int
green_generator_next(struct green_generator *generator, intptr_t *ret_value)
{
    green__coroutine_check_thread(&generator->coroutine, "green_generator_next");
    return result(generator, resume(generator, 0, 0), ret_value);
}

int
green_generator_send(struct green_generator *generator, intptr_t value, intptr_t *ret_value)
{
    green__coroutine_check_thread(&generator->coroutine, "green_generator_send");
    if (generator->state == NEW) {
        return -EINVAL;
    }
    return result(generator, resume(generator, value, 0), ret_value);
}

int
green_generator_throw(struct green_generator *generator, int err, intptr_t *ret_value)
{
    green__coroutine_check_thread(&generator->coroutine, "green_generator_throw");
    if (err >= 0) {
        return -EINVAL;
    }
    return result(generator, resume(generator, 0, err), ret_value);
}

int
green_generator_close(struct green_generator *generator)
{
    green__coroutine_check_thread(&generator->coroutine, "green_generator_close");
    if (generator->state == RUNS) {
        return -EBUSY;
    }
    generator->closing = true;
    resume(generator, 0, -ECANCELED); /* it ends: another yield would have aborted */
    return 0;
}

void
green_generator_destroy(struct green_generator *generator)
{
    if (generator == NULL) {
        return;
    }
    green__coroutine_check_thread(&generator->coroutine, "green_generator_destroy");
    if (green_generator_close(generator) != 0) {
        green__misuse("green_generator_destroy: it is running");
    }
    green__coroutine_fini(&generator->coroutine, &generator->here);
    green__free(generator);
}

int
green_generator_result(const struct green_generator *generator, intptr_t *ret_value)
{
    if (generator->state != ENDED) {
        return -EAGAIN;
    }
    *ret_value = generator->value;
    return 0;
}

int
green_generator_yield(struct green_generator *generator, intptr_t value, intptr_t *ret_sent)
{
    if (green__self()->own->coroutine != &generator->coroutine) {
        green__misuse("green_generator_yield: the caller is not in this generator");
    }
    if (generator->closing) {
        char name[GREEN__NAME_SIZE];
        green__misuse("generator \"%s\" yields although it was closed",
                      green__coroutine_name(&generator->coroutine, name));
    }
    generator->value = value;
    leave(generator, WAITS);
    return generator->err != 0 ? generator->err : result(generator, 0, ret_sent);
}
