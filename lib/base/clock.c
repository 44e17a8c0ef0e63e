/*
 * Deadlines, and the state of each thread that clock.h and random.h speak of. Any thread may call.
 */
#include "base/clock.h"

#include "base/random.h"

__thread uint64_t green__clock_virtual;
__thread uint64_t green__random_state;

green_deadline
green_after(uint64_t ms)
{
    uint64_t now = green__clock_now();
    if (ms >= (GREEN_FOREVER - now) / GREEN__NS_PER_MS) {
        return GREEN_FOREVER;
    }
    return now + ms * GREEN__NS_PER_MS;
}
