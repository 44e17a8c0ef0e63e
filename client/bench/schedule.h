/*
 * When messages are due in an open loop.
 */
#ifndef ECHOC_BENCH_SCHEDULE_H
#define ECHOC_BENCH_SCHEDULE_H

#include <stdint.h>

#include "load.h"

/** The warm-up, at the rate that the load begins with, and the load's steps. */
struct schedule {
    size_t count;
    struct echoc_step steps[ECHOC_STEPS_MAX + 1];
    double begins_s[ECHOC_STEPS_MAX + 1];
    double due_before[ECHOC_STEPS_MAX + 1];
};

void schedule_init(struct schedule *schedule, const struct echoc_load *load);

/** How many messages are due in the first so many seconds. */
double schedule_due(const struct schedule *schedule, double seconds);

/** When the so manieth message is due, in seconds; INFINITY when it never is. */
double schedule_when(const struct schedule *schedule, double message);

/** The share of a schedule that one of several senders has, and where in it this one is. */
struct cursor {
    double message;
    double stride;
    uint64_t random; /**< 0: evenly. */
};

/**
 * @param index   Which of the senders, from 0.
 * @param count   How many there are.
 * @param random  0: messages are due evenly, the senders taking turns. Else the state of a random
 *                sequence: at random, so that all of them together are a Poisson process.
 */
void cursor_init(struct cursor *cursor, uint64_t index, uint64_t count, uint64_t random);

/** When this sender's next message is due: each call gives the one after. */
double cursor_next(struct cursor *cursor, const struct schedule *schedule);

#endif
