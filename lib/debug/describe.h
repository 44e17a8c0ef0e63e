/*
 * A worker in one line: who, what kind, what it waits for, since when, where it was spawned.
 */
#ifndef GREEN_DEBUG_DESCRIBE_H
#define GREEN_DEBUG_DESCRIBE_H

#include <stddef.h>
#include <stdint.h>

#include "sched/worker.h"

/** Room for a line, in nearly all cases. */
#define GREEN__LINE_SIZE 512

/** What is known of a worker at one time, apart from its control block. */
struct green__description {
    uint64_t id;
    enum green_kind kind;
    char name[GREEN__NAME_SIZE];
    const char *state;     /**< What it does, where that is known better: "is ready to run". */
    const char *waits_for; /**< NULL: for nothing. */
    uintptr_t waits_on;    /**< See green__wait_on(). */
    uint64_t waited_ns;    /**< Since when: by now. */
    const void *spawned_at;
};

/**
 * Take down what is known of a worker.
 *
 * Any thread, as long as the control block does not go away; async-signal-safe. Of a worker of
 * another thread the members may be of different moments.
 */
void green__describe(const struct green_job *job, struct green__description *ret_description);

/** Write `task 7 "seven"`; the length of the text, which is cut to fit. */
size_t green__describe_who(const struct green__description *description, char *buffer, size_t size);

/** Write `a mutex at 0x5581d2c0`, or `nothing`. */
size_t green__describe_wait(const struct green__description *description, char *buffer,
                            size_t size);

/**
 * Write `task 7 "seven" waits for a mutex at 0x5581d2c0 since 1.250 s, spawned at main+0x2f
 * (prog)`.
 *
 * @return The length of the text, which has no newline and is cut to fit.
 */
size_t green__describe_line(const struct green__description *description, char *buffer,
                            size_t size);

#endif
