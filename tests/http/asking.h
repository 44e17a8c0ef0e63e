/*
 * A client, and a raw server that it asks: what the tests of the client's side share.
 */
#ifndef TESTS_HTTP_ASKING_H
#define TESTS_HTTP_ASKING_H

#include "support.h"

/** The beginning of an answer with a body of so many bytes. */
#define OK(length) "HTTP/1.1 200 OK\r\nContent-Length: " #length "\r\n\r\n"

/** An answer that redirects. */
#define TO(status, where)                                                                        \
    {                                                                                            \
        "HTTP/1.1 " status " X\r\nLocation: " where "\r\nContent-Length: 5\r\n\r\nmoved", false, \
            false                                                                                \
    }

extern struct raw_server server;
extern struct green_http_client *client;

/** A GET. */
extern const struct green_http_call plain;

void start(const struct answer *answers, size_t count,
           const struct green_http_client_options *options);
void stop(void);

/** Make a call to a path of the server, or a URL; adds "status [body]" or its error to a trace. */
void ask(struct text *trace, const char *path, struct green_http_call call);

/** What the server saw, without the headers that are the same everywhere. */
const char *seen(void);

/** A body from a row of strings that NULL ends: a green_http_source. */
struct source {
    const char *const *pieces;
    int end; /**< What the end gives. */
};
ssize_t give(void *arg, void *buffer, size_t length);

#endif
