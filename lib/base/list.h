/*
 * A circular doubly linked list whose links live in its members.
 *
 * An empty list and an unlinked member both point to themselves. Everything is O(1). Whoever owns
 * the list's lock, or its thread, may call; the list itself locks nothing.
 */
#ifndef GREEN_BASE_LIST_H
#define GREEN_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct green__list {
    struct green__list *next;
    struct green__list *previous;
};

#define GREEN__LIST(name) \
    {                     \
        &(name), &(name)  \
    }

/** The structure that holds a member, from the member's address. */
#define GREEN__CONTAINER(pointer, type, member) \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static inline void
green__list_init(struct green__list *list)
{
    list->next = list;
    list->previous = list;
}

static inline bool
green__list_empty(const struct green__list *list)
{
    return list->next == list;
}

/** Add a member behind all others. */
static inline void
green__list_append(struct green__list *list, struct green__list *member)
{
    member->next = list;
    member->previous = list->previous;
    list->previous->next = member;
    list->previous = member;
}

/** Take a member out of the list that it is in, and leave its own links as they are. */
static inline void
green__list_unlink(struct green__list *member)
{
    member->previous->next = member->next;
    member->next->previous = member->previous;
}

/** Take a member out of the list that it is in; one that is in none is left alone. */
static inline void
green__list_remove(struct green__list *member)
{
    green__list_unlink(member);
    green__list_init(member);
}

/** Take the first member out; NULL when there is none. */
static inline struct green__list *
green__list_shift(struct green__list *list)
{
    struct green__list *first = list->next;
    if (first == list) {
        return NULL;
    }
    green__list_remove(first);
    return first;
}

/* ---- rings: lists that are known by their first member, NULL when there is none ---- */

/** Add a member behind all others. */
static inline void
green__ring_append(struct green__list **ring, struct green__list *member)
{
    if (*ring == NULL) {
        green__list_init(member);
        *ring = member;
    } else {
        green__list_append(*ring, member);
    }
}

/** Take a member out; false when it was in no ring. Its links were set before. */
static inline bool
green__ring_remove(struct green__list **ring, struct green__list *member)
{
    bool alone = green__list_empty(member);
    if (alone && *ring != member) {
        return false;
    }
    if (*ring == member) {
        *ring = alone ? NULL : member->next;
    }
    green__list_remove(member);
    return true;
}

/** Take the first member out; NULL when there is none. */
static inline struct green__list *
green__ring_shift(struct green__list **ring)
{
    struct green__list *first = *ring;
    if (first != NULL) {
        green__ring_remove(ring, first);
    }
    return first;
}

#endif
