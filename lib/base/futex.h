/*
 * Sleeping in the kernel on a word of memory.
 */
#ifndef GREEN_BASE_FUTEX_H
#define GREEN_BASE_FUTEX_H

#include <stdatomic.h>

#include "green/base.h"

/**
 * Sleep while *word is still `expected`, until woken, interrupted by a signal, or the deadline.
 * May return early; the caller looks again.
 */
void green__futex_wait(atomic_uint *word, unsigned expected, green_deadline deadline);

/** Wake up to `count` threads that sleep on the word. Async-signal-safe. */
void green__futex_wake(atomic_uint *word, int count);

#endif
