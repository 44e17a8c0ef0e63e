/*
 * Which charts a report has, and from which figures they are drawn.
 *
 * Latencies of a contender are those of all its rounds that count, together; what happened over
 * time is shown of its typical round. A chart for which no contender has figures is left out.
 *
 * Invariant: the colour of a contender is its number, in every chart.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "html_figure.h"
#include "html_parts.h"

#define SERIES_MAX (ECHOC_CONTENDERS_MAX + 4)

/** Points of a percentile curve for each nine. */
#define POINTS_PER_NINE 20
#define CURVE_MAX       (9 * POINTS_PER_NINE)

/** A linear axis would hide what is so many times smaller than the largest. */
#define LOG_SPAN 12

/** The percentiles of the table behind the curves. */
static const double percentiles[] = {50, 75, 90, 99, 99.9, 99.99, 99.999, 99.9999};

/** A chart of lines in the making. */
struct plot {
    struct chart chart;
    struct chart_series series[SERIES_MAX];
    char description[900];
};

static void
describe(struct plot *plot, const char *name, const char *format_text)
{
    size_t length = strlen(plot->description);
    (void)snprintf(plot->description + length, sizeof plot->description - length, "%s%s: %s",
                   length > 0 ? "; " : "", name, format_text);
}

/** Add a line, whose points are the plot's from then on; NULL or none adds nothing. */
static void
add_series(struct plot *plot, const char *name, unsigned colour, bool secondary,
           struct chart_point *points, size_t count)
{
    if (points == NULL || count == 0 || plot->chart.count == SERIES_MAX) {
        free(points);
        return;
    }
    plot->series[plot->chart.count++] =
        (struct chart_series){name, points, count, colour, secondary};
    char from[TEXT_FIGURE];
    char to[TEXT_FIGURE];
    char text[3 * TEXT_FIGURE];
    plot->chart.y.format(from, points[0].y);
    plot->chart.y.format(to, points[count - 1].y);
    (void)snprintf(text, sizeof text, "from %s to %s", from, to);
    describe(plot, name, text);
}

static void
finish(struct plot *plot, FILE *out, const char *note, const double *rows, size_t row_count)
{
    plot->chart.series = plot->series;
    plot->chart.description = plot->description;
    if (plot->chart.count > 0) {
        html_figure_lines(out, &plot->chart, note, rows, row_count);
    }
    for (size_t i = 0; i < plot->chart.count; i++) {
        free((struct chart_point *)(uintptr_t)plot->series[i].points);
    }
}

/** Whether the values of a plot want a logarithmic axis. */
static void
choose_scale(struct plot *plot)
{
    double least = INFINITY;
    double most = 0;
    for (size_t i = 0; i < plot->chart.count; i++) {
        for (size_t j = 0; j < plot->series[i].count; j++) {
            double y = plot->series[i].points[j].y;
            if (y > 0) {
                least = fmin(least, y);
                most = fmax(most, y);
            }
        }
    }
    if (most > least * LOG_SPAN) {
        plot->chart.y.kind = CHART_LOG;
        plot->chart.y.from_zero = false;
    }
}

/* ---- latency ---- */

/** The replies of all rounds of a contender that count, or another histogram of theirs. */
static struct echoc_histogram *
sum_histograms(const struct html *page, size_t contender, size_t member)
{
    struct echoc_histogram *sum = calloc(1, sizeof *sum);
    const struct echoc_comparison *comparison = page->comparison;
    for (size_t i = 0; sum != NULL && i < comparison->round_count; i++) {
        const struct echoc_round *round = &comparison->rounds[i];
        if (round->contender == contender && round->point == page->focus &&
            echoc_comparison_counts(comparison, round)) {
            const char *histograms = (const char *)&round->result->histograms;
            echoc_histogram_add(sum, (const void *)(histograms + member));
        }
    }
    return sum;
}

static void
add_curve_point(struct chart_point *points, size_t *count, const struct echoc_histogram *histogram,
                double percentile)
{
    double y = (double)echoc_histogram_quantile(histogram, percentile / 100) / 1000;
    points[(*count)++] = (struct chart_point){percentile, y, y, y};
}

/** The curve of a histogram, up to the last nine that a single value stands for. */
static struct chart_point *
curve(const struct echoc_histogram *histogram, size_t *ret_count)
{
    struct chart_point *points = calloc(CURVE_MAX + 8, sizeof *points);
    size_t count = 0;
    double before = -1;
    for (size_t i = 0; points != NULL && histogram->count > 0 && i < CURVE_MAX; i++) {
        double rest = pow(10, -(double)i / POINTS_PER_NINE);
        if (rest * (double)histogram->count < 1 && i > POINTS_PER_NINE) {
            break;
        }
        double percentile = 100 * (1 - rest);
        /* The percentiles of the table that are no power of ten. */
        if (before < 50 && percentile > 50) {
            add_curve_point(points, &count, histogram, 50);
        }
        if (before < 75 && percentile > 75) {
            add_curve_point(points, &count, histogram, 75);
        }
        add_curve_point(points, &count, histogram, percentile);
        before = percentile;
    }
    *ret_count = count;
    return points;
}

static void
add_curve(struct plot *plot, const struct html *page, size_t contender, size_t member,
          const char *name, unsigned colour, bool secondary)
{
    struct echoc_histogram *histogram = sum_histograms(page, contender, member);
    size_t count = 0;
    struct chart_point *points = histogram != NULL ? curve(histogram, &count) : NULL;
    add_series(plot, name, colour, secondary, points, count);
    free(histogram);
}

static void
draw_latency(const struct html *page)
{
    const struct echoc_comparison *comparison = page->comparison;
    const struct echoc_result *any = html_any_result(page);
    bool open_loop = any != NULL && html_is_open_loop(&any->load);
    bool single = comparison->contender_count == 1;
    size_t reply = offsetof(struct echoc_histograms, reply);
    struct plot plot = {.chart = {
                            .id = "latency",
                            .title = "How long replies take",
                            .x = {"percentile", CHART_PERCENTILE, text_percent, false},
                            .y = {"latency", CHART_LINEAR, text_us, true},
                        }};
    for (size_t i = 0; i < comparison->contender_count; i++) {
        add_curve(&plot, page, i, reply,
                  single && open_loop ? "from when due" : comparison->contenders[i].name,
                  (unsigned)i, false);
    }
    if (single && open_loop) {
        add_curve(&plot, page, 0, offsetof(struct echoc_histograms, uncorrected), "from when sent",
                  1, true);
    }
    choose_scale(&plot);
    finish(&plot, page->out,
           open_loop
               ? "The share of replies, in percent, that came within a time. Counted from when "
                 "a message was due, so that a stalled server is seen in full."
               : "The share of replies, in percent, that came within a time. Closed loop: a "
                 "stalled server is sent less, which hides some of the stall.",
           percentiles, sizeof percentiles / sizeof *percentiles);
}

/** What stands before replies: making a connection, and its first reply's first byte. */
static void
draw_beginnings(const struct html *page)
{
    struct plot plot = {.chart = {
                            .id = "beginnings",
                            .title = "How long connections take to begin",
                            .x = {"percentile", CHART_PERCENTILE, text_percent, false},
                            .y = {"time", CHART_LINEAR, text_us, true},
                        }};
    add_curve(&plot, page, 0, offsetof(struct echoc_histograms, connect), "connect", 2, false);
    add_curve(&plot, page, 0, offsetof(struct echoc_histograms, first_byte), "first byte", 3,
              false);
    choose_scale(&plot);
    finish(
        &plot, page->out,
        "The share of connections, in percent, that stood, and whose first reply began, within a "
        "time.",
        percentiles, sizeof percentiles / sizeof *percentiles);
}

/* ---- over time ---- */

enum over_time { ANSWERED, DUE, P99 };

static struct chart_point *
seconds(const struct echoc_result *result, enum over_time what)
{
    struct chart_point *points = calloc(result->series_length + 1, sizeof *points);
    for (size_t i = 0; points != NULL && i < result->series_length; i++) {
        const struct echoc_second *second = &result->series[i];
        double length = second->length_s > 0 ? second->length_s : 1;
        double y = what == ANSWERED       ? (double)second->answered / length
                   : what == DUE          ? (double)second->due / length
                   : second->answered > 0 ? second->p99_us
                                          : NAN;
        points[i] = (struct chart_point){second->at_s, y, y, y};
    }
    return points;
}

static void
add_seconds(struct plot *plot, const struct echoc_result *result, enum over_time what,
            const char *name, unsigned colour, bool secondary)
{
    add_series(plot, name, colour, secondary, seconds(result, what), result->series_length);
}

static void
draw_over_time(const struct html *page)
{
    const struct echoc_comparison *comparison = page->comparison;
    bool single = comparison->contender_count == 1;
    struct plot rate = {.chart = {
                            .id = "rate",
                            .title = "Throughput over time",
                            .x = {"seconds", CHART_LINEAR, text_number, true},
                            .y = {"messages a second", CHART_LINEAR, text_count, true},
                        }};
    struct plot tail = {.chart = {
                            .id = "tail",
                            .title = "The slowest 1% over time",
                            .x = {"seconds", CHART_LINEAR, text_number, true},
                            .y = {"p99 of each second", CHART_LINEAR, text_us, true},
                        }};
    for (size_t i = 0; i < comparison->contender_count; i++) {
        const struct echoc_round *typical = echoc_comparison_typical(comparison, i, page->focus);
        /* A single second is no course of things. */
        if (typical == NULL || typical->result->series_length < 2) {
            continue;
        }
        const struct echoc_result *result = typical->result;
        bool due = single && html_is_open_loop(&result->load);
        const char *name = comparison->contenders[i].name;
        add_seconds(&rate, result, ANSWERED, due ? "answered" : name, (unsigned)i, false);
        if (due) {
            add_seconds(&rate, result, DUE, "due", 1, true);
        }
        if (single) {
            add_seconds(&tail, result, P99, name, (unsigned)i, false);
        }
    }
    choose_scale(&tail);
    const char *of = single ? "" : " Of each server the round next to its median.";
    char note[160];
    (void)snprintf(note, sizeof note, "Replies that came in each second.%s", of);
    finish(&rate, page->out, note, NULL, 0);
    finish(&tail, page->out, "99 of 100 replies of a second came within this time.", NULL, 0);
}

/* ---- against connections ---- */

static void
add_sweep(struct plot *rate, struct plot *tail, const struct echoc_comparison *comparison,
          size_t contender)
{
    struct chart_point *rates = calloc(ECHOC_POINTS_MAX, sizeof *rates);
    struct chart_point *tails = calloc(ECHOC_POINTS_MAX, sizeof *tails);
    size_t count = 0;
    for (size_t point = 0; rates != NULL && tails != NULL && point < comparison->point_count;
         point++) {
        struct echoc_summary summary = echoc_comparison_summarize(comparison, contender, point);
        double x = (double)comparison->points[point];
        if (summary.rounds > 0) {
            rates[count] =
                (struct chart_point){x, summary.rate, summary.rate_low, summary.rate_high};
            tails[count] = (struct chart_point){x, summary.p99_us, summary.p99_us, summary.p99_us};
            count++;
        }
    }
    const char *name = comparison->contenders[contender].name;
    add_series(rate, name, (unsigned)contender, false, rates, count);
    add_series(tail, name, (unsigned)contender, false, tails, count);
}

static void
draw_sweep(const struct html *page)
{
    const struct echoc_comparison *comparison = page->comparison;
    struct plot rate = {.chart = {
                            .id = "sweep",
                            .title = "Throughput against connections",
                            .x = {"connections", CHART_LOG, text_count, false},
                            .y = {"messages a second", CHART_LINEAR, text_count, true},
                        }};
    struct plot tail = {.chart = {
                            .id = "sweeptail",
                            .title = "The slowest 1% against connections",
                            .x = {"connections", CHART_LOG, text_count, false},
                            .y = {"p99", CHART_LOG, text_us, false},
                        }};
    for (size_t i = 0; i < comparison->contender_count; i++) {
        add_sweep(&rate, &tail, comparison, i);
    }
    finish(&rate, page->out, "The median of the rounds; the thin line spans all of them.", NULL, 0);
    finish(&tail, page->out, "99 of 100 replies came within this time; the median of the rounds.",
           NULL, 0);
}

/* ---- bars ---- */

enum bar_figure { RATE, CPU, MEMORY };

static double
figure_of(const struct echoc_result *result, enum bar_figure figure)
{
    switch (figure) {
    case RATE:
        return result->messages_per_s;
    case CPU:
        return echoc_comparison_cpu_us(result);
    default:
        return echoc_comparison_connection_bytes(result);
    }
}

static void
fill_bar(const struct html *page, size_t contender, enum bar_figure figure, struct chart_bar *bar,
         double *samples)
{
    const struct echoc_comparison *comparison = page->comparison;
    struct echoc_summary summary = echoc_comparison_summarize(comparison, contender, page->focus);
    *bar = (struct chart_bar){
        .name = comparison->contenders[contender].name,
        .value = figure == RATE  ? summary.rate
                 : figure == CPU ? summary.cpu_us
                                 : summary.connection_bytes,
        .at_least = figure == RATE && summary.at_least,
        .samples = samples,
        .colour = (unsigned)contender,
    };
    for (size_t i = 0; i < comparison->round_count; i++) {
        const struct echoc_round *round = &comparison->rounds[i];
        if (round->contender == contender && round->point == page->focus &&
            echoc_comparison_counts(comparison, round)) {
            double value = figure_of(round->result, figure);
            if (isfinite(value)) {
                samples[bar->sample_count++] = value;
            }
        }
    }
}

static void
draw_bars(const struct html *page, struct chart_bars chart, enum bar_figure figure,
          const char *note)
{
    const struct echoc_comparison *comparison = page->comparison;
    struct chart_bar bars[ECHOC_CONTENDERS_MAX];
    double *samples[ECHOC_CONTENDERS_MAX] = {NULL};
    char description[900] = "";
    bool something = false;
    const size_t count = comparison->contender_count;
    for (size_t i = 0; i < count; i++) {
        samples[i] = calloc(comparison->round_count + 1, sizeof *samples[i]);
        if (samples[i] == NULL) {
            continue;
        }
        fill_bar(page, i, figure, &bars[chart.count], samples[i]);
        const struct chart_bar *bar = &bars[chart.count++];
        char text[TEXT_FIGURE];
        chart.format(text, bar->value);
        size_t length = strlen(description);
        (void)snprintf(description + length, sizeof description - length, "%s%s: %s",
                       length > 0 ? "; " : "", bar->name, text);
        something |= isfinite(bar->value);
    }
    chart.bars = bars;
    chart.description = description;
    if (something) {
        html_figure_bars(page->out, &chart, note);
    }
    for (size_t i = 0; i < count; i++) {
        free(samples[i]);
    }
}

static void
draw_all_bars(const struct html *page)
{
    const struct echoc_comparison *comparison = page->comparison;
    char note[200];
    char at[64] = "";
    if (comparison->point_count > 1) {
        (void)snprintf(at, sizeof at, " At %llu connections.",
                       (unsigned long long)comparison->points[page->focus]);
    }
    struct chart_bars rate = {"throughput", "Throughput", NULL, text_count, NULL, 0};
    (void)snprintf(note, sizeof note,
                   "Messages a second: the bar is the median, each dot a round.%s", at);
    draw_bars(page, rate, RATE, note);
    struct chart_bars cpu = {"cpu", "What a message costs", NULL, text_us, NULL, 0};
    (void)snprintf(note, sizeof note, "Processor time of the server for each message.%s", at);
    draw_bars(page, cpu, CPU, note);
    struct chart_bars memory = {"memory", "What a connection costs", NULL, text_bytes, NULL, 0};
    (void)snprintf(note, sizeof note, "Memory that the server took for each connection.%s", at);
    draw_bars(page, memory, MEMORY, note);
}

void
html_charts(const struct html *page)
{
    FILE *out = page->out;
    (void)fputs("<section>\n<h2>In pictures</h2>\n", out);
    if (page->comparison->contender_count > 1) {
        (void)fputs("<div class=\"bars\">\n", out);
        draw_all_bars(page);
        (void)fputs("</div>\n", out);
    }
    (void)fputs("<div class=\"charts\">\n", out);
    if (page->comparison->point_count > 1) {
        draw_sweep(page);
    }
    draw_latency(page);
    draw_over_time(page);
    if (page->comparison->contender_count == 1) {
        draw_beginnings(page);
    }
    (void)fputs("</div>\n</section>\n", out);
}
