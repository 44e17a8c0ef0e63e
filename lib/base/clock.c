/*
 * Deadlines, and the state of each thread that clock.h and random.h speak of. Any thread may call.
 */
#include "base/clock.h"

#include <time.h>

#include "base/random.h"

__thread uint64_t green__clock_virtual;
__thread uint64_t green__random_state;

static uint64_t
read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * GREEN__NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t
green__clock_real(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t
green__clock_coarse(void)
{
    return read_clock(CLOCK_MONOTONIC_COARSE);
}

green_deadline
green_after(uint64_t ms)
{
    uint64_t now = green__clock_now();
    if (ms >= (GREEN_FOREVER - now) / GREEN__NS_PER_MS) {
        return GREEN_FOREVER;
    }
    return now + ms * GREEN__NS_PER_MS;
}
