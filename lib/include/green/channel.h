/*
 * Channels between workers: typed items, handed over hand to hand or through a buffer, and select.
 *
 * They work between tasks of one thread, tasks of several threads and plain threads of one process,
 * in any mixture. Those who wait are served in the order of their coming, and nobody overtakes. A
 * forked process has copies that wake nobody in its parent.
 *
 * While nobody waits, a send into a buffer and a receive from it are one compare-and-swap each and
 * take no lock, nor does a poll that finds nothing. A rendezvous is a meeting of two, of whom one
 * waits: it takes the channel's lock, as a select takes those of its channels; that makes a system
 * call only where two threads meet in it.
 *
 * The semantics are those of Go's channels. What differs: every wait takes a deadline and can be
 * cancelled, sending into a closed channel, and closing it once more, is an error and no panic, and
 * who waits to send when a channel is closed keeps its item.
 */
#ifndef GREEN_CHANNEL_H
#define GREEN_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A channel for items of one size. */
struct green_channel;

/**
 * Make a channel.
 *
 * @param item_size    Bytes of an item, which are copied in and out; 0 for signals without content.
 * @param capacity     How many items can be sent before one is received; 0: a sender waits for its
 *                     receiver (rendezvous).
 * @param ret_channel  Set on success; given back by green_channel_destroy().
 * @return 0, or -ENOMEM: also for a capacity of 2^30 and more.
 */
GREEN_API int green_channel_create(size_t item_size, size_t capacity,
                                   struct green_channel **ret_channel);

/**
 * Free it with the items that are left in it. NULL is taken; one that somebody waits for is misuse
 * and aborts. Never suspends.
 */
GREEN_API void green_channel_destroy(struct green_channel *channel);

/**
 * Send an item, waiting until a receiver or the buffer takes it.
 *
 * Suspends until then; senders are served in FIFO order. A call that fails sends nothing.
 *
 * @param channel   Not NULL.
 * @param item      Copied; may be NULL if items have no content.
 * @param deadline  Absolute: see green_after(). GREEN_NOW polls, GREEN_FOREVER never expires.
 * @return 0, or
 *         -ETIMEDOUT  the deadline passed first,
 *         -ECANCELED  the calling worker was cancelled,
 *         -EDEADLK    nobody is left to end the wait: see debug.h,
 *         -EPIPE      the channel is closed, or was closed meanwhile.
 */
GREEN_API GREEN_SUSPENDS int green_channel_send(struct green_channel *channel, const void *item,
                                                green_deadline deadline);

/**
 * Receive the oldest item, waiting until there is one.
 *
 * Suspends while there is none; receivers are served in FIFO order. A call that fails receives
 * nothing.
 *
 * @param channel   Not NULL.
 * @param ret_item  Set on success only, to a copy; NULL drops the item.
 * @param deadline  Absolute: see green_after(). GREEN_NOW polls, GREEN_FOREVER never expires.
 * @return 0, or
 *         -ETIMEDOUT  the deadline passed first,
 *         -ECANCELED  the calling worker was cancelled,
 *         -EDEADLK    nobody is left to end the wait: see debug.h,
 *         -EPIPE      the channel is closed and empty.
 */
GREEN_API GREEN_SUSPENDS int green_channel_receive(struct green_channel *channel, void *ret_item,
                                                   green_deadline deadline);

/**
 * Close the channel: from now on nothing is sent, and what is in its buffer can be received.
 *
 * Those who wait get -EPIPE. Never suspends. Once more changes nothing.
 *
 * @param channel  Not NULL.
 */
GREEN_API void green_channel_close(struct green_channel *channel);

/** Whether it was closed. Never suspends. */
GREEN_API bool green_channel_closed(struct green_channel *channel);

/** How many items are in its buffer at this moment. Never suspends. */
GREEN_API size_t green_channel_count(struct green_channel *channel);

/** How many items its buffer takes. Never suspends. */
GREEN_API size_t green_channel_capacity(const struct green_channel *channel);

/* ---- select ---- */

enum green_case_kind {
    GREEN_CASE_SEND,
    GREEN_CASE_RECEIVE,
};

/** One of the things that green_select() may do; start from GREEN_SEND() or GREEN_RECEIVE(). */
struct green_case {
    enum green_case_kind kind;
    int err;                       /**< Of the case that was chosen: 0, or -EPIPE. */
    struct green_channel *channel; /**< NULL: the case is never ready. */
    const void *item;              /**< What to send, as in green_channel_send(). */
    void *ret_item;                /**< Where to receive it, as in green_channel_receive(). */
    size_t order;                  /**< The library's. */
};

#define GREEN_SEND(channel, item)                      \
    {                                                  \
        GREEN_CASE_SEND, 0, (channel), (item), NULL, 0 \
    }
#define GREEN_RECEIVE(channel, ret_item)                      \
    {                                                         \
        GREEN_CASE_RECEIVE, 0, (channel), NULL, (ret_item), 0 \
    }

/**
 * Send or receive on whichever of several channels is ready first.
 *
 * Exactly one case comes true, or none if the call fails. Among those that are ready at the call
 * one is picked at random, each as likely as the others (the numbers are the same in every run);
 * else the call suspends until the first becomes ready. A closed channel is ready: its case is
 * chosen and has -EPIPE in `err`. A channel may stand in several cases; a select does not meet
 * itself.
 *
 * @param cases     Read, and `err` of the chosen one set; their items stay valid during the call.
 * @param count     How many; 0 waits for the deadline.
 * @param deadline  Absolute: see green_after(). GREEN_NOW polls (Go's default case), GREEN_FOREVER
 *                  never expires.
 * @return the index of the chosen case, or
 *         -ETIMEDOUT  the deadline passed first; for GREEN_NOW: none is ready,
 *         -ECANCELED  the calling worker was cancelled,
 *         -EDEADLK    nobody is left to end the wait: see debug.h,
 *         -EINVAL     there are more than INT_MAX cases,
 *         -ENOMEM     no memory to wait in so many channels.
 */
GREEN_API GREEN_SUSPENDS int green_select(struct green_case *cases, size_t count,
                                          green_deadline deadline);

#ifdef __cplusplus
}
#endif

#endif
