/*
 * Whether registers that a function must keep survive a switch.
 *
 * Values are pinned to the registers, the switch is made, and the registers are read back. The
 * frame pointer is left out: the compiler's own use of it is the test of that one.
 */
#ifndef TESTS_CONTEXT_REGISTERS_H
#define TESTS_CONTEXT_REGISTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "context/context.h"

#if defined(__x86_64__)

__attribute__((noinline)) static bool
registers_survive(struct green__context *from, struct green__context *to, uint64_t seed)
{
    register uint64_t b __asm__("rbx") = seed + 1;
    register uint64_t c __asm__("r12") = seed + 2;
    register uint64_t d __asm__("r13") = seed + 3;
    register uint64_t e __asm__("r14") = seed + 4;
    register uint64_t f __asm__("r15") = seed + 5;
    __asm__ volatile("" : "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
    green__context_switch(from, to, false);
    __asm__ volatile("" : "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
    return b == seed + 1 && c == seed + 2 && d == seed + 3 && e == seed + 4 && f == seed + 5;
}

#elif defined(__aarch64__)

__attribute__((noinline)) static bool
integers_survive(struct green__context *from, struct green__context *to, uint64_t seed)
{
    register uint64_t a __asm__("x19") = seed + 1;
    register uint64_t b __asm__("x20") = seed + 2;
    register uint64_t c __asm__("x21") = seed + 3;
    register uint64_t d __asm__("x22") = seed + 4;
    register uint64_t e __asm__("x23") = seed + 5;
    register uint64_t f __asm__("x24") = seed + 6;
    register uint64_t g __asm__("x25") = seed + 7;
    register uint64_t h __asm__("x26") = seed + 8;
    register uint64_t i __asm__("x27") = seed + 9;
    register uint64_t j __asm__("x28") = seed + 10;
    __asm__ volatile(""
                     : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f), "+r"(g), "+r"(h),
                       "+r"(i), "+r"(j));
    green__context_switch(from, to, false);
    __asm__ volatile(""
                     : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f), "+r"(g), "+r"(h),
                       "+r"(i), "+r"(j));
    return a == seed + 1 && b == seed + 2 && c == seed + 3 && d == seed + 4 && e == seed + 5 &&
           f == seed + 6 && g == seed + 7 && h == seed + 8 && i == seed + 9 && j == seed + 10;
}

__attribute__((noinline)) static bool
doubles_survive(struct green__context *from, struct green__context *to, uint64_t seed)
{
    double base = (double)seed;
    register double a __asm__("d8") = base + 1;
    register double b __asm__("d9") = base + 2;
    register double c __asm__("d10") = base + 3;
    register double d __asm__("d11") = base + 4;
    register double e __asm__("d12") = base + 5;
    register double f __asm__("d13") = base + 6;
    register double g __asm__("d14") = base + 7;
    register double h __asm__("d15") = base + 8;
    __asm__ volatile("" : "+w"(a), "+w"(b), "+w"(c), "+w"(d), "+w"(e), "+w"(f), "+w"(g), "+w"(h));
    green__context_switch(from, to, false);
    __asm__ volatile("" : "+w"(a), "+w"(b), "+w"(c), "+w"(d), "+w"(e), "+w"(f), "+w"(g), "+w"(h));
    double sum = a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h;
    return (uint64_t)sum == 36 * seed + 204;
}

static bool
registers_survive(struct green__context *from, struct green__context *to, uint64_t seed)
{
    bool integers = integers_survive(from, to, seed);
    return doubles_survive(from, to, seed) && integers;
}

#else

/* Elsewhere, values that are live across the switch, in whatever registers they are. */
static bool
registers_survive(struct green__context *from, struct green__context *to, uint64_t seed)
{
    uint64_t values[8];
    for (uint64_t i = 0; i < 8; i++) {
        values[i] = seed + i;
    }
    green__context_switch(from, to, false);
    for (uint64_t i = 0; i < 8; i++) {
        if (values[i] != seed + i) {
            return false;
        }
    }
    return true;
}

#endif

#endif
