/*
 * Futures, as executors make them.
 */
#ifndef GREEN_JOB_FUTURE_H
#define GREEN_JOB_FUTURE_H

#include "green/future.h"
#include "sched/wait.h"

/** What a future is done with. */
struct green__outcome {
    intptr_t value;
    int err; /* 0 or negative */
    bool died;
    int status;  /* of a process that died */
    void *bytes; /* the future's, to be freed */
    size_t size;
};

struct green_future {
    struct green__waitq queue; /* its lock guards those who wait, and the hooks */
    struct green__list hooks;
    struct green__outcome outcome; /* of who has claimed it, until it is done */
    atomic_uint state;             /* bits: see future.c */
    atomic_uint references;
    int (*cancel)(struct green_future *future); /* NULL: it is set by the user */
    void (*release)(struct green_future *future);
};

/** One reference; not done. */
void green__future_init(struct green_future *future, int (*cancel)(struct green_future *future),
                        void (*release)(struct green_future *future));

/** Have a hook called when it is done; false when it is already. */
bool green__future_hook(struct green_future *future, struct green__hook *hook);

/** Free what it holds, its own memory aside. */
void green__future_fini(struct green_future *future);

/** Set it, once: 0, or -EALREADY and the outcome's bytes are freed. */
int green__future_settle(struct green_future *future, const struct green__outcome *outcome);

#endif
