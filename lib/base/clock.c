/*
 * Deadlines. Any thread may call.
 */
#include "base/clock.h"

green_deadline
green_after(uint64_t ms)
{
    uint64_t now = green__clock_now();
    if (ms >= (GREEN_FOREVER - now) / GREEN__NS_PER_MS) {
        return GREEN_FOREVER;
    }
    return now + ms * GREEN__NS_PER_MS;
}
