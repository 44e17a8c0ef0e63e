/*
 * Responses of the server.
 *
 * Invariant: a response's head goes out at most once an exchange, and says what is then kept: the
 * length, or chunks, or the end of the connection. The first send that fails is remembered and
 * nothing is sent after it. Called by the worker that serves the connection.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "http/connection.h"

/** Bodies and chunks up to so many bytes are copied behind their head, to be sent in one piece. */
#define JOINED_MAX 16384

/** Headers that are the library's. */
static const char *const ours[] = {"Content-Length", "Transfer-Encoding", "Connection", NULL};

static int
send_out(struct green__http_connection *connection, const void *bytes, size_t length, bool more)
{
    if (connection->broken == 0) {
        connection->broken =
            green__http_stream_send(&connection->stream, bytes, length, more ? MSG_MORE : 0,
                                    connection->options->write_timeout_ms);
    }
    return connection->broken;
}

/** Send the text that was put together, then bytes, in as few pieces as is wise. */
static int
send_joined(struct green__http_connection *connection, const void *bytes, size_t length,
            const char *tail)
{
    struct green__http_text *out = &connection->out;
    if (length <= JOINED_MAX) {
        green__http_text_add(out, bytes, length);
        green__http_text_adds(out, tail);
        return out->err != 0 ? out->err : send_out(connection, out->data, out->length, false);
    }
    if (out->err != 0) {
        return out->err;
    }
    bool tailed = *tail != '\0';
    int err = send_out(connection, out->data, out->length, true);
    err = err != 0 ? err : send_out(connection, bytes, length, tailed);
    return err != 0 || !tailed ? err : send_out(connection, tail, strlen(tail), false);
}

/** Whether the connection can go on after the response that is about to begin. */
static bool
can_keep(struct green__http_connection *connection)
{
    const struct green__http_body *body = &connection->body;
    if (body->err != 0 || (!body->done && connection->consent_due)) {
        return false;
    }
    if (!body->done && body->framing == GREEN__HTTP_LENGTH && body->left > GREEN__HTTP_SKIP_MAX) {
        return false;
    }
    return connection->keep && connection->requests < connection->options->max_requests &&
           !green__http_stopping(connection);
}

static void
add_date(struct green__http_connection *connection)
{
    int64_t now = (int64_t)time(NULL);
    if (now != connection->date_of) {
        connection->date_of = now;
        green__http_date(now, connection->date);
    }
    green__http_text_header(&connection->out, "Date", connection->date);
}

static void
add_framing(struct green__http_connection *connection, int status, uint64_t length)
{
    struct green__http_text *out = &connection->out;
    connection->chunked = false;
    connection->left = length;
    connection->swallow = strcmp(connection->request.method, "HEAD") == 0;
    if (status == 204 || status == 304) {
        connection->swallow = true;
        connection->left = GREEN_HTTP_UNKNOWN;
    } else if (length != GREEN_HTTP_UNKNOWN) {
        green__http_text_adds(out, "Content-Length: ");
        green__http_text_addu(out, length, 10);
        green__http_text_adds(out, "\r\n");
    } else if (connection->request.version_minor > 0) {
        green__http_text_header(out, "Transfer-Encoding", "chunked");
        connection->chunked = !connection->swallow;
    } else if (!connection->swallow) {
        connection->keep = false;
    }
}

/** Put the head of the response together in `out`. */
static int
make_head(struct green__http_connection *connection, int status,
          const struct green_http_header *headers, size_t count, uint64_t length)
{
    if (connection->reply != GREEN__HTTP_SILENT) {
        return -EBUSY;
    }
    if (connection->broken != 0) {
        return connection->broken;
    }
    if (status < 200 || status > 599 || !green__http_sendable(headers, count, ours)) {
        return -EINVAL;
    }
    struct green__http_text *out = &connection->out;
    green__http_text_clear(out, JOINED_MAX * 2);
    green__http_text_adds(out, "HTTP/1.1 ");
    green__http_text_addu(out, (uint64_t)status, 10);
    green__http_text_adds(out, " ");
    green__http_text_adds(out, green_http_reason(status));
    green__http_text_adds(out, "\r\n");
    const struct green_http_headers given = {headers, count};
    if (green_http_header(&given, "Date") == NULL) {
        add_date(connection);
    }
    for (size_t i = 0; i < count; i++) {
        green__http_text_header(out, headers[i].name, headers[i].value);
    }
    connection->keep = can_keep(connection);
    add_framing(connection, status, length);
    if (!connection->keep) {
        green__http_text_header(out, "Connection", "close");
    } else if (connection->request.version_minor == 0) {
        green__http_text_header(out, "Connection", "keep-alive");
    }
    green__http_text_adds(out, "\r\n");
    if (out->err == 0) {
        connection->reply = GREEN__HTTP_BEGUN;
        connection->consent_due = false;
    }
    return out->err;
}

int
green_http_respond(struct green_http_request *request, int status,
                   const struct green_http_header *headers, size_t count, const void *body,
                   size_t length)
{
    struct green__http_connection *connection = green__http_connection_of(request);
    int err = make_head(connection, status, headers, count, length);
    if (err != 0) {
        return err;
    }
    connection->reply = GREEN__HTTP_WHOLE;
    err = send_joined(connection, body, connection->swallow ? 0 : length, "");
    connection->broken = connection->broken != 0 ? connection->broken : err;
    return err;
}

int
green_http_respond_start(struct green_http_request *request, int status,
                         const struct green_http_header *headers, size_t count, uint64_t length)
{
    struct green__http_connection *connection = green__http_connection_of(request);
    int err = make_head(connection, status, headers, count, length);
    if (err != 0) {
        return err;
    }
    return send_out(connection, connection->out.data, connection->out.length, false);
}

int
green_http_write(struct green_http_request *request, const void *buffer, size_t length)
{
    struct green__http_connection *connection = green__http_connection_of(request);
    if (connection->reply != GREEN__HTTP_BEGUN ||
        (connection->left != GREEN_HTTP_UNKNOWN && length > connection->left)) {
        return -EINVAL;
    }
    if (connection->left != GREEN_HTTP_UNKNOWN) {
        connection->left -= length;
    }
    if (connection->broken != 0 || connection->swallow || length == 0) {
        return connection->broken;
    }
    if (!connection->chunked) {
        return send_out(connection, buffer, length, false);
    }
    struct green__http_text *out = &connection->out;
    green__http_text_clear(out, JOINED_MAX * 2);
    green__http_text_addu(out, length, 16);
    green__http_text_adds(out, "\r\n");
    int err = send_joined(connection, buffer, length, "\r\n");
    connection->broken = connection->broken != 0 ? connection->broken : err;
    return err;
}

void
green__http_finish_reply(struct green__http_connection *connection)
{
    bool counted = connection->left != GREEN_HTTP_UNKNOWN;
    if (connection->chunked) {
        send_out(connection, "0\r\n\r\n", 5, false);
    } else if (counted && connection->left > 0 && !connection->swallow && connection->broken == 0) {
        connection->broken = -EINVAL;
    }
    connection->reply = GREEN__HTTP_WHOLE;
}

int
green__http_refuse(struct green__http_connection *connection, int status, const char *why)
{
    char body[200];
    size_t length = 0;
    const char *const words[] = {green_http_reason(status), why != NULL ? ": " : "",
                                 why != NULL ? why : "", "\n"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t part = strlen(words[i]);
        if (part > sizeof body - length) {
            part = sizeof body - length;
        }
        memcpy(body + length, words[i], part);
        length += part;
    }
    static const struct green_http_header header = {"Content-Type", "text/plain"};
    return green_http_respond(&connection->request, status, &header, 1, body, length);
}

void
green_http_close(struct green_http_request *request)
{
    green__http_connection_of(request)->keep = false;
}
