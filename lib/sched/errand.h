/*
 * Errands: what another thread has a scheduler's own thread do, since only that may look at its
 * tasks' stacks.
 *
 * A thread that asks waits for a while, and lets go of an errand that was not begun by then: it is
 * dropped by whoever comes upon it.
 */
#ifndef GREEN_SCHED_ERRAND_H
#define GREEN_SCHED_ERRAND_H

#include "sched/sched.h"

struct green__errand {
    struct green__errand *next;
    /** On the scheduler's thread, on its host's stack; it may not wait. */
    void (*run)(struct green__errand *errand, struct green__sched *sched);
    /** Nobody waits for it any more: free it. */
    void (*drop)(struct green__errand *errand);
    atomic_uint state;
};

/** Give an errand, whose `run` and `drop` are set, to a scheduler that cannot end meanwhile: within
 *  green__sched_each(). */
void green__errand_post(struct green__sched *sched, struct green__errand *errand);

/**
 * Wait, blocking the thread, until an errand is done.
 *
 * @param until  Of the real clock.
 * @return false when it was not begun by then: it is not the caller's any more.
 */
bool green__errand_wait(struct green__errand *errand, uint64_t until);

/** Do what was posted. On the scheduler's own thread. */
void green__errand_run_all(struct green__sched *sched);

#endif
