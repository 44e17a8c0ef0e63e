/*
 * Deterministic runs: the order in which tasks run, and time itself, derived from a number.
 *
 * A program whose result depends on who runs first fails once in a while, and never again when one
 * looks. With a seed the scheduler of a thread picks each time any one of the tasks that are ready,
 * by numbers that follow from the seed: another seed, another order; the same seed, the same order,
 * as often as one likes. So a test runs its program with thousands of seeds, and prints the one
 * that failed. What the primitives promise stays: who waits is still served in FIFO order.
 *
 * Time is virtual then. It stands still while anybody can run, and when nobody can it moves to the
 * next deadline at once: an hour of sleep takes no time, and a timeout never strikes because the
 * machine was busy. It begins as what the clock says, and green_after(), sleeps, deadlines and
 * timeout scopes of the thread all go by it. Code that calls green_yield() until some time has come
 * waits for ever: it can always run.
 *
 * This holds for the tasks, and the own stack, of one thread that do nothing with the outside
 * world. While the thread watches descriptors (from the first wait for one until it is closed),
 * while work of the thread pool or the resolver is under way, and while the process has other
 * threads that use the library, time that nobody can use passes as it does outside, and what comes
 * from there comes when it comes: the order among the ready still follows from the seed, but not
 * when they become ready. A deadline handed to another thread is one of another clock.
 *
 * The environment variable GREEN_SEED, a number, seeds every thread of a program that has tasks,
 * from its first task on.
 */
#ifndef GREEN_SEED_H
#define GREEN_SEED_H

#include <stdint.h>

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Run the calling thread's tasks in the order that follows from a seed, in virtual time.
 *
 * Never suspends. What is ready already takes part. On a thread that has a seed, GREEN_SEED
 * included, this begins anew with the other one, and time goes on from where it is. A thread or
 * process that is spawned has none unless GREEN_SEED gives it one.
 *
 * @param seed  Any number.
 * @return 0, or
 *         -ENOMEM, -EMFILE, ...  there are no means for the thread's first task.
 */
GREEN_API int green_seed_start(uint64_t seed);

/**
 * Go on as usual, by the real clock.
 *
 * Never suspends. Deadlines that were made in between are of the other clock, and come later than
 * they should if that was ahead: best to be called when no task is left.
 *
 * @return A digest of all choices since the start, and of when they were made: the same after two
 *         runs that went the same way. 0 if the thread had no seed.
 */
GREEN_API uint64_t green_seed_stop(void);

#ifdef __cplusplus
}
#endif

#endif
