/*
 * Numbers that look random, for choices that nobody is to rely on. Each thread has a sequence of
 * its own, the same in every run, which follows from its state.
 *
 * Source: SplitMix64, of Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators".
 */
#ifndef GREEN_BASE_RANDOM_H
#define GREEN_BASE_RANDOM_H

#include <stdint.h>

/** Any value will do. */
extern __thread uint64_t green__random_state __attribute__((tls_model("initial-exec")));

static inline uint64_t
green__random(void)
{
    uint64_t mixed = green__random_state += 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
}

/** A number below a bound that is not 0. */
static inline uint32_t
green__random_below(uint32_t bound)
{
    return (uint32_t)(((green__random() >> 32) * bound) >> 32);
}

#endif
