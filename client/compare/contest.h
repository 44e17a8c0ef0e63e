/*
 * Running the rounds of a comparison.
 */
#ifndef ECHOC_COMPARE_CONTEST_H
#define ECHOC_COMPARE_CONTEST_H

#include "comparison.h"
#include "options.h"

/**
 * Start each server, put the load on it, and stop it, round by round. Suspends.
 *
 * A server that cannot be started to begin with, or is no echo server, ends the whole before
 * anything is measured. SIGINT and SIGTERM end it early, with what there is by then.
 *
 * @param comparison  Empty; receives the rounds.
 * @return ECHOC_OK, or ECHOC_FAILED after each failure has been said.
 */
int contest_run(struct compare_options *options, struct echoc_comparison *comparison);

#endif
