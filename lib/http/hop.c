/*
 * One request to one server, up to the head of its response.
 *
 * Invariant: a request is sent twice only when the first try went to a kept connection that ended
 * before a byte of an answer came, the method is idempotent and the body can be had again; and then
 * once, on a new connection. Called by the worker that asks.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "green/base.h"
#include "http/client.h"

/** What a source is asked for at a time, in bytes. */
#define PIECE 16384

/** The longest status line, in bytes. */
#define STATUS_LINE_MAX 4096

/** More interim answers in a row than any server sends. */
#define INTERIM_MAX 16

int
green__http_error(struct green_http_error *error, int code, const char *text)
{
    if (error != NULL) {
        size_t length = strnlen(text, sizeof error->text - 1);
        error->code = code;
        memcpy(error->text, text, length);
        error->text[length] = '\0';
    }
    return code;
}

int
green__http_error_or(struct green_http_error *error, int code, const char *text)
{
    return green__http_error(error, code, text != NULL ? text : green_strerror(code));
}

static bool
is_idempotent(const char *method)
{
    static const char *const methods[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (strcmp(method, methods[i]) == 0) {
            return true;
        }
    }
    return false;
}

/** Whether a header of the call's goes with this hop. */
static bool
goes_along(const struct green__http_hop *hop, const char *name)
{
    static const char *const secrets[] = {"Authorization", "Cookie", "Proxy-Authorization", "Host"};
    for (size_t i = 0; hop->foreign && i < sizeof secrets / sizeof secrets[0]; i++) {
        if (green__http_same(name, secrets[i])) {
            return false;
        }
    }
    bool of_body = strncasecmp(name, "Content-", 8) == 0;
    bool had_body = hop->call->body != NULL || hop->call->source != NULL;
    return !of_body || hop->has_body || !had_body;
}

/** The length of the hop's body; GREEN_HTTP_UNKNOWN for chunks. */
static uint64_t
body_length(const struct green__http_hop *hop)
{
    if (!hop->has_body) {
        return 0;
    }
    return hop->call->source != NULL ? hop->call->source_length : hop->call->body_length;
}

/** The request's head. */
static void
make_head(struct green__http_response *response, const struct green__http_hop *hop,
          struct green__http_text *out)
{
    const struct green_http_call *call = hop->call;
    const struct green_http_client *client = response->client;
    const struct green_http_headers given = {call->headers, call->header_count};
    green__http_text_adds(out, hop->method);
    green__http_text_adds(out, " ");
    green__http_text_adds(out, hop->url.target_length == 0 || hop->url.target[0] != '/' ? "/" : "");
    green__http_text_add(out, hop->url.target, hop->url.target_length);
    green__http_text_adds(out, " HTTP/1.1\r\n");
    if (hop->foreign || green_http_header(&given, "Host") == NULL) {
        green__http_text_adds(out, "Host: ");
        green__http_url_authority(&hop->url, out);
        green__http_text_adds(out, "\r\n");
    }
    if (client->user_agent != NULL && green_http_header(&given, "User-Agent") == NULL) {
        green__http_text_header(out, "User-Agent", client->user_agent);
    }
    for (size_t i = 0; i < call->header_count; i++) {
        if (goes_along(hop, call->headers[i].name)) {
            green__http_text_header(out, call->headers[i].name, call->headers[i].value);
        }
    }
    uint64_t length = body_length(hop);
    bool wants_length = strcmp(hop->method, "POST") == 0 || strcmp(hop->method, "PUT") == 0 ||
                        strcmp(hop->method, "PATCH") == 0;
    if (length == GREEN_HTTP_UNKNOWN) {
        green__http_text_header(out, "Transfer-Encoding", "chunked");
    } else if (hop->has_body || wants_length) {
        green__http_text_adds(out, "Content-Length: ");
        green__http_text_addu(out, length, 10);
        green__http_text_adds(out, "\r\n");
    }
    if (call->expect_continue && length > 0) {
        green__http_text_header(out, "Expect", "100-continue");
    }
    if (call->close || client->options.max_idle == 0) {
        green__http_text_header(out, "Connection", "close");
    }
    green__http_text_adds(out, "\r\n");
}

static int
send_bytes(struct green__http_response *response, const void *bytes, size_t length, bool more)
{
    return green__http_stream_send(&response->link->stream, bytes, length, more ? MSG_MORE : 0,
                                   response->client->options.write_timeout_ms);
}

/** Send what a source gives. */
static int
send_source(struct green__http_response *response, struct green__http_hop *hop)
{
    const struct green_http_call *call = hop->call;
    bool chunked = call->source_length == GREEN_HTTP_UNKNOWN;
    uint64_t left = call->source_length;
    char *piece = green__alloc(PIECE);
    if (piece == NULL) {
        return -ENOMEM;
    }
    struct green__http_text line = {0};
    int err = 0;
    while (err == 0 && left > 0) {
        hop->source_used = true;
        ssize_t got = call->source(call->source_arg, piece, left < PIECE ? (size_t)left : PIECE);
        if (got < 0 || got > PIECE || (got == 0 && !chunked) || (uint64_t)got > left) {
            /* It failed, or gave less than was announced. */
            hop->source_err = got < 0 ? (int)got : -EINVAL;
            err = hop->source_err;
        } else if (!chunked) {
            left -= (uint64_t)got;
            err = send_bytes(response, piece, (size_t)got, false);
        } else {
            green__http_text_clear(&line, PIECE);
            green__http_text_addu(&line, (uint64_t)got, 16);
            green__http_text_adds(&line, "\r\n");
            err = line.err != 0 ? line.err : send_bytes(response, line.data, line.length, true);
            err = err != 0 ? err : send_bytes(response, piece, (size_t)got, true);
            err = err != 0 ? err : send_bytes(response, "\r\n", 2, false);
            left = got == 0 ? 0 : left;
        }
    }
    green__http_text_fini(&line);
    green__free(piece);
    return err;
}

static int
send_body(struct green__http_response *response, struct green__http_hop *hop)
{
    const struct green_http_call *call = hop->call;
    if (!hop->has_body) {
        return 0;
    }
    return call->source != NULL ? send_source(response, hop)
                                : send_bytes(response, call->body, call->body_length, false);
}

/**
 * Receive a head: 0 when it is there. `begun` tells whether any of it came.
 */
static int
receive_head(struct green__http_response *response, uint64_t timeout_ms, bool to_head)
{
    const struct green_http_client_options *options = &response->client->options;
    const struct green__http_limits limits = {STATUS_LINE_MAX, options->max_header_bytes,
                                              options->max_header_count};
    struct green__http_head *head = &response->head;
    green_deadline deadline = green_after(timeout_ms);
    for (;;) {
        int complete = green__http_head_feed(head, &response->link->stream, &limits);
        if (complete != 0) {
            return complete < 0 ? complete : green__http_head_parse_response(head, to_head);
        }
        ssize_t got = green__http_stream_fill(&response->link->stream, green__http_until(deadline));
        if (got == 0) {
            green__http_head_fail(head, 400, "the stream ended where a response was due");
            return -EPROTO;
        }
        if (got < 0) {
            return (int)got;
        }
    }
}

/**
 * Receive the head of the final response.
 *
 * @param consent  Return 0 at "100 Continue" as well, with its head; -ETIMEDOUT: it did not come.
 */
static int
receive(struct green__http_response *response, const struct green__http_hop *hop, bool consent)
{
    const struct green_http_client_options *options = &response->client->options;
    struct green__http_head *head = &response->head;
    bool to_head = strcmp(hop->method, "HEAD") == 0;
    for (unsigned interim = 0; interim < INTERIM_MAX; interim++) {
        uint64_t timeout_ms = consent && options->expect_timeout_ms < options->response_timeout_ms
                                  ? options->expect_timeout_ms
                                  : options->response_timeout_ms;
        int err = receive_head(response, timeout_ms, to_head);
        if (err != 0 || head->code >= 200 || (consent && head->code == 100)) {
            return err;
        }
        if (head->code == 101) {
            return green__http_head_fail(head, 400, "the server switches protocols unasked");
        }
        green__http_head_clear(head);
    }
    return green__http_head_fail(head, 400, "too many interim responses");
}

/** Wait for the server's consent to the body: 0, or 1 when it gave its final answer instead. */
static int
await_consent(struct green__http_response *response, const struct green__http_hop *hop)
{
    int err = receive(response, hop, true);
    if (err == -ETIMEDOUT && response->link->stream.timed_out &&
        !green__http_head_begun(&response->head)) {
        return 0; /* RFC 9110, section 10.1.1: not for ever */
    }
    if (err != 0 || response->head.code != 100) {
        return err != 0 ? err : 1;
    }
    green__http_head_clear(&response->head);
    return 0;
}

/** Send the request and receive the head of its response on a connection. */
static int
talk(struct green__http_response *response, struct green__http_hop *hop)
{
    struct green__http_text out = {0};
    make_head(response, hop, &out);
    bool expects = hop->call->expect_continue && body_length(hop) > 0;
    bool joins = hop->has_body && !expects && hop->call->source == NULL && body_length(hop) > 0;
    int err = out.err;
    if (err == 0) {
        err = send_bytes(response, out.data, out.length, joins);
    }
    green__http_text_fini(&out);
    bool answered = false;
    bool unsent = false;
    if (err == 0 && expects) {
        err = await_consent(response, hop);
        answered = err == 1;
        err = answered ? 0 : err;
    }
    if (err == 0 && !answered) {
        err = send_body(response, hop);
        /* A server that refuses a body may stop reading it: it has said why. */
        unsent = hop->source_err == 0 && (err == -EPIPE || err == -ECONNRESET);
    }
    if ((err == 0 || unsent) && !answered) {
        int received = receive(response, hop, false);
        err = unsent && received != 0 ? err : received;
    }
    response->keep =
        err == 0 && !unsent && !answered && !hop->call->close && response->head.keep_alive;
    return err;
}

/** Whether a failure means that a kept connection had ended before the request reached the server.
 */
static bool
was_stale(const struct green__http_response *response, int err)
{
    return response->link->kept && !green__http_head_begun(&response->head) &&
           (err == -EPIPE || err == -ECONNRESET ||
            (err == -EPROTO && response->link->stream.ended));
}

int
green__http_hop(struct green__http_response *response, struct green__http_hop *hop,
                struct green_http_error *error)
{
    bool fresh = false;
    for (;;) {
        green__http_head_clear(&response->head);
        int err = green__http_link_get(response->client, &hop->url, fresh, &response->link);
        if (err != 0) {
            return green__http_error_or(error, err, err == -ENOENT ? "the host is unknown" : NULL);
        }
        err = talk(response, hop);
        if (err == 0) {
            return 0;
        }
        bool again = was_stale(response, err) && is_idempotent(hop->method) && !hop->source_used;
        bool timed_out = err == -ETIMEDOUT && response->link->stream.timed_out;
        green__http_link_close(response->link);
        response->link = NULL;
        if (!again) {
            const char *why = timed_out ? "the server took too long" : response->head.why;
            return green__http_error_or(error, err,
                                        hop->source_err != 0 ? "the body's source failed" : why);
        }
        fresh = true;
    }
}
