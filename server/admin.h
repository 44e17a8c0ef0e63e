/*
 * The admin pages: how echod is, by HTTP, for people, probes and Prometheus.
 *
 * A process of its own answers, a child of the one that the user started. It reads what all share,
 * so it costs no connection anything and answers also when a loop stands still.
 */
#ifndef SERVER_ADMIN_H
#define SERVER_ADMIN_H

#include "server.h"

/**
 * Open its listener, if one is asked for and none was inherited.
 *
 * @return 0, or the exit code, one line having said what went wrong.
 */
int admin_open(struct server *server);

/** Start it, or start it again after it has ended. Nothing where none is asked for. */
void admin_start(struct server *server);

/** What becomes readable when it has ended; -1 while there is none. */
int admin_fd(void);

/** It may have ended: then start it again, unless it ends over and over. */
void admin_heed(struct server *server);

/** Write the line that says where it answers. */
void admin_announce(const struct server *server);

/** It is another echod's turn: take no more connections. */
void admin_stop(void);

/** Remove what it has in the file system. */
void admin_remove_files(const struct server *server);

#endif
