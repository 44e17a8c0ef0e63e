/*
 * What a process of echod hears from outside beside its connections: signals, news of an upgrade,
 * and the time to say that it is alive.
 */
#ifndef SERVER_EVENTS_H
#define SERVER_EVENTS_H

#include <poll.h>

#include <green.h>

#include "server.h"
#include "signals.h"

/** Entries that events_fill() fills. */
#define EVENTS_COUNT 3

/** Say what to poll. */
void events_fill(const struct server *server, struct pollfd entries[EVENTS_COUNT]);

/** And until when. */
green_deadline events_deadline(const struct server *server);

/**
 * Heed what has come. A reload, the reopening of logs and the steps of an upgrade are done here.
 *
 * @return what is left to the caller: ORDER_NONE, or ORDER_DRAIN (also when a successor serves),
 *         ORDER_END, ORDER_DUMP, ORDER_MORE, ORDER_FEWER.
 */
enum order events_heed(struct server *server, const struct pollfd entries[EVENTS_COUNT]);

/** Wait for an order that is left to the caller. ORDER_NONE when the caller was cancelled. */
enum order events_wait(struct server *server);

/** This process serves: say so to whoever waits for it. */
void events_ready(const struct server *server);

/** This process starts to drain. */
void events_stopping(const struct server *server);

#endif
