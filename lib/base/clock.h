/*
 * The monotonic clock, in nanoseconds, and the virtual one of a thread with a seed.
 */
#ifndef GREEN_BASE_CLOCK_H
#define GREEN_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#include "green/base.h"

#define GREEN__NS_PER_MS 1000000u
#define GREEN__NS_PER_S  1000000000u

/** A tick of the kernel takes no longer. */
#define GREEN__TICK_NS (10 * GREEN__NS_PER_MS)

/** The time of a thread for which it is virtual; 0 where the real one holds. */
extern __thread uint64_t green__clock_virtual __attribute__((tls_model("initial-exec")));

/** clock_gettime(): the kernel's own, which the C library's calls, where it can be found. */
extern int (*green__clock_gettime)(clockid_t clock, struct timespec *ret_now);

static inline uint64_t
green__clock_read(clockid_t clock)
{
    struct timespec now;
    green__clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * GREEN__NS_PER_S + (uint64_t)now.tv_nsec;
}

static inline uint64_t
green__clock_real(void)
{
    return green__clock_read(CLOCK_MONOTONIC);
}

/** What deadlines go by on the calling thread. */
static inline uint64_t
green__clock_now(void)
{
    uint64_t virtual = green__clock_virtual;
    return __builtin_expect(virtual != 0, 0) ? virtual : green__clock_real();
}

/** The same clock as it stood at the kernel's last tick, GREEN__TICK_NS ago at most: a fifth of the
 * price. */
static inline uint64_t
green__clock_coarse(void)
{
    return green__clock_read(CLOCK_MONOTONIC_COARSE);
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
