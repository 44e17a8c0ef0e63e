/*
 * Rings, from the side of who has one for himself, but for those who have claimed a slot before
 * and are not done with it.
 *
 * Invariant: the caller has the lock, and the word is seized. Those who have claimed need neither
 * to go on, so they are waited for.
 */
#include "sync/slots.h"

#include <sched.h>
#include <time.h>

#include "base/alloc.h"

#define FIRST_ROOM 16

/** What is on its way takes a few instructions, unless its thread was stopped among them. */
#define LOOKS_BEFORE_YIELD 128
#define YIELDS_BEFORE_NAP  64
#define NAP_NS             50000

static void
settle(const struct green__slot *slot, uint32_t turn)
{
    for (unsigned looks = 0; GREEN__LOAD_ACQUIRE(&slot->turn) != turn; looks++) {
        if (looks >= LOOKS_BEFORE_YIELD + YIELDS_BEFORE_NAP) {
            nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
        } else if (looks >= LOOKS_BEFORE_YIELD) {
            sched_yield();
        }
    }
}

struct green__slots *
green__slots_create(struct green__slots_form form, size_t room, uint32_t taken)
{
    size_t slots = 2;
    while (slots < room) {
        slots *= 2;
    }
    size_t size = green__slot_size(form.item_size);
    struct green__slots *ring = NULL;
    if (slots <= (size_t)GREEN__ITEMS_MAX + 1 && slots <= (SIZE_MAX - sizeof *ring) / size) {
        ring = green__alloc(sizeof *ring + slots * size);
    }
    if (ring == NULL) {
        return NULL;
    }
    ring->outgrown = NULL;
    ring->mask = (uint32_t)(slots - 1);
    for (uint32_t i = 0; i < slots; i++) {
        uint32_t number = form.lifo ? i : taken + i;
        green__slots_slot(ring, form, number)->turn = form.lifo ? 0 : number;
    }
    return ring;
}

void
green__slots_destroy(struct green__slots *ring)
{
    while (ring != NULL) {
        struct green__slots *outgrown = ring->outgrown;
        green__free(ring);
        ring = outgrown;
    }
}

/** Move all items, once they have come. */
static void
move_items(uint64_t word, struct green__slots *from, struct green__slots *to,
           struct green__slots_form form)
{
    uint32_t first = form.lifo ? 0 : green__slots_taken(word);
    for (uint32_t i = 0; i < green__slots_count(word); i++) {
        const struct green__slot *old = green__slots_slot(from, form, first + i);
        uint32_t turn = form.lifo ? 0 : first + i;
        settle(old, turn + 1);
        green__slot_fill(green__slots_slot(to, form, first + i), form, turn, old->item);
    }
}

int
green__slots_grow(const uint64_t *word, void **place, struct green__slots_form form)
{
    uint64_t seen = GREEN__LOAD(word);
    struct green__slots *old = *place;
    size_t room = old == NULL ? FIRST_ROOM : 2 * ((size_t)old->mask + 1);
    struct green__slots *ring = green__slots_count(seen) >= GREEN__ITEMS_MAX
                                    ? NULL
                                    : green__slots_create(form, room, green__slots_taken(seen));
    if (ring == NULL) {
        return -ENOMEM;
    }
    if (old != NULL) {
        move_items(seen, old, ring, form);
        ring->outgrown = old;
        if (green__alone()) { /* nobody else looks */
            green__slots_destroy(old);
            ring->outgrown = NULL;
        }
    }
    GREEN__STORE_RELEASE(place, ring);
    return 0;
}

void
green__slots_add(uint64_t *word, struct green__slots *ring, struct green__slots_form form,
                 const void *item)
{
    uint64_t seen = GREEN__LOAD(word);
    uint32_t turn;
    struct green__slot *slot = green__slots_in(ring, form, seen, &turn);
    settle(slot, turn);
    green__slot_fill(slot, form, turn, item);
    GREEN__STORE(word, seen + GREEN__ONE_ITEM);
}

void
green__slots_take(uint64_t *word, struct green__slots *ring, struct green__slots_form form,
                  void *ret_item)
{
    uint64_t seen = GREEN__LOAD(word);
    uint32_t turn;
    struct green__slot *slot = green__slots_out(ring, form, seen, &turn);
    settle(slot, turn);
    green__slot_empty(slot, form, ring, turn, ret_item);
    GREEN__STORE(word, seen - GREEN__ONE_ITEM + GREEN__ONE_MORE);
}

void
green__slots_pass(uint64_t *word, struct green__slots *ring, struct green__slots_form form)
{
    uint64_t seen = GREEN__LOAD(word);
    if (ring != NULL && !form.lifo) {
        uint32_t turn;
        struct green__slot *slot = green__slots_in(ring, form, seen, &turn);
        settle(slot, turn);
        GREEN__STORE_RELEASE(&slot->turn, turn + ring->mask + 1);
    }
    GREEN__STORE(word, seen + GREEN__ONE_MORE);
}
