/*
 * Figures as people read them.
 *
 * Invariant: a figure has three digits at least as long as it has that many, and one unit. Never
 * suspends.
 */
#include "text.h"

#include <stdio.h>
#include <string.h>

static void
three_digits(char *buffer, size_t size, double value, const char *unit)
{
    int decimals = value >= 99.95 || value == 0 ? 0 : value >= 9.995 ? 1 : 2;
    (void)snprintf(buffer, size, "%.*f%s%s", decimals, value, unit[0] != '\0' ? " " : "", unit);
}

char *
text_duration(char buffer[TEXT_DURATION], double seconds)
{
    if (seconds < 999.5e-6) {
        three_digits(buffer, TEXT_DURATION, seconds * 1e6, "us");
    } else if (seconds < 999.5e-3) {
        three_digits(buffer, TEXT_DURATION, seconds * 1e3, "ms");
    } else {
        three_digits(buffer, TEXT_DURATION, seconds, "s");
    }
    return buffer;
}

static char *
scaled(char *buffer, size_t size, double value, double base, const char *const *units)
{
    size_t power = 0;
    while (value >= base * 0.9995 && units[power + 1] != NULL) {
        value /= base;
        power++;
    }
    if (power == 0) {
        (void)snprintf(buffer, size, "%.0f%s%s", value, units[0][0] != '\0' ? " " : "", units[0]);
    } else {
        three_digits(buffer, size, value, units[power]);
    }
    return buffer;
}

char *
text_count(char buffer[TEXT_COUNT], double count)
{
    static const char *const units[] = {"", "k", "M", "G", "T", NULL};
    return scaled(buffer, TEXT_COUNT, count, 1000, units);
}

char *
text_bytes(char buffer[TEXT_COUNT], double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", NULL};
    return scaled(buffer, TEXT_COUNT, bytes, 1024, units);
}

char *
text_exact(char buffer[TEXT_COUNT], uint64_t count)
{
    char digits[TEXT_COUNT];
    int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
    char *at = buffer;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            *at++ = ',';
        }
        *at++ = digits[i];
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
