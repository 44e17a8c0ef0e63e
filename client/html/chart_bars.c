/*
 * Bars that lie, each with its name and value in words, and a dot for each sample.
 *
 * Values stand at the bars, so there is no axis. On the narrow page a name stands above its bar.
 *
 * Invariant: all bars begin at zero and have the same scale; the longest of bar and dots leaves
 * room for the widest value behind it.
 */
#include "chart.h"

#include <math.h>

#include "chart_scale.h"
#include "chart_svg.h"

#define BAR       18
#define ROW_WIDE  38
#define NAME_MOST 180
#define GAP_VALUE 9

struct paper {
    FILE *out;
    const struct chart_bars *chart;
    double width;
    double left;
    double scale; /* pixels for one */
    double row;
    bool wide;
};

static void
describe_value(const struct chart_bars *chart, const struct chart_bar *bar, char text[TEXT_FIGURE])
{
    char value[TEXT_FIGURE];
    chart->format(value, bar->value);
    (void)snprintf(text, TEXT_FIGURE, "%s%.24s", bar->at_least ? "≥ " : "", value);
}

/** How far a bar and its samples reach. */
static double
reach(const struct chart_bar *bar)
{
    double most = isfinite(bar->value) ? bar->value : 0;
    for (size_t i = 0; i < bar->sample_count; i++) {
        most = bar->samples[i] > most ? bar->samples[i] : most;
    }
    return most;
}

static void
lay_out(struct paper *paper, enum chart_size size)
{
    double names = 0;
    double values = 0;
    double most = 0;
    for (size_t i = 0; i < paper->chart->count; i++) {
        const struct chart_bar *bar = &paper->chart->bars[i];
        char text[TEXT_FIGURE];
        describe_value(paper->chart, bar, text);
        names = fmax(names, chart_text_width(bar->name));
        values = fmax(values, chart_text_width(text));
        most = fmax(most, reach(bar));
    }
    paper->wide = size == CHART_WIDE && names <= NAME_MOST;
    paper->width = size == CHART_WIDE ? 640 : 320;
    paper->left = paper->wide ? names + 12 : 0;
    paper->row = paper->wide ? ROW_WIDE : ROW_WIDE + CHART_LINE;
    double room = paper->width - paper->left - values - 16;
    paper->scale = most > 0 ? room / most : 0;
}

static void
draw_bar(const struct paper *paper, const struct chart_bar *bar, double top)
{
    FILE *out = paper->out;
    double y = top + (paper->wide ? (ROW_WIDE - BAR) / 2.0 : CHART_LINE);
    double length = isfinite(bar->value) ? bar->value * paper->scale : 0;
    char text[TEXT_FIGURE];
    describe_value(paper->chart, bar, text);
    (void)fprintf(out, "<g class=\"series c%u\" data-name=\"", bar->colour % CHART_COLOURS);
    chart_escape(out, bar->name);
    (void)fputs("\">", out);
    if (paper->wide) {
        chart_svg_text(out, paper->left - 12, y + BAR - 5, "end", "name", bar->name);
    } else {
        chart_svg_text(out, 0, y - 5, "start", "name", bar->name);
    }
    (void)fprintf(out, "<line class=\"axis\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>",
                  paper->left, y - 3, paper->left, y + BAR + 3);
    (void)fprintf(out,
                  "<rect class=\"bar\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" "
                  "rx=\"2\"/>",
                  paper->left, y, length, BAR);
    for (size_t i = 0; i < bar->sample_count; i++) {
        (void)fprintf(out, "<circle class=\"sample\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"/>",
                      paper->left + bar->samples[i] * paper->scale, y + BAR / 2.0);
    }
    chart_svg_text(out, paper->left + reach(bar) * paper->scale + GAP_VALUE, y + BAR - 5, "start",
                   "value", text);
    (void)fputs("</g>\n", out);
}

void
chart_draw_bars(FILE *out, const struct chart_bars *chart, enum chart_size size)
{
    struct paper paper = {.out = out, .chart = chart};
    lay_out(&paper, size);
    double height = paper.row * (double)chart->count;
    chart_svg_begin(out, chart->id, chart->title, chart->description, size, paper.width, height);
    for (size_t i = 0; i < chart->count; i++) {
        draw_bar(&paper, &chart->bars[i], paper.row * (double)i);
    }
    chart_svg_end(out);
}
