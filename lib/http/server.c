/*
 * Serving one connection.
 *
 * Invariant: everything runs shielded but the wait for the first byte of a request, so that a
 * cancellation, or the end of a scope around the call, finds either nothing in progress or lets it
 * finish. Answers go out in the order of the requests since one is read after the other's answer.
 * The worker that accepted the connection calls.
 */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "http/connection.h"
#include "sched/wait.h"

bool
green__http_stopping(struct green__http_connection *connection)
{
    struct green_job *self = green__self();
    const struct green_timeout *scope = connection->shield.outer;
    if (connection->stop == 0) {
        (void)green__wait_check(self); /* a thread takes note of a cancellation */
        if (self->cancelled && !connection->outer_shield) {
            connection->stop = -ECANCELED;
        } else if (scope != NULL && scope->effective <= green__clock_now()) {
            connection->stop = -ETIMEDOUT;
        }
    }
    return connection->stop != 0;
}

bool
green_http_draining(struct green_http_request *request)
{
    return green__http_stopping(green__http_connection_of(request));
}

/** Wait for the first byte of a request: 1 when it is there, 0 when there will be none. */
static int
await_request(struct green__http_connection *connection)
{
    struct green__http_stream *stream = &connection->stream;
    if (green__http_stream_held(stream) > 0) {
        return 1;
    }
    if (!green__http_stopping(connection)) {
        green_shield_stop(&connection->shield);
        ssize_t got = green__http_stream_fill(stream, connection->options->idle_timeout_ms);
        green_shield_start(&connection->shield);
        bool stopped = got == -ECANCELED || (got == -ETIMEDOUT && !stream->timed_out);
        if (!stopped || !green__http_stopping(connection)) {
            bool idle = got == -ETIMEDOUT && stream->timed_out;
            return got > 0 ? 1 : idle ? 0 : (int)got;
        }
    }
    /* A request that is on its way already is answered yet. */
    ssize_t got = green__http_stream_fill(stream, connection->options->drain_quiet_ms);
    return got > 0 ? 1 : connection->stop;
}

/** Collect a head: 0, or a failure with the head's status set when an answer is due. */
static int
read_head(struct green__http_connection *connection)
{
    const struct green_http_server_options *options = connection->options;
    const struct green__http_limits limits = {options->max_request_line, options->max_header_bytes,
                                              options->max_header_count};
    struct green__http_head *head = &connection->head;
    green_deadline deadline = green_after(options->header_timeout_ms);
    for (;;) {
        int complete = green__http_head_feed(head, &connection->stream, &limits);
        if (complete != 0) {
            return complete < 0 ? complete : green__http_head_parse_request(head);
        }
        ssize_t got = green__http_stream_fill(&connection->stream, green__http_until(deadline));
        if (got == -ETIMEDOUT && connection->stream.timed_out) {
            green__http_head_fail(head, 408, "the head took too long");
        } else if (got == 0) {
            return green__http_head_fail(head, 400, "the stream ended within a head");
        }
        if (got < 0) {
            return (int)got;
        }
    }
}

static void
begin_exchange(struct green__http_connection *connection)
{
    const struct green__http_head *head = &connection->head;
    const struct green_http_server_options *options = connection->options;
    connection->request = (struct green_http_request){
        .method = head->method != NULL ? head->method : "",
        .target = head->target,
        .path = head->path,
        .query = head->query,
        .host = head->host,
        .version_minor = head->minor,
        .headers = head->headers,
        .body_length = head->framing == GREEN__HTTP_CHUNKED ? GREEN_HTTP_UNKNOWN : head->length,
        .fd = connection->stream.fd,
    };
    green__http_body_init(&connection->body, head, options->max_body_bytes,
                          options->max_header_bytes);
    connection->requests++;
    connection->keep = head->keep_alive;
    connection->consent_due = head->expects && !connection->body.done;
    connection->swallow = false;
    connection->chunked = false;
    connection->reply = GREEN__HTTP_SILENT;
    connection->left = 0;
    connection->waited_ns = 0;
}

/** What a failure of the request's body is called. */
static int
status_of(int err)
{
    return err == -EMSGSIZE ? 413 : err == -ETIMEDOUT ? 408 : err == -EPROTO ? 400 : 500;
}

/** Answer for a handler that failed, or said nothing. */
static void
answer_for_handler(struct green__http_connection *connection)
{
    const struct green__http_body *body = &connection->body;
    int err =
        green__http_refuse(connection, body->err != 0 ? status_of(body->err) : 500, body->why);
    if (err != 0) {
        /* Going on would let the next answer be taken for this one. */
        connection->broken = err;
    }
}

/** Read what the handler left of the body: whether the connection can go on. */
static bool
skip_body(struct green__http_connection *connection)
{
    char waste[1024];
    size_t skipped = 0;
    ssize_t got = 1;
    while (got > 0 && skipped < GREEN__HTTP_SKIP_MAX) {
        got = green_http_read(&connection->request, waste, sizeof waste);
        skipped += got > 0 ? (size_t)got : 0;
    }
    return got == 0;
}

static int
run_handler(struct green__http_connection *connection, green_http_handler handler, void *arg)
{
    if (!connection->options->cancel_handlers) {
        return handler(&connection->request, arg);
    }
    green_shield_stop(&connection->shield);
    int err = handler(&connection->request, arg);
    green_shield_start(&connection->shield);
    return err;
}

/** One request and its answer: 0 to go on, 1 at an orderly end, or a failure. */
static int
exchange(struct green__http_connection *connection, green_http_handler handler, void *arg)
{
    int err = read_head(connection);
    const struct green__http_head *head = &connection->head;
    begin_exchange(connection);
    if (err != 0) {
        connection->keep = false;
        if (head->status != 0) {
            connection->body.done = true;
            green__http_refuse(connection, head->status, head->why);
        }
        return err;
    }
    if (connection->body.left > connection->options->max_body_bytes) {
        connection->keep = false;
        green__http_refuse(connection, 413, "the body is too long");
        return -EMSGSIZE;
    }
    int result = run_handler(connection, handler, arg);
    if (connection->reply == GREEN__HTTP_SILENT) {
        answer_for_handler(connection);
    } else if (connection->reply == GREEN__HTTP_BEGUN) {
        if (result < 0) {
            connection->broken = connection->broken != 0 ? connection->broken : result;
        } else {
            green__http_finish_reply(connection);
        }
    }
    bool next = connection->broken == 0 && connection->keep && skip_body(connection);
    if (connection->broken != 0 || connection->body.err != 0) {
        return connection->broken != 0 ? connection->broken : connection->body.err;
    }
    return next ? 0 : 1;
}

static int
serve(struct green__http_connection *connection, green_http_handler handler, void *arg)
{
    int err = 0;
    while (err == 0) {
        green__http_head_clear(&connection->head);
        err = await_request(connection);
        if (err <= 0) {
            break;
        }
        err = exchange(connection, handler, arg);
    }
    /* At an orderly end the reason to stop, if there is one, is what the caller wants to know. */
    err = err > 0 ? connection->stop : err;
    if (connection->broken != 0) {
        /* The client shall see that something is missing. */
        green__http_stream_cut(&connection->stream);
    } else {
        green__http_stream_finish(&connection->stream, connection->options->linger_ms);
    }
    return err;
}

int
green_http_serve(int fd, green_http_handler handler, void *arg,
                 const struct green_http_server_options *options)
{
    static const struct green_http_server_options defaults = GREEN_HTTP_SERVER_OPTIONS;
    options = options != NULL ? options : &defaults;
    if (options->max_request_line > GREEN__HTTP_HEAD_MAX ||
        options->max_header_bytes > GREEN__HTTP_HEAD_MAX - options->max_request_line) {
        return -EINVAL;
    }
    struct green__http_connection *connection = green__alloc(sizeof *connection);
    if (connection == NULL) {
        return -ENOMEM;
    }
    memset(connection, 0, offsetof(struct green__http_connection, stream));
    green__http_stream_init(&connection->stream, fd);
    connection->options = options;
    connection->date_of = INT64_MIN;
    connection->outer_shield = green__self()->shields > 0;
    green_shield_start(&connection->shield);
    int err = serve(connection, handler, arg);
    green_shield_stop(&connection->shield);
    green__http_head_fini(&connection->head);
    green__http_text_fini(&connection->out);
    green__free(connection);
    return err;
}

/** Tell a client that waits for our consent to send the body. */
static int
consent(struct green__http_connection *connection)
{
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (!connection->consent_due || green__http_stream_held(&connection->stream) > 0) {
        return 0;
    }
    connection->consent_due = false;
    int err = green__http_stream_send(&connection->stream, line, sizeof line - 1, 0,
                                      connection->options->write_timeout_ms);
    connection->broken = err;
    return err;
}

ssize_t
green_http_read(struct green_http_request *request, void *buffer, size_t length)
{
    struct green__http_connection *connection = green__http_connection_of(request);
    const struct green_http_server_options *options = connection->options;
    struct green__http_body *body = &connection->body;
    if (body->err == 0 && !body->done) {
        body->err = consent(connection);
    }
    uint64_t rate = options->min_body_rate > 0 ? options->min_body_rate : 1;
    uint64_t earned_ms = body->received / rate * 1000;
    uint64_t allowed_ms = options->body_timeout_ms > UINT64_MAX - earned_ms
                              ? UINT64_MAX
                              : options->body_timeout_ms + earned_ms;
    uint64_t waited_ms = connection->waited_ns / GREEN__NS_PER_MS;
    uint64_t begun = green__clock_now();
    ssize_t got = green__http_body_read(body, &connection->stream, buffer, length,
                                        allowed_ms > waited_ms ? allowed_ms - waited_ms : 0);
    connection->waited_ns += green__clock_now() - begun;
    if (got < 0 && body->err == -ETIMEDOUT && body->why == NULL) {
        body->why = "the body took too long";
    }
    return got;
}
