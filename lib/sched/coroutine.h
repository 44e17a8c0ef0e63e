/*
 * Stacks beside its own that a worker goes on on, as itself: what generators and fibers share.
 *
 * The context of a running worker is that of the stack it is on, wherever that is: a park inside
 * leaves that stack and comes back to it. A stack that the worker has left for another one of its
 * own is kept in a spot.
 */
#ifndef GREEN_SCHED_COROUTINE_H
#define GREEN_SCHED_COROUTINE_H

#include <stdbool.h>

#include "sched/worker.h"

/** A stack, and what it goes by. */
struct green__coroutine {
    struct green__stack stack;
    const void *thread; /**< The only one that may use it. */
    const char *kind;
    uint64_t number;
    char name[GREEN__NAME_SIZE]; /**< Empty: it goes by its number. */
};

/** Where a worker goes on when it comes back. */
struct green__spot {
    struct green__context context;
    struct green__coroutine *coroutine; /**< NULL: on the worker's own stack. */
};

/**
 * Take a stack for a coroutine of the calling thread.
 *
 * @param kind        In static storage.
 * @param name        Copied; NULL for none.
 * @param stack_size  0: the default.
 * @param start       Set to where it starts: with entry(arg), which must not return.
 * @return 0, -EINVAL, -ENOMEM, -ENOSPC, -EMFILE, ...
 */
int green__coroutine_init(struct green__coroutine *coroutine, const char *kind, const char *name,
                          size_t stack_size, struct green__spot *start, green__context_entry entry,
                          void *arg);

/** Give the stack back. Nobody is on it: `spot` is its start, or was left for the last time. */
void green__coroutine_fini(struct green__coroutine *coroutine, struct green__spot *spot);

/** Abort unless the calling thread is the coroutine's. */
void green__coroutine_check_thread(const struct green__coroutine *coroutine, const char *function);

/** Its name, or what it goes by, put into `buffer`. Async-signal-safe. */
const char *green__coroutine_name(const struct green__coroutine *coroutine,
                                  char buffer[GREEN__NAME_SIZE]);

/**
 * The calling worker goes on at `to`; where it was stays in `from` until it is sent back there.
 *
 * @param ends  It never will be.
 */
void green__coroutine_switch(struct green_job *self, struct green__spot *from,
                             const struct green__spot *to, bool ends);

#endif
