/*
 * What echod counts. Every process that serves has a row of its own in memory that all share.
 *
 * Counters only grow, also over the end of a worker and the start of the next in its place; gauges
 * are of the process that has the row now.
 */
#ifndef SERVER_STATS_H
#define SERVER_STATS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ending.h"
#include "refusal.h"

enum stat {
    STAT_STARTS,   /**< Processes that have had this row. */
    STAT_ACCEPTED, /**< Connections that were accepted. */
    STAT_MESSAGES, /**< Chunks that were received and answered. */
    STAT_RECEIVED, /**< Bytes. */
    STAT_SENT,     /**< Bytes. */
    STAT_LATE,     /**< Bytes that came after the end of a drained connection. */
    STAT_ENDED,    /**< Connections that ended, by enum ending: from here on. */
    STAT_ENDED_LAST = STAT_ENDED + ENDING_COUNT - 1,
    STAT_REFUSED, /**< Connections that were not served, by enum refusal: from here on. */
    STAT_REFUSED_LAST = STAT_REFUSED + REFUSAL_COUNT - 1,
    STAT_UNTRACKED,    /**< Connections that there was no room to count by address. */
    STAT_PROXY_CHECKS, /**< Connections that a proxy made for itself. */
    STAT_TLS_12,       /**< Handshakes that were done, by version. */
    STAT_TLS_13,
    STAT_TLS_RESUMED,   /**< Of them: sessions that went on. */
    STAT_TLS_OFFLOADED, /**< Of them: the kernel seals what is sent. */
    STAT_TLS_TRUNCATED, /**< Streams that ended without the peer's close_notify. */
    STAT_ACCEPT_ERRORS, /**< Times that a connection had to wait for want of something. */
    STAT_SERVICE_NS,    /**< Time from a chunk's being received to its answer's being sent. */
    STAT_COUNT,
};

enum gauge {
    GAUGE_PID, /**< 0: nobody has the row. */
    GAUGE_TASKS,
    GAUGE_READY,     /**< Workers in the run queue. */
    GAUGE_LAG_NS,    /**< How long what comes has to wait for the loop. */
    GAUGE_STACK_MAX, /**< The deepest stack, in bytes. */
    GAUGE_COUNT,
};

/** Times are counted in buckets, four to each doubling. */
#define STATS_BUCKETS 104

typedef _Atomic uint64_t stats_counter;

/** On lines of its own: no other process writes them. */
struct stats {
    _Alignas(64) stats_counter values[STAT_COUNT];
    stats_counter gauges[GAUGE_COUNT];
    stats_counter service[STATS_BUCKETS]; /**< Of STAT_SERVICE_NS. */
    atomic_uint connections;              /**< That are served now. */
    atomic_uint lingering; /**< Those that were drained and only wait for their peer's end. */
};

/** The row of this process. */
extern struct stats *stats_own;

/** Whether several threads write it. */
extern bool stats_contended;

/** Whether times are taken: somebody may ask for them. */
extern bool stats_timed;

/** Make the rows, before the workers are forked; 0 or -ENOMEM. */
int stats_share(size_t rows);

/** Row `i`. */
struct stats *stats_row(size_t i);

/** How many there are. */
size_t stats_rows(void);

/** From now on this process writes row `i`. */
void stats_take(size_t i, bool contended);

/**
 * The process of row `i` is gone, or about to go: count what it leaves open as ended, what lingered
 * as drained, the rest by `ending`. So what was accepted is always ended, refused, or open.
 *
 * @return How many ended by `ending`.
 */
unsigned stats_settle(size_t i, enum ending ending);

/** Write the gauges that the library knows; now and then, by the thread that has the loop. */
void stats_look(void);

/** The sum over all rows. */
uint64_t stats_sum(enum stat stat);

/** Add to a counter of this process: next to free where one thread serves. */
static inline void
stats_add_to(stats_counter *counter, uint64_t amount)
{
    if (stats_contended) {
        atomic_fetch_add_explicit(counter, amount, memory_order_relaxed);
    } else {
        uint64_t before = atomic_load_explicit(counter, memory_order_relaxed);
        atomic_store_explicit(counter, before + amount, memory_order_relaxed);
    }
}

static inline void
stats_add(enum stat stat, uint64_t amount)
{
    stats_add_to(&stats_own->values[stat], amount);
}

/** An answer took so long. */
void stats_add_service(uint64_t ns);

/** Where a bucket ends, in ns: what is in it took less. */
uint64_t stats_bucket_end(size_t bucket);

#endif
