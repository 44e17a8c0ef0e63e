/*
 * The head of a message: collected line by line within limits, then split by http-parser.
 *
 * Invariant: every line that the parser sees ends in CR LF, has no other CR and no NUL, and no
 * header is folded. Debian builds the parser without its strict mode, which lets all of these pass
 * (and spaces in names); whoever stands before us may read them differently, and what two readers
 * take for two different requests is how requests are smuggled. One worker at a time.
 */
#include "http/head.h"

#include <errno.h>
#include <http_parser.h>
#include <string.h>

#include "base/alloc.h"

/** What an idle connection may keep of the last head, in bytes and in headers. */
#define KEPT_BYTES 2048
#define KEPT_ITEMS 32

void
green__http_head_clear(struct green__http_head *head)
{
    struct green__http_text text = head->text;
    struct green_http_header *items = head->items;
    size_t room = head->room;
    green__http_text_clear(&text, KEPT_BYTES);
    if (room > KEPT_ITEMS) {
        green__free(items);
        items = NULL;
        room = 0;
    }
    memset(head, 0, sizeof *head);
    head->text = text;
    head->items = items;
    head->room = room;
}

void
green__http_head_fini(struct green__http_head *head)
{
    green__http_text_fini(&head->text);
    green__free(head->items);
    memset(head, 0, sizeof *head);
}

int
green__http_head_fail(struct green__http_head *head, int status, const char *why)
{
    head->status = status;
    head->why = why;
    return status == 0 ? -ENOMEM : -EPROTO;
}

static int
too_large(struct green__http_head *head, int status, const char *why)
{
    green__http_head_fail(head, status, why);
    return -EMSGSIZE;
}

/** Whether the line so far keeps the limits. */
static int
check_limits(struct green__http_head *head, const struct green__http_limits *limits)
{
    size_t length = head->text.length - head->line;
    if (head->headers_at == 0) {
        return length > limits->line + 2 ? too_large(head, 414, "the start line is too long") : 0;
    }
    if (head->text.length - head->headers_at > limits->bytes + 2) {
        return too_large(head, 431, "the headers are too long");
    }
    return 0;
}

/** A line is complete: 1 at the end of the head, 0 when it goes on, or a failure. */
static int
end_line(struct green__http_head *head, const struct green__http_limits *limits)
{
    struct green__http_text *text = &head->text;
    const char *line = text->data + head->line;
    size_t length = text->length - head->line;
    if (length < 2 || line[length - 2] != '\r') {
        return green__http_head_fail(head, 400, "a line ends without a carriage return");
    }
    length -= 2;
    if (memchr(line, '\r', length) != NULL || memchr(line, '\0', length) != NULL) {
        return green__http_head_fail(head, 400, "a stray control character");
    }
    if (head->headers_at == 0) {
        if (length == 0) {
            return green__http_head_fail(head, 400, "an empty start line");
        }
        head->headers_at = text->length;
    } else if (length == 0) {
        return 1;
    } else if (line[0] == ' ' || line[0] == '\t') {
        return green__http_head_fail(head, 400, "a folded header");
    } else if (++head->lines > limits->count) {
        return too_large(head, 431, "too many headers");
    }
    head->line = text->length;
    return 0;
}

int
green__http_head_feed(struct green__http_head *head, struct green__http_stream *stream,
                      const struct green__http_limits *limits)
{
    struct green__http_text *text = &head->text;
    while (green__http_stream_held(stream) > 0) {
        const char *from = stream->data + stream->start;
        size_t held = green__http_stream_held(stream);
        const char *newline = memchr(from, '\n', held);
        size_t length = newline == NULL ? held : (size_t)(newline - from) + 1;
        green__http_text_add(text, from, length);
        if (text->err != 0) {
            return green__http_head_fail(head, 0, "no memory for the head");
        }
        stream->start += length;
        int err = check_limits(head, limits);
        if (err == 0 && newline != NULL) {
            /* RFC 9112, section 2.2: one empty line before a request is passed over. */
            if (!head->skipped && text->length == 2 && text->data[0] == '\r') {
                head->skipped = true;
                text->length = 0;
                continue;
            }
            err = end_line(head, limits);
        }
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

/* ---- http-parser's part ---- */

static int
note_field(http_parser *parser, const char *at, size_t length)
{
    struct green__http_head *head = parser->data;
    if (head->headers.count == head->lines || !green__http_is_token(at, length)) {
        return 1;
    }
    head->items[head->headers.count++].name = at;
    head->items[head->headers.count - 1].value = "";
    return 0;
}

static int
note_value(http_parser *parser, const char *at, size_t length)
{
    struct green__http_head *head = parser->data;
    while (length > 0 && (at[length - 1] == ' ' || at[length - 1] == '\t')) {
        length--;
    }
    if (head->headers.count == 0) {
        return 1;
    }
    head->items[head->headers.count - 1].value = length == 0 ? "" : at;
    return 0;
}

/** The body is not the parser's business, nor is an upgrade. */
static int
note_complete(http_parser *parser)
{
    parser->upgrade = 0;
    return 1;
}

/** Put the zero bytes where names and values end. */
static void
cut_headers(struct green__http_head *head)
{
    for (size_t i = 0; i < head->headers.count; i++) {
        struct green_http_header *item = &head->items[i];
        char *name = head->text.data + (item->name - head->text.data);
        name[strcspn(name, ":")] = '\0';
        if (*item->value != '\0') {
            char *value = head->text.data + (item->value - head->text.data);
            size_t length = strcspn(value, "\r");
            while (length > 0 && (value[length - 1] == ' ' || value[length - 1] == '\t')) {
                length--;
            }
            value[length] = '\0';
        }
    }
}

int
green__http_head_split(struct green__http_head *head, bool response)
{
    if (head->lines > head->room) {
        struct green_http_header *items = green__realloc(head->items, head->lines * sizeof *items);
        if (items == NULL) {
            return green__http_head_fail(head, 0, "no memory for the headers");
        }
        head->items = items;
        head->room = head->lines;
    }
    head->headers.items = head->items;
    static const http_parser_settings settings = {.on_header_field = note_field,
                                                  .on_header_value = note_value,
                                                  .on_headers_complete = note_complete};
    http_parser parser;
    http_parser_init(&parser, response ? HTTP_RESPONSE : HTTP_REQUEST);
    parser.data = head;
    size_t parsed = http_parser_execute(&parser, &settings, head->text.data, head->text.length);
    enum http_errno err = HTTP_PARSER_ERRNO(&parser);
    if (err == HPE_CB_header_field) {
        return green__http_head_fail(head, 400, "a header's name is no token");
    }
    if (err == HPE_INVALID_METHOD) {
        return green__http_head_fail(head, 501, "an unknown method");
    }
    if (err != HPE_OK || parsed != head->text.length || head->headers.count != head->lines) {
        return green__http_head_fail(
            head, 400, err != HPE_OK ? http_errno_description(err) : "a malformed head");
    }
    head->code = response ? (int)parser.status_code : 0;
    cut_headers(head);
    return 0;
}
