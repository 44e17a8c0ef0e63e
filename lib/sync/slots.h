/*
 * Items in a ring, which any number of workers fill and empty at once.
 *
 * A word says how many items there are and how many were taken so far; one compare-and-swap on it
 * claims a slot and decides whose turn is when. The slot itself goes from who fills it to who
 * empties it by a number of its own, its turn: so nobody holds anything that others need, and a
 * thread that stops in the middle keeps back the one item that it was moving.
 *
 * While GREEN__CROWDED is set, the word belongs to who has the lock of those who wait, until the
 * bit is cleared: see waiters.h. Whoever finds the bit, no item or no room, goes there.
 *
 * A slot is looked at before it is claimed. That is no race: the number taken and the number of
 * items never are the same twice (but after 2^32 items, by one who was stopped meanwhile for just
 * as long), so a claim that succeeds has seen the slot as it is. Rings that were outgrown are kept
 * for those who may still look.
 *
 * Source: the slots' turns are those of Dmitry Vyukov's bounded MPMC queue; that all is claimed by
 * one word, which knows of waiters too, is our own.
 */
#ifndef GREEN_SYNC_SLOTS_H
#define GREEN_SYNC_SLOTS_H

#include <string.h>

#include "sync/waiters.h"

/* The word: GREEN__CROWDED, then this, then 30 bits of items, then 32 bits of items taken. */
#define GREEN__CLOSED   ((uint64_t)2)
#define GREEN__ONE_ITEM ((uint64_t)4)
#define GREEN__ONE_MORE ((uint64_t)1 << 32)

/** What the word can count. */
#define GREEN__ITEMS_MAX ((1u << 30) - 1)

/** So often is a slot looked at again whose item is on its way, before that is left to the lock. */
#define GREEN__GLANCES 64

struct green__slot {
    uint32_t turn;
    uint32_t padding;
    unsigned char item[];
};

struct green__slots {
    struct green__slots *outgrown; /**< The one before this one. */
    uint32_t mask; /**< One less than its slots, which are a power of two above 1. */
    uint32_t padding;
    unsigned char slots[];
};

/** A kind of ring; constant where it is used, so that it costs nothing. */
struct green__slots_form {
    size_t item_size;
    bool lifo; /**< The newest item is taken. Turns are 1 with an item and 0 without. Else they are
                    the number of the item that may come, or one more when it is there. */
};

static inline uint32_t
green__slots_count(uint64_t word)
{
    return (uint32_t)word >> 2;
}

static inline uint32_t
green__slots_taken(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

/** How many items were ever put; wraps. */
static inline uint32_t
green__slots_puts(uint64_t word)
{
    return green__slots_taken(word) + green__slots_count(word);
}

static inline size_t
green__slot_size(size_t item_size)
{
    size_t align = sizeof(uint64_t) - 1;
    return sizeof(struct green__slot) + ((item_size + align) & ~align);
}

static inline struct green__slot *
green__slots_slot(struct green__slots *ring, struct green__slots_form form, uint32_t number)
{
    size_t place = (size_t)(number & ring->mask) * green__slot_size(form.item_size);
    return (struct green__slot *)(void *)(ring->slots + place);
}

/** Which slot the next item goes into, and the turn that it then has. */
static inline struct green__slot *
green__slots_in(struct green__slots *ring, struct green__slots_form form, uint64_t word,
                uint32_t *ret_turn)
{
    uint32_t number = form.lifo ? green__slots_count(word) : green__slots_puts(word);
    *ret_turn = form.lifo ? 0 : number;
    return green__slots_slot(ring, form, number);
}

/** Which slot the next item comes out of; one more than the turn that it got when it was filled. */
static inline struct green__slot *
green__slots_out(struct green__slots *ring, struct green__slots_form form, uint64_t word,
                 uint32_t *ret_turn)
{
    uint32_t number = form.lifo ? green__slots_count(word) - 1 : green__slots_taken(word);
    *ret_turn = form.lifo ? 1 : number + 1;
    return green__slots_slot(ring, form, number);
}

/** Fill a slot that is the caller's. */
static inline void
green__slot_fill(struct green__slot *slot, struct green__slots_form form, uint32_t turn,
                 const void *item)
{
    if (form.item_size > 0 && item != NULL) {
        memcpy(slot->item, item, form.item_size);
    }
    GREEN__STORE_RELEASE(&slot->turn, turn + 1);
}

/** Empty one: it may be filled again, in the next round. */
static inline void
green__slot_empty(struct green__slot *slot, struct green__slots_form form,
                  const struct green__slots *ring, uint32_t turn, void *ret_item)
{
    if (form.item_size > 0 && ret_item != NULL) {
        memcpy(ret_item, slot->item, form.item_size);
    }
    GREEN__STORE_RELEASE(&slot->turn, form.lifo ? 0 : turn + ring->mask);
}

/* ---- together with others ---- */

/** Put an item if that needs no lock: there is room, and nobody waits. */
static inline bool
green__slots_put(uint64_t *word, void *const *place, struct green__slots_form form, size_t limit,
                 const void *item)
{
    uint64_t seen = GREEN__LOAD_ACQUIRE(word);
    for (int glances = 0; glances < GREEN__GLANCES; glances++) {
        uint32_t count = green__slots_count(seen);
        if ((seen & (GREEN__CROWDED | GREEN__CLOSED)) != 0 || count >= limit) {
            return false;
        }
        struct green__slots *ring = GREEN__LOAD_ACQUIRE(place);
        if (ring == NULL || count > ring->mask) {
            return false;
        }
        uint32_t turn;
        struct green__slot *slot = green__slots_in(ring, form, seen, &turn);
        if (GREEN__LOAD_ACQUIRE(&slot->turn) != turn) {
            seen = GREEN__LOAD_ACQUIRE(word);
        } else if (GREEN__SWAP(word, &seen, seen + GREEN__ONE_ITEM)) {
            green__slot_fill(slot, form, turn, item);
            return true;
        }
    }
    return false;
}

/** Take an item if that needs no lock: there is one, and nobody waits. */
static inline bool
green__slots_get(uint64_t *word, void *const *place, struct green__slots_form form, void *ret_item)
{
    uint64_t seen = GREEN__LOAD_ACQUIRE(word);
    for (int glances = 0; glances < GREEN__GLANCES; glances++) {
        if ((seen & GREEN__CROWDED) != 0 || green__slots_count(seen) == 0) {
            return false;
        }
        struct green__slots *ring = GREEN__LOAD_ACQUIRE(place);
        uint32_t turn;
        struct green__slot *slot = green__slots_out(ring, form, seen, &turn);
        if (GREEN__LOAD_ACQUIRE(&slot->turn) != turn) {
            seen = GREEN__LOAD_ACQUIRE(word);
        } else if (GREEN__SWAP(word, &seen, seen - GREEN__ONE_ITEM + GREEN__ONE_MORE)) {
            green__slot_empty(slot, form, ring, turn, ret_item);
            return true;
        }
    }
    return false;
}

/* ---- alone, with the lock ---- */

/** With the lock held: have the word for oneself. */
static inline void
green__slots_seize(uint64_t *word)
{
    uint64_t seen = GREEN__LOAD(word);
    while ((seen & GREEN__CROWDED) == 0 && !GREEN__SWAP(word, &seen, seen | GREEN__CROWDED)) {
    }
}

/** Before the lock is given up: let all have the word, unless somebody waits. */
static inline void
green__slots_release(uint64_t *word, bool crowded)
{
    if (!crowded) {
        GREEN__STORE_RELEASE(word, GREEN__LOAD(word) & ~(uint64_t)GREEN__CROWDED);
    }
}

/** A ring for so many items, when `taken` were taken of it before; NULL without memory. */
struct green__slots *green__slots_create(struct green__slots_form form, size_t room,
                                         uint32_t taken);

/** Free it, and those that it has outgrown. NULL is taken. Nobody uses it. */
void green__slots_destroy(struct green__slots *ring);

/** Make room for one more, where the ring is full or there is none; 0 or -ENOMEM. */
int green__slots_grow(const uint64_t *word, void **place, struct green__slots_form form);

/** Put an item, for which there is room. */
void green__slots_add(uint64_t *word, struct green__slots *ring, struct green__slots_form form,
                      const void *item);

/** Take an item; there is one. */
void green__slots_take(uint64_t *word, struct green__slots *ring, struct green__slots_form form,
                       void *ret_item);

/** Count an item that goes past the ring, which is empty, or NULL, into somebody's hands. */
void green__slots_pass(uint64_t *word, struct green__slots *ring, struct green__slots_form form);

#endif
