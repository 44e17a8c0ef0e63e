/*
 * A channel's inside, for sending, receiving and select.
 */
#ifndef GREEN_SYNC_CHANNEL_H
#define GREEN_SYNC_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>

#include "green/channel.h"
#include "sched/wait.h"

/**
 * Guarded by the lock. A waiter's `value` is the item that it brings or the place for one, until it
 * is chosen by green_channel_close(), which leaves green__channel_closed_mark.
 */
struct green_channel {
    struct green__lock lock;
    bool closed;
    struct green__list senders;
    struct green__list receivers;
    size_t item_size;
    size_t capacity;
    size_t first; /**< Of the buffer: its oldest item. */
    size_t count;
    unsigned char buffer[];
};

extern const char green__channel_closed_mark;

/** What a waiter found once it was chosen: 0 or -EPIPE. */
static inline int
green__channel_outcome(const struct green__waiter *waiter)
{
    return waiter->value == &green__channel_closed_mark ? -EPIPE : 0;
}

/*
 * Send or receive if that can be done at once; the caller holds the lock.
 *
 * *ret_wake is set to a worker that the caller has to wake, best after unlocking; else left alone.
 * Returns 0, -EPIPE, or -EAGAIN when the caller would have to wait.
 */
int green__channel_try_send(struct green_channel *channel, const void *item,
                            struct green_job **ret_wake);
int green__channel_try_receive(struct green_channel *channel, void *ret_item,
                               struct green_job **ret_wake);

#endif
