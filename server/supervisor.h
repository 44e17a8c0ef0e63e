/*
 * The supervisor: keeps a number of worker processes. It runs no loop and no thread itself.
 */
#ifndef SERVER_SUPERVISOR_H
#define SERVER_SUPERVISOR_H

#include <stdbool.h>

#include "board.h"
#include "server.h"

/** What a worker process runs, until it is cancelled (a drain); returns its exit code. */
typedef int (*work_function)(struct server *server);

/** The workers of a mode. */
struct workforce {
    work_function work;
    /**
     * Of workers that cannot serve the queue when they drain: what one more worker runs then, which
     * takes what is queued and ends the listeners. NULL: each worker looks after the queue.
     */
    work_function rest;
    unsigned least; /**< So many at all times; one that dies is replaced. */
    unsigned most;  /**< Up to so many when no worker is idle. */
    bool fixed;     /**< There are always as many as there may be: both numbers change together. */
};

/** Keep workers until a signal says to end; returns echod's exit code. */
int supervise(struct server *server, const struct workforce *force);

#endif
