/*
 * What a running echod takes over when it is told to read its configuration again.
 */
#ifndef SERVER_RELOAD_H
#define SERVER_RELOAD_H

#include "server.h"
#include "signals.h"

/** Heed ORDER_RELOAD or ORDER_REOPEN. A worker process leaves both to its supervisor. */
void reload_on(struct server *server, enum order order);

#endif
