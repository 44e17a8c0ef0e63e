/*
 * What the tests of HTTP share: a server's side of a connection fed with raw bytes, and raw servers
 * for the client's side that answer by a script.
 */
#ifndef TESTS_HTTP_SUPPORT_H
#define TESTS_HTTP_SUPPORT_H

#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include "green.h"

/** No wait of these tests takes so long unless something is broken. */
#define LIMIT_MS 10000

/** Past the last kind; valgrind 3.19 knows no pidfd_open(), without which there are no processes.
 */
#ifdef GREEN__VALGRIND
#define KINDS GREEN_PROCESS
#else
#define KINDS (GREEN_PROCESS + 1)
#endif

/** Text that grows; events of a test, one a line. */
struct text {
    size_t length;
    char data[65536];
};
void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_bytes(struct text *text, const char *bytes, size_t length);

/** A connection that is served by a job while the test speaks to it. */
struct served {
    int fd; /**< The test's side. */
    int server_fd;
    green_http_handler handler;
    void *arg;
    const struct green_http_server_options *options;
    struct green_job *job;
    bool gone;  /**< The server closed while something was sent. */
    bool reset; /**< The stream ended by a reset. */
};
void served_start(struct served *served, enum green_kind kind, green_http_handler handler,
                  void *arg, const struct green_http_server_options *options);
void served_send(struct served *served, const char *bytes, size_t length);

/** Append what comes up to the end of the stream, or up to `until`; Date headers are left out. */
void served_receive(struct served *served, struct text *text, const char *until);

/** Join the job, close both sides: what green_http_serve() returned. */
int served_end(struct served *served);

/**
 * The whole conversation: bytes sent in pieces of a size (0: at once), our side ended, everything
 * received.
 */
int converse(const char *bytes, size_t piece, green_http_handler handler, void *arg,
             const struct green_http_server_options *options, struct text *ret_text);

/** A raw server: answers the n-th request it gets, over all its connections, by the n-th answer. */
struct answer {
    const char *text; /**< NULL: says nothing. */
    bool close;       /**< Ends the connection after it. */
    bool hold;        /**< Sends nothing more, but keeps the connection until the end. */
};
struct raw_server {
    char url[64]; /**< "http://127.0.0.1:1234" */
    int listener;
    const struct answer *answers;
    size_t count;
    size_t next;
    struct green_job *job;
    struct text trace; /**< "connection" and the requests, as they came. */
};
void raw_server_start(struct raw_server *server, const struct answer *answers, size_t count);
void raw_server_stop(struct raw_server *server);

/** The n-th allocation from now on fails, and all after it until this is called with 0. */
void allocations_fail(long nth);

/** Use the failing allocator; before anything of the library. */
void allocations_hook(void);

/** Blocks allocated and not released. */
long allocations_live(void);

/** Run the suite and return what main() returns. */
int run_suite(Suite *suite);

/** A test case with a generous time limit. */
TCase *new_case(Suite *suite, const char *name);

#endif
