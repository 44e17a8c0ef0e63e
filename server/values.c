/*
 * Values as people write them. Pure functions.
 */
#include "values.h"

#include <ctype.h>
#include <string.h>

/** The digits at the start; moves the text past them. False when there are none or too many. */
static bool
take_digits(const char **text, uint64_t *ret_number)
{
    uint64_t number = 0;
    const char *next = *text;
    for (; isdigit((unsigned char)*next); next++) {
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*next - '0'), &number)) {
            return false;
        }
    }
    if (next == *text) {
        return false;
    }
    *text = next;
    *ret_number = number;
    return true;
}

bool
value_number(const char *text, uint64_t *ret_number)
{
    uint64_t number;
    if (!take_digits(&text, &number) || *text != '\0') {
        return false;
    }
    *ret_number = number;
    return true;
}

bool
value_duration(const char *text, uint64_t unit_ms, uint64_t *ret_ms)
{
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    uint64_t whole;
    uint64_t thousandths = 0;
    if (!take_digits(&text, &whole)) {
        return false;
    }
    if (*text == '.') {
        uint64_t scale = 100;
        for (text++; isdigit((unsigned char)*text); text++, scale /= 10) {
            thousandths += (uint64_t)(*text - '0') * scale;
        }
    }
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(text, units[i].name) == 0) {
            unit_ms = units[i].ms;
            text = "";
        }
    }
    uint64_t ms;
    if (*text != '\0' || __builtin_mul_overflow(whole, unit_ms, &ms) ||
        __builtin_add_overflow(ms, thousandths * unit_ms / 1000, &ms)) {
        return false;
    }
    *ret_ms = ms;
    return true;
}

bool
value_size(const char *text, uint64_t *ret_bytes)
{
    static const char units[] = "kmg";
    uint64_t bytes;
    if (!take_digits(&text, &bytes)) {
        return false;
    }
    if (*text != '\0') {
        const char *unit = strchr(units, tolower((unsigned char)*text));
        if (unit == NULL || text[1] != '\0') {
            return false;
        }
        for (const char *step = units; step <= unit; step++) {
            if (__builtin_mul_overflow(bytes, 1024, &bytes)) {
                return false;
            }
        }
    }
    *ret_bytes = bytes;
    return true;
}
