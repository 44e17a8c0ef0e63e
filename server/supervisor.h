/*
 * The supervisor: keeps a number of worker processes. It runs no loop and no thread itself.
 */
#ifndef SERVER_SUPERVISOR_H
#define SERVER_SUPERVISOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "server.h"

/** What a worker is doing. */
enum activity { ACTIVITY_NONE, ACTIVITY_STARTING, ACTIVITY_IDLE, ACTIVITY_BUSY };

/** A worker's place on the board, which all processes share. */
struct place {
    atomic_int activity;
    atomic_uint connections; /**< That it serves. */
    atomic_uint cut;         /**< That it cut off in the end. */
};

/** The board: written by the workers, read by the supervisor, and by workers about the others. */
struct board {
    atomic_uint alive;   /**< Processes; the supervisor's. */
    atomic_uint leaving; /**< Those of them that have nothing to do and are on their way out. */
    unsigned least;      /**< Workers that are kept. */
    unsigned most;       /**< Workers that there may be, besides one for the rest. */
    int bell_fd; /**< An eventfd: rung by workers for the supervisor to look at the board. */
    struct place places[];
};

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
};

/** Keep workers until a signal says to end; returns echod's exit code. */
int supervise(struct server *server, const struct workforce *force);

/** A worker has started, and accepts. */
void supervisor_note_ready(struct board *board, struct place *place);

/** A worker became busy: ask for another one if nobody is idle. */
void supervisor_note_busy(struct board *board, struct place *place);

/** A worker has had nothing to do for long: true when it may go. */
bool supervisor_may_retire(struct board *board, struct place *place);

#endif
