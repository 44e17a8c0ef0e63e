/*
 * A process that serves its connections by jobs of one kind: tasks, or threads.
 */
#ifndef SERVER_STREAM_H
#define SERVER_STREAM_H

#include <green.h>

#include "report.h"
#include "server.h"

/**
 * Accept and serve until a signal says to end, or the calling worker is cancelled, which drains.
 *
 * @param kind             GREEN_TASK or GREEN_THREAD: what serves a connection.
 * @param max_connections  At most so many at once; more wait in the backlog.
 * @return how they came to an end.
 */
struct ending_report stream_run(struct server *server, enum green_kind kind,
                                unsigned max_connections);

/**
 * Serve to its end what is queued at the listeners, by tasks, and nothing more: a drain from the
 * start. The listeners end with it in all processes that have them.
 */
struct ending_report stream_run_rest(struct server *server);

#endif
