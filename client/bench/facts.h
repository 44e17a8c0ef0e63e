/*
 * What the system tells of the machine, and of a server that runs on it.
 */
#ifndef ECHOC_BENCH_FACTS_H
#define ECHOC_BENCH_FACTS_H

#include <stdint.h>

#include "result.h"
#include "green.h"

/** Describe this machine. */
void facts_machine(struct echoc_machine *machine);

struct facts;

/**
 * Look for the processes of a server and take its memory before the run.
 *
 * @param address  Where it listens.
 * @param pid      A process of it that is known otherwise, or 0.
 * @return What the other calls take; NULL, which they take too, when nothing is known of it: it is
 *         on another machine, or belongs to somebody else.
 */
struct facts *facts_open(const struct green_address *address, uint64_t pid);

/** The measurement begins. */
void facts_begin(struct facts *facts);

/** The measurement ends, connections still stand: set what is known by now. */
void facts_end(struct facts *facts, struct echoc_server *server);

void facts_close(struct facts *facts);

#endif
