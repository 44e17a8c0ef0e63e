/*
 * What the modes share at run time.
 */
#include "server.h"

#include "board.h"
#include "events.h"

void
server_ready(struct server *server)
{
    if (server->board != NULL) {
        board_note_ready(server->board, server->place);
    } else {
        listeners_announce(&server->listeners, server->options.mode->name, 1);
        events_ready(server);
    }
}
