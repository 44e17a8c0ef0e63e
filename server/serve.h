/*
 * Serving one connection.
 */
#ifndef SERVER_SERVE_H
#define SERVER_SERVE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ending.h"
#include "options.h"
#include "wire.h"

/** While the server drains, a connection that has been quiet for this long is at its end. */
#define QUIET_MS 100

typedef _Atomic uint64_t tally_count;

/** What passed through one connection: written by who serves it, read by anybody. */
struct tally {
    tally_count received; /**< Bytes. */
    tally_count sent;     /**< Bytes. */
    tally_count messages; /**< Chunks that were received and answered. */
    /** All was answered, and with our end the drain is done: only the peer's end is awaited. */
    atomic_bool drained;
};

static inline uint64_t
tally_get(const tally_count *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

static inline void
tally_add(tally_count *count, uint64_t amount)
{
    atomic_store_explicit(count, tally_get(count) + amount, memory_order_relaxed);
}

/**
 * Answer everything that comes on a connection, until its end. Does not close the descriptor.
 *
 * A cancellation of the calling worker is the order to drain this connection.
 *
 * @param tally  What passes is added to it, and to the counters of the process.
 */
enum ending serve(const struct wire *wire, const struct options *options, struct tally *tally);

/** A drain is about to end our side of a connection, so that it is not cut off by what comes; or it
 *  could not. */
void serve_note_drained(struct tally *tally, bool drained);

/**
 * After a drained connection: wait for the peer to end its side too, so that nothing of what it got
 * is taken back by a reset. What still comes was sent too late and is dropped; the log says so.
 */
void serve_linger(const struct wire *wire, struct tally *tally);

/** After a connection that we have ended while its peer may be sending: the same, for a moment. */
void serve_let_go(const struct wire *wire);

#endif
