/*
 * The monotonic clock, in nanoseconds.
 */
#ifndef GREEN_BASE_CLOCK_H
#define GREEN_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#include "green/base.h"

#define GREEN__NS_PER_MS 1000000u
#define GREEN__NS_PER_S  1000000000u

static inline uint64_t
green__clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * GREEN__NS_PER_S + (uint64_t)now.tv_nsec;
}

/** The whole milliseconds from now until a deadline, rounded up; -1 when it never passes. */
static inline int
green__clock_ms_until(green_deadline deadline, uint64_t now)
{
    if (deadline == GREEN_FOREVER) {
        return -1;
    }
    if (deadline <= now) {
        return 0;
    }
    uint64_t ms = (deadline - now - 1) / GREEN__NS_PER_MS + 1;
    return ms > INT32_MAX ? INT32_MAX : (int)ms;
}

#endif
