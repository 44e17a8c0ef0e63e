/*
 * Text that grows, and what HTTP calls a token, a value, a list.
 *
 * Invariant: a text that ran out of memory stays as it was then and says so in `err`, so a head is
 * put together without a check a line. Pure functions otherwise; anybody in lib/http may call.
 */
#include "http/text.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/alloc.h"

int
green__http_text_reserve(struct green__http_text *text, size_t more)
{
    if (text->err != 0 || more <= text->capacity - text->length) {
        return text->err;
    }
    size_t wanted = text->capacity < 256 ? 256 : text->capacity * 2;
    if (wanted < text->length + more) {
        wanted = text->length + more;
    }
    char *data = green__realloc(text->data, wanted);
    if (data == NULL) {
        text->err = -ENOMEM;
        return text->err;
    }
    text->data = data;
    text->capacity = wanted;
    return 0;
}

void
green__http_text_add(struct green__http_text *text, const void *bytes, size_t length)
{
    if (length > 0 && green__http_text_reserve(text, length) == 0) {
        memcpy(text->data + text->length, bytes, length);
        text->length += length;
    }
}

void
green__http_text_adds(struct green__http_text *text, const char *string)
{
    green__http_text_add(text, string, strlen(string));
}

void
green__http_text_addu(struct green__http_text *text, uint64_t number, unsigned base)
{
    char digits[24];
    size_t at = sizeof digits;
    do {
        digits[--at] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number > 0);
    green__http_text_add(text, digits + at, sizeof digits - at);
}

void
green__http_text_header(struct green__http_text *text, const char *name, const char *value)
{
    green__http_text_adds(text, name);
    green__http_text_add(text, ": ", 2);
    green__http_text_adds(text, value);
    green__http_text_add(text, "\r\n", 2);
}

void
green__http_text_clear(struct green__http_text *text, size_t keep)
{
    if (text->capacity > keep) {
        green__http_text_fini(text);
    }
    text->length = 0;
    text->err = 0;
}

void
green__http_text_fini(struct green__http_text *text)
{
    green__free(text->data);
    memset(text, 0, sizeof *text);
}

bool
green__http_is_token(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char c = bytes[i];
        bool alphanumeric =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!alphanumeric && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL)) {
            return false;
        }
    }
    return length > 0;
}

bool
green__http_is_value(const char *string)
{
    for (; *string != '\0'; string++) {
        unsigned char c = (unsigned char)*string;
        if ((c < ' ' && c != '\t') || c == 127) {
            return false;
        }
    }
    return true;
}

bool
green__http_same(const char *string, const char *name)
{
    return strcasecmp(string, name) == 0;
}

/** Whether one comma-separated value holds the word. */
static bool
value_lists(const char *value, const char *word)
{
    size_t wanted = strlen(word);
    while (*value != '\0') {
        value += strspn(value, " \t,");
        size_t length = strcspn(value, ",");
        size_t trimmed = length;
        while (trimmed > 0 && (value[trimmed - 1] == ' ' || value[trimmed - 1] == '\t')) {
            trimmed--;
        }
        if (trimmed == wanted && strncasecmp(value, word, wanted) == 0) {
            return true;
        }
        value += length;
    }
    return false;
}

bool
green__http_lists(const struct green_http_headers *headers, const char *name, const char *word)
{
    size_t position = 0;
    const char *value;
    while ((value = green_http_header_next(headers, name, &position)) != NULL) {
        if (value_lists(value, word)) {
            return true;
        }
    }
    return false;
}

size_t
green__http_count(const struct green_http_headers *headers, const char *name)
{
    size_t position = 0;
    size_t count = 0;
    while (green_http_header_next(headers, name, &position) != NULL) {
        count++;
    }
    return count;
}

bool
green__http_sendable(const struct green_http_header *headers, size_t count, const char *const *ours)
{
    for (size_t i = 0; i < count; i++) {
        const char *name = headers[i].name;
        if (name == NULL || headers[i].value == NULL || !green__http_is_token(name, strlen(name)) ||
            !green__http_is_value(headers[i].value)) {
            return false;
        }
        for (const char *const *taken = ours; *taken != NULL; taken++) {
            if (green__http_same(name, *taken)) {
                return false;
            }
        }
    }
    return true;
}

void
green__http_date(int64_t seconds, char out[GREEN__HTTP_DATE])
{
    /* strftime() would speak the program's language. */
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t when = (time_t)seconds;
    struct tm tm = {.tm_mday = 1};
    gmtime_r(&when, &tm);
    memcpy(out, "Sun, 06 Nov 1994 08:49:37 GMT", GREEN__HTTP_DATE);
    memcpy(out, days + 3 * tm.tm_wday, 3);
    memcpy(out + 8, months + 3 * tm.tm_mon, 3);
    const struct {
        int at;
        int number;
    } parts[] = {{5, tm.tm_mday},        {12, (tm.tm_year + 1900) / 100},
                 {14, tm.tm_year % 100}, {17, tm.tm_hour},
                 {20, tm.tm_min},        {23, tm.tm_sec}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        out[parts[i].at] = (char)('0' + parts[i].number / 10 % 10);
        out[parts[i].at + 1] = (char)('0' + parts[i].number % 10);
    }
}
