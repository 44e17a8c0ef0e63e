/*
 * A sleeping stack's words, in as few bytes as may be.
 *
 * Tasks that wait in the same call have the same frames on their stacks: return addresses, saved
 * registers, locals that are the same for all; addresses that move with the stack, or with the
 * control block; and a few things of their own, like a descriptor and its slot, each in several
 * places. So an image names a pattern, and has what its words differ by from those: each distance
 * once.
 */
#ifndef GREEN_SCHED_IMAGE_H
#define GREEN_SCHED_IMAGE_H

#include <stdint.h>

#include "sched/worker.h"

/** The stacks that others are compared with. */
struct green__patterns;

/** A sleeping stack. */
struct green__image;

/** Make an image of the live part of a parked task's stack, with what it has for itself at the top;
 * NULL without memory. */
struct green__image *green__image_make(struct green__patterns **patterns,
                                       const struct green_job *task);

/** Put the words back, and the stack pointer; free the image. */
void green__image_unmake(struct green__patterns *patterns, struct green__image *image,
                         struct green_job *task);

/** Bytes that it takes. */
size_t green__image_size(const struct green__patterns *patterns, const struct green__image *image,
                         const struct green_job *task);

/** Free them; there is no image left. */
void green__patterns_free(struct green__patterns *patterns);

#endif
