/*
 * The board on which workers and their supervisor see each other: memory that all of them share.
 */
#ifndef SERVER_BOARD_H
#define SERVER_BOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Workers that there may be at least, if told to have more while echod runs. */
#define WORKERS_ROOM 256

/** What a worker is doing. */
enum activity { ACTIVITY_NONE, ACTIVITY_STARTING, ACTIVITY_IDLE, ACTIVITY_BUSY };

/** A worker's place on the board, which all processes share. */
struct place {
    atomic_int activity;
    atomic_uint cut;  /**< That it cut off in the end. */
    atomic_uint open; /**< Connections of a worker that has many, from their accept on. */
    /** When its loop last turned, as green_after(0); 0 where it has no loop. */
    _Atomic uint64_t beat_ns;
    uint64_t
        asked_ns; /**< When it was asked what it does, for its loop stands still; 0: was not. */
};

/** The board: written by the workers, read by the supervisor, and by workers about the others. */
struct board {
    atomic_uint alive;   /**< Processes; the supervisor's. */
    atomic_uint leaving; /**< Those of them that have nothing to do and are on their way out. */
    atomic_uint least;   /**< Workers that are kept. */
    atomic_uint most;    /**< Workers that there may be, besides one for the rest. */
    unsigned capacity;   /**< Places for them. */
    int bell_fd; /**< An eventfd: rung by workers for the supervisor to look at the board. */
    struct place places[];
};

/** Whether a worker could take a connection at once. */
bool board_has_idle(struct board *board);

/** A worker has started, and accepts. */
void board_note_ready(struct board *board, struct place *place);

/** A worker became busy: ask for another one if nobody is idle. */
void board_note_busy(struct board *board, struct place *place);

/** A worker has had nothing to do for long: true when it may go. */
bool board_may_retire(struct board *board, struct place *place);

#endif
