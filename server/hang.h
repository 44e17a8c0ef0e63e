/*
 * Workers whose loop stands still.
 */
#ifndef SERVER_HANG_H
#define SERVER_HANG_H

#include <sys/types.h>

#include "board.h"

/**
 * Look whether a worker's loop turns, and say in the log what is done about it.
 *
 * @return the signal to send: SIGQUIT at first, so that it dumps what it is at; then SIGKILL; or 0.
 */
int hang_look(struct place *place, pid_t pid);

#endif
