/*
 * What the admin process answers.
 */
#ifndef SERVER_ADMIN_SERVE_H
#define SERVER_ADMIN_SERVE_H

#include "server.h"

/** Answer on the admin listener until the process is ended; returns an exit code. */
int admin_serve(struct server *server);

#endif
