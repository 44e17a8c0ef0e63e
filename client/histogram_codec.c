/*
 * HdrHistogram's compressed format, version 2: counters as ZigZag LEB128 numbers, in which a
 * negative one stands for a run of zeros, under a header; that in zlib's format under a header of
 * its own; and all of it in base64, as histogram logs have it.
 *
 * Invariant: what is read is not trusted: no length in it is believed before it is checked.
 */
#include "histogram.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define COOKIE_PLAIN      0x1c849313U
#define COOKIE_COMPRESSED 0x1c849314U
#define HEADER_BYTES      40
#define OUTER_BYTES       8
#define DIGITS            3
/* A number of nine bytes has all eight bits of the last. */
#define NUMBER_BYTES 9
#define PLAIN_MAX    (HEADER_BYTES + NUMBER_BYTES * ECHOC_HISTOGRAM_COUNTERS)

static void
put_bytes(unsigned char *at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        at[i] = (unsigned char)(value >> (8 * (bytes - 1 - i)));
    }
}

static uint64_t
get_bytes(const unsigned char *at, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) {
        value = value << 8 | at[i];
    }
    return value;
}

static unsigned char *
put_number(unsigned char *at, int64_t number)
{
    uint64_t rest = (uint64_t)number << 1 ^ (number < 0 ? UINT64_MAX : 0);
    for (int i = 0; i < NUMBER_BYTES - 1 && rest > 0x7f; i++) {
        *at++ = (unsigned char)(rest | 0x80);
        rest >>= 7;
    }
    *at++ = (unsigned char)rest;
    return at;
}

/* Returns where the number ends, NULL when it does not. */
static const unsigned char *
get_number(const unsigned char *at, const unsigned char *end, int64_t *ret_number)
{
    uint64_t raw = 0;
    for (int i = 0; at < end; i++) {
        unsigned char byte = *at++;
        bool last = i == NUMBER_BYTES - 1;
        raw |= (uint64_t)(last ? byte : byte & 0x7f) << (7 * i);
        if (last || byte < 0x80) {
            *ret_number = (int64_t)(raw >> 1) ^ -(int64_t)(raw & 1);
            return at;
        }
    }
    return NULL;
}

static size_t
put_plain(const struct echoc_histogram *histogram, unsigned char *plain)
{
    unsigned char *at = plain + HEADER_BYTES;
    size_t used = histogram->count == 0 ? 0 : echoc_histogram_index(histogram->max) + 1;
    for (size_t i = 0; i < used;) {
        int64_t zeros = 0;
        while (i < used && histogram->counters[i] == 0) {
            zeros++;
            i++;
        }
        at = zeros > 0 ? put_number(at, -zeros) : put_number(at, (int64_t)histogram->counters[i++]);
    }
    size_t length = (size_t)(at - plain);
    put_bytes(plain, COOKIE_PLAIN, 4);
    put_bytes(plain + 4, length - HEADER_BYTES, 4);
    put_bytes(plain + 8, 0, 4);
    put_bytes(plain + 12, DIGITS, 4);
    put_bytes(plain + 16, 1, 8);
    put_bytes(plain + 24, ECHOC_HISTOGRAM_MAX, 8);
    put_bytes(plain + 32, UINT64_C(0x3ff0000000000000), 8); /* 1.0 */
    return length;
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static char *
to_base64(const unsigned char *bytes, size_t length)
{
    char *text = malloc((length + 2) / 3 * 4 + 1);
    if (text == NULL) {
        return NULL;
    }
    char *at = text;
    for (size_t i = 0; i < length; i += 3) {
        size_t group = length - i < 3 ? length - i : 3;
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++) {
            bits = bits << 8 | (k < group ? bytes[i + k] : 0);
        }
        for (size_t k = 0; k < 4; k++) {
            *at++ = k <= group ? alphabet[bits >> (18 - 6 * k) & 63] : '=';
        }
    }
    *at = '\0';
    return text;
}

/* Returns the number of bytes, at most three for four letters, or -1. */
static ssize_t
from_base64(const char *text, unsigned char *bytes)
{
    uint32_t bits = 0;
    int have = 0;
    size_t length = 0;
    for (; *text != '\0' && *text != '='; text++) {
        const char *letter = strchr(alphabet, *text);
        if (letter == NULL) {
            return -1;
        }
        bits = bits << 6 | (uint32_t)(letter - alphabet);
        have += 6;
        if (have >= 8) {
            have -= 8;
            bytes[length++] = (unsigned char)(bits >> have);
        }
    }
    return text[strspn(text, "=")] == '\0' ? (ssize_t)length : -1;
}

char *
echoc_histogram_encode(const struct echoc_histogram *histogram)
{
    char *text = NULL;
    uLong room = compressBound(PLAIN_MAX);
    unsigned char *plain = malloc(PLAIN_MAX);
    unsigned char *packed = malloc(OUTER_BYTES + room);
    if (plain != NULL && packed != NULL) {
        size_t length = put_plain(histogram, plain);
        if (compress(packed + OUTER_BYTES, &room, plain, length) == Z_OK) {
            put_bytes(packed, COOKIE_COMPRESSED, 4);
            put_bytes(packed + 4, room, 4);
            text = to_base64(packed, OUTER_BYTES + room);
        }
    }
    free(plain);
    free(packed);
    return text;
}

/* How another HdrHistogram laid out its counters. */
struct layout {
    unsigned unit_bits;
    unsigned half_bits;
};

static bool
get_layout(const unsigned char *header, size_t length, struct layout *ret_layout)
{
    uint64_t digits = get_bytes(header + 12, 4);
    uint64_t lowest = get_bytes(header + 16, 8);
    if (get_bytes(header, 4) != COOKIE_PLAIN || get_bytes(header + 4, 4) != length - HEADER_BYTES ||
        get_bytes(header + 8, 4) != 0 || digits > 5 || lowest < 1 || lowest > INT64_MAX) {
        return false;
    }
    uint64_t largest = 2;
    for (uint64_t i = 0; i < digits; i++) {
        largest *= 10;
    }
    ret_layout->unit_bits = 63 - (unsigned)__builtin_clzll(lowest);
    ret_layout->half_bits = 63 - (unsigned)__builtin_clzll(largest - 1);
    return true;
}

/* The value in the middle of a counter, or an hour when it does not fit into 64 bits. */
static uint64_t
value_of(const struct layout *layout, uint64_t index)
{
    uint64_t half = UINT64_C(1) << layout->half_bits;
    uint64_t shift = index < 2 * half ? 0 : (index >> layout->half_bits) - 1;
    uint64_t base = index < 2 * half ? index : (index & (half - 1)) + half;
    if (shift + layout->unit_bits + layout->half_bits + 1 > 62) {
        return ECHOC_HISTOGRAM_MAX;
    }
    uint64_t value = base << (shift + layout->unit_bits);
    return value + ((UINT64_C(1) << (shift + layout->unit_bits)) - 1) / 2;
}

static void
count_many(struct echoc_histogram *histogram, uint64_t value, uint64_t count)
{
    echoc_histogram_record(histogram, value);
    size_t index = echoc_histogram_index(value < ECHOC_HISTOGRAM_MAX ? value : ECHOC_HISTOGRAM_MAX);
    histogram->counters[index] += count - 1;
    histogram->count += count - 1;
    histogram->sum += (double)value * (double)(count - 1);
}

static bool
get_plain(const unsigned char *plain, size_t length, struct echoc_histogram *histogram)
{
    struct layout layout;
    if (length < HEADER_BYTES || !get_layout(plain, length, &layout)) {
        return false;
    }
    uint64_t index = 0;
    const unsigned char *end = plain + length;
    for (const unsigned char *at = plain + HEADER_BYTES; at < end;) {
        int64_t number;
        at = get_number(at, end, &number);
        if (at == NULL || number < -INT32_MAX || index > INT32_MAX) {
            return false;
        }
        if (number > 0) {
            count_many(histogram, value_of(&layout, index), (uint64_t)number);
        }
        index += number < 0 ? (uint64_t)-number : 1;
    }
    return true;
}

int
echoc_histogram_decode(const char *text, struct echoc_histogram *histogram)
{
    int err = -ENOMEM;
    unsigned char *packed = malloc(strlen(text) / 4 * 3 + 4);
    unsigned char *plain = malloc(PLAIN_MAX);
    struct echoc_histogram *read = calloc(1, sizeof *read);
    if (packed != NULL && plain != NULL && read != NULL) {
        ssize_t length = from_base64(text, packed);
        uLong room = PLAIN_MAX;
        err = -EBADMSG;
        if (length > OUTER_BYTES && get_bytes(packed, 4) == COOKIE_COMPRESSED &&
            get_bytes(packed + 4, 4) == (uint64_t)length - OUTER_BYTES &&
            uncompress(plain, &room, packed + OUTER_BYTES, (uLong)length - OUTER_BYTES) == Z_OK &&
            get_plain(plain, room, read)) {
            memcpy(histogram, read, sizeof *read);
            err = 0;
        }
    }
    free(packed);
    free(plain);
    free(read);
    return err;
}
