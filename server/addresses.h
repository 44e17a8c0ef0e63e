/*
 * Who is connected how often: a table of addresses in memory that all processes of echod share.
 */
#ifndef SERVER_ADDRESSES_H
#define SERVER_ADDRESSES_H

#include <stddef.h>
#include <stdint.h>

#include "network.h"

struct addresses;

/** What one address may do; 0: as much as it likes. */
struct addresses_rules {
    uint64_t most;  /**< Connections at once. */
    uint64_t rate;  /**< Connections a second, in the long run, */
    uint64_t burst; /**< of which so many may come at once, one at least. */
};

enum addresses_answer {
    ADDRESSES_WELCOME,
    ADDRESSES_CROWDED,   /**< It has as many connections as it may. */
    ADDRESSES_HASTY,     /**< It came sooner than it may. */
    ADDRESSES_UNTRACKED, /**< There is no room to count it: let it pass. */
};

/**
 * Make a table, before the processes are forked that share it; it is never freed.
 *
 * @param count   Addresses that there is room for, about.
 * @param places  Connections that can be counted at once.
 * @return 0 or a negative errno.
 */
int addresses_create(size_t count, size_t places, struct addresses **ret_table);

/**
 * A connection of an address has come. One that is not welcome changes nothing. Never suspends.
 *
 * @param row        Whose the connection is: a number of the calling process'.
 * @param now_ns     As green_after(0).
 * @param ret_place  Set with ADDRESSES_WELCOME only: for addresses_leave(); 0 when the connection
 * is not counted, because there is no rule about it.
 */
enum addresses_answer addresses_enter(struct addresses *table, const struct address_key *key,
                                      const struct addresses_rules *rules, uint32_t row,
                                      uint64_t now_ns, uint32_t *ret_place);

/** It has ended. Nothing happens for place 0. */
void addresses_leave(struct addresses *table, uint32_t place);

/** The process with this row is dead: so are its connections. */
void addresses_sweep(struct addresses *table, uint32_t row);

/** Connections that are counted now. */
size_t addresses_held(struct addresses *table);

#endif
