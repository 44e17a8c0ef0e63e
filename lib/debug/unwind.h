/*
 * Going back through the frames of a stack.
 */
#ifndef GREEN_DEBUG_UNWIND_H
#define GREEN_DEBUG_UNWIND_H

#include "debug/cfi.h"

#define GREEN__FRAMES_MAX 32

/** The places at which the frames of a stack stand, the innermost first. */
struct green__walk {
    unsigned depth;
    bool more;        /**< There were more frames than fit. */
    bool interrupted; /**< The first place is not one that a call returns to. */
    uintptr_t places[GREEN__FRAMES_MAX];
};

/** Rows that were read before; makes it cheap to walk many stacks that are alike. All zero at
 *  first. */
#define GREEN__ROWS_MAX 128

struct green__rows {
    struct green__row rows[GREEN__ROWS_MAX];
};

/** What may be read directly: the used part of the stack. Elsewhere the kernel is asked to read. */
struct green__memory {
    uintptr_t low;
    uintptr_t high;
};

/**
 * Walk a stack from where it stands.
 *
 * Async-signal-safe; the stack must not run meanwhile, unless it is that of the caller further out.
 *
 * @param rows         NULL: nothing is kept.
 * @param interrupted  It stands anywhere, not after a call.
 */
void green__unwind(const struct green__modules *modules, struct green__rows *rows,
                   struct green__memory memory, const struct green__registers *start,
                   bool interrupted, struct green__walk *ret_walk);

#endif
