/*
 * Which of several workers accepts: those with more connections than the mean leave what comes to
 * the others.
 */
#ifndef SERVER_BALANCE_H
#define SERVER_BALANCE_H

#include "server.h"

/**
 * Called by a worker before each accept: waits while it has more than its share and others may
 * accept instead. Waits for a while at most, and for nothing while there is nothing to accept.
 *
 * @param listener  What the worker is about to accept from.
 * @param open      Connections that it has.
 * @return 0, or -ECANCELED.
 */
int balance_wait(const struct server *server, int listener, unsigned open);

/** A connection that began at a time, by green_after(0), has ended; `open` are left. */
void balance_note(const struct server *server, unsigned open, uint64_t began_ns);

#endif
