/*
 * The parts of the page, each written by a file of its own.
 */
#ifndef ECHOC_HTML_PARTS_H
#define ECHOC_HTML_PARTS_H

#include <stdio.h>

#include "chart.h"
#include "compare/comparison.h"

/** The style sheet. */
extern const char html_style[];

struct html {
    FILE *out;
    const struct echoc_comparison *comparison;
    /** The point that charts without an axis of connections show. */
    size_t focus;
};

/** All charts for which there are figures. */
void html_charts(const struct html *page);

/** A section's figures in large: for the page of one run. */
void html_tiles(const struct html *page);

/** The table of contenders at a point. */
void html_summary(const struct html *page, size_t point);

/** What went wrong: errors and damage, if anything did. */
void html_errors(const struct html *page);

/** Every round, and why some do not count. */
void html_rounds(const struct html *page);

/** The machine and the exact commands. */
void html_method(const struct html *page);

/** Open a table whose overflow scrolls; the caption is its name. */
void html_table_begin(FILE *out, const char *caption, const char *const *columns, size_t count);

void html_table_end(FILE *out);

/** A cell with a number's text; "" is an empty one, of which a screen reader says so. */
void html_cell(FILE *out, const char *text);

/** A cell that names its row. */
void html_row_head(FILE *out, const char *text);

/** Whether a message's due time is known: the open loop. */
bool html_is_open_loop(const struct echoc_load *load);

/** A result of the focus, for what all share; NULL when there is none. */
const struct echoc_result *html_any_result(const struct html *page);

#endif
