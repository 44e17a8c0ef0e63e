/*
 * Charts as SVG: lines over two axes, and bars. What they look like is up to the page's style
 * sheet.
 */
#ifndef ECHOC_CHART_H
#define ECHOC_CHART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "text.h"

/** How many colours the style sheet has; series beyond them begin anew. */
#define CHART_COLOURS 8

enum chart_scale_kind {
    CHART_LINEAR,
    CHART_LOG,
    CHART_PERCENTILE, /**< Values from 0 up to, not including, 100; each nine takes the same room.
                       */
};

struct chart_axis {
    const char *title;
    enum chart_scale_kind kind;
    text_format *format;
    /** The axis begins at zero, whatever the values; for linear ones. */
    bool from_zero;
};

struct chart_point {
    double x;
    double y; /**< What is not a finite number leaves a gap. */
    /** The spread around y, drawn when it is not empty. */
    double low;
    double high;
};

struct chart_series {
    const char *name;
    const struct chart_point *points;
    size_t count;
    unsigned colour;
    /** A line beside another one, thinner and dashed. */
    bool secondary;
};

struct chart {
    const char *id; /**< Of letters and digits, one of its kind in a page. */
    const char *title;
    const char *description;
    struct chart_axis x;
    struct chart_axis y;
    const struct chart_series *series;
    size_t count;
};

struct chart_bar {
    const char *name;
    double value; /**< Not a finite number: unknown. */
    const double *samples;
    size_t sample_count;
    unsigned colour;
    bool at_least; /**< The true value may be larger. */
};

struct chart_bars {
    const char *id;
    const char *title;
    const char *description;
    text_format *format;
    const struct chart_bar *bars;
    size_t count;
};

/** For which page: each chart is drawn for both, and the style sheet shows one. */
enum chart_size { CHART_WIDE, CHART_NARROW };

/** Whether the wide chart has room for the names of its series beside their lines. */
bool chart_lines_named(const struct chart *chart);

void chart_draw_lines(FILE *out, const struct chart *chart, enum chart_size size);

void chart_draw_bars(FILE *out, const struct chart_bars *chart, enum chart_size size);

/** A swatch for the legend: the line and the mark of a series. */
void chart_draw_swatch(FILE *out, const struct chart_series *series);

/** Write text so that it is nothing but text in SVG and HTML, in an attribute also. */
void chart_escape(FILE *out, const char *text);

#endif
