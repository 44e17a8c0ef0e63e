/*
 * The descriptors that the library made and has not closed, of the whole process.
 *
 * A forked child closes those it was not handed. Lock-free; any thread may call. Descriptors of
 * 1,048,576 and more are not tracked.
 */
#ifndef GREEN_IO_HELD_H
#define GREEN_IO_HELD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Note a descriptor that the library has made; returns it. */
int green__held_add(int fd);

/** Forget one that is about to be closed. */
void green__held_remove(int fd);

#define GREEN__HELD_LIMIT (1 << 20)

/** Of each number; untouched pages cost nothing. */
extern _Atomic(uint32_t) green__held_close_counts[GREEN__HELD_LIMIT];

/** How many descriptors of this number were closed here, by whatever thread. */
static inline uint32_t
green__held_closes(int fd)
{
    return fd >= 0 && fd < GREEN__HELD_LIMIT
               ? atomic_load_explicit(&green__held_close_counts[fd], memory_order_relaxed)
               : 0;
}

/**
 * Just before a fork: note what is held.
 *
 * The kernel copies descriptors before memory, so one that another thread closes in between is open
 * in the child, which finds it no longer held. One fork at a time.
 */
void green__held_note(void);

/** In a forked child: close all that was held before the fork or is now, but those in `keep`. */
void green__held_close_all(const int *keep, size_t keep_count);

/** Whether this process has forked: a copy in a child may keep a closed descriptor's file alive. */
bool green__held_forked(void);
void green__held_note_fork(void);

#endif
