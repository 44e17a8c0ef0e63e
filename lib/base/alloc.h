/*
 * The library's memory, through the hook of green_set_allocator().
 */
#ifndef GREEN_BASE_ALLOC_H
#define GREEN_BASE_ALLOC_H

#include <stddef.h>

/** Uninitialised memory, or NULL. */
void *green__alloc(size_t size);

/** Memory of zeros, or NULL. */
void *green__alloc_zeroed(size_t size);

/** As realloc(). */
void *green__realloc(void *block, size_t size);

/** As free(): NULL is taken. */
void green__free(void *block);

#endif
