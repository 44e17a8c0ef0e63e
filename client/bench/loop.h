/*
 * One loop of a run: its connections, each a task, and who looks after them.
 */
#ifndef ECHOC_BENCH_LOOP_H
#define ECHOC_BENCH_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "board.h"
#include "checker.h"
#include "green.h"
#include "schedule.h"
#include "script.h"
#include "channel.h"

/** What all loops have in common; nobody changes it once they run. */
struct plan {
    struct echoc_load load;
    struct green_address address;
    /** NULL: plain. */
    struct green_tls_config *tls_config;
    /** The server is at an address of 127.0.0.0/8: any of these will do for our end. */
    bool loopback;
    struct script script;
    struct schedule schedule;
    size_t loops;
    /** Messages that may be outstanding on a connection, those that are given up included. */
    uint32_t window;
    uint64_t timeout_ns;
    struct control *control;
};

/** When a message was due, and when it was sent. */
struct stamp {
    uint64_t due_ns;
    uint64_t sent_ns;
};

struct connection {
    struct checker checker; /**< First: events lead from it to the connection. */
    struct loop *loop;
    struct green_job *job;
    struct green_job *flusher;
    /** Held by who sends. */
    struct green_mutex sender;
    struct channel channel;
    /** The buffer of what has just been received, to send from; NULL: there is none. */
    struct green_view *spare;
    /** It is made, and its end has not come: messages may go. */
    bool standing;
    /** Nothing can be done with it but to read it to its end. */
    bool broken;
    /** Our side has been shut down. */
    bool shut;
    bool connecting;
    /** It stands in the pacer's heap. */
    bool queued;
    /** The first byte of the first reply has come. */
    bool begun;
    /** Messages that may be in flight beyond the pipeline, for those that do not come back. */
    uint32_t allowance;
    uint64_t number;
    /** Messages of this connection that may still be sent: churn. */
    uint64_t left;
    /** The message that is being sent, where the text has it, and how much of it is gone. */
    uint64_t sending;
    size_t sending_at;
    size_t sending_offset;
    uint64_t bytes_sent;
    uint64_t first_sent_ns;
    /** The last time that something came, or was sent while nothing was outstanding. */
    uint64_t progress_ns;
    /** Open loop: when the next message is due, and since when one could have been sent. */
    struct cursor cursor;
    uint64_t due_ns;
    uint64_t free_ns;
    /** By message, modulo the window. */
    struct stamp *stamps;
};

struct loop {
    const struct plan *plan;
    struct control *control;
    struct board *board;
    size_t index;
    struct connection *connections;
    size_t count;
    struct stamp *stamps;
    /** Tasks of connections that have not ended. */
    size_t alive;
    /** The time that events get which come of the bytes that were just received. */
    uint64_t now_ns;
    struct page *page;
    uint64_t page_until_ns;
    uint64_t measure_ns;
    uint64_t end_ns;
    bool started;
    bool stopping;
    struct green_event start;
    struct green_event stop;
    struct green_semaphore connecting;
    /** Messages that may still be sent, with -n. */
    uint64_t budget;
    uint64_t next_connect_ns;
    uint64_t connect_gap_ns;
    uint64_t made;
    uint64_t answered;
    uint64_t answered_ns; /**< When the last one was. */
    uint64_t standing;
    /** Connections in a row that the server ended before it had answered anything. */
    uint64_t useless;
    uint64_t wrong;
    struct echoc_damage first_wrong;
    uint64_t random;
    uint64_t last_seen_ns; /**< When a connection stood last. */
    /** Open loop: connections by when their next message is due. */
    struct connection **heap;
    size_t heap_count;
    int timer;
    uint64_t armed_ns;
    struct green_job *pacer;
    struct green_job **attackers;
    size_t attacker_count;
};

/** The entry of a loop's thread or process; arg is a struct loop with plan and index set. */
intptr_t loop_run(void *arg);

/** The page of a point in time. */
struct page *loop_page(struct loop *loop, uint64_t now_ns);

/** Count an error, now. */
void loop_count(struct loop *loop, enum echoc_phase phase, int cause, uint64_t count);

/* ---- connections: connection.c ---- */

/** The entry of a connection's task. */
intptr_t connection_run(void *arg);

/** Shut our side down, when nothing is outstanding. */
void connection_finish(struct connection *connection);

/** Look whether a reply is overdue, and go on without it if so. */
void connection_watch(struct connection *connection, uint64_t now_ns);

/* ---- messages: traffic.c ---- */

/** What the checker of a connection calls. */
extern const struct checker_events traffic_events;

/** Begin a connection that has just been made. */
void traffic_begin(struct connection *connection);

/** Let messages go for which it is time and room, and see that they are sent. Others may run
 *  meanwhile; waits for the socket in a closed loop only. */
void traffic_release(struct connection *connection, uint64_t now_ns);

/** The stream has ended: let nothing more go, and wait until nobody sends any more. */
void traffic_end(struct connection *connection);

/* ---- the open loop's clock: pacer.c ---- */

int pacer_open(struct loop *loop);
void pacer_close(struct loop *loop);

/** Have traffic_release() called when the connection's next message is due. */
void pacer_queue(struct connection *connection);

/** The run is stopping. */
void pacer_stop(struct loop *loop);

/* ---- attacks: attack.c ---- */

int attacks_start(struct loop *loop);
void attacks_stop(struct loop *loop);

/* ---- sockets: dial.c ---- */

/**
 * Connect to the server, from an address that has ports left, and shake hands if it speaks TLS.
 *
 * @param fresh  A connection of many in a row, each of which uses a port up for a while.
 * @param channel  Its descriptor is set, also while connecting, to the socket; -1 when it was
 *                 closed after a failure.
 * @return 0 or a negative errno value.
 */
int dial(const struct plan *plan, uint64_t number, bool fresh, struct channel *channel);

#endif
