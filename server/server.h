/*
 * A running echod: what all modes share.
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "listener.h"
#include "mode.h"
#include "options.h"

struct server {
    struct options options;
    double started; /**< In seconds since 1970. */
    int argc;       /**< The command line, to be read again. */
    char **argv;
    struct listeners listeners;
    pid_t successor; /**< The echod that has taken over; 0: none has. */
    int signal_fd;   /**< A signalfd for all that signals_block() blocked. */
    /** Connections that are served now: shared with the supervisor when there is one. */
    atomic_uint *connections;
    struct board *board; /**< A worker process': shared with its supervisor; else NULL. */
    struct place *place; /**< Its own place on it. */
};

/** From now on this process accepts: say so to whom it concerns. */
void server_ready(struct server *server);

#endif
