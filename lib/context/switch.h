/*
 * What a backend of the switch provides: switch_x86_64.S, switch_aarch64.S or switch_ucontext.c.
 *
 * Only context.h and context.c call these. A parked stack is one pointer, whose meaning is the
 * backend's own affair: it points into that stack, to the saved registers.
 */
#ifndef GREEN_CONTEXT_SWITCH_H
#define GREEN_CONTEXT_SWITCH_H

#include <stddef.h>

/**
 * Lay out a stack as if it were parked just before a call of entry(arg).
 *
 * With a backend of which GREEN__SWITCH_LEAVES is defined the entry may return: `arg` then points
 * to the parked stack that continues. With the others it must not.
 *
 * @return The parked stack, for the first green__switch() to it.
 */
void *green__switch_prepare(void *low, size_t size, void (*entry)(void *arg), void *arg);

/** Save the running stack's registers on it, store it in *ret_parked, and continue `parked`. */
void green__switch(void **ret_parked, void *parked);

#endif
