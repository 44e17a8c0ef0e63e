/*
 * What the modes share at run time.
 */
#include "server.h"

#include "supervisor.h"

void
server_ready(struct server *server)
{
    if (server->board != NULL) {
        supervisor_note_ready(server->board, server->place);
    } else {
        listeners_announce(&server->listeners, server->options.mode->name, 1);
    }
}
