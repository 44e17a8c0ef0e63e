/*
 * The access log: a line for each connection that ended.
 */
#ifndef SERVER_ACCESS_H
#define SERVER_ACCESS_H

#include <netinet/in.h>
#include <stdbool.h>

#include "refusal.h"
#include "serve.h"

/** One connection, from its being accepted to its end. */
struct visit {
    struct tally tally;
    uint64_t began_ns;        /**< As green_after(0). */
    struct sockaddr_in6 peer; /**< Or a shorter address at its beginning. */
    struct wire wire;         /**< What its bytes go over. */
};

/** Choose where the lines go: NULL or "off", "-" for standard output, or a file; 0 or a negative
 *  errno. */
int access_open(const char *target);

/** A connection is accepted. Who the peer is is looked up for the log, or if it is wanted. */
void access_begin(struct visit *visit, int fd, bool wants_peer);

/** It has ended. */
void access_end(const struct visit *visit, enum ending ending);

/** It is not served. */
void access_refused(const struct visit *visit, enum refusal refusal);

#endif
