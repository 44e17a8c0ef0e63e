/*
 * A client and a raw server to ask; see asking.h.
 */
#include "asking.h"

#include <stdio.h>

struct raw_server server;
struct green_http_client *client;

void
start(const struct answer *answers, size_t count, const struct green_http_client_options *options)
{
    raw_server_start(&server, answers, count);
    ck_assert_int_eq(green_http_client_create(options, &client), 0);
}

void
stop(void)
{
    green_http_client_destroy(client);
    raw_server_stop(&server);
}

void
ask(struct text *trace, const char *path, struct green_http_call call)
{
    char url[128];
    struct green_http_response *response;
    struct green_http_error error = {0};
    snprintf(url, sizeof url, "%s%s", strchr(path, ':') != NULL ? "" : server.url, path);
    call.url = url;
    int err = green_http_request(client, &call, &response, &error);
    if (err != 0) {
        ck_assert_int_eq(err, error.code);
        text_add(trace, "%s: %s\n", strerrorname_np(-err), error.text);
        return;
    }
    const char *body;
    size_t length;
    err = green_http_response_body(response, &body, &length);
    if (err == 0) {
        text_add(trace, "%d [%.*s]\n", response->status, (int)length, body);
        ck_assert_int_eq(green_http_response_body(response, &body, &length), 0);
    } else {
        ck_assert_int_eq(err, response->error.code);
        text_add(trace, "%d %s: %s\n", response->status, strerrorname_np(-err),
                 response->error.text);
        ck_assert_int_eq(green_http_response_read(response, url, 1), err);
    }
    green_http_response_close(response);
}

const char *
seen(void)
{
    static struct text out;
    out.length = 0;
    out.data[0] = '\0';
    char host[80];
    snprintf(host, sizeof host, "Host: %.50s\r\nUser-Agent: green\r\n", server.url + 7);
    const char *at = server.trace.data;
    const char *next;
    while ((next = strstr(at, host)) != NULL) {
        text_bytes(&out, at, (size_t)(next - at));
        at = next + strlen(host);
    }
    text_add(&out, "%s", at);
    return out.data;
}

const struct green_http_call plain;

ssize_t
give(void *arg, void *buffer, size_t length)
{
    struct source *source = arg;
    if (*source->pieces == NULL) {
        return source->end;
    }
    size_t size = strlen(*source->pieces);
    ck_assert_uint_le(size, length);
    memcpy(buffer, *source->pieces++, size);
    return (ssize_t)size;
}
