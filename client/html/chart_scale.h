/*
 * From values to places on the paper, and which values get a tick.
 */
#ifndef ECHOC_CHART_SCALE_H
#define ECHOC_CHART_SCALE_H

#include <stddef.h>

#include "chart.h"

#define CHART_TICKS 24

struct chart_scale {
    enum chart_scale_kind kind;
    /** The values at the two ends. */
    double low;
    double high;
    /** Where they are on the paper. */
    double from;
    double to;
    double ticks[CHART_TICKS];
    size_t tick_count;
};

/**
 * Fit a scale to values.
 *
 * The ends are moved outward to where a tick can stand, save the upper end of percentiles.
 *
 * @param low, high  The smallest and largest value; a logarithmic scale wants both above zero, and
 *                   takes a positive value in place of another.
 * @param most       How many ticks there is room for; at least 2.
 */
void chart_scale_fit(struct chart_scale *scale, const struct chart_axis *axis, double low,
                     double high, size_t most);

/** Where a value is on the paper. */
double chart_scale_place(const struct chart_scale *scale, double value);

/** The room that a text of ordinary size takes in any usual font: rather too much than too little.
 */
double chart_text_width(const char *text);

#endif
