/*
 * Figures as people read them: three digits where a unit can take the rest.
 *
 * Invariant: a figure has one unit, which its size chooses; no text is longer than its buffer.
 * Never suspends.
 */
#include "text.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define LINE_WIDTH 78

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
    double from; /* a value that rounds to so much goes on to this one */
    double size;
    const char *name;
    bool whole; /* there are no parts of it: no decimals where the value has none */
};

/** Write a value in the largest unit that it reaches; the units ascend. */
static char *
in_units(char text[TEXT_FIGURE], double value, const struct unit *units, size_t count)
{
    const struct unit *unit = units;
    char number[TEXT_FIGURE / 2];
    if (!isfinite(value)) {
        (void)snprintf(text, TEXT_FIGURE, "unknown");
        return text;
    }
    for (size_t i = 1; i < count && fabs(value) >= units[i].from; i++) {
        unit = &units[i];
    }
    digits(value / unit->size, unit->whole, number, sizeof number);
    (void)snprintf(text, TEXT_FIGURE, "%s%s", number, unit->name);
    return text;
}

#define COUNT(units) (sizeof(units) / sizeof *(units))

char *
text_count(char text[TEXT_FIGURE], double value)
{
    static const struct unit units[] = {{0, 1, "", true},
                                        {999.5, 1e3, "k", false},
                                        {999.5e3, 1e6, "M", false},
                                        {999.5e6, 1e9, "G", false}};
    return in_units(text, value, units, COUNT(units));
}

char *
text_us(char text[TEXT_FIGURE], double value)
{
    static const struct unit units[] = {
        {0, 1, " µs", false}, {999.5, 1e3, " ms", false}, {999.5e3, 1e6, " s", false}};
    return in_units(text, value, units, COUNT(units));
}

char *
text_bytes(char text[TEXT_FIGURE], double value)
{
    static const struct unit units[] = {{0, 1, " B", true},
                                        {1023.5, 1024, " KiB", false},
                                        {1023.5 * 1024, 1048576, " MiB", false},
                                        {1023.5 * 1048576, 1073741824, " GiB", false}};
    return in_units(text, value, units, COUNT(units));
}

char *
text_percent(char text[TEXT_FIGURE], double value)
{
    (void)snprintf(text, TEXT_FIGURE, "%.9g", value);
    return text;
}

char *
text_number(char text[TEXT_FIGURE], double value)
{
    (void)snprintf(text, TEXT_FIGURE, "%.6g", value);
    return text;
}

char *
text_tick(text_format *format, double value, char text[TEXT_FIGURE])
{
    char *point = strchr(format(text, value), '.');
    if (point == NULL) {
        return text;
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
    return text;
}

char *
text_exact(char buffer[TEXT_FIGURE], uint64_t count)
{
    char number[TEXT_FIGURE];
    int length = snprintf(number, sizeof number, "%llu", (unsigned long long)count);
    char *at = buffer;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            *at++ = ',';
        }
        *at++ = number[i];
    }
    *at = '\0';
    return buffer;
}

char *
text_sample(char buffer[TEXT_SAMPLE], const unsigned char *bytes, size_t length)
{
    size_t at = 0;
    buffer[at++] = '"';
    for (size_t i = 0; i < length && at < TEXT_SAMPLE - 12; i++) {
        if (bytes[i] >= ' ' && bytes[i] <= '~' && bytes[i] != '"' && bytes[i] != '\\') {
            buffer[at++] = (char)bytes[i];
        } else {
            at += (size_t)snprintf(buffer + at, TEXT_SAMPLE - at, "\\x%02x", bytes[i]);
        }
    }
    (void)snprintf(buffer + at, TEXT_SAMPLE - at, "\"");
    return buffer;
}

/* ---- columns ---- */

static bool
begins(char byte)
{
    return ((unsigned char)byte & 0xc0) != 0x80;
}

size_t
text_width(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++) {
        count += begins(*text);
    }
    return count;
}

int
text_before(const char *text, size_t width)
{
    size_t own = text_width(text);
    return own < width ? (int)(width - own) : 0;
}

size_t
text_fit(const char *text, size_t columns)
{
    size_t length = 0;
    for (size_t count = 0; text[length] != '\0'; length++) {
        count += begins(text[length]);
        if (count > columns) {
            break;
        }
    }
    return length;
}

void
text_print(FILE *out, const char *text, const char *indent)
{
    size_t column = 0;
    while (*text != '\0') {
        char word[256];
        size_t length = strcspn(text, " ");
        (void)snprintf(word, sizeof word, "%.*s", (int)(length < 255 ? length : 255), text);
        if (column > 0 && column + 1 + text_width(word) > LINE_WIDTH) {
            (void)fprintf(out, "\n%s", indent);
            column = text_width(indent);
        } else if (column > 0) {
            (void)fputc(' ', out);
            column++;
        }
        (void)fputs(word, out);
        column += text_width(word);
        text += length + strspn(text + length, " ");
    }
    (void)fputc('\n', out);
}
