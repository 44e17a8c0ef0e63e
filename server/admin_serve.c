/*
 * The admin process: a loop of its own, a task a connection, routes in a table.
 *
 * Invariant: what changes something takes a POST with a header of ours and a Host that is ours, so
 * that no page from elsewhere can make a browser do it, by whatever name it reached us.
 */
#include "admin_serve.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <green.h>

#include "admin_history.h"
#include "admin_page.h"
#include "admin_text.h"
#include "options_table.h"
#include "settings.h"
#include "upper.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/** Nothing that is answered may be kept or sniffed, and the page loads from nowhere else. */
#define COMMON_HEADERS                                                                \
    {"Cache-Control", "no-store"}, {"X-Content-Type-Options", "nosniff"},             \
        {"X-Frame-Options", "DENY"},                                                  \
    {                                                                                 \
        "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; "  \
                                   "script-src 'unsafe-inline'; connect-src 'self'; " \
                                   "img-src data:"                                    \
    }

static int
reply(struct green_http_request *request, int status, const char *type, const char *body,
      size_t length)
{
    const struct green_http_header headers[] = {{"Content-Type", type}, COMMON_HEADERS};
    return green_http_respond(request, status, headers, COUNT(headers), body, length);
}

static int
reply_line(struct green_http_request *request, int status, const char *line)
{
    return reply(request, status, "text/plain; charset=utf-8", line, strlen(line));
}

static int
reply_text(struct green_http_request *request, const char *type, struct admin_text *text)
{
    int err = text->failed ? reply_line(request, 503, "there is no memory\n")
                           : reply(request, 200, type, text->bytes, text->length);
    admin_text_free(text);
    return err;
}

/* ---- what can be asked ---- */

static int
get_page(struct green_http_request *request, struct server *server)
{
    (void)server;
    return reply(request, 200, "text/html; charset=utf-8", admin_page, admin_page_length);
}

/** Alive: this process answers, and the one that it belongs to has not ended. */
static int
get_healthz(struct green_http_request *request, struct server *server)
{
    (void)server;
    return reply_line(request, 200, "ok\n");
}

static int
get_readyz(struct green_http_request *request, struct server *server)
{
    (void)server;
    static const char *const lines[] = {"starting\n", "ready\n", "draining\n"};
    uint64_t state = setting(SETTING_STATE);
    return reply_line(request, state == STATE_SERVING ? 200 : 503, lines[state]);
}

static int
get_metrics(struct green_http_request *request, struct server *server)
{
    struct admin_text text = {0};
    admin_metrics(&text, server);
    return reply_text(request, "text/plain; version=0.0.4; charset=utf-8", &text);
}

static int
get_status(struct green_http_request *request, struct server *server)
{
    struct admin_text text = {0};
    admin_status(&text, server);
    return reply_text(request, "application/json", &text);
}

static int
get_tasks(struct green_http_request *request, struct server *server)
{
    (void)server;
    struct admin_text text = {0};
    admin_tasks(&text);
    return reply_text(request, "text/plain; charset=utf-8", &text);
}

static int
get_config(struct green_http_request *request, struct server *server)
{
    struct admin_text text = {0};
    for (const struct options_row *row = options_rows; row->name != NULL; row++) {
        char value[OPTIONS_VALUE_MAX];
        options_format(&server->options, row, value, sizeof value);
        if (value[0] != '\0') {
            admin_text_add(&text, "%s = %s\n", row->name, value);
        }
    }
    return reply_text(request, "text/plain; charset=utf-8", &text);
}

/** How often samples are taken, and a page hears of us. */
#define SAMPLE_MS 1000

/** One event: the status, and the samples from this one on. */
static int
send_event(struct green_http_request *request, const struct server *server, uint64_t from)
{
    struct admin_text text = {0};
    admin_text_add(&text, "retry: 1000\ndata: {\"status\":");
    admin_status(&text, server);
    admin_text_add(&text, ",\"samples\":");
    admin_history_write(&text, from);
    admin_text_add(&text, "}\n\n");
    int err = text.failed ? -ENOMEM : green_http_write(request, text.bytes, text.length);
    admin_text_free(&text);
    return err;
}

/** Server-sent events, each second, until either side ends; the first has the last minutes. */
static int
get_events(struct green_http_request *request, struct server *server)
{
    const struct green_http_header headers[] = {{"Content-Type", "text/event-stream"},
                                                COMMON_HEADERS};
    int err = green_http_respond_start(request, 200, headers, COUNT(headers), GREEN_HTTP_UNKNOWN);
    uint64_t seen = 0;
    while (err == 0 && !green_http_draining(request)) {
        uint64_t from = seen;
        seen = admin_history_count();
        err = send_event(request, server, from);
        if (err == 0) {
            green_sleep(SAMPLE_MS);
        }
    }
    return err;
}

/** The service over HTTP: the body comes back upper-cased, while it is still being sent. */
static int
post_upper(struct green_http_request *request, struct server *server)
{
    const struct green_http_header headers[] = {{"Content-Type", "text/plain; charset=utf-8"},
                                                COMMON_HEADERS};
    unsigned char chunk[8192];
    unsigned char scratch[8192 + UPPER_HELD_MAX + UPPER_FORM_MAX];
    struct upper upper;
    upper_init(&upper, server->options.encoding);
    int err = green_http_respond_start(request, 200, headers, COUNT(headers), GREEN_HTTP_UNKNOWN);
    while (err == 0) {
        ssize_t got = green_http_read(request, chunk, sizeof chunk);
        if (got <= 0) {
            err = (int)got;
            break;
        }
        unsigned char *data = chunk;
        size_t length = (size_t)got;
        const unsigned char *slice;
        size_t size;
        while (err == 0 &&
               (size = upper_slice(&upper, &data, &length, scratch, sizeof scratch, &slice)) > 0) {
            err = green_http_write(request, slice, size);
        }
    }
    if (err == 0) {
        unsigned char held[UPPER_HELD_MAX];
        size_t length = upper_flush(&upper, held);
        err = length == 0 ? 0 : green_http_write(request, held, length);
    }
    return err;
}

/* ---- what can be done ---- */

/** Whether a request that changes something comes from our own page, or from a person's command. */
static bool
is_meant(const struct green_http_request *request)
{
    struct green_address own = {.length = sizeof own.storage};
    char text[GREEN_ADDRESS_TEXT];
    if (green_http_header(&request->headers, "X-Echod-Action") == NULL) {
        return false;
    }
    if (getsockname(request->fd, (struct sockaddr *)&own.storage, &own.length) != 0 ||
        own.storage.ss_family == AF_UNIX) {
        return true; /* no browser gets there */
    }
    green_address_format(&own, text, sizeof text);
    const char *port = strrchr(text, ':');
    return request->host != NULL && port != NULL &&
           (strcmp(request->host, text) == 0 || (strncasecmp(request->host, "localhost", 9) == 0 &&
                                                 strcmp(request->host + 9, port) == 0));
}

static int
post_drain(struct green_http_request *request, struct server *server)
{
    (void)server;
    int err = reply_line(request, 202, "draining\n");
    kill(getppid(), SIGTERM);
    return err;
}

static int
post_log_level(struct green_http_request *request, struct server *server)
{
    struct options options = server->options;
    char level[16];
    if (green_http_query_get(request->query, "level", level, sizeof level) < 0 ||
        !options_set(&options, options_find("log-level"), level)) {
        return reply_line(request, 400, "level is one of debug, info, warning, error\n");
    }
    atomic_store(&settings_page[SETTING_LOG_LEVEL], options.log_level);
    log_notice("the admin page has set the log level to %s", level);
    return reply_line(request, 200, "ok\n");
}

/* ---- routes ---- */

static const struct route {
    const char *method;
    const char *path;
    bool action; /* it changes something */
    int (*answer)(struct green_http_request *request, struct server *server);
} routes[] = {
    {"GET", "/", false, get_page},
    {"GET", "/healthz", false, get_healthz},
    {"GET", "/readyz", false, get_readyz},
    {"GET", "/metrics", false, get_metrics},
    {"GET", "/status", false, get_status},
    {"GET", "/config", false, get_config},
    {"GET", "/events", false, get_events},
    {"GET", "/tasks", false, get_tasks},
    {"POST", "/upper", false, post_upper},
    {"POST", "/drain", true, post_drain},
    {"POST", "/log-level", true, post_log_level},
};

static int
answer_action(struct green_http_request *request, struct server *server, const struct route *route)
{
    if (!server->options.admin_actions) {
        return reply_line(request, 403, "this takes --admin-actions\n");
    }
    if (!is_meant(request)) {
        return reply_line(request, 403, "this takes a header X-Echod-Action, and our own Host\n");
    }
    return route->answer(request, server);
}

static int
answer(struct green_http_request *request, void *arg)
{
    struct server *server = arg;
    const char *allowed = NULL;
    for (size_t i = 0; i < COUNT(routes); i++) {
        const struct route *route = &routes[i];
        if (strcmp(request->path, route->path) != 0) {
            continue;
        }
        bool head = strcmp(request->method, "HEAD") == 0 && strcmp(route->method, "GET") == 0;
        if (head || strcmp(request->method, route->method) == 0) {
            return route->action ? answer_action(request, server, route)
                                 : route->answer(request, server);
        }
        allowed = route->method;
    }
    if (allowed != NULL) {
        const struct green_http_header headers[] = {{"Allow", allowed}, COMMON_HEADERS};
        return green_http_respond(request, 405, headers, COUNT(headers), NULL, 0);
    }
    return reply_line(request, 404, "there is no such page\n");
}

static int
serve_connection(int fd, void *arg)
{
    struct green_http_server_options options = GREEN_HTTP_SERVER_OPTIONS;
    options.max_body_bytes = UINT64_MAX; /* it is streamed */
    return green_http_serve(fd, answer, arg, &options);
}

int
admin_serve(struct server *server)
{
    struct green_server_options options = GREEN_SERVER_OPTIONS;
    struct green_server *stream = NULL;
    options.limit = 256;
    int err = green_server_create(serve_connection, server, &options, &stream);
    if (err == 0) {
        err = green_server_listen(stream, server->listeners.admin_fd);
    }
    if (err != 0) {
        log_write(LOG_ERROR, "the admin pages cannot be served: %s", green_strerror(err));
        return 1;
    }
    do { /* it ends with the process that it belongs to */
        admin_history_sample();
    } while (green_sleep(SAMPLE_MS) == 0);
    return 0;
}
