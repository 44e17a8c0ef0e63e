/*
 * Limits by address: the rules are settings, the counts are in the shared table.
 */
#include "limits.h"

#include <green.h>

#include "addresses.h"
#include "stats.h"

/** A customer of an IPv6 provider has a network of this size at least, and all addresses in it. */
#define IPV6_BITS 64

/** Connections that are counted at most; more than that pass uncounted. */
#define PLACES_MAX ((size_t)1 << 22)

static struct addresses *table;

int
limits_share(const struct options *options)
{
    /* With SIGTTIN there may be more workers, and each has its share. */
    size_t places = options->max_connections < PLACES_MAX / 2 ? 2 * (size_t)options->max_connections
                                                              : PLACES_MAX;
    return addresses_create((size_t)options->address_table, places, &table);
}

enum refusal
limits_enter(const struct sockaddr_in6 *client, uint32_t *ret_ticket)
{
    const struct addresses_rules rules = {
        .most = setting(SETTING_MAX_PER_ADDRESS),
        .rate = setting(SETTING_RATE_PER_ADDRESS),
        .burst = setting(SETTING_BURST_PER_ADDRESS) != 0 ? setting(SETTING_BURST_PER_ADDRESS)
                                                         : setting(SETTING_RATE_PER_ADDRESS),
    };
    struct address_key key;
    if (!address_key_of(client, &key)) {
        return REFUSAL_NONE;
    }
    if (!address_key_is_ipv4(&key)) {
        address_key_cut(&key, IPV6_BITS);
    }
    switch (addresses_enter(table, &key, &rules, (uint32_t)(stats_own - stats_row(0)),
                            green_after(0), ret_ticket)) {
    case ADDRESSES_CROWDED:
        return REFUSAL_CROWDED;
    case ADDRESSES_HASTY:
        return REFUSAL_HASTY;
    case ADDRESSES_UNTRACKED:
        stats_add(STAT_UNTRACKED, 1);
        return REFUSAL_NONE;
    default:
        return REFUSAL_NONE;
    }
}

void
limits_leave(uint32_t ticket)
{
    addresses_leave(table, ticket);
}

void
limits_sweep(size_t row)
{
    addresses_sweep(table, (uint32_t)row);
}
