/*
 * Comparisons that nobody has measured, for tests of what is made of them.
 */
#ifndef TESTS_CLIENT_MADE_UP_H
#define TESTS_CLIENT_MADE_UP_H

#include "compare/comparison.h"

/** What a made-up contender is like. */
struct made_up {
    const char *name;
    double rate;       /**< Messages a second. */
    double typical_us; /**< The median latency. */
    double tail;       /**< How many times as long the slowest take. */
    double cpu_us;     /**< 0: unknown. */
    double bytes;      /**< Of a connection; 0: unknown. */
    double spread;     /**< How far rounds differ, as a share. */
    bool saturated;    /**< The client was the bottleneck in every round. */
};

/** A comparison with rounds of each; to be destroyed. Aborts when memory is short. */
struct echoc_comparison *made_up_comparison(const struct made_up *contenders, size_t count,
                                            const uint64_t *points, size_t point_count,
                                            unsigned rounds);

/** A result of a made-up run, whose number varies it a little. */
struct echoc_result *made_up_result(const struct made_up *contender, uint64_t connections,
                                    unsigned number);

#endif
