/*
 * Which processors the server has, and which the load.
 */
#ifndef ECHOC_COMPARE_PLACEMENT_H
#define ECHOC_COMPARE_PLACEMENT_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct placement {
    cpu_set_t all;
    cpu_set_t server;
    cpu_set_t load;
    unsigned server_count;
    /** A sentence without its full stop. */
    char text[200];
};

/** Share the processors that we may use: the load gets one for each of its threads, and at most
 *  half of them; the server has the others. With a single one both run on it.
 *
 * @param computes  The server computes for each message, which leaves the load hardly anything to
 *                  do: then the server has them all, and the load with it.
 */
void placement_choose(struct placement *placement, uint64_t load_threads, bool computes);

/** Run on these from now on; what is started runs there as well. */
void placement_move(const cpu_set_t *set);

#endif
