/*
 * What a backend of the switch provides: switch_x86_64.S, switch_aarch64.S or switch_ucontext.c.
 *
 * Only context.h and context.c call these. A parked stack is one pointer, whose meaning is the
 * backend's own affair: it points into that stack, to the saved registers.
 */
#ifndef GREEN_CONTEXT_SWITCH_H
#define GREEN_CONTEXT_SWITCH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/**
 * Lay out a stack as if it were parked just before a call of entry(arg).
 *
 * With a backend of which GREEN__SWITCH_LEAVES is defined the entry may return: `arg` then points
 * to the parked stack that continues. With the others it must not.
 *
 * @return The parked stack, for the first green__switch() to it.
 */
#if defined(GREEN__SWITCH_LEAVES) && defined(__x86_64__)

#define GREEN__SWITCH_STAYS 1 /**< What was prepared is there when the entry has returned. */

/** Where a stack starts; see switch_x86_64.S, where its layout is. */
extern const char green__switch_started[] __attribute__((visibility("hidden")));

enum { GREEN__SWITCH_WORDS = 9 };

/** The same for a stack on which an entry has returned and that was prepared with all the same. */
static inline void *
green__switch_prepared(void *low, size_t size)
{
    return (uintptr_t *)(void *)((char *)low + size) - GREEN__SWITCH_WORDS;
}

static inline void *
green__switch_prepare(void *low, size_t size, void (*entry)(void *arg), void *arg)
{
    enum { R13 = 2, R12, PLACE = 6, WORDS = GREEN__SWITCH_WORDS };
    uintptr_t *parked = green__switch_prepared(low, size);
    parked[0] = 0; /* by itself: the others begin a line of the cache, and no store crosses one */
    memset(parked + 1, 0, (WORDS - 1) * sizeof *parked);
    parked[R12] = (uintptr_t)entry;
    parked[R13] = (uintptr_t)arg;
    parked[PLACE] = (uintptr_t)green__switch_started;
    return parked;
}

#else
void *green__switch_prepare(void *low, size_t size, void (*entry)(void *arg), void *arg);
#endif

/** Save the running stack's registers on it, store it in *ret_parked, and continue `parked`. */
void green__switch(void **ret_parked, void *parked);

#endif
