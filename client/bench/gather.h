/*
 * From the pages of the loops to one result.
 */
#ifndef ECHOC_BENCH_GATHER_H
#define ECHOC_BENCH_GATHER_H

#include "result.h"
#include "board.h"

struct gather;

/**
 * Called for each second, in order, with its row and its histograms; replies that came after the
 * end are one more, without a length.
 */
typedef void (*gather_second)(void *arg, const struct echoc_second *row,
                              const struct echoc_histograms *histograms);

/**
 * Begin to gather into a result.
 *
 * @param on_second  May be NULL.
 * @return NULL when memory is short; else to be ended by gather_end().
 */
struct gather *gather_begin(struct control *control, struct echoc_result *result,
                            gather_second on_second, void *arg);

/** Take the pages that are whole. */
void gather_step(struct gather *gather);

/** The loops have ended: take what is left, and work out the rates. Frees the gatherer. */
void gather_end(struct gather *gather);

#endif
