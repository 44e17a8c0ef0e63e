/*
 * The widest registers of x86_64: by the ABI a function's caller expects nothing in them.
 */
#include "wide.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__AVX512F__)

/** The masks, the upper halves of the first sixteen registers, and the other sixteen. */
#define WIDE_STATE 0xe0u

void
wide_forget(void)
{
    /* An area that says that it has none of them: they are set to what they are at first. */
    static const _Alignas(64) unsigned char none[576];
    if (__builtin_cpu_supports("avx512f")) {
        __asm__ volatile("xrstor %0" : : "m"(none), "a"(WIDE_STATE), "d"(0) : "memory");
    }
}

#else

void
wide_forget(void)
{
}

#endif
