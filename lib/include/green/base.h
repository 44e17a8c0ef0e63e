/*
 * What every other header needs: export macros, the version, deadlines, error texts, the allocator.
 */
#ifndef GREEN_BASE_H
#define GREEN_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GREEN_VERSION_MAJOR 0
#define GREEN_VERSION_MINOR 1
#define GREEN_VERSION_PATCH 0

#define GREEN_API __attribute__((visibility("default")))

/** Marks a function that may give up the processor: other workers can run before it returns. */
#define GREEN_SUSPENDS

/** The version of the library that is running, such as "0.1.0". Static storage. */
GREEN_API const char *green_version(void);

/**
 * An absolute point of the monotonic clock, in nanoseconds.
 *
 * Deadlines do not move: one that is passed to several calls bounds them together.
 */
typedef uint64_t green_deadline;

/** A deadline that has passed already: the call polls and never waits. */
#define GREEN_NOW ((green_deadline)0)

/** A deadline that never passes. */
#define GREEN_FOREVER UINT64_MAX

/**
 * The deadline that lies the given time ahead.
 *
 * @param ms  Milliseconds from now; so large a value that the clock cannot hold it gives
 *            GREEN_FOREVER.
 */
GREEN_API green_deadline green_after(uint64_t ms);

/**
 * The text of a negative errno value as this library returns it.
 *
 * @param err  What a call returned; 0 and positive values read "Success".
 * @return A string in static storage, such as "Connection timed out"; never NULL.
 */
GREEN_API const char *green_strerror(int err);

/**
 * Where the library gets its memory: job handles, buffers, tables. Stacks are mapped, not
 * allocated.
 */
struct green_allocator {
    void *(*allocate)(size_t size);
    void *(*reallocate)(void *block, size_t size);
    void (*release)(void *block);
};

/**
 * Replace malloc, realloc and free inside the library.
 *
 * To be called before any other function of the library, by one thread.
 *
 * @param allocator  Copied. All three members are needed; the functions must be thread-safe.
 * @return 0, or
 *         -EINVAL  a member is NULL,
 *         -EBUSY   the library has allocated already.
 */
GREEN_API int green_set_allocator(const struct green_allocator *allocator);

#ifdef __cplusplus
}
#endif

#endif
