/*
 * Listeners of the same address: one for each worker, where that was asked for.
 */
#ifndef SERVER_GROUP_H
#define SERVER_GROUP_H

#include "listener.h"

/**
 * Listen on a TCP address as green_listen() does, and let others that are opened later by this user
 * listen there beside it. An address that is in use already is refused.
 *
 * @return a descriptor, or a negative errno.
 */
int group_open(const struct green_address *address, int backlog);

/** Have a listener for each worker at every TCP address, as far as that can be. */
void group_complete(struct listeners *listeners, const struct options *options);

#endif
