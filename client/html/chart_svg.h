/*
 * What both kinds of chart are drawn with.
 */
#ifndef ECHOC_CHART_SVG_H
#define ECHOC_CHART_SVG_H

#include "chart.h"

/** The height of a line of text, with some air. */
#define CHART_LINE 18

/** Open an svg element with its title and description, for who cannot see it. */
void chart_svg_begin(FILE *out, const char *id, const char *title, const char *description,
                     enum chart_size size, double width, double height);

void chart_svg_end(FILE *out);

/** A text; `anchor` is start, middle or end. */
void chart_svg_text(FILE *out, double x, double y, const char *anchor, const char *class_name,
                    const char *text);

/** The mark of a series, which its number gives a shape. */
void chart_svg_mark(FILE *out, double x, double y, unsigned colour);

#endif
