/*
 * Functions that stop in the middle: generators, and fibers that switch to each other with values.
 *
 * Both run on small stacks of their own, but as the worker that calls them: green_self() is the
 * same inside, a blocking call parks (or blocks) that worker as if it had made the call itself, and
 * a cancellation of the worker is met inside too. Neither leaves the thread that made it: a call
 * from another thread is misuse and aborts. An overflow of such a stack is reported with its name.
 *
 * Generators have the semantics of Python's, fibers those of greenlet's. What differs: errors are
 * values. A forked child goes on with copies of the generators, but not of the fibers.
 */
#ifndef GREEN_GENERATOR_H
#define GREEN_GENERATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- generators ---- */

/** A function that hands out values one by one and waits in between. */
struct green_generator;

/**
 * What a generator runs; it hands out values by green_generator_yield().
 *
 * The value it returns is what green_generator_result() gives.
 */
typedef intptr_t (*green_generator_entry)(struct green_generator *generator, void *arg);

/** How to make one; start from GREEN_GENERATOR_OPTIONS. */
struct green_generator_options {
    /** Copied, cut to 31 bytes. NULL: "generator-7". */
    const char *name;
    /**
     * Bytes of stack, rounded up to pages; 0: 64 KiB. What blocks inside on a thread's own stack,
     * while that thread has tasks, runs its loop there: leave 32 KiB for that.
     */
    size_t stack_size;
};

#define GREEN_GENERATOR_OPTIONS \
    {                           \
        NULL, 0                 \
    }

/**
 * Make a generator; its function starts with the first green_generator_next(). Never suspends.
 *
 * @param entry          What it runs.
 * @param arg            Passed to entry; the caller keeps it alive for as long as entry uses it.
 * @param options        NULL for the defaults; read during the call only.
 * @param ret_generator  Set on success; given back by green_generator_destroy(). Any worker of this
 *                       thread may use it.
 * @return 0, or
 *         -EINVAL  the stack is too small,
 *         -ENOMEM  no memory for it or its stack,
 *         -ENOSPC  the stack's guard would exceed the kernel's limit of mappings,
 *         -EMFILE, -ENFILE  no descriptors for the thread's first scheduler.
 */
GREEN_API int green_generator_create(green_generator_entry entry, void *arg,
                                     const struct green_generator_options *options,
                                     struct green_generator **ret_generator);

/**
 * Close it as green_generator_close() does, and free it. NULL is taken; one that is running is
 * misuse and aborts.
 */
GREEN_API GREEN_SUSPENDS void green_generator_destroy(struct green_generator *generator);

/**
 * Run the generator to its next yield.
 *
 * Suspends if its function does. The yield in which it stands returns 0 and the value 0.
 *
 * @param generator  Not NULL.
 * @param ret_value  Set on success to what it yielded; may be NULL.
 * @return 0, or
 *         -ENODATA  it has ended, in this call or before (StopIteration),
 *         -EBUSY    it is running: the call comes from inside it, or from another task while the
 *                   one that called it waits.
 */
GREEN_API GREEN_SUSPENDS int green_generator_next(struct green_generator *generator,
                                                  intptr_t *ret_value);

/**
 * The same, giving the yield in which it stands a value.
 *
 * @return as green_generator_next(), or
 *         -EINVAL  it has not started, so that no yield is there to take the value.
 */
GREEN_API GREEN_SUSPENDS int green_generator_send(struct green_generator *generator, intptr_t value,
                                                  intptr_t *ret_value);

/**
 * The same, making the yield in which it stands fail; one that has not started ends, with err as
 * its result.
 *
 * @param err  Negative.
 * @return as green_generator_next(), or
 *         -EINVAL  err is not negative.
 */
GREEN_API GREEN_SUSPENDS int green_generator_throw(struct green_generator *generator, int err,
                                                   intptr_t *ret_value);

/**
 * End the generator early.
 *
 * The yield in which it stands returns -ECANCELED, so that its function cleans up and returns; it
 * may block, but not yield again, which is misuse and aborts. Suspends if its function does. One
 * that has not started never will, and has -ECANCELED as its result; one that has ended is left
 * alone.
 *
 * @return 0, or
 *         -EBUSY  it is running.
 */
GREEN_API GREEN_SUSPENDS int green_generator_close(struct green_generator *generator);

/**
 * What the generator's function returned. Never suspends.
 *
 * @param ret_value  Set on success only.
 * @return 0, or
 *         -EAGAIN  it has not ended.
 */
GREEN_API int green_generator_result(const struct green_generator *generator, intptr_t *ret_value);

/**
 * From inside a generator: hand out a value, and wait until the next one is asked for.
 *
 * Gives control back to the caller of green_generator_next() at once. A timeout scope or a shield
 * that the function has started must be stopped before, since it would reach out to the caller
 * (PEP 789 tells why): anything else is misuse and aborts, as is a call from outside.
 *
 * @param generator  The one whose function is calling.
 * @param value      What green_generator_next() gives.
 * @param ret_sent   Set on success to what was sent, 0 for a plain next; may be NULL.
 * @return 0, or
 *         -ECANCELED  the generator is closed: clean up and return,
 *         or what was given to green_generator_throw().
 */
GREEN_API GREEN_SUSPENDS int green_generator_yield(struct green_generator *generator,
                                                   intptr_t value, intptr_t *ret_sent);

/* ---- fibers ---- */

/**
 * One of several stacks that a worker runs on in turn, switching from one to another by name.
 *
 * The stack that a worker starts on is its main fiber. Each other fiber has a parent, to which it
 * returns when it ends. A fiber belongs to the worker that made it: a call of another worker is
 * misuse and aborts. Timeout scopes and shields are those of the fiber that started them.
 */
struct green_fiber;

/**
 * What a fiber runs.
 *
 * @param arg    As given to green_fiber_create().
 * @param value  As given to the first green_fiber_switch() to it.
 * @return what its parent's switch gives.
 */
typedef intptr_t (*green_fiber_entry)(void *arg, intptr_t value);

/** How to make one; start from GREEN_FIBER_OPTIONS. */
struct green_fiber_options {
    /** Copied, cut to 31 bytes. NULL: "fiber-7". */
    const char *name;
    /** As in green_generator_options. */
    size_t stack_size;
    /** NULL: the fiber that makes it. */
    struct green_fiber *parent;
};

#define GREEN_FIBER_OPTIONS \
    {                       \
        NULL, 0, NULL       \
    }

/**
 * Make a fiber; it starts with the first switch to it. Never suspends.
 *
 * @param entry      What it runs.
 * @param arg        Passed to entry; the caller keeps it alive for as long as entry uses it.
 * @param options    NULL for the defaults; read during the call only.
 * @param ret_fiber  Set on success; given back by green_fiber_destroy().
 * @return 0, or as green_generator_create().
 */
GREEN_API int green_fiber_create(green_fiber_entry entry, void *arg,
                                 const struct green_fiber_options *options,
                                 struct green_fiber **ret_fiber);

/**
 * Free a fiber. NULL is taken.
 *
 * One that stands in the middle of its function becomes the caller's child and has its switch fail
 * with -ECANCELED (greenlet: GreenletExit), so that it cleans up and returns; if instead it lets go
 * of the processor without ending, that is misuse and aborts. So is the destruction of the running
 * or a main fiber. Suspends if its function does.
 */
GREEN_API GREEN_SUSPENDS void green_fiber_destroy(struct green_fiber *fiber);

/**
 * Go on in another fiber, giving it a value, until somebody switches back.
 *
 * Other workers do not run because of it. A fiber that has ended stands for its parent, or the
 * parent's parent; a switch to oneself returns at once.
 *
 * @param fiber      Not NULL.
 * @param value      What that fiber's green_fiber_switch() gives, or its function gets.
 * @param ret_value  Set on success to what the one that switched back gave, or to what the function
 *                   of a child returned; may be NULL.
 * @return 0, or what was given to green_fiber_throw().
 */
GREEN_API GREEN_SUSPENDS int green_fiber_switch(struct green_fiber *fiber, intptr_t value,
                                                intptr_t *ret_value);

/**
 * The same, making the switch in which that fiber stands fail. One that has not started ends, and
 * its parent gets err as its value.
 *
 * @param err  Negative; -ECANCELED asks it to end.
 * @return as green_fiber_switch(), or
 *         -EINVAL  err is not negative.
 */
GREEN_API GREEN_SUSPENDS int green_fiber_throw(struct green_fiber *fiber, int err,
                                               intptr_t *ret_value);

/** The fiber that is running, borrowed; NULL only without memory for a worker's first one. */
GREEN_API struct green_fiber *green_fiber_self(void);

/** The fiber's parent, borrowed; NULL for a main fiber. */
GREEN_API struct green_fiber *green_fiber_parent(const struct green_fiber *fiber);

/** Whether its function has returned, or will never run. */
GREEN_API bool green_fiber_ended(const struct green_fiber *fiber);

#ifdef __cplusplus
}
#endif

#endif
