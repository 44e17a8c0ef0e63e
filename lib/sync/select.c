/*
 * Select: the first of several sends and receives that can be done.
 *
 * All channels of a call are seized together, in the order of their addresses, so that it sees them
 * as they are at one moment and nobody can slip in between the look and the wait. It then stands in
 * each with a place of its own; who takes one out has to claim the wait first, and only one can.
 *
 * Invariant: a place is in a list only while its select has not returned. Any worker may call.
 *
 * Source: the selectgo() of Go's runtime, for locking in the order of addresses.
 */
#include <limits.h>

#include "base/random.h"
#include "sync/channel.h"

/* ---- the channels ---- */

static uintptr_t
address_at(const struct green_case *cases, size_t place)
{
    return (uintptr_t)cases[cases[place].order].channel;
}

/** Let cases[k].order be the index of the case whose channel comes k-th (Shell's sort). */
static void
sort_channels(struct green_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cases[i].order = i;
    }
    for (size_t gap = count / 2; gap > 0; gap /= 2) {
        for (size_t i = gap; i < count; i++) {
            size_t moving = cases[i].order;
            uintptr_t address = (uintptr_t)cases[moving].channel;
            size_t place = i;
            for (; place >= gap && address_at(cases, place - gap) > address; place -= gap) {
                cases[place].order = cases[place - gap].order;
            }
            cases[place].order = moving;
        }
    }
}

/** The channel that comes k-th, unless it is NULL or came just before. */
static struct green_channel *
channel_at(const struct green_case *cases, size_t place)
{
    struct green_channel *channel = cases[cases[place].order].channel;
    bool again = place > 0 && cases[cases[place - 1].order].channel == channel;
    return again ? NULL : channel;
}

static void
seize_all(const struct green_case *cases, size_t count)
{
    for (size_t place = 0; place < count; place++) {
        struct green_channel *channel = channel_at(cases, place);
        if (channel != NULL) {
            green__channel_seize(channel);
        }
    }
}

static void
release_all(const struct green_case *cases, size_t count)
{
    for (size_t place = 0; place < count; place++) {
        struct green_channel *channel = channel_at(cases, place);
        if (channel != NULL) {
            green__channel_release(channel);
        }
    }
}

/* ---- the cases ---- */

/** Whether a case can be done, unless all who wait on its other side have been chosen elsewhere. */
static bool
looks_ready(const struct green_case *one)
{
    const struct green_channel *channel = one->channel;
    if (channel == NULL) {
        return false;
    }
    uint64_t word = GREEN__LOAD(&channel->word);
    bool closed = (word & GREEN__CLOSED) != 0;
    if (one->kind == GREEN_CASE_SEND) {
        return closed || green__slots_count(word) < channel->capacity ||
               !green__list_empty(&channel->receivers);
    }
    return closed || green__slots_count(word) > 0 || !green__list_empty(&channel->senders);
}

/** Do one of the cases that can be done; -EAGAIN when there is none. All are seized. */
static int
try_any(struct green_case *cases, size_t count, struct green_job **ret_wake)
{
    for (;;) {
        uint32_t ready = 0;
        size_t picked = 0;
        for (size_t i = 0; i < count; i++) {
            if (looks_ready(&cases[i]) && green__random_below(++ready) == 0) {
                picked = i;
            }
        }
        if (ready == 0) {
            return -EAGAIN;
        }
        struct green_case *one = &cases[picked];
        int err = one->kind == GREEN_CASE_SEND
                      ? green__channel_try_send(one->channel, one->item, ret_wake)
                      : green__channel_try_receive(one->channel, one->ret_item, ret_wake);
        if (err != -EAGAIN) {
            one->err = err;
            return (int)picked;
        }
        /* All who waited there had been chosen elsewhere, and are out of the list now. */
    }
}

/** Stand in all channels, which are seized. */
static void
enter(const struct green_case *cases, size_t count, struct green__waiter *places)
{
    for (size_t i = 0; i < count; i++) {
        struct green_channel *channel = cases[i].channel;
        if (channel == NULL) {
            continue;
        }
        bool sends = cases[i].kind == GREEN_CASE_SEND;
        places[i].value = sends ? (void *)cases[i].item : cases[i].ret_item;
        green__list_append(sends ? &channel->senders : &channel->receivers, &places[i].link);
    }
}

/** Take back the places that nobody has taken out, each with its channel seized. */
static void
leave(const struct green_case *cases, size_t count, struct green__waiter *places,
      const struct green__waiter *chosen)
{
    for (size_t i = 0; i < count; i++) {
        struct green_channel *channel = cases[i].channel;
        if (channel != NULL && &places[i] != chosen) {
            green__channel_seize(channel);
            green__list_remove(&places[i].link);
            green__channel_release(channel);
        }
    }
}

/** Wait until somebody does one of the cases with us. All are seized, and released on return. */
static int
wait_for_any(struct green_case *cases, size_t count, struct green_job *self,
             green_deadline deadline)
{
    struct green__waiter *places = self->own->several->places;
    struct green__waiter *chosen = NULL;
    green__wait_begin_several(self);
    enter(cases, count, places);
    release_all(cases, count);
    int err = green__wait_park_several(self, deadline, "one of several channels", &chosen);
    leave(cases, count, places, chosen);
    if (err != 0) {
        return err;
    }
    size_t index = (size_t)(chosen - places);
    cases[index].err = green__channel_outcome(chosen);
    return (int)index;
}

int
green_select(struct green_case *cases, size_t count, green_deadline deadline)
{
    struct green_job *self = green__self();
    int err = count > INT_MAX ? -EINVAL : green__wait_check(self);
    if (err == 0 && deadline != GREEN_NOW && green__wait_places(self, count) == NULL) {
        err = -ENOMEM;
    }
    if (err != 0) {
        return err;
    }
    struct green_job *wake = NULL;
    sort_channels(cases, count);
    seize_all(cases, count);
    int index = try_any(cases, count, &wake);
    if (index == -EAGAIN && deadline != GREEN_NOW) {
        return wait_for_any(cases, count, self, deadline);
    }
    release_all(cases, count);
    if (wake != NULL) {
        green__wait_wake(wake);
    }
    return index == -EAGAIN ? -ETIMEDOUT : index;
}
