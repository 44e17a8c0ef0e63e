/*
 * The access log: a line for each connection that ended.
 */
#ifndef SERVER_ACCESS_H
#define SERVER_ACCESS_H

#include <netinet/in.h>

#include "serve.h"

/** One connection, from its being accepted to its end. */
struct visit {
    struct tally tally;
    uint64_t began_ns;        /**< As green_after(0). */
    struct sockaddr_in6 peer; /**< Or the beginning of a shorter address. */
};

/** Choose where the lines go: NULL or "off", "-" for standard output, or a file; 0 or a negative
 *  errno. */
int access_open(const char *target);

/** A connection is accepted. */
void access_begin(struct visit *visit, int fd);

/** It has ended. */
void access_end(const struct visit *visit, enum ending ending);

#endif
