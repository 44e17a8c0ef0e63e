/*
 * The access log: a line for each connection that ended.
 */
#ifndef SERVER_ACCESS_H
#define SERVER_ACCESS_H

#include "refusal.h"
#include "visits.h"

/** Choose where the lines go: NULL or "off", "-" for standard output, or a file; 0 or a negative
 *  errno. */
int access_open(const char *target);

/** Once log_reopen() has said that files are to be opened anew: whether this one could be. */
bool access_reopen(void);

/** Make what all processes share for it; 0 or -ENOMEM. */
int access_share(const struct options *options);

/**
 * A connection is accepted. Who the peer is is looked up for the log, or if it is wanted.
 *
 * @param own  Memory for the visit; with a log it is where others can see it instead.
 */
struct visit *access_begin(struct visit *own, int fd, bool wants_peer);

/** It has come so far. */
void access_stage(struct visit *visit, enum stage stage);

/** It has ended; the visit is no more. */
void access_end(struct visit *visit, enum ending ending);

/** It is not served; the visit is no more. */
void access_refused(struct visit *visit, enum refusal refusal);

/**
 * A process that serves has ended, or is about to: account for what it leaves open, by `ending`.
 * Those that were drained and only waited for their peer are counted as that.
 *
 * @param row  The process' row of counters.
 * @return How many ended by `ending`.
 */
unsigned access_abandon(pid_t pid, size_t row, enum ending ending);

#endif
