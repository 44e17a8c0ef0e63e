/*
 * What echod may do: less, once it has opened what needed more.
 */
#ifndef SERVER_PRIVILEGES_H
#define SERVER_PRIVILEGES_H

#include <sys/types.h>

#include "options.h"

/**
 * Find out whom echod is to become. Nothing changes yet.
 *
 * @return 0, or the exit code, one line having said what is wrong.
 */
int privileges_choose(const struct options *options);

/**
 * open(), for a file that echod goes on to write: opened as the user it is to become would, or made
 * anew and given to that user. A file that exists and is not that user's to write is refused.
 *
 * @return a descriptor, or a negative errno.
 */
int privileges_open(const char *path, int flags, mode_t mode);

/**
 * Become the user, give up all capabilities and the way to new ones. To be called before there is
 * any worker.
 *
 * @return 0, or the exit code, one line having said what went wrong.
 */
int privileges_drop(void);

#endif
