/*
 * What is shown while a run goes on.
 */
#ifndef ECHOC_BENCH_LIVE_H
#define ECHOC_BENCH_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "run.h"

#define LIVE_SAMPLES 10

struct live {
    const struct echoc_load *load;
    /** One line that is drawn again and again; else a plain line every few seconds. */
    bool redraws;
    bool drawn;
    uint64_t answered[LIVE_SAMPLES];
    uint64_t at_ns[LIVE_SAMPLES];
    size_t samples;
    double p99_us;
    uint64_t said_ns;
};

/** Begin to show; standard error is where. */
void live_begin(struct live *live, const struct echoc_load *load);

/** As the members of struct run_watcher. */
void live_tick(struct live *live, const struct run_state *state);
void live_second(struct live *live, const struct echoc_second *row);

/** Leave the terminal as it was. */
void live_end(struct live *live);

/**
 * The line of a state, at most `width` columns wide.
 *
 * @param rate  Messages a second.
 */
void live_line(const struct live *live, const struct run_state *state, double rate, int width,
               char *buffer, size_t size);

#endif
