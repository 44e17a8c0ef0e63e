/*
 * A chart as it stands in the page.
 *
 * The table holds what the lines are drawn from, so that nobody needs to see the chart, and the
 * test that compares the two has both. Invariant: the order of series is the same in the drawing,
 * the legend and the table.
 */
#include "html_figure.h"

#include <math.h>
#include <stdlib.h>

#include "html_parts.h"

static void
begin(FILE *out, const char *id, const char *title, const char *note)
{
    (void)fprintf(out, "<figure id=\"%s\">\n<figcaption><h3>", id);
    chart_escape(out, title);
    (void)fputs("</h3><p>", out);
    chart_escape(out, note);
    (void)fputs("</p></figcaption>\n", out);
}

static void
write_legend(FILE *out, const struct chart *chart)
{
    if (chart->count < 2) {
        return;
    }
    (void)fprintf(out, "<ul class=\"legend%s\">", chart_lines_named(chart) ? " spare" : "");
    for (size_t i = 0; i < chart->count; i++) {
        (void)fputs("<li>", out);
        chart_draw_swatch(out, &chart->series[i]);
        (void)fputs("<span>", out);
        chart_escape(out, chart->series[i].name);
        (void)fputs("</span></li>", out);
    }
    (void)fputs("</ul>\n", out);
}

/* ---- the table behind ---- */

static int
ascending(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return a < b ? -1 : a > b;
}

/** The x values of all points, each once; to be freed. */
static double *
all_rows(const struct chart *chart, size_t *ret_count)
{
    size_t room = 0;
    for (size_t i = 0; i < chart->count; i++) {
        room += chart->series[i].count;
    }
    double *rows = calloc(room > 0 ? room : 1, sizeof *rows);
    size_t count = 0;
    for (size_t i = 0; rows != NULL && i < chart->count; i++) {
        for (size_t j = 0; j < chart->series[i].count; j++) {
            rows[count++] = chart->series[i].points[j].x;
        }
    }
    if (count > 0) {
        qsort(rows, count, sizeof *rows, ascending);
    }
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || rows[i] > rows[kept - 1]) {
            rows[kept++] = rows[i];
        }
    }
    *ret_count = kept;
    return rows;
}

static const struct chart_point *
find_point(const struct chart_series *series, double x)
{
    for (size_t i = 0; i < series->count; i++) {
        if (fabs(series->points[i].x - x) <= 1e-9 * fabs(x)) {
            return &series->points[i];
        }
    }
    return NULL;
}

static void
write_row(FILE *out, const struct chart *chart, double x)
{
    char text[TEXT_FIGURE];
    chart->x.format(text, x);
    html_row_head(out, text);
    for (size_t i = 0; i < chart->count; i++) {
        const struct chart_point *point = find_point(&chart->series[i], x);
        text[0] = '\0';
        if (point != NULL && isfinite(point->y)) {
            chart->y.format(text, point->y);
        }
        html_cell(out, text);
    }
    (void)fputs("</tr>\n", out);
}

static void
write_lines_table(FILE *out, const struct chart *chart, const double *rows, size_t row_count)
{
    const char **columns = calloc(chart->count + 1, sizeof *columns);
    double *every = rows == NULL ? all_rows(chart, &row_count) : NULL;
    if (rows == NULL) {
        rows = every;
    }
    if (columns != NULL && rows != NULL) {
        columns[0] = chart->x.title;
        for (size_t i = 0; i < chart->count; i++) {
            columns[i + 1] = chart->series[i].name;
        }
        (void)fputs("<details><summary>The figures</summary>\n", out);
        html_table_begin(out, chart->y.title, columns, chart->count + 1);
        for (size_t i = 0; i < row_count; i++) {
            write_row(out, chart, rows[i]);
        }
        html_table_end(out);
        (void)fputs("</details>\n", out);
    }
    free(every);
    free(columns);
}

void
html_figure_lines(FILE *out, const struct chart *chart, const char *note, const double *rows,
                  size_t row_count)
{
    begin(out, chart->id, chart->title, note);
    write_legend(out, chart);
    chart_draw_lines(out, chart, CHART_WIDE);
    chart_draw_lines(out, chart, CHART_NARROW);
    write_lines_table(out, chart, rows, row_count);
    (void)fputs("</figure>\n", out);
}

void
html_figure_bars(FILE *out, const struct chart_bars *chart, const char *note)
{
    static const char *const columns[] = {"server", "median", "each round"};
    bool sampled = false;
    begin(out, chart->id, chart->title, note);
    chart_draw_bars(out, chart, CHART_WIDE);
    chart_draw_bars(out, chart, CHART_NARROW);
    for (size_t i = 0; i < chart->count; i++) {
        sampled |= chart->bars[i].sample_count > 1;
    }
    (void)fputs("<details><summary>The figures</summary>\n", out);
    html_table_begin(out, chart->title, columns, sampled ? 3 : 2);
    for (size_t i = 0; i < chart->count; i++) {
        const struct chart_bar *bar = &chart->bars[i];
        char text[TEXT_FIGURE];
        html_row_head(out, bar->name);
        text[0] = '\0';
        if (isfinite(bar->value)) {
            chart->format(text, bar->value);
        }
        html_cell(out, text);
        (void)fputs(sampled ? "<td>" : "", out);
        for (size_t j = 0; sampled && j < bar->sample_count; j++) {
            chart->format(text, bar->samples[j]);
            (void)fprintf(out, "%s%s", j > 0 ? ", " : "", text);
        }
        (void)fputs(sampled ? "</td></tr>\n" : "</tr>\n", out);
    }
    html_table_end(out);
    (void)fputs("</details>\n</figure>\n", out);
}
