/*
 * Places that were told of: what is wrong at one of them is said once.
 */
#ifndef GREEN_DEBUG_PLACES_H
#define GREEN_DEBUG_PLACES_H

#include "base/lock.h"
#include "debug/unwind.h"

#define GREEN__PLACES_MAX 64

/** All zero at first. Any thread. */
struct green__places {
    struct green__lock lock;
    unsigned count;
    unsigned told;   /**< In this second. */
    uint64_t second; /**< Which that is. */
    uint64_t seen[GREEN__PLACES_MAX];
};

/** Whether to tell of a place, by its name; false for one that was told of, when there were too
 *  many in all or in this second. */
bool green__places_new(struct green__places *places, const char *name);

/**
 * The innermost function of the program itself: libc, this library and the like are passed over.
 *
 * @param name  Set to it, without the offset, cut to fit; "?" when there is none.
 */
void green__places_name(const struct green__walk *walk, char *name, size_t size);

#endif
