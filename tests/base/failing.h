/*
 * An allocator that fails while a test says so; for green_set_allocator().
 */
#ifndef TESTS_BASE_FAILING_H
#define TESTS_BASE_FAILING_H

#include <stdatomic.h>
#include <stdlib.h>

#include "green/base.h"

static atomic_bool failing; /* whichever thread asks */

static void *
failing_allocate(size_t size)
{
    return failing ? NULL : malloc(size);
}

static void *
failing_reallocate(void *block, size_t size)
{
    return failing ? NULL : realloc(block, size);
}

static const struct green_allocator failing_allocator = {failing_allocate, failing_reallocate,
                                                         free};

#endif
