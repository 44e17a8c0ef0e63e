/*
 * A connection from its being accepted to its end: the same in every mode.
 */
#ifndef SERVER_SESSION_H
#define SERVER_SESSION_H

#include "server.h"

/**
 * Admit a connection, serve it, and account for it. Does not close the descriptor.
 *
 * Suspends. A cancellation of the calling worker is the order to drain the connection.
 */
void session_run(struct server *server, int fd);

/** Of this process' connections, how many were drained and only wait for their peer's end: they are
 *  not cut off when the process ends. */
unsigned session_lingering(void);

#endif
