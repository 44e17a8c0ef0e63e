/*
 * Whether a line is JSON, after RFC 8259.
 *
 * Each function takes what its name says from the front of the text and returns what is behind it,
 * or NULL when it is not there. Bytes from 0x80 on are taken as they are inside strings.
 */
#include "json.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#define MAX_DEPTH 32

static const char *take_value(const char *at, unsigned depth);

static const char *
skip_space(const char *at)
{
    return at + strspn(at, " \t\r\n");
}

static const char *
take_string(const char *at)
{
    if (*at++ != '"') {
        return NULL;
    }
    while (*at != '"') {
        if ((unsigned char)*at < 0x20) {
            return NULL;
        }
        if (*at++ != '\\') {
            continue;
        }
        if (*at == 'u') {
            for (size_t i = 1; i <= 4; i++) {
                if (!isxdigit((unsigned char)at[i])) {
                    return NULL;
                }
            }
        } else if (*at == '\0' || strchr("\"\\/bfnrt", *at) == NULL) {
            return NULL;
        }
        at++;
    }
    return at + 1;
}

static const char *
take_digits(const char *at)
{
    size_t count = strspn(at, "0123456789");
    return count == 0 ? NULL : at + count;
}

static const char *
take_number(const char *at)
{
    at += *at == '-';
    if (*at == '0' && isdigit((unsigned char)at[1])) {
        return NULL;
    }
    at = take_digits(at);
    if (at != NULL && *at == '.') {
        at = take_digits(at + 1);
    }
    if (at != NULL && (*at == 'e' || *at == 'E')) {
        at++;
        at = take_digits(at + (*at == '+' || *at == '-'));
    }
    return at;
}

/** A list of values, or of names and values, between its brackets. */
static const char *
take_list(const char *at, char end, unsigned depth)
{
    at = skip_space(at + 1);
    if (*at == end) {
        return at + 1;
    }
    for (;;) {
        if (end == '}') {
            at = take_string(skip_space(at));
            at = at == NULL ? NULL : skip_space(at);
            if (at == NULL || *at++ != ':') {
                return NULL;
            }
        }
        at = take_value(at, depth + 1);
        at = at == NULL ? NULL : skip_space(at);
        if (at == NULL || (*at != ',' && *at != end)) {
            return NULL;
        }
        if (*at++ == end) {
            return at;
        }
    }
}

static const char *
take_value(const char *at, unsigned depth)
{
    static const char *const words[] = {"true", "false", "null"};
    at = skip_space(at);
    if (depth > MAX_DEPTH) {
        return NULL;
    }
    if (*at == '{' || *at == '[') {
        return take_list(at, *at == '{' ? '}' : ']', depth);
    }
    if (*at == '"') {
        return take_string(at);
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strncmp(at, words[i], strlen(words[i])) == 0) {
            return at + strlen(words[i]);
        }
    }
    return take_number(at);
}

bool
json_is_object(const char *text)
{
    const char *at = skip_space(text);
    at = *at == '{' ? take_value(at, 0) : NULL;
    return at != NULL && *skip_space(at) == '\0';
}
