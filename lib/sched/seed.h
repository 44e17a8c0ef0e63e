/*
 * The seam for deterministic runs in the scheduler, see green/seed.h.
 *
 * A seeded scheduler has no budget: what looks for the next worker is sent to the side road that it
 * takes anyway when its turn is over, and from there to green__seed_next(). A usual run asks
 * nothing more than that, and once a turn whether there is a seed.
 */
#ifndef GREEN_SCHED_SEED_H
#define GREEN_SCHED_SEED_H

#include "sched/sched.h"

/** A scheduler is new: seed it if GREEN_SEED says so. */
void green__seed_environment(struct green__sched *sched);

/** Take any worker out of the run queue; NULL when there is none or when it is time to look
 *  outside. */
struct green_job *green__seed_next(struct green__sched *sched);

/** A look at the outside world begins that may take `timeout_ms`; returns how long it is to take.
 */
int green__seed_look(struct green__sched *sched, int timeout_ms);

/** It is over. */
void green__seed_looked(struct green__sched *sched);

/** The scheduler of a thread ends, or is a forked child's copy: the real clock holds again. */
void green__seed_forget(void);

#endif
