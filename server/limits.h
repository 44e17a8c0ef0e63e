/*
 * What one address may take of the server: connections at once, and connections a second. The
 * counts are of all processes of echod together.
 */
#ifndef SERVER_LIMITS_H
#define SERVER_LIMITS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "options.h"
#include "refusal.h"
#include "settings.h"

/** Make the table that is shared, before there is any worker; 0 or a negative errno. */
int limits_share(const struct options *options);

/** Whether there is any limit now. */
static inline bool
limits_on(void)
{
    return setting(SETTING_MAX_PER_ADDRESS) != 0 || setting(SETTING_RATE_PER_ADDRESS) != 0;
}

/**
 * A client has come. Never suspends.
 *
 * @param client      Its address; one that is neither IPv4 nor IPv6 is not limited.
 * @param ret_ticket  For limits_leave(), when it is admitted.
 * @return REFUSAL_NONE, or why it is to be closed.
 */
enum refusal limits_enter(const struct sockaddr_in6 *client, uint32_t *ret_ticket);

/** A client that was admitted has gone. */
void limits_leave(uint32_t ticket);

/** The process that had this row of counters is dead: its clients are gone. */
void limits_sweep(size_t row);

#endif
