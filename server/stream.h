/*
 * A process that serves its connections by jobs of one kind: tasks, or threads.
 */
#ifndef SERVER_STREAM_H
#define SERVER_STREAM_H

#include <green.h>

#include "server.h"

/**
 * Accept and serve until a signal says to end, or the calling worker is cancelled, which drains.
 * Does not return when connections have to be cut off.
 *
 * @param kind   GREEN_TASK or GREEN_THREAD: what serves a connection.
 * @param limit  Connections at once; more wait in the backlog.
 * @return an exit code.
 */
int stream_run(struct server *server, enum green_kind kind, unsigned limit);

/**
 * Serve to its end what is queued at the listeners, by tasks, and nothing more: a drain from the
 * start. The listeners end with it in all processes that have them.
 */
int stream_run_rest(struct server *server);

#endif
