/*
 * One run of a load, from the first connection to the result.
 */
#ifndef ECHOC_BENCH_RUN_H
#define ECHOC_BENCH_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "result.h"
#include "gather.h"

/** How far a run has come, for whoever shows it. */
struct run_state {
    enum run_phase { RUN_CONNECTING, RUN_WARMING, RUN_MEASURING, RUN_ENDING } phase;
    double elapsed_s;  /**< Of the measurement. */
    uint64_t answered; /**< All told. */
    uint64_t errors;
    uint64_t tried; /**< Connections whose making is over. */
    uint64_t standing;
    uint64_t attackers;
};

/** Who is told, on the main stack. Members may be NULL. */
struct run_watcher {
    /** Some ten times a second. */
    void (*tick)(void *arg, const struct run_state *state);
    gather_second second;
    void *arg;
};

/**
 * Run a load. Suspends. The first SIGINT or SIGTERM ends it early, with what there is by then; the
 * second does not wait for replies.
 *
 * @param wait_ms  For how long to wait for a server that is not there yet.
 * @param result   Empty; filled as far as the run came.
 * @param ret_status  Set to ECHOC_OK, or to ECHOC_FAILED when something went wrong.
 * @return Whether it could begin, so that there is a result. When it could not, why has been said.
 */
bool run_load(const struct echoc_load *load, uint64_t wait_ms, const struct run_watcher *watcher,
              struct echoc_result *result, int *ret_status);

#endif
