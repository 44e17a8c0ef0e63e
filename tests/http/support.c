/*
 * What the tests of HTTP share; see support.h.
 */
#include "support.h"

#include <netinet/in.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

void
text_bytes(struct text *text, const char *bytes, size_t length)
{
    ck_assert_uint_lt(length, sizeof text->data - text->length);
    memcpy(text->data + text->length, bytes, length);
    text->length += length;
    text->data[text->length] = '\0';
}

void
text_add(struct text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length =
        vsnprintf(text->data + text->length, sizeof text->data - text->length, format, args);
    va_end(args);
    text->length += (size_t)length;
}

/* ---- the server's side ---- */

static intptr_t
serve(void *arg)
{
    struct served *served = arg;
    if (green_job_kind(green_self()) == GREEN_PROCESS) {
        green_close(served->fd); /* a copy of ours would keep the peer's side open */
    }
    int err = green_http_serve(served->server_fd, served->handler, served->arg, served->options);
    green_close(served->server_fd);
    return err;
}

void
served_start(struct served *served, enum green_kind kind, green_http_handler handler, void *arg,
             const struct green_http_server_options *options)
{
    int fds[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    memset(served, 0, sizeof *served);
    served->fd = fds[0];
    served->server_fd = fds[1];
    served->handler = handler;
    served->arg = arg;
    served->options = options;
    struct green_spawn_options how = GREEN_SPAWN_OPTIONS;
    how.keep_all_fds = true;
    ck_assert_int_eq(green_spawn_as(kind, serve, served, &how, &served->job), 0);
    if (kind == GREEN_PROCESS) {
        green_close(served->server_fd);
    }
}

void
served_send(struct served *served, const char *bytes, size_t length)
{
    if (!served->gone) {
        served->gone = green_sendall(served->fd, bytes, length, 0) != 0;
    }
}

void
served_receive(struct served *served, struct text *text, const char *until)
{
    char byte;
    size_t line = text->length;
    struct green_timeout limit;
    green_timeout_start(&limit, LIMIT_MS);
    while (until == NULL || strstr(text->data, until) == NULL) {
        ssize_t got = green_recv(served->fd, &byte, 1, 0);
        served->reset = got == -ECONNRESET;
        if (got == 0 || served->reset) {
            break;
        }
        ck_assert_int_eq(got, 1);
        text_bytes(text, &byte, 1);
        if (byte == '\n') {
            bool dated = strncmp(text->data + line, "Date: ", 6) == 0;
            if (dated && text->length - line == 6 + 29 + 2) {
                text->length = line;
                text->data[line] = '\0';
            }
            line = text->length;
        }
    }
    green_timeout_stop(&limit);
}

int
served_end(struct served *served)
{
    intptr_t value;
    green_close(served->fd);
    ck_assert_int_eq(green_job_join(served->job, &value, green_after(LIMIT_MS)), 0);
    green_job_put(served->job);
    return (int)value;
}

int
converse(const char *bytes, size_t piece, green_http_handler handler, void *arg,
         const struct green_http_server_options *options, struct text *ret_text)
{
    struct served served;
    served_start(&served, GREEN_TASK, handler, arg, options);
    size_t length = strlen(bytes);
    piece = piece == 0 ? length : piece;
    for (size_t at = 0; at < length; at += piece) {
        served_send(&served, bytes + at, length - at < piece ? length - at : piece);
        green_yield();
        green_yield();
    }
    green_shutdown(served.fd, SHUT_WR);
    ret_text->length = 0;
    ret_text->data[0] = '\0';
    served_receive(&served, ret_text, NULL);
    return served_end(&served);
}

/* ---- raw servers ---- */

/**
 * How many bytes of what came make a request with its body; more than there are when it is not
 * whole. The head of one that waits for consent counts alone, and then its body: `*due`.
 */
static size_t
request_size(const char *request, size_t *due)
{
    if (*due > 0) {
        size_t size = *due;
        *due = strlen(request) < size ? size : 0;
        return size;
    }
    const char *end = strstr(request, "\r\n\r\n");
    if (end == NULL) {
        return SIZE_MAX;
    }
    size_t head = (size_t)(end - request) + 4;
    const char *counted = strstr(request, "Content-Length: ");
    const char *chunked = strstr(request, "Transfer-Encoding: chunked");
    if (chunked != NULL && chunked < end) {
        end = strstr(request, "\r\n0\r\n\r\n");
        return end == NULL ? SIZE_MAX : (size_t)(end - request) + 7;
    }
    size_t length = counted != NULL && counted < end ? (size_t)atoi(counted + 16) : 0;
    const char *expects = strstr(request, "Expect:");
    if (expects != NULL && expects < end) {
        *due = length;
        return head;
    }
    return head + length;
}

/** Answer the next request; whether the connection goes on. */
static bool
raw_answer(struct raw_server *server, int fd)
{
    if (server->next >= server->count) {
        return false;
    }
    const struct answer *answer = &server->answers[server->next++];
    if (answer->text != NULL) {
        green_sendall(fd, answer->text, strlen(answer->text), 0);
    }
    if (answer->hold) {
        green_sleep(LIMIT_MS);
    }
    return !answer->close && !answer->hold;
}

static void
raw_connection(struct raw_server *server, int fd)
{
    char request[8192] = "";
    size_t length = 0;
    size_t due = 0;
    for (;;) {
        size_t size = length == 0 ? SIZE_MAX : request_size(request, &due);
        if (size > length) {
            ssize_t got = green_recv(fd, request + length, sizeof request - 1 - length, 0);
            if (got <= 0) {
                return;
            }
            length += (size_t)got;
            request[length] = '\0';
            continue;
        }
        text_bytes(&server->trace, request, size);
        memmove(request, request + size, length - size + 1);
        length -= size;
        if (!raw_answer(server, fd)) {
            return;
        }
    }
}

struct raw_arg {
    struct raw_server *server;
    int fd;
};

static intptr_t
raw_serve(void *arg)
{
    struct raw_arg *mine = arg;
    raw_connection(mine->server, mine->fd);
    green_close(mine->fd);
    free(mine);
    return 0;
}

static intptr_t
raw_accept(void *arg)
{
    struct raw_server *server = arg;
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    options.daemon = true;
    int fd;
    while ((fd = green_accept(server->listener, NULL)) >= 0) {
        text_add(&server->trace, "connection\n");
        struct raw_arg *mine = malloc(sizeof *mine);
        *mine = (struct raw_arg){server, fd};
        green_spawn_as(GREEN_TASK, raw_serve, mine, &options, NULL);
    }
    return 0;
}

void
raw_server_start(struct raw_server *server, const struct answer *answers, size_t count)
{
    struct green_address address;
    char text[GREEN_ADDRESS_TEXT];
    memset(server, 0, sizeof *server);
    server->answers = answers;
    server->count = count;
    ck_assert_int_eq(green_address_parse("127.0.0.1", 0, &address), 0);
    server->listener = green_listen(&address, 64);
    ck_assert_int_ge(server->listener, 0);
    ck_assert_int_eq(
        getsockname(server->listener, (struct sockaddr *)&address.storage, &address.length), 0);
    snprintf(server->url, sizeof server->url, "http://%s",
             green_address_format(&address, text, sizeof text));
    ck_assert_int_eq(green_spawn(raw_accept, server, &server->job), 0);
}

void
raw_server_stop(struct raw_server *server)
{
    green_job_cancel(server->job);
    ck_assert_int_eq(green_job_join(server->job, NULL, green_after(LIMIT_MS)), 0);
    green_job_put(server->job);
    green_close(server->listener);
}

/* ---- memory that runs out ---- */

static atomic_long countdown;
static atomic_long live;

static bool
fails(void)
{
    long left = atomic_load(&countdown);
    if (left == 0) {
        return false;
    }
    if (left > 1) {
        atomic_store(&countdown, left - 1);
    }
    return left == 1;
}

static void *
hook_allocate(size_t size)
{
    void *block = fails() ? NULL : malloc(size);
    live += block != NULL;
    return block;
}

static void *
hook_reallocate(void *block, size_t size)
{
    void *moved = fails() ? NULL : realloc(block, size);
    live += block == NULL && moved != NULL;
    return moved;
}

static void
hook_release(void *block)
{
    live -= block != NULL;
    free(block);
}

void
allocations_fail(long nth)
{
    atomic_store(&countdown, nth);
}

void
allocations_hook(void)
{
    static const struct green_allocator hook = {hook_allocate, hook_reallocate, hook_release};
    ck_assert_int_eq(green_set_allocator(&hook), 0);
}

long
allocations_live(void)
{
    return atomic_load(&live);
}

/* ---- running ---- */

TCase *
new_case(Suite *suite, const char *name)
{
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    return tcase;
}

int
run_suite(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
