/*
 * The body of a message received: where it ends, and its chunks undone.
 *
 * The chunks are undone here and not by http-parser, which as Debian builds it takes any byte for
 * the line feed behind a size and for the end of a chunk, and extensions without end: each is a way
 * to smuggle requests past a stricter reader. Here every end of line is CR LF, extensions and
 * trailers are bounded and dropped. (RFC 9112, section 7.1.) One worker at a time.
 */
#include "http/body.h"

#include <errno.h>
#include <string.h>

/** Digits of a chunk's size: no overflow, no row of zeros. */
#define DIGITS_MAX 15

enum {
    SIZE,      /**< A digit, or once there was one, what ends the size. */
    EXTENSION, /**< Anything up to the end of the line. */
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    LINE, /**< The start of a trailer, or of the empty line. */
    TRAILER,
    TRAILER_LF,
    END_LF,
};

void
green__http_body_init(struct green__http_body *body, const struct green__http_head *head,
                      uint64_t limit, uint64_t overhead)
{
    memset(body, 0, sizeof *body);
    body->framing = head->framing;
    body->limit = limit;
    body->overhead = overhead;
    body->left = head->framing == GREEN__HTTP_LENGTH ? head->length : 0;
    body->done = body->framing == GREEN__HTTP_NO_BODY ||
                 (body->framing == GREEN__HTTP_LENGTH && body->left == 0);
}

static int
fail(struct green__http_body *body, int err, const char *why)
{
    body->err = err;
    body->why = why;
    return err;
}

static int
digit_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | ' ');
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/** A byte of a chunk's size, or the one behind it. */
static int
take_size(struct green__http_body *body, char c)
{
    int value = digit_value(c);
    if (value >= 0) {
        body->left = body->left * 16 + (unsigned)value;
        return ++body->digits > DIGITS_MAX ? fail(body, -EPROTO, "a chunk's size is too long") : 0;
    }
    if (body->digits == 0 || (c != '\r' && c != ';' && c != ' ' && c != '\t')) {
        return fail(body, -EPROTO, "a bad chunk size");
    }
    if (body->left > body->limit - body->received) {
        return fail(body, -EMSGSIZE, "the body is too long");
    }
    body->state = c == '\r' ? SIZE_LF : EXTENSION;
    return 0;
}

/** A byte of an extension or a trailer, which ends with CR LF. */
static int
take_line(struct green__http_body *body, char c, unsigned next)
{
    if (c == '\r') {
        body->state = next;
        return 0;
    }
    if (((unsigned char)c < ' ' && c != '\t') || c == 127) {
        return fail(body, -EPROTO, "a control character between chunks");
    }
    if (body->overhead-- == 0) {
        body->overhead = 0;
        return fail(body, -EMSGSIZE, "too much between chunks");
    }
    return 0;
}

static int
take_exactly(struct green__http_body *body, char c, char expected, unsigned next)
{
    if (c != expected) {
        return fail(body, -EPROTO, "a chunk does not end where it should");
    }
    body->state = next;
    return 0;
}

/** A byte that is not data. */
static int
take(struct green__http_body *body, char c)
{
    switch (body->state) {
    case SIZE:
        return take_size(body, c);
    case EXTENSION:
        return take_line(body, c, SIZE_LF);
    case SIZE_LF:
        return take_exactly(body, c, '\n', body->left > 0 ? DATA : LINE);
    case DATA_CR:
        return take_exactly(body, c, '\r', DATA_LF);
    case DATA_LF:
        body->digits = 0;
        return take_exactly(body, c, '\n', SIZE);
    case LINE:
        body->state = TRAILER;
        return take_line(body, c, END_LF);
    case TRAILER:
        return take_line(body, c, TRAILER_LF);
    case TRAILER_LF:
        return take_exactly(body, c, '\n', LINE);
    default:
        body->done = c == '\n';
        return take_exactly(body, c, '\n', END_LF);
    }
}

ssize_t
green__http_body_unchunk(struct green__http_body *body, const char *from, size_t length, char *out,
                         size_t room, size_t *ret_put)
{
    size_t put = 0;
    size_t taken = 0;
    while (taken < length && !body->done) {
        if (body->state != DATA) {
            int err = take(body, from[taken]);
            if (err != 0) {
                return err;
            }
            taken++;
            continue;
        }
        size_t part = length - taken < room - put ? length - taken : room - put;
        part = part < body->left ? part : (size_t)body->left;
        if (part == 0) {
            break;
        }
        memcpy(out + put, from + taken, part);
        put += part;
        taken += part;
        body->left -= part;
        body->received += part;
        if (body->left == 0) {
            body->state = DATA_CR;
        }
    }
    *ret_put = put;
    return (ssize_t)taken;
}

bool
green__http_body_settle(struct green__http_body *body, struct green__http_stream *stream)
{
    if (body->framing == GREEN__HTTP_CHUNKED && !body->done && body->err == 0) {
        size_t put;
        ssize_t taken = green__http_body_unchunk(body, stream->data + stream->start,
                                                 green__http_stream_held(stream), NULL, 0, &put);
        stream->start += taken > 0 ? (size_t)taken : 0;
    }
    return body->done && body->err == 0;
}

/** A wait for the body gave no byte. */
static ssize_t
no_bytes(struct green__http_body *body, ssize_t got)
{
    if (got < 0) {
        return fail(body, (int)got, NULL);
    }
    if (body->framing == GREEN__HTTP_UNTIL_END) {
        body->done = true;
        return 0;
    }
    return fail(body, -EPROTO, "the stream ended within a body");
}

static ssize_t
read_chunks(struct green__http_body *body, struct green__http_stream *stream, void *buffer,
            size_t length, uint64_t timeout_ms)
{
    size_t put = 0;
    while (put == 0 && !body->done) {
        if (green__http_stream_held(stream) == 0) {
            ssize_t got = green__http_stream_fill(stream, timeout_ms);
            if (got <= 0) {
                return no_bytes(body, got);
            }
        }
        ssize_t taken =
            green__http_body_unchunk(body, stream->data + stream->start,
                                     green__http_stream_held(stream), buffer, length, &put);
        if (taken < 0) {
            return taken;
        }
        stream->start += (size_t)taken;
    }
    return (ssize_t)put;
}

static ssize_t
read_plain(struct green__http_body *body, struct green__http_stream *stream, void *buffer,
           size_t length, uint64_t timeout_ms)
{
    size_t held = green__http_stream_held(stream);
    if (body->framing == GREEN__HTTP_LENGTH && length > body->left) {
        length = (size_t)body->left;
    }
    ssize_t got;
    if (held > 0) {
        length = length < held ? length : held;
        memcpy(buffer, stream->data + stream->start, length);
        stream->start += length;
        got = (ssize_t)length;
    } else {
        got = green__http_stream_recv(stream, buffer, length, timeout_ms);
        if (got <= 0) {
            return no_bytes(body, got);
        }
    }
    body->received += (uint64_t)got;
    if (body->received > body->limit) {
        return fail(body, -EMSGSIZE, "the body is too long");
    }
    if (body->framing == GREEN__HTTP_LENGTH) {
        body->left -= (uint64_t)got;
        body->done = body->left == 0;
    }
    return got;
}

ssize_t
green__http_body_read(struct green__http_body *body, struct green__http_stream *stream,
                      void *buffer, size_t length, uint64_t timeout_ms)
{
    if (body->err != 0) {
        return body->err;
    }
    if (body->done || length == 0) {
        return 0;
    }
    return body->framing == GREEN__HTTP_CHUNKED
               ? read_chunks(body, stream, buffer, length, timeout_ms)
               : read_plain(body, stream, buffer, length, timeout_ms);
}
