/*
 * HdrHistogram's layout of counters (Gil Tene): values up to 2047 have a counter each, and each
 * doubling above has 1024 of equal width, so that every value is known to three digits.
 *
 * Invariant: count is the sum of the counters. One thread records into a histogram; any may read
 * one that nobody records into.
 */
#include "histogram.h"

#include <math.h>
#include <string.h>

#define HALF_BITS 10
#define HALF      (1U << HALF_BITS)

size_t
echoc_histogram_index(uint64_t value)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll(value | (2 * HALF - 1));
    unsigned shift = bits - HALF_BITS - 1;
    return ((size_t)shift << HALF_BITS) + (size_t)(value >> shift);
}

uint64_t
echoc_histogram_lowest(size_t index)
{
    if (index < (size_t)2 * HALF) {
        return index;
    }
    size_t shift = (index >> HALF_BITS) - 1;
    return (uint64_t)((index & (HALF - 1)) + HALF) << shift;
}

uint64_t
echoc_histogram_highest(size_t index)
{
    size_t shift = index < (size_t)2 * HALF ? 0 : (index >> HALF_BITS) - 1;
    return echoc_histogram_lowest(index) + (UINT64_C(1) << shift) - 1;
}

void
echoc_histogram_record(struct echoc_histogram *histogram, uint64_t value)
{
    if (value > ECHOC_HISTOGRAM_MAX) {
        value = ECHOC_HISTOGRAM_MAX;
    }
    histogram->counters[echoc_histogram_index(value)]++;
    if (histogram->count == 0 || value < histogram->min) {
        histogram->min = value;
    }
    if (value > histogram->max) {
        histogram->max = value;
    }
    histogram->count++;
    histogram->sum += (double)value;
}

void
echoc_histogram_add(struct echoc_histogram *into, const struct echoc_histogram *from)
{
    if (from->count == 0) {
        return;
    }
    if (into->count == 0 || from->min < into->min) {
        into->min = from->min;
    }
    if (from->max > into->max) {
        into->max = from->max;
    }
    size_t last = echoc_histogram_index(from->max);
    for (size_t i = echoc_histogram_index(from->min); i <= last; i++) {
        into->counters[i] += from->counters[i];
    }
    into->count += from->count;
    into->sum += from->sum;
}

void
echoc_histogram_reset(struct echoc_histogram *histogram)
{
    if (histogram->count == 0) {
        return;
    }
    size_t first = echoc_histogram_index(histogram->min);
    size_t last = echoc_histogram_index(histogram->max);
    memset(histogram->counters + first, 0, (last - first + 1) * sizeof histogram->counters[0]);
    histogram->count = 0;
    histogram->min = 0;
    histogram->max = 0;
    histogram->sum = 0;
}

uint64_t
echoc_histogram_quantile(const struct echoc_histogram *histogram, double share)
{
    if (histogram->count == 0) {
        return 0;
    }
    /* Rounding must not ask for one more than there are: 0.999 of 1000 is 999. */
    uint64_t wanted = (uint64_t)ceil(share * (double)histogram->count - 1e-6);
    if (wanted < 1) {
        wanted = 1;
    }
    uint64_t seen = 0;
    for (size_t i = echoc_histogram_index(histogram->min); i < ECHOC_HISTOGRAM_COUNTERS; i++) {
        seen += histogram->counters[i];
        if (seen >= wanted) {
            uint64_t value = echoc_histogram_highest(i);
            return value < histogram->max ? value : histogram->max;
        }
    }
    return histogram->max;
}

double
echoc_histogram_mean(const struct echoc_histogram *histogram)
{
    return histogram->count == 0 ? 0 : histogram->sum / (double)histogram->count;
}
