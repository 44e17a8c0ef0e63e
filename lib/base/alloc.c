/*
 * The allocator hook.
 *
 * Invariant: the functions do not change once one of them was used, so that memory always goes back
 * to where it came from. Any thread may call; not for signal handlers.
 */
#include "base/alloc.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "green/base.h"

static struct green_allocator allocator = {malloc, realloc, free};
static atomic_bool in_use;

static void
note_use(void)
{
    if (!atomic_load_explicit(&in_use, memory_order_relaxed)) {
        atomic_store_explicit(&in_use, true, memory_order_relaxed);
    }
}

void *
green__alloc(size_t size)
{
    note_use();
    return allocator.allocate(size);
}

void *
green__alloc_zeroed(size_t size)
{
    void *block = green__alloc(size);
    if (block != NULL) {
        memset(block, 0, size);
    }
    return block;
}

void *
green__realloc(void *block, size_t size)
{
    note_use();
    return allocator.reallocate(block, size);
}

void
green__free(void *block)
{
    if (block != NULL) {
        allocator.release(block);
    }
}

int
green_set_allocator(const struct green_allocator *replacement)
{
    if (replacement->allocate == NULL || replacement->reallocate == NULL ||
        replacement->release == NULL) {
        return -EINVAL;
    }
    if (atomic_load(&in_use)) {
        return -EBUSY;
    }
    allocator = *replacement;
    return 0;
}
