/*
 * Channels: a ring of items, those who wait to send and those who wait to receive.
 *
 * Invariant, under the lock: somebody waits to receive only while the ring is empty and nobody
 * waits to send, and to send only while the ring is full; nobody waits in a closed channel. Those
 * whose select has been decided elsewhere do not count: they are skipped. Any worker may call.
 *
 * A waiter that was chosen does not go on before it is woken, so that is done after unlocking: who
 * wakes up finds the lock free.
 */
#include "sync/channel.h"

#include <string.h>

#include "base/alloc.h"
#include "base/errors.h"

const char green__channel_closed_mark;

int
green_channel_create(size_t item_size, size_t capacity, struct green_channel **ret_channel)
{
    struct green_channel *channel;
    if (item_size > 0 && capacity > (SIZE_MAX - sizeof *channel) / item_size) {
        return -ENOMEM;
    }
    channel = green__alloc(sizeof *channel + item_size * capacity);
    if (channel == NULL) {
        return -ENOMEM;
    }
    *channel = (struct green_channel){.item_size = item_size, .capacity = capacity};
    green__list_init(&channel->senders);
    green__list_init(&channel->receivers);
    *ret_channel = channel;
    return 0;
}

void
green_channel_destroy(struct green_channel *channel)
{
    if (channel == NULL) {
        return;
    }
    green__lock(&channel->lock); /* who used it last has let go then */
    if (!green__list_empty(&channel->senders) || !green__list_empty(&channel->receivers)) {
        green__misuse("green_channel_destroy: somebody waits for it");
    }
    green__unlock(&channel->lock);
    green__free(channel);
}

/** Take out who has waited longest and can still be served; NULL when nobody can. */
static struct green__waiter *
take(struct green__list *waiters)
{
    struct green__list *link;
    while ((link = green__list_shift(waiters)) != NULL) {
        struct green__waiter *waiter = GREEN__CONTAINER(link, struct green__waiter, link);
        if (green__waiter_claim(waiter)) {
            return waiter;
        }
    }
    return NULL;
}

static void
copy(const struct green_channel *channel, void *to, const void *from)
{
    if (to != NULL && channel->item_size > 0) {
        memcpy(to, from, channel->item_size);
    }
}

/** The ring's item number `index`, counted from the oldest. */
static void *
item_at(struct green_channel *channel, size_t index)
{
    size_t left = channel->capacity - channel->first;
    size_t slot = index < left ? channel->first + index : index - left;
    return channel->buffer + slot * channel->item_size;
}

static void
push(struct green_channel *channel, const void *item)
{
    copy(channel, item_at(channel, channel->count), item);
    channel->count++;
}

static void
shift(struct green_channel *channel, void *ret_item)
{
    copy(channel, ret_item, item_at(channel, 0));
    channel->first = channel->first + 1 < channel->capacity ? channel->first + 1 : 0;
    channel->count--;
}

int
green__channel_try_send(struct green_channel *channel, const void *item,
                        struct green_job **ret_wake)
{
    if (channel->closed) {
        return -EPIPE;
    }
    struct green__waiter *receiver = take(&channel->receivers);
    if (receiver != NULL) {
        copy(channel, receiver->value, item);
        *ret_wake = receiver->job;
        return 0;
    }
    if (channel->count == channel->capacity) {
        return -EAGAIN;
    }
    push(channel, item);
    return 0;
}

int
green__channel_try_receive(struct green_channel *channel, void *ret_item,
                           struct green_job **ret_wake)
{
    bool buffered = channel->count > 0;
    if (buffered) {
        shift(channel, ret_item);
    }
    struct green__waiter *sender = take(&channel->senders);
    if (sender != NULL) {
        if (buffered) {
            push(channel, sender->value);
        } else {
            copy(channel, ret_item, sender->value);
        }
        *ret_wake = sender->job;
    } else if (!buffered) {
        return channel->closed ? -EPIPE : -EAGAIN;
    }
    return 0;
}

/** What could not be done at once: wait in a list, as one that brings `value`. The lock is held. */
static int
wait_for_other(struct green_channel *channel, struct green__list *waiters, struct green_job *self,
               void *value, green_deadline deadline, const char *what)
{
    if (deadline == GREEN_NOW) {
        green__unlock(&channel->lock);
        return -ETIMEDOUT;
    }
    self->waiter.value = value;
    int err = green__wait_in(&channel->lock, waiters, self, deadline, what);
    if (err != 0) {
        green__unlock(&channel->lock);
        return err;
    }
    return green__channel_outcome(&self->waiter);
}

int
green_channel_send(struct green_channel *channel, const void *item, green_deadline deadline)
{
    struct green_job *self = green__self();
    struct green_job *wake = NULL;
    int err = green__wait_check(self);
    if (err != 0) {
        return err;
    }
    green__lock(&channel->lock);
    err = green__channel_try_send(channel, item, &wake);
    if (err == -EAGAIN) {
        return wait_for_other(channel, &channel->senders, self, (void *)item, deadline,
                              "a channel to take an item");
    }
    green__unlock(&channel->lock);
    if (wake != NULL) {
        green__wait_wake(wake);
    }
    return err;
}

int
green_channel_receive(struct green_channel *channel, void *ret_item, green_deadline deadline)
{
    struct green_job *self = green__self();
    struct green_job *wake = NULL;
    int err = green__wait_check(self);
    if (err != 0) {
        return err;
    }
    green__lock(&channel->lock);
    err = green__channel_try_receive(channel, ret_item, &wake);
    if (err == -EAGAIN) {
        return wait_for_other(channel, &channel->receivers, self, ret_item, deadline,
                              "an item of a channel");
    }
    green__unlock(&channel->lock);
    if (wake != NULL) {
        green__wait_wake(wake);
    }
    return err;
}

static void
tell_closed(struct green__list *waiters)
{
    struct green__waiter *waiter;
    while ((waiter = take(waiters)) != NULL) {
        waiter->value = (void *)&green__channel_closed_mark;
        green__wait_wake(waiter->job);
    }
}

void
green_channel_close(struct green_channel *channel)
{
    green__lock(&channel->lock);
    channel->closed = true;
    tell_closed(&channel->receivers);
    tell_closed(&channel->senders);
    green__unlock(&channel->lock);
}

bool
green_channel_closed(struct green_channel *channel)
{
    green__lock(&channel->lock);
    bool closed = channel->closed;
    green__unlock(&channel->lock);
    return closed;
}

size_t
green_channel_count(struct green_channel *channel)
{
    green__lock(&channel->lock);
    size_t count = channel->count;
    green__unlock(&channel->lock);
    return count;
}

size_t
green_channel_capacity(const struct green_channel *channel)
{
    return channel->capacity;
}
