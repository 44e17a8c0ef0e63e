/*
 * A channel's inside, for sending, receiving and select.
 */
#ifndef GREEN_SYNC_CHANNEL_H
#define GREEN_SYNC_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>

#include "green/channel.h"
#include "sync/slots.h"

/**
 * The lock guards those who wait. The word is that of the ring, and seized while anybody waits.
 *
 * A waiter's `value` is the item that it brings or the place for one, until it is chosen by
 * green_channel_close(), which leaves green__channel_closed_mark.
 */
struct green_channel {
    uint64_t word;
    void *ring; /**< struct green__slots; NULL when nothing is buffered. */
    size_t item_size;
    size_t capacity;
    struct green__lock lock;
    struct green__list senders;
    struct green__list receivers;
};

extern const char green__channel_closed_mark;

/** What a waiter found once it was chosen: 0 or -EPIPE. */
static inline int
green__channel_outcome(const struct green__waiter *waiter)
{
    return waiter->value == &green__channel_closed_mark ? -EPIPE : 0;
}

static inline struct green__slots_form
green__channel_form(const struct green_channel *channel)
{
    return (struct green__slots_form){channel->item_size, false};
}

/** Keep others out: neither items nor those who wait change until green__channel_release(). */
static inline void
green__channel_seize(struct green_channel *channel)
{
    green__lock(&channel->lock);
    green__slots_seize(&channel->word);
}

static inline void
green__channel_release(struct green_channel *channel)
{
    green__slots_release(&channel->word, !green__list_empty(&channel->senders) ||
                                             !green__list_empty(&channel->receivers));
    green__unlock(&channel->lock);
}

/*
 * Send or receive if that can be done at once; the caller has seized the channel.
 *
 * *ret_wake is set to a worker that the caller has to wake, best after releasing it; else left
 * alone. Returns 0, -EPIPE, or -EAGAIN when the caller would have to wait.
 */
int green__channel_try_send(struct green_channel *channel, const void *item,
                            struct green_job **ret_wake);
int green__channel_try_receive(struct green_channel *channel, void *ret_item,
                               struct green_job **ret_wake);

#endif
