/*
 * How a process of echod goes: what it leaves behind in the file system, and what it says of the
 * connections that did not come to their end.
 */
#ifndef SERVER_LEAVE_H
#define SERVER_LEAVE_H

#include <stdbool.h>

#include "server.h"

/**
 * The listeners are about to close: remove the UNIX socket's file while it is still ours. Nothing
 * happens in a worker process.
 */
void leave_listeners(struct server *server);

/** The process ends: remove what is left of files; nothing in a worker process. */
void leave_files(struct server *server);

/**
 * End the process without waiting for anything.
 *
 * @param cut        Connections that are cut off; if there are any it is said, and the exit code
 * is 1.
 * @param timed_out  The drain took too long; else it was told to end at once.
 */
_Noreturn void leave_at_once(struct server *server, unsigned cut, bool timed_out);

#endif
