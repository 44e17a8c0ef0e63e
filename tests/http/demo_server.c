/*
 * A small HTTP server on the library, for tests with other people's clients.
 *
 * usage: demo_server [task|thread|process]
 *
 * Says "listening on http://127.0.0.1:PORT" on standard output; SIGTERM drains it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "green.h"

static const struct green_http_header text_type = {"Content-Type", "text/plain"};

static int
hello(struct green_http_request *request)
{
    return green_http_respond(request, 200, &text_type, 1, "hello\n", 6);
}

/** The body back, as it comes. */
static int
echo(struct green_http_request *request)
{
    char buffer[8192];
    int err = green_http_respond_start(request, 200, NULL, 0, request->body_length);
    ssize_t got = 0;
    while (err == 0 && (got = green_http_read(request, buffer, sizeof buffer)) > 0) {
        err = green_http_write(request, buffer, (size_t)got);
    }
    return err != 0 ? err : (int)got;
}

/** How many bytes the body has. */
static int
count(struct green_http_request *request)
{
    char buffer[8192];
    uint64_t total = 0;
    ssize_t got;
    while ((got = green_http_read(request, buffer, sizeof buffer)) > 0) {
        total += (uint64_t)got;
    }
    if (got < 0) {
        return (int)got;
    }
    int length = snprintf(buffer, sizeof buffer, "%llu\n", (unsigned long long)total);
    return green_http_respond(request, 200, &text_type, 1, buffer, (size_t)length);
}

/** As many bytes as ?size= says, counted, or in chunks. */
static int
fill(struct green_http_request *request, bool chunked)
{
    char value[20] = "0";
    static char block[65536];
    (void)green_http_query_get(request->query, "size", value, sizeof value);
    uint64_t left = strtoull(value, NULL, 10);
    memset(block, 'x', sizeof block);
    int err = green_http_respond_start(request, 200, NULL, 0, chunked ? GREEN_HTTP_UNKNOWN : left);
    while (err == 0 && left > 0) {
        size_t part = left < sizeof block ? (size_t)left : sizeof block;
        err = green_http_write(request, block, part);
        left -= part;
    }
    return err;
}

static int
redirect(struct green_http_request *request)
{
    char to[512];
    char status[4] = "302";
    ssize_t length = green_http_query_get(request->query, "to", to, sizeof to);
    (void)green_http_query_get(request->query, "status", status, sizeof status);
    if (length < 0) {
        return green_http_respond(request, 400, &text_type, 1, "to what?\n", 9);
    }
    const struct green_http_header header = {"Location", to};
    return green_http_respond(request, atoi(status), &header, 1, NULL, 0);
}

/** What was asked, header by header. */
static int
mirror(struct green_http_request *request)
{
    int err = green_http_respond_start(request, 200, &text_type, 1, GREEN_HTTP_UNKNOWN);
    err = err != 0 ? err : green_http_write(request, request->method, strlen(request->method));
    err = err != 0 ? err : green_http_write(request, " ", 1);
    err = err != 0 ? err : green_http_write(request, request->target, strlen(request->target));
    err = err != 0 ? err : green_http_write(request, "\n", 1);
    for (size_t i = 0; err == 0 && i < request->headers.count; i++) {
        const struct green_http_header *header = &request->headers.items[i];
        char line[1024];
        int length = snprintf(line, sizeof line, "%s: %s\n", header->name, header->value);
        err = green_http_write(request, line,
                               (size_t)length < sizeof line ? (size_t)length : sizeof line - 1);
    }
    return err;
}

/** One event every few milliseconds, until the client has enough or the server drains. */
static int
events(struct green_http_request *request)
{
    static const struct green_http_header type = {"Content-Type", "text/event-stream"};
    int err = green_http_respond_start(request, 200, &type, 1, GREEN_HTTP_UNKNOWN);
    for (int i = 0; err == 0 && !green_http_draining(request); i++) {
        char event[32];
        int length = snprintf(event, sizeof event, "data: %d\n\n", i);
        err = green_http_write(request, event, (size_t)length);
        err = err != 0 ? err : green_sleep(5);
    }
    return err;
}

static int
answer(struct green_http_request *request, void *arg)
{
    (void)arg;
    const char *path = request->path;
    if (strcmp(path, "/hello") == 0) {
        return hello(request);
    }
    if (strcmp(path, "/echo") == 0) {
        return echo(request);
    }
    if (strcmp(path, "/count") == 0) {
        return count(request);
    }
    if (strcmp(path, "/bytes") == 0 || strcmp(path, "/chunks") == 0) {
        return fill(request, path[1] == 'c');
    }
    if (strcmp(path, "/redirect") == 0) {
        return redirect(request);
    }
    if (strcmp(path, "/mirror") == 0) {
        return mirror(request);
    }
    if (strcmp(path, "/events") == 0) {
        return events(request);
    }
    return green_http_respond(request, 404, &text_type, 1, "not here\n", 9);
}

static int
serve(int fd, void *config)
{
    return green_http_serve(fd, answer, NULL, config);
}

static int
run(enum green_kind kind, int stop)
{
    struct green_http_server_options http = GREEN_HTTP_SERVER_OPTIONS;
    struct green_server_options options = GREEN_SERVER_OPTIONS;
    struct green_address address;
    char text[GREEN_ADDRESS_TEXT];
    struct green_server *server;
    http.max_body_bytes = 100 << 20;
    http.linger_ms = 200;
    options.kind = kind;
    green_address_parse("127.0.0.1", 0, &address);
    int fd = green_listen(&address, 1024);
    int err = fd < 0 ? fd : green_server_create(serve, &http, &options, &server);
    if (err != 0 || getsockname(fd, (struct sockaddr *)&address.storage, &address.length) != 0) {
        return err;
    }
    err = green_server_listen(server, fd);
    if (err == 0) {
        printf("listening on http://%s\n", green_address_format(&address, text, sizeof text));
        fflush(stdout);
        err = green_wait_fd(stop, POLLIN, GREEN_FOREVER);
        err = err < 0 ? err : green_server_stop(server, green_after(10000));
    }
    if (err == 0) {
        green_server_destroy(server);
    }
    return err;
}

int
main(int argc, char **argv)
{
    static const char *const kinds[] = {"task", "thread", "process"};
    int kind = 0;
    while (argc > 1 && kind < 3 && strcmp(argv[1], kinds[kind]) != 0) {
        kind++;
    }
    if (kind == 3) {
        fprintf(stderr, "usage: demo_server [task|thread|process]\n");
        return 2;
    }
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int err = run((enum green_kind)kind, signalfd(-1, &set, SFD_CLOEXEC));
    if (err < 0) {
        fprintf(stderr, "demo_server: %s\n", green_strerror(err));
    }
    return err < 0;
}
