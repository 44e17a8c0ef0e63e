/*
 * From a load to what the loops need: where to connect, the text, how many loops and of what kind.
 */
#ifndef ECHOC_BENCH_PLAN_H
#define ECHOC_BENCH_PLAN_H

#include "loop.h"

/**
 * Prepare a run: connects once, to learn the address, and closes again. Suspends.
 *
 * @param wait_ms   For how long to wait for a server that is not there yet.
 * @param ret_kind  Set to what the loops are to be: processes where one process may not have as
 *                  many descriptors as there are connections.
 * @param ret_pid   Set to the process at the other end where the system tells (UNIX sockets), or 0.
 * @return 0, to be ended by plan_fini(); -1 after a failure that has been reported.
 */
int plan_init(struct plan *plan, const struct echoc_load *load, uint64_t wait_ms,
              enum green_kind *ret_kind, uint64_t *ret_pid);

void plan_fini(struct plan *plan);

#endif
