/*
 * The clock, where the program has put one of its own before the system's: that one counts.
 */
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "support.h"

#define AHEAD_S 100000

int
clock_gettime(clockid_t clock, struct timespec *ret_now)
{
    int err = (int)syscall(SYS_clock_gettime, clock, ret_now);
    ret_now->tv_sec += AHEAD_S;
    return err;
}

static uint64_t
system_ns(clockid_t clock)
{
    struct timespec now;
    syscall(SYS_clock_gettime, clock, &now);
    return (uint64_t)now.tv_sec * GREEN__NS_PER_S + (uint64_t)now.tv_nsec;
}

START_TEST(clock_of_the_program_counts)
{
    const uint64_t ahead_ns = AHEAD_S * (uint64_t)GREEN__NS_PER_S;
    uint64_t before = system_ns(CLOCK_MONOTONIC);
    uint64_t exact = green__clock_real();
    ck_assert_uint_ge(exact, before + ahead_ns);
    ck_assert_uint_le(exact, system_ns(CLOCK_MONOTONIC) + ahead_ns);
    before = system_ns(CLOCK_MONOTONIC_COARSE);
    uint64_t coarse = green__clock_coarse();
    ck_assert_uint_ge(coarse, before + ahead_ns);
    ck_assert_uint_le(coarse, system_ns(CLOCK_MONOTONIC_COARSE) + ahead_ns);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {clock_of_the_program_counts};
    return RUN_TESTS("clock", tests);
}
