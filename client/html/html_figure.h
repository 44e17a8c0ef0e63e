/*
 * A chart as it stands in the page: its caption, its legend, both drawings, and its figures.
 */
#ifndef ECHOC_HTML_FIGURE_H
#define ECHOC_HTML_FIGURE_H

#include "chart.h"

/**
 * Write a chart of lines.
 *
 * @param note  What the chart shows, under its title.
 * @param rows  The x values of which the table behind the chart has rows, or NULL: all.
 */
void html_figure_lines(FILE *out, const struct chart *chart, const char *note, const double *rows,
                       size_t row_count);

void html_figure_bars(FILE *out, const struct chart_bars *chart, const char *note);

#endif
