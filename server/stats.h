/*
 * What echod counts. Every process that serves has a row of its own in memory that all share.
 *
 * Counters only grow, also over the end of a worker and the start of the next in its place.
 */
#ifndef SERVER_STATS_H
#define SERVER_STATS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum stat {
    STAT_ACCEPTED, /**< Connections that were accepted. */
    STAT_MESSAGES, /**< Chunks that were received and answered. */
    STAT_RECEIVED, /**< Bytes. */
    STAT_SENT,     /**< Bytes. */
    STAT_LATE,     /**< Bytes that came after the end of a drained connection. */
    STAT_ENDED,    /**< Connections that ended, by enum ending: from here on. */
    STAT_ENDED_LAST = STAT_ENDED + 3,
    STAT_COUNT,
};

typedef _Atomic uint64_t stats_counter;

struct stats {
    stats_counter values[STAT_COUNT];
};

/** The row of this process. */
extern struct stats *stats_own;

/** Whether several threads write it. */
extern bool stats_contended;

/** Make the rows, before the workers are forked; 0 or -ENOMEM. */
int stats_share(size_t rows);

/** From now on this process writes row `i`. */
void stats_take(size_t i, bool contended);

/** The sum over all rows. */
uint64_t stats_sum(enum stat stat);

/** Add to a counter: next to free where one thread serves. */
static inline void
stats_add(enum stat stat, uint64_t amount)
{
    stats_counter *counter = &stats_own->values[stat];
    if (stats_contended) {
        atomic_fetch_add_explicit(counter, amount, memory_order_relaxed);
    } else {
        uint64_t before = atomic_load_explicit(counter, memory_order_relaxed);
        atomic_store_explicit(counter, before + amount, memory_order_relaxed);
    }
}

#endif
