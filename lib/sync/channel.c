/*
 * Channels: a ring of items, those who wait to send and those who wait to receive.
 *
 * While nobody waits, the ring is used without the lock. Invariant, under the lock: somebody waits
 * to receive only while the ring is empty and nobody waits to send, and to send only while the ring
 * is full; nobody waits in a closed channel. Those whose select has been decided elsewhere do not
 * count: they are skipped. Any worker may call.
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
    if (item_size > SIZE_MAX / 2 || capacity > GREEN__ITEMS_MAX) {
        return -ENOMEM;
    }
    channel = green__alloc(sizeof *channel);
    if (channel == NULL) {
        return -ENOMEM;
    }
    *channel = (struct green_channel){.item_size = item_size, .capacity = capacity};
    if (capacity > 0) {
        channel->ring = green__slots_create(green__channel_form(channel), capacity, 0);
        if (channel->ring == NULL) {
            green__free(channel);
            return -ENOMEM;
        }
    }
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
    green__slots_destroy(channel->ring);
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

static uint32_t
count(const struct green_channel *channel)
{
    return green__slots_count(GREEN__LOAD(&channel->word));
}

static bool
is_closed(const struct green_channel *channel)
{
    return (GREEN__LOAD(&channel->word) & GREEN__CLOSED) != 0;
}

static void
push(struct green_channel *channel, const void *item)
{
    green__slots_add(&channel->word, channel->ring, green__channel_form(channel), item);
}

int
green__channel_try_send(struct green_channel *channel, const void *item,
                        struct green_job **ret_wake)
{
    if (is_closed(channel)) {
        return -EPIPE;
    }
    struct green__waiter *receiver = take(&channel->receivers);
    if (receiver != NULL) {
        copy(channel, receiver->value, item);
        *ret_wake = receiver->job;
        return 0;
    }
    if (count(channel) >= channel->capacity) {
        return -EAGAIN;
    }
    push(channel, item);
    return 0;
}

int
green__channel_try_receive(struct green_channel *channel, void *ret_item,
                           struct green_job **ret_wake)
{
    bool buffered = count(channel) > 0;
    if (buffered) {
        green__slots_take(&channel->word, channel->ring, green__channel_form(channel), ret_item);
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
        return is_closed(channel) ? -EPIPE : -EAGAIN;
    }
    return 0;
}

/** What could not be done at once: wait in a list, as one that brings `value`. The channel is
 *  seized, and released on return. */
static int
wait_for_other(struct green_channel *channel, struct green__list *waiters, struct green_job *self,
               void *value, green_deadline deadline, const char *what)
{
    int err = -ETIMEDOUT;
    if (deadline != GREEN_NOW) {
        self->own->waiter.value = value;
        err = green__wait_in(&channel->lock, waiters, self, deadline, what);
    }
    if (err != 0) {
        green__channel_release(channel);
        return err;
    }
    return green__channel_outcome(&self->own->waiter);
}

/** Whether a poll that finds it so is over: nobody waits, and there are so many items. */
static bool
is_still(const struct green_channel *channel, size_t items, green_deadline deadline)
{
    uint64_t word = GREEN__LOAD_ACQUIRE(&channel->word);
    return deadline == GREEN_NOW && green__slots_count(word) == items &&
           (word & (GREEN__CROWDED | GREEN__CLOSED)) == 0;
}

static int
send_slowly(struct green_channel *channel, const void *item, struct green_job *self,
            green_deadline deadline)
{
    struct green_job *wake = NULL;
    green__channel_seize(channel);
    int err = green__channel_try_send(channel, item, &wake);
    if (err == -EAGAIN) {
        return wait_for_other(channel, &channel->senders, self, (void *)item, deadline,
                              "a channel to take an item");
    }
    green__channel_release(channel);
    if (wake != NULL) {
        green__wait_wake(wake);
    }
    return err;
}

int
green_channel_send(struct green_channel *channel, const void *item, green_deadline deadline)
{
    struct green_job *self = green__self();
    int err = green__wait_check(self);
    if (err != 0 || green__slots_put(&channel->word, &channel->ring, green__channel_form(channel),
                                     channel->capacity, item)) {
        return err;
    }
    return is_still(channel, channel->capacity, deadline)
               ? -ETIMEDOUT
               : send_slowly(channel, item, self, deadline);
}

static int
receive_slowly(struct green_channel *channel, void *ret_item, struct green_job *self,
               green_deadline deadline)
{
    struct green_job *wake = NULL;
    green__channel_seize(channel);
    int err = green__channel_try_receive(channel, ret_item, &wake);
    if (err == -EAGAIN) {
        return wait_for_other(channel, &channel->receivers, self, ret_item, deadline,
                              "an item of a channel");
    }
    green__channel_release(channel);
    if (wake != NULL) {
        green__wait_wake(wake);
    }
    return err;
}

int
green_channel_receive(struct green_channel *channel, void *ret_item, green_deadline deadline)
{
    struct green_job *self = green__self();
    int err = green__wait_check(self);
    if (err != 0 ||
        green__slots_get(&channel->word, &channel->ring, green__channel_form(channel), ret_item)) {
        return err;
    }
    return is_still(channel, 0, deadline) ? -ETIMEDOUT
                                          : receive_slowly(channel, ret_item, self, deadline);
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
    green__channel_seize(channel);
    GREEN__STORE(&channel->word, GREEN__LOAD(&channel->word) | GREEN__CLOSED);
    tell_closed(&channel->receivers);
    tell_closed(&channel->senders);
    green__channel_release(channel);
}

bool
green_channel_closed(struct green_channel *channel)
{
    return is_closed(channel);
}

size_t
green_channel_count(struct green_channel *channel)
{
    return count(channel);
}

size_t
green_channel_capacity(const struct green_channel *channel)
{
    return channel->capacity;
}
