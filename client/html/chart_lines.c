/*
 * Lines over two axes.
 *
 * The paper is laid out from the texts: the left margin holds the widest label of the y axis, the
 * right one the names of the series, where there is room for names. A label that would touch the
 * one before it is left out; names that would touch are moved apart.
 *
 * Invariant: nothing is drawn outside of the view box.
 */
#include "chart.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "chart_scale.h"
#include "chart_svg.h"

/** Room between the widest label and the axis. */
#define GAP 8

/** A line with more points than this shows only a few of their marks. */
#define MARKS_ALL 16
#define MARKS_FEW 5

/** The names beside the lines may take so much room. */
#define NAMES_WIDTH_MAX 150
#define NAMES_MAX       12

struct paper {
    FILE *out;
    const struct chart *chart;
    enum chart_size size;
    double width;
    double height;
    struct chart_scale x;
    struct chart_scale y;
};

/* ---- layout ---- */

static void
extend(double value, double *low, double *high)
{
    if (isfinite(value)) {
        *low = value < *low ? value : *low;
        *high = value > *high ? value : *high;
    }
}

/** The extremes of all points, spreads included; false when there is no point. */
static bool
find_extremes(const struct chart *chart, double x[2], double y[2])
{
    x[0] = y[0] = DBL_MAX;
    x[1] = y[1] = -DBL_MAX;
    for (size_t i = 0; i < chart->count; i++) {
        for (size_t j = 0; j < chart->series[i].count; j++) {
            const struct chart_point *point = &chart->series[i].points[j];
            if (!isfinite(point->x) || !isfinite(point->y)) {
                continue;
            }
            extend(point->x, &x[0], &x[1]);
            extend(point->y, &y[0], &y[1]);
            extend(point->low, &y[0], &y[1]);
            extend(point->high, &y[0], &y[1]);
        }
    }
    return x[0] <= x[1];
}

static double
widest_tick(const struct chart_scale *scale, text_format *format)
{
    double widest = 0;
    for (size_t i = 0; i < scale->tick_count; i++) {
        char text[TEXT_FIGURE];
        text_tick(format, scale->ticks[i], text);
        double width = chart_text_width(text);
        widest = width > widest ? width : widest;
    }
    return widest;
}

static double
widest_name(const struct chart *chart)
{
    double widest = 0;
    for (size_t i = 0; i < chart->count; i++) {
        double width = chart_text_width(chart->series[i].name);
        widest = width > widest ? width : widest;
    }
    return widest;
}

/** Whether the names of the series stand beside their lines. */
static bool
named(const struct paper *paper)
{
    return paper->size == CHART_WIDE && paper->chart->count > 1 && chart_lines_named(paper->chart);
}

bool
chart_lines_named(const struct chart *chart)
{
    return chart->count <= NAMES_MAX && widest_name(chart) <= NAMES_WIDTH_MAX;
}

static bool
lay_out(struct paper *paper)
{
    const struct chart *chart = paper->chart;
    bool wide = paper->size == CHART_WIDE;
    double x[2];
    double y[2];
    paper->width = wide ? 640 : 320;
    paper->height = wide ? 340 : 270;
    if (!find_extremes(chart, x, y)) {
        return false;
    }
    paper->y.from = paper->height - 2 * CHART_LINE - 4;
    paper->y.to = CHART_LINE + 10;
    chart_scale_fit(&paper->y, &chart->y, y[0], y[1], wide ? 7 : 5);
    chart_scale_fit(&paper->x, &chart->x, x[0], x[1], wide ? 11 : 6);
    double half_tick = widest_tick(&paper->x, chart->x.format) / 2;
    double names = named(paper) ? widest_name(chart) + 18 : 0;
    double left = widest_tick(&paper->y, chart->y.format) + GAP;
    double right = names > half_tick ? names : half_tick;
    paper->x.from = left > half_tick ? left : half_tick;
    paper->x.to = paper->width - (right > 8 ? right : 8);
    return true;
}

/* ---- axes ---- */

static void
draw_level(const struct paper *paper, const char *class_name, double y)
{
    (void)fprintf(paper->out,
                  "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
                  class_name, paper->x.from, y, paper->x.to, y);
}

static void
draw_y_axis(const struct paper *paper)
{
    double before = DBL_MAX;
    for (size_t i = 0; i < paper->y.tick_count; i++) {
        char text[TEXT_FIGURE];
        double y = chart_scale_place(&paper->y, paper->y.ticks[i]);
        draw_level(paper, "grid", y);
        if (before - y < CHART_LINE) {
            continue;
        }
        before = y;
        text_tick(paper->chart->y.format, paper->y.ticks[i], text);
        (void)fprintf(paper->out, "<g class=\"ytick\" data-value=\"%.9g\">", paper->y.ticks[i]);
        chart_svg_text(paper->out, paper->x.from - GAP, y + 4, "end", "tick", text);
        (void)fputs("</g>", paper->out);
    }
    draw_level(paper, "axis", paper->y.from);
    chart_svg_text(paper->out, 0, 12, "start", "title", paper->chart->y.title);
}

static void
draw_x_axis(const struct paper *paper)
{
    double free_from = -DBL_MAX;
    double baseline = paper->y.from;
    for (size_t i = 0; i < paper->x.tick_count; i++) {
        char text[TEXT_FIGURE];
        double x = chart_scale_place(&paper->x, paper->x.ticks[i]);
        text_tick(paper->chart->x.format, paper->x.ticks[i], text);
        double half = chart_text_width(text) / 2;
        if (x - half < free_from) {
            continue;
        }
        free_from = x + half + GAP;
        (void)fprintf(paper->out,
                      "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n"
                      "<g class=\"xtick\" data-value=\"%.9g\">",
                      x, paper->y.to, x, baseline + 4, paper->x.ticks[i]);
        chart_svg_text(paper->out, x, baseline + CHART_LINE, "middle", "tick", text);
        (void)fputs("</g>", paper->out);
    }
    chart_svg_text(paper->out, paper->x.to, paper->height - 4, "end", "title",
                   paper->chart->x.title);
}

/* ---- series ---- */

static bool
drawable(const struct chart_point *point)
{
    return isfinite(point->x) && isfinite(point->y);
}

static void
begin_series(const struct paper *paper, const struct chart_series *series)
{
    (void)fprintf(paper->out, "<g class=\"series c%u%s\" data-name=\"",
                  series->colour % CHART_COLOURS, series->secondary ? " secondary" : "");
    chart_escape(paper->out, series->name);
    (void)fputs("\">", paper->out);
}

static void
draw_spread(const struct paper *paper, const struct chart_point *point)
{
    if (point->low < point->high) {
        (void)fprintf(
            paper->out, "<line class=\"spread\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>",
            chart_scale_place(&paper->x, point->x), chart_scale_place(&paper->y, point->low),
            chart_scale_place(&paper->x, point->x), chart_scale_place(&paper->y, point->high));
    }
}

/** The line itself, in pieces where a value is missing. */
static void
draw_line(const struct paper *paper, const struct chart_series *series)
{
    bool open = false;
    for (size_t i = 0; i < series->count; i++) {
        const struct chart_point *point = &series->points[i];
        if (!drawable(point)) {
            (void)fputs(open ? "\"/>\n" : "", paper->out);
            open = false;
            continue;
        }
        (void)fprintf(paper->out, "%s%.1f,%.1f", open ? " " : "<polyline points=\"",
                      chart_scale_place(&paper->x, point->x),
                      chart_scale_place(&paper->y, point->y));
        open = true;
    }
    (void)fputs(open ? "\"/>\n" : "", paper->out);
}

static void
draw_mark(const struct paper *paper, const struct chart_series *series,
          const struct chart_point *point)
{
    char x[TEXT_FIGURE];
    char y[TEXT_FIGURE];
    paper->chart->x.format(x, point->x);
    paper->chart->y.format(y, point->y);
    (void)fputs("<g class=\"point\"><title>", paper->out);
    chart_escape(paper->out, series->name);
    (void)fprintf(paper->out, ": %s \xe2\x86\x92 %s</title>", x, y);
    chart_svg_mark(paper->out, chart_scale_place(&paper->x, point->x),
                   chart_scale_place(&paper->y, point->y), series->colour);
    (void)fputs("</g>\n", paper->out);
}

/** All marks of a short line; of a long one a few, evenly along the axis. */
static void
draw_marks(const struct paper *paper, const struct chart_series *series)
{
    double step = (paper->x.to - paper->x.from) / MARKS_FEW;
    double next = series->count <= MARKS_ALL ? -DBL_MAX : paper->x.from + step / 2;
    for (size_t i = 0; i < series->count; i++) {
        const struct chart_point *point = &series->points[i];
        if (!drawable(point)) {
            continue;
        }
        double x = chart_scale_place(&paper->x, point->x);
        if (series->count <= MARKS_ALL || (x >= next && !series->secondary)) {
            draw_mark(paper, series, point);
            next = x + step;
        }
    }
}

static const struct chart_point *
last_point(const struct chart_series *series)
{
    for (size_t i = series->count; i > 0; i--) {
        if (drawable(&series->points[i - 1])) {
            return &series->points[i - 1];
        }
    }
    return NULL;
}

struct name {
    const struct chart_series *series;
    double wanted; /* where the line ends */
    double y;      /* where the name stands */
    double line_x;
};

/** Move names apart that are sorted by their place, and keep them on the paper. */
static void
spread_names(const struct paper *paper, struct name *names, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (names[i].y < names[i - 1].y + CHART_LINE - 2) {
            names[i].y = names[i - 1].y + CHART_LINE - 2;
        }
    }
    double floor_y = paper->y.from;
    for (size_t i = count; i > 0; i--) {
        if (names[i - 1].y > floor_y) {
            names[i - 1].y = floor_y;
        }
        floor_y = names[i - 1].y - (CHART_LINE - 2);
    }
}

static void
draw_names(const struct paper *paper)
{
    struct name names[NAMES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < paper->chart->count && named(paper); i++) {
        const struct chart_series *series = &paper->chart->series[i];
        const struct chart_point *last = last_point(series);
        if (last == NULL) {
            continue;
        }
        double y = chart_scale_place(&paper->y, last->y);
        struct name name = {series, y, y, chart_scale_place(&paper->x, last->x)};
        size_t at = count++;
        for (; at > 0 && names[at - 1].y > y; at--) {
            names[at] = names[at - 1];
        }
        names[at] = name;
    }
    spread_names(paper, names, count);
    for (size_t i = 0; i < count; i++) {
        const struct name *name = &names[i];
        (void)fprintf(paper->out,
                      "<g class=\"c%u\"><path class=\"leader\" d=\"M%.1f %.1fL%.1f %.1f\"/>",
                      name->series->colour % CHART_COLOURS, name->line_x + 5, name->wanted,
                      paper->x.to + 14, name->y);
        chart_svg_text(paper->out, paper->x.to + 16, name->y + 4, "start", "name",
                       name->series->name);
        (void)fputs("</g>", paper->out);
    }
}

void
chart_draw_lines(FILE *out, const struct chart *chart, enum chart_size size)
{
    struct paper paper = {.out = out, .chart = chart, .size = size};
    bool something = lay_out(&paper);
    chart_svg_begin(out, chart->id, chart->title, chart->description, size, paper.width,
                    something ? paper.height : 3 * CHART_LINE);
    if (something) {
        draw_y_axis(&paper);
        draw_x_axis(&paper);
        draw_names(&paper);
        for (size_t i = chart->count; i > 0; i--) { /* the first on top */
            const struct chart_series *series = &chart->series[i - 1];
            begin_series(&paper, series);
            for (size_t j = 0; j < series->count; j++) {
                draw_spread(&paper, &series->points[j]);
            }
            draw_line(&paper, series);
            draw_marks(&paper, series);
            (void)fputs("</g>\n", out);
        }
    } else {
        chart_svg_text(out, 0, 2 * CHART_LINE, "start", "title", "Nothing was measured.");
    }
    chart_svg_end(out);
}

void
chart_draw_swatch(FILE *out, const struct chart_series *series)
{
    (void)fprintf(out,
                  "<svg class=\"swatch\" viewBox=\"0 0 28 14\" aria-hidden=\"true\"><g "
                  "class=\"series c%u%s\"><polyline points=\"1,7 27,7\"/>",
                  series->colour % CHART_COLOURS, series->secondary ? " secondary" : "");
    if (!series->secondary) {
        chart_svg_mark(out, 14, 7, series->colour);
    }
    (void)fputs("</g></svg>", out);
}
