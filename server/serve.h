/*
 * Serving one connection.
 */
#ifndef SERVER_SERVE_H
#define SERVER_SERVE_H

#include <stdbool.h>
#include <stdint.h>

#include "options.h"

/** How a connection ended. */
enum ending {
    ENDING_PEER,    /**< The peer shut its side down and got everything. */
    ENDING_IDLE,    /**< Nothing came for the idle timeout. */
    ENDING_DRAINED, /**< The server drains, and everything received was answered. */
    ENDING_BROKEN,  /**< The peer is gone or does not read. */
};

/**
 * Answer everything that comes on a connection, until its end. Does not close the descriptor.
 *
 * A cancellation of the calling worker starts the drain of this connection.
 *
 * @param draining  The server drains already.
 */
enum ending serve(int fd, const struct options *options, bool draining);

/**
 * After a drained connection: wait for the peer to end its side too, so that nothing of what it got
 * is taken back by a reset. What still comes was sent too late and is dropped.
 *
 * @return how many bytes were.
 */
uint64_t serve_linger(int fd);

#endif
