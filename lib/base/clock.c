/*
 * Deadlines, and the state of each thread that clock.h and random.h speak of. Any thread may call.
 */
#include "base/clock.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <string.h>

#include "base/random.h"

__thread uint64_t green__clock_virtual;
__thread uint64_t green__random_state;
int (*green__clock_gettime)(clockid_t clock, struct timespec *ret_now) = clock_gettime;

#ifdef __x86_64__
/** Whether clock_gettime() is the C library's: somebody may have put another before it. */
static bool
is_own_clock(void)
{
    Dl_info clock, other;
    return dladdr(dlsym(RTLD_DEFAULT, "clock_gettime"), &clock) != 0 &&
           dladdr(dlsym(RTLD_DEFAULT, "timer_settime"), &other) != 0 &&
           clock.dli_fbase == other.dli_fbase;
}

/* In a process that others take turns with, each page on the way has to be found anew: the C
 * library's code and its table of what the kernel maps are two of four. */
__attribute__((constructor)) static void
find_clock(void)
{
    void *kernel = dlopen("linux-vdso.so.1", RTLD_NOW | RTLD_NOLOAD);
    void *found = kernel == NULL ? NULL : dlsym(kernel, "__vdso_clock_gettime");
    if (found != NULL && is_own_clock()) {
        memcpy(&green__clock_gettime, &found, sizeof found);
    }
}
#endif

green_deadline
green_after(uint64_t ms)
{
    uint64_t now = green__clock_now();
    if (ms >= (GREEN_FOREVER - now) / GREEN__NS_PER_MS) {
        return GREEN_FOREVER;
    }
    return now + ms * GREEN__NS_PER_MS;
}
