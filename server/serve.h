/*
 * Serving one connection.
 */
#ifndef SERVER_SERVE_H
#define SERVER_SERVE_H

#include <stdint.h>

#include "ending.h"
#include "options.h"
#include "wire.h"

/** While the server drains, a connection that has been quiet for this long is at its end. */
#define QUIET_MS 100

/** What passed through one connection. */
struct tally {
    uint64_t received; /**< Bytes. */
    uint64_t sent;     /**< Bytes. */
    uint64_t messages; /**< Chunks that were received and answered. */
};

/**
 * Answer everything that comes on a connection, until its end. Does not close the descriptor.
 *
 * A cancellation of the calling worker is the order to drain this connection.
 *
 * @param tally  What passes is added to it, and to the counters of the process.
 */
enum ending serve(const struct wire *wire, const struct options *options, struct tally *tally);

/**
 * After a drained connection: wait for the peer to end its side too, so that nothing of what it got
 * is taken back by a reset. What still comes was sent too late and is dropped; the log says so.
 */
void serve_linger(const struct wire *wire);

/** After a connection that we have ended while its peer may be sending: the same, for a moment. */
void serve_let_go(const struct wire *wire);

#endif
