/*
 * Histograms of durations with a constant relative error: HdrHistogram's layout.
 */
#ifndef ECHOC_HISTOGRAM_H
#define ECHOC_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

/** What can be recorded, in nanoseconds: up to an hour. More is recorded as an hour. */
#define ECHOC_HISTOGRAM_MAX UINT64_C(3600000000000)

/** Counters: 2048 for the first values, one by one, and 1024 for each doubling up to an hour. */
#define ECHOC_HISTOGRAM_COUNTERS 33792

/**
 * Counts of values from 0 to ECHOC_HISTOGRAM_MAX, each known to three decimal digits.
 *
 * All zero is an empty one. It holds no pointers, so it may lie in shared memory.
 */
struct echoc_histogram {
    uint64_t count;
    uint64_t min; /**< Of a histogram that is not empty. */
    uint64_t max;
    double sum;
    uint64_t counters[ECHOC_HISTOGRAM_COUNTERS];
};

/** Count a value once. */
void echoc_histogram_record(struct echoc_histogram *histogram, uint64_t value);

/** Add all that another one has counted. */
void echoc_histogram_add(struct echoc_histogram *into, const struct echoc_histogram *from);

/** Forget everything. */
void echoc_histogram_reset(struct echoc_histogram *histogram);

/**
 * The value below or at which the given share of all values lies, never above the largest.
 *
 * @param share  0 to 1: 0.99 for p99.
 * @return Nanoseconds; 0 when the histogram is empty.
 */
uint64_t echoc_histogram_quantile(const struct echoc_histogram *histogram, double share);

/** The mean in nanoseconds; 0 when the histogram is empty. */
double echoc_histogram_mean(const struct echoc_histogram *histogram);

/** The counter of a value, and the smallest and largest value of a counter. */
size_t echoc_histogram_index(uint64_t value);
uint64_t echoc_histogram_lowest(size_t index);
uint64_t echoc_histogram_highest(size_t index);

/**
 * Write a histogram in HdrHistogram's compressed format, version 2, in base64: one word of text.
 *
 * @return The text, to be freed, or NULL when memory is short.
 */
char *echoc_histogram_encode(const struct echoc_histogram *histogram);

/**
 * Read what echoc_histogram_encode() or another HdrHistogram has written.
 *
 * Values keep their meaning when the other one had another precision: each is counted anew.
 *
 * @param histogram  Set on success only.
 * @return 0, or
 *         -EBADMSG  the text is no compressed histogram of version 2,
 *         -ENOMEM.
 */
int echoc_histogram_decode(const char *text, struct echoc_histogram *histogram);

#endif
