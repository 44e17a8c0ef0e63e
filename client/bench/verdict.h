/*
 * What the figures of a run mean: was the client the bottleneck, was the server any use?
 */
#ifndef ECHOC_BENCH_VERDICT_H
#define ECHOC_BENCH_VERDICT_H

#include "result.h"
#include "plan.h"

/** Work out what follows from the figures of a run that has ended. */
void verdict_reach(struct echoc_result *result, const struct plan *plan);

#endif
