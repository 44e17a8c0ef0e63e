/*
 * The stack of a child whose forker has a small one.
 *
 * A task, or a generator, forks on its own stack, of which the parent's copy is in use. The child
 * goes on on another, which is made before the fork: after it nothing may fail, and a sanitizer's
 * locks may be held for ever.
 */
#ifndef GREEN_JOB_FORK_STACK_H
#define GREEN_JOB_FORK_STACK_H

#include <stddef.h>

#include "context/context.h"
#include "context/stack.h"

/**
 * Before the fork: make the stack, if the running worker's child is to have one. One at a time.
 *
 * @param size   In bytes; 0 is 8 MiB. Pages that are touched alone cost memory.
 * @param entry  What the child runs, with arg.
 * @return 0, or -ENOMEM.
 */
int green__fork_stack_make(size_t size, green__context_entry entry, void *arg);

/** The last word before the fork. */
void green__fork_stack_prepare(void);

/** After it, in the parent, or where there was none: it is the child's. */
void green__fork_stack_drop(void);

/** In the child: run the entry on the stack, telling which it is; returns when none was made. */
void green__fork_stack_enter(struct green__stack *ret_stack);

#endif
