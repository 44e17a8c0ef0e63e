/*
 * Replacing the running program by the one that is on disk now, without anybody noticing.
 *
 * The new program is started beside the old one with the same command line; it inherits the
 * listeners the way that socket activation hands them over, and says through a pipe that it
 * serves. Only then does the old one drain. One that ends, or says nothing in time, is given up,
 * and the old one goes on.
 */
#ifndef SERVER_UPGRADE_H
#define SERVER_UPGRADE_H

#include <stdbool.h>

#include <green.h>

#include "server.h"

/** Remember how this program was started, before anything else. */
void upgrade_remember(char **argv);

/** Start the new program; says so, or why not, in the log. */
void upgrade_start(struct server *server);

/** What becomes readable when there is news of the new program; -1 when none is being started. */
int upgrade_fd(void);

/** Until when it may be silent; GREEN_FOREVER when none is being started. */
green_deadline upgrade_deadline(void);

/** Look for news; true when the new program serves, and this one is to drain. */
bool upgrade_heed(struct server *server);

/** This process ends for another reason: so does the new program, if it is not yet ready. */
void upgrade_give_up(void);

/* ---- in the new program ---- */

/** This program serves: the one that started it, if that is an echod, may go. */
void upgrade_report_ready(void);

/** Whether an echod that is still running has started this one. */
bool upgrade_is_one(void);

/** Whether the old one had its system calls filtered, and so this one's are. */
bool upgrade_is_filtered(void);

#endif
