/*
 * Values for readers: three digits where a unit can take the rest.
 *
 * Pure functions; any worker may call.
 */
#include "chart.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/** Three significant digits; a whole number below a thousand as it is. */
static void
digits(double value, bool whole, char *text, size_t size)
{
    double length = fabs(value);
    int decimals = length >= 99.95 ? 0 : length >= 9.995 ? 1 : 2;
    if (value == 0 || (whole && floor(value) == value)) {
        decimals = 0;
    }
    (void)snprintf(text, size, "%.*f", decimals, value);
}

struct unit {
    double from; /* in the unit before it, a value that rounds to so much goes on to this one */
    double size;
    const char *name;
};

/** Write a value in the largest unit that it reaches; the units ascend. */
static void
in_units(double value, const struct unit *units, size_t count, char text[CHART_TEXT])
{
    const struct unit *unit = units;
    for (size_t i = 1; i < count && fabs(value) >= units[i].from; i++) {
        unit = &units[i];
    }
    char number[CHART_TEXT / 2];
    if (!isfinite(value)) {
        (void)snprintf(text, CHART_TEXT, "unknown");
        return;
    }
    digits(value / unit->size, unit->size == 1 && unit->name[0] != ' ', number, sizeof number);
    (void)snprintf(text, CHART_TEXT, "%s%s", number, unit->name);
}

#define COUNT(units) (sizeof(units) / sizeof *(units))

void
chart_format_count(double value, char text[CHART_TEXT])
{
    static const struct unit units[] = {
        {0, 1, ""}, {999.5, 1e3, "k"}, {999.5e3, 1e6, "M"}, {999.5e6, 1e9, "G"}};
    in_units(value, units, COUNT(units), text);
}

void
chart_format_us(double value, char text[CHART_TEXT])
{
    static const struct unit units[] = {{0, 1, " µs"}, {999.5, 1e3, " ms"}, {999.5e3, 1e6, " s"}};
    in_units(value, units, COUNT(units), text);
}

void
chart_format_bytes(double value, char text[CHART_TEXT])
{
    static const struct unit units[] = {{0, 1, " B"},
                                        {1023.5, 1024, " KiB"},
                                        {1023.5 * 1024, 1048576, " MiB"},
                                        {1023.5 * 1048576, 1073741824, " GiB"}};
    in_units(value, units, COUNT(units), text);
}

void
chart_format_seconds(double value, char text[CHART_TEXT])
{
    static const struct unit units[] = {{0, 1, " s"}};
    in_units(value, units, COUNT(units), text);
}

void
chart_format_percent(double value, char text[CHART_TEXT])
{
    (void)snprintf(text, CHART_TEXT, "%.9g", value);
}

void
chart_format_number(double value, char text[CHART_TEXT])
{
    (void)snprintf(text, CHART_TEXT, "%.6g", value);
}

void
chart_format_tick(chart_format *format, double value, char text[CHART_TEXT])
{
    format(value, text);
    char *point = strchr(text, '.');
    if (point == NULL) {
        return;
    }
    char *end = point + 1 + strspn(point + 1, "0123456789");
    char *last = end;
    while (last[-1] == '0') {
        last--;
    }
    if (last[-1] == '.') {
        last--;
    }
    memmove(last, end, strlen(end) + 1);
}
