/*
 * From values to places on the paper, and which values get a tick.
 *
 * Ticks stand at round values: 1, 2 or 5 times a power of ten; for percentiles at the nines.
 * Invariant: a fitted scale has low < high and at least one tick within them. Pure functions, for
 * whoever draws.
 */
#include "chart_scale.h"

#include <math.h>
#include <string.h>

/** The smallest value that a logarithmic scale shows when it has to show nothing. */
#define LOG_LEAST 1e-3

static double
transform(enum chart_scale_kind kind, double value)
{
    switch (kind) {
    case CHART_LOG:
        return log10(value > LOG_LEAST ? value : LOG_LEAST);
    case CHART_PERCENTILE:
        return value < 100 ? -log10(1 - value / 100) : 16;
    default:
        return value;
    }
}

double
chart_scale_place(const struct chart_scale *scale, double value)
{
    double low = transform(scale->kind, scale->low);
    double high = transform(scale->kind, scale->high);
    double part = (transform(scale->kind, value) - low) / (high - low);
    return scale->from + part * (scale->to - scale->from);
}

/** The smallest of 1, 2, 5 times a power of ten that is not below a value. */
static double
round_up(double value)
{
    double power = pow(10, floor(log10(value)));
    static const double steps[] = {1, 2, 5, 10};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        /* A value that is one of them must not miss it by its last bit. */
        if (steps[i] * power >= value * (1 - 1e-9)) {
            return steps[i] * power;
        }
    }
    return 10 * power;
}

static double
round_down(double value)
{
    double power = pow(10, floor(log10(value) + 1e-9));
    double least = power;
    static const double steps[] = {1, 2, 5};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (steps[i] * power <= value * (1 + 1e-9)) {
            least = steps[i] * power;
        }
    }
    return least;
}

static void
add_tick(struct chart_scale *scale, double value)
{
    if (scale->tick_count < CHART_TICKS) {
        scale->ticks[scale->tick_count++] = value;
    }
}

static void
fit_linear(struct chart_scale *scale, const struct chart_axis *axis, size_t most)
{
    if (axis->from_zero && scale->low > 0) {
        scale->low = 0;
    }
    if (axis->from_zero && scale->high <= 0) {
        scale->high = 1;
    }
    if (!(scale->high > scale->low)) {
        double room = fabs(scale->low) > 0 ? fabs(scale->low) / 2 : 1;
        scale->low -= room;
        scale->high += room;
    }
    /* Rounding the ends outward may add one step at either end. */
    double step = round_up((scale->high - scale->low) / (double)(most > 2 ? most - 1 : 1));
    double first = floor(scale->low / step + 1e-9);
    double last = ceil(scale->high / step - 1e-9);
    while (last - first + 1 > (double)CHART_TICKS) {
        step = round_up(step * 1.5);
        first = floor(scale->low / step + 1e-9);
        last = ceil(scale->high / step - 1e-9);
    }
    scale->low = first * step;
    scale->high = last * step;
    for (double i = first; i <= last; i++) {
        add_tick(scale, i * step);
    }
}

static void
fit_log(struct chart_scale *scale, size_t most)
{
    double low = scale->low > LOG_LEAST ? scale->low : LOG_LEAST;
    double high = scale->high > low ? scale->high : low;
    scale->low = round_down(low);
    scale->high = round_up(high);
    if (!(scale->high > scale->low * 1.5)) {
        scale->high = round_up(scale->low * 1.5);
    }
    double decades = log10(scale->high / scale->low);
    /* All round values if there is room for three in a decade, else the powers, or every second. */
    if (decades * 3 + 1 <= (double)most) {
        for (double value = scale->low; value <= scale->high * (1 + 1e-9);
             value = round_up(value * 1.5)) {
            add_tick(scale, value);
        }
        return;
    }
    double stride = ceil(decades / (double)(most > 2 ? most - 1 : 1));
    double power = ceil(log10(scale->low) - 1e-9);
    for (; power <= log10(scale->high) + 1e-9; power += stride) {
        add_tick(scale, pow(10, power));
    }
}

static void
fit_percentile(struct chart_scale *scale)
{
    scale->low = 0;
    if (!(scale->high > 90)) {
        scale->high = 90;
    }
    static const double ticks[] = {0, 50, 75, 90, 99, 99.9, 99.99, 99.999, 99.9999, 99.99999};
    for (size_t i = 0; i < sizeof ticks / sizeof *ticks; i++) {
        if (ticks[i] <= scale->high * (1 + 1e-12)) {
            add_tick(scale, ticks[i]);
        }
    }
}

void
chart_scale_fit(struct chart_scale *scale, const struct chart_axis *axis, double low, double high,
                size_t most)
{
    scale->kind = axis->kind;
    scale->low = low;
    scale->high = high;
    scale->tick_count = 0;
    switch (axis->kind) {
    case CHART_LOG:
        fit_log(scale, most);
        break;
    case CHART_PERCENTILE:
        fit_percentile(scale);
        break;
    default:
        fit_linear(scale, axis, most);
    }
}

double
chart_text_width(const char *text)
{
    double width = 0;
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        if ((*c & 0xc0) == 0x80) {
            continue; /* a character counts once */
        }
        if (strchr("iljtfrI.,:;'|!()[] ", *c) != NULL) {
            width += 4.9;
        } else if (strchr("mwMWQO@%", *c) != NULL || *c >= 0xe0) {
            width += 11.8;
        } else if (*c >= 'A' && *c <= 'Z') {
            width += 8.8;
        } else {
            width += 7.9;
        }
    }
    return width;
}
