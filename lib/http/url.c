/*
 * URLs and queries: taking them apart, and resolving references.
 *
 * Source: RFC 3986, section 5.2, for references. Pure functions; anybody may call.
 */
#include "http/url.h"

#include <errno.h>
#include <http_parser.h>
#include <string.h>
#include <strings.h>

int
green_http_url_parse(const char *text, struct green_http_url *ret_url)
{
    size_t length = strnlen(text, GREEN__HTTP_URL_MAX + 1);
    if (length > GREEN__HTTP_URL_MAX) {
        return -EINVAL;
    }
    for (size_t i = 0; i < length; i++) {
        if (text[i] <= ' ' || text[i] > '~') {
            return -EINVAL;
        }
    }
    size_t scheme = strcspn(text, ":/?#");
    if (strncmp(text + scheme, "://", 3) != 0 || scheme == 0) {
        return -EINVAL;
    }
    if (scheme != 4 || strncasecmp(text, "http", 4) != 0) {
        return -EPROTONOSUPPORT;
    }
    struct http_parser_url parts;
    http_parser_url_init(&parts);
    if (http_parser_parse_url(text, length, 0, &parts) != 0 ||
        (parts.field_set & (1 << UF_USERINFO)) != 0 || (parts.field_set & (1 << UF_HOST)) == 0) {
        return -EINVAL;
    }
    struct green_http_url url = {.port = 80};
    size_t host_length = parts.field_data[UF_HOST].len;
    if (host_length == 0 || host_length >= sizeof url.host) {
        return -EINVAL;
    }
    memcpy(url.host, text + parts.field_data[UF_HOST].off, host_length);
    if ((parts.field_set & (1 << UF_PORT)) != 0) {
        url.port = parts.port;
        if (url.port == 0) {
            return -EINVAL;
        }
    }
    url.target = text + scheme + 3;
    url.target += strcspn(url.target, "/?#");
    url.target_length = strcspn(url.target, "#");
    *ret_url = url;
    return 0;
}

bool
green__http_url_same_host(const struct green_http_url *a, const struct green_http_url *b)
{
    return a->port == b->port && strcasecmp(a->host, b->host) == 0;
}

void
green__http_url_authority(const struct green_http_url *url, struct green__http_text *out)
{
    bool brackets = strchr(url->host, ':') != NULL;
    green__http_text_adds(out, brackets ? "[" : "");
    green__http_text_adds(out, url->host);
    green__http_text_adds(out, brackets ? "]" : "");
    if (url->port != 80) {
        green__http_text_adds(out, ":");
        green__http_text_addu(out, url->port, 10);
    }
}

/* ---- references ---- */

/** Add what must not stand in a URL percent-encoded, the rest as it is. */
static void
add_encoded(struct green__http_text *out, const char *text, size_t length)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        const char encoded[3] = {'%', digits[c >> 4], digits[c & 15]};
        green__http_text_add(out, c <= ' ' || c > '~' ? encoded : text + i,
                             c <= ' ' || c > '~' ? 3 : 1);
    }
}

/** Undo "." and ".." in the path that starts at `from` and ends with the text. */
static void
remove_dots(struct green__http_text *out, size_t from)
{
    char *path = out->data + from;
    size_t length = out->length - from;
    size_t put = 0;
    size_t at = 0;
    while (at < length) {
        size_t next = at + 1;
        while (next < length && path[next] != '/') {
            next++;
        }
        size_t segment = next - at - 1; /* path[at] is the slash before it */
        bool dot = segment == 1 && path[at + 1] == '.';
        bool dots = segment == 2 && path[at + 1] == '.' && path[at + 2] == '.';
        if (!dot && !dots) {
            memmove(path + put, path + at, next - at);
            put += next - at;
        } else {
            while (dots && put > 0 && path[--put] != '/') {
            }
            if (next == length) {
                path[put++] = '/';
            }
        }
        at = next;
    }
    out->length = from + put;
}

int
green__http_url_resolve(const char *base, const char *location, struct green__http_text *out)
{
    green__http_text_clear(out, GREEN__HTTP_URL_MAX);
    size_t length = strcspn(location, "#");
    size_t path_length = strcspn(location, "?#");
    size_t scheme = strcspn(location, ":/?#");
    size_t base_path = strcspn(base, ":") + 3;
    base_path += strcspn(base + base_path, "/?#");
    size_t base_query = base_path + strcspn(base + base_path, "?#");
    if (scheme > 0 && location[scheme] == ':') {
        add_encoded(out, location, length);
    } else if (strncmp(location, "//", 2) == 0) {
        green__http_text_adds(out, "http:");
        add_encoded(out, location, length);
    } else if (path_length == 0) {
        green__http_text_add(out, base, location[0] == '?' ? base_query : strcspn(base, "#"));
        add_encoded(out, location, length);
    } else {
        green__http_text_add(out, base, base_path);
        size_t from = out->length;
        if (location[0] != '/') {
            size_t directory = base_query;
            while (directory > base_path && base[directory - 1] != '/') {
                directory--;
            }
            green__http_text_add(out, base + base_path, directory - base_path);
            green__http_text_adds(out, directory == base_path ? "/" : "");
        }
        add_encoded(out, location, path_length);
        if (out->err == 0) {
            remove_dots(out, from);
        }
        add_encoded(out, location + path_length, length - path_length);
    }
    green__http_text_add(out, "", 1);
    return out->err;
}

/* ---- encoding and queries ---- */

static int
hexadecimal(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | ' ');
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/** Decode the byte that an encoded text starts with: how long it was, 0 when that is malformed. */
static size_t
decode_byte(const char *text, size_t length, bool plus, char *ret_byte)
{
    if (text[0] != '%') {
        *ret_byte = plus && text[0] == '+' ? ' ' : text[0];
        return 1;
    }
    int high = length > 2 ? hexadecimal(text[1]) : -1;
    int low = high >= 0 ? hexadecimal(text[2]) : -1;
    if (low < 0) {
        return 0;
    }
    *ret_byte = (char)(high * 16 + low);
    return 3;
}

/** How long an encoded text is when decoded, or -EBADMSG. */
static ssize_t
decoded_length(const char *text, size_t length)
{
    char byte;
    ssize_t count = 0;
    for (size_t i = 0, part; i < length; i += part) {
        part = decode_byte(text + i, length - i, false, &byte);
        if (part == 0) {
            return -EBADMSG;
        }
        count++;
    }
    return count;
}

ssize_t
green_http_decode(const char *text, size_t length, char *out, bool plus)
{
    ssize_t count = decoded_length(text, length);
    for (ssize_t put = 0; put < count; put++) {
        size_t part = decode_byte(text, length, plus, &out[put]);
        text += part;
        length -= part;
    }
    return count;
}

bool
green_http_query_next(const char **cursor, struct green_http_parameter *ret_parameter)
{
    const char *at = *cursor;
    at = at == NULL ? "" : at + strspn(at, "&");
    size_t length = strcspn(at, "&");
    size_t name_length = strcspn(at, "=&");
    *cursor = at + length;
    if (length == 0) {
        return false;
    }
    ret_parameter->name = at;
    ret_parameter->name_length = name_length;
    ret_parameter->value = at + name_length + (name_length < length);
    ret_parameter->value_length = length - name_length - (name_length < length);
    return true;
}

/** Whether an encoded text stands for a string. */
static bool
decodes_to(const char *text, size_t length, const char *string)
{
    while (length > 0) {
        char byte = '\0';
        size_t part = decode_byte(text, length, true, &byte);
        if (byte == '\0' || byte != *string) {
            return false;
        }
        string++;
        text += part;
        length -= part;
    }
    return *string == '\0';
}

ssize_t
green_http_query_get(const char *query, const char *name, char *buffer, size_t size)
{
    struct green_http_parameter parameter;
    while (green_http_query_next(&query, &parameter)) {
        if (!decodes_to(parameter.name, parameter.name_length, name)) {
            continue;
        }
        ssize_t length = decoded_length(parameter.value, parameter.value_length);
        if (length >= 0 && (size_t)length >= size) {
            return -ENOBUFS;
        }
        if (length >= 0) {
            green_http_decode(parameter.value, parameter.value_length, buffer, true);
            buffer[length] = '\0';
        }
        return length;
    }
    return -ENOENT;
}
