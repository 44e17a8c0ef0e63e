/*
 * Connections that are open, where all processes of echod see them.
 *
 * For the access log alone: what is known of a connection outlives the process that serves it, so
 * that its line can be written by who is left. Without an access log there is no table.
 */
#ifndef SERVER_VISITS_H
#define SERVER_VISITS_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "serve.h"

/** How far a connection has come. What came before is written by then. */
enum stage {
    STAGE_BEGUN,
    STAGE_ADMITTED, /**< It is known who the client is. */
    STAGE_SERVED,   /**< TLS, if there is any, has begun. */
};

/** One connection, from its being accepted to its end. */
struct visit {
    struct tally tally;
    uint64_t began_ns;        /**< As green_after(0). */
    struct sockaddr_in6 peer; /**< Or a shorter address at its beginning. */
    struct wire wire;         /**< What its bytes go over. */
    atomic_int stage;         /**< enum stage */
};

/** What the log says of TLS, as long as the process that has it may end at any time. */
struct visit_text {
    bool json; /**< In which form. */
    char text[WIRE_TEXT];
};

/** Make the table, for so many connections over all processes; 0 or -ENOMEM. */
int visits_share(size_t capacity, bool secure);

/** A place, its memory being zeros; NULL: there is none. */
struct visit *visits_take(void);

/** It is filled in: a connection of this process. Nothing happens to one that has no place. */
void visits_own(struct visit *visit);

/** Whether it is still ours, so that its line is ours to write: true once. */
bool visits_claim(struct visit *visit);

/** Its place is free for others. */
void visits_free(struct visit *visit);

/** Where the text about its TLS is kept; NULL: nowhere. */
struct visit_text *visits_text(const struct visit *visit);

/** Claim each that a process has open, hand it to `end`, and free it. */
void visits_each(pid_t pid, void (*end)(struct visit *visit, void *arg), void *arg);

#endif
