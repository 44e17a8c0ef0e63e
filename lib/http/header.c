/*
 * Looking headers up, and the words of a status.
 *
 * Names are compared in any case, in the order of the message. Anybody may call.
 */
#include <http_parser.h>
#include <string.h>

#include "green/http.h"
#include "http/text.h"

const char *
green_http_header(const struct green_http_headers *headers, const char *name)
{
    size_t position = 0;
    return green_http_header_next(headers, name, &position);
}

const char *
green_http_header_next(const struct green_http_headers *headers, const char *name, size_t *position)
{
    while (*position < headers->count) {
        const struct green_http_header *item = &headers->items[(*position)++];
        if (green__http_same(item->name, name)) {
            return item->value;
        }
    }
    return NULL;
}

const char *
green_http_reason(int status)
{
    const char *reason = http_status_str((enum http_status)status);
    return strcmp(reason, "<unknown>") == 0 ? "Unknown" : reason;
}
