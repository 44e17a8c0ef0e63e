/*
 * The server's side: what a connection answers to what was sent.
 *
 * Conversations are sent at once and again cut into pieces of every size: the answer is the same.
 */
#include "support.h"

#include <stdio.h>

#include "base/alloc.h"

/** Answers with what it was asked, in text. */
static int
tell(struct green_http_request *request, void *arg)
{
    struct text *trace = arg;
    char body[512];
    size_t length = 0;
    ssize_t got;
    while ((got = green_http_read(request, body + length, sizeof body - length)) > 0) {
        length += (size_t)got;
    }
    if (trace != NULL) {
        text_add(trace, "%s %s %zd\n", request->method, request->target, got);
    }
    if (got < 0) {
        return (int)got;
    }
    char told[1024];
    int size = snprintf(told, sizeof told, "%s %s %s? %s 1.%d %zu [%.*s]", request->method,
                        request->path, request->query != NULL ? request->query : "no",
                        request->host != NULL ? request->host : "no", request->version_minor,
                        request->headers.count, (int)length, body);
    return green_http_respond(request, 200, NULL, 0, told, (size_t)size);
}

#define OK(length, body) "HTTP/1.1 200 OK\r\nContent-Length: " #length "\r\n\r\n" body
#define OK_CLOSE(length, body) \
    "HTTP/1.1 200 OK\r\nContent-Length: " #length "\r\nConnection: close\r\n\r\n" body

struct row {
    const char *sent;
    int result;
    const char *received;
};

static const struct row conversations[] = {
    {"", 0, ""},
    {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", 0, OK(20, "GET / no? h 1.1 1 []")},
    {"GET /a%20b?c=d HTTP/1.1\r\nhost:h:80\r\nA:\r\nB: \t c d\t \r\n\r\n", 0,
     OK(29, "GET /a%20b c=d? h:80 1.1 3 []")},
    /* Pipelined, the last one asks for the end. */
    {"GET /1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: "
     "5\r\n\r\nhelloGET /3 HTTP/1.1\r\nHost: h\r\nConnection: x , Close\r\n\r\nGET /4 ",
     0,
     OK(21, "GET /1 no? h 1.1 1 []") OK(27, "POST /2 no? h 1.1 2 [hello]")
         OK_CLOSE(21, "GET /3 no? h 1.1 2 []")},
    /* Chunks, extensions, trailers; an empty line between requests. */
    {"POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n5;a=b\r\nhello\r\n06  ;x"
     "\r\n world\r\n0\r\nT: u\r\n\r\n\r\nGET /n HTTP/1.1\r\nHost: h\r\n\r\n",
     0, OK(33, "POST /c no? h 1.1 2 [hello world]") OK(21, "GET /n no? h 1.1 1 []")},
    /* HTTP/1.0. */
    {"GET / HTTP/1.0\r\n\r\nGET", 0, OK_CLOSE(21, "GET / no? no 1.0 0 []")},
    {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", 0,
     "HTTP/1.1 200 OK\r\nContent-Length: 21\r\nConnection: keep-alive\r\n\r\n"
     "GET / no? no 1.0 1 []"},
    /* Other forms of a target. */
    {"GET http://x:1/a?b HTTP/1.1\r\nHost: h\r\n\r\n", 0, OK(22, "GET /a b? x:1 1.1 1 []")},
    {"GET http://x?b HTTP/1.1\r\nHost: h\r\n\r\n", 0, OK(19, "GET / b? x 1.1 1 []")},
    {"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", 0, OK(24, "OPTIONS * no? h 1.1 1 []")},
    {"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", 0, OK(21, "")},
    /* Consent to a body, when it is waited for. */
    {"PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n", 0,
     OK(20, "PUT / no? h 1.1 3 []")},
};

static void
check_row(const struct row *row, size_t piece, const struct green_http_server_options *options)
{
    struct text received;
    int result = converse(row->sent, piece, tell, NULL, options, &received);
    ck_assert_msg(result == row->result, "%s\n(in pieces of %zu) gave %d:\n%s", row->sent, piece,
                  result, received.data);
    ck_assert_msg(strcmp(received.data, row->received) == 0,
                  "%s\n(in pieces of %zu) was answered by\n%s\nand not by\n%s", row->sent, piece,
                  received.data, row->received);
}

START_TEST(conversations_in_pieces)
{
    for (size_t piece = 0; piece < strlen(conversations[_i].sent); piece++) {
        check_row(&conversations[_i], piece, NULL);
    }
}
END_TEST

/** Cut once, at every byte. */
START_TEST(conversations_cut_once)
{
    const struct row *row = &conversations[_i];
    size_t length = strlen(row->sent);
    for (size_t cut = 1; cut < length; cut++) {
        struct served served;
        struct text received = {0};
        served_start(&served, GREEN_TASK, tell, NULL, NULL);
        served_send(&served, row->sent, cut);
        green_yield();
        served_send(&served, row->sent + cut, length - cut);
        green_shutdown(served.fd, SHUT_WR);
        served_receive(&served, &received, NULL);
        ck_assert_int_eq(served_end(&served), row->result);
        ck_assert_str_eq(received.data, row->received);
    }
}
END_TEST

/* ---- what is refused ---- */

struct refusal {
    const char *sent;
    int status;
};

#define POST    "POST / HTTP/1.1\r\nHost: h\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define HIDDEN  "GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n"

static const struct refusal refusals[] = {
    /* Two ways to read where the body ends. */
    {POST "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN, 400},
    {POST "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" HIDDEN, 400},
    {POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello" HIDDEN, 400},
    {POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello" HIDDEN, 400},
    {POST "Content-Length: 5, 5\r\n\r\nhello" HIDDEN, 400},
    {POST "Content-Length: +5\r\n\r\nhello" HIDDEN, 400},
    {POST "Content-Length: -5\r\n\r\nhello" HIDDEN, 400},
    {POST "Content-Length: 0x5\r\n\r\nhello" HIDDEN, 400},
    {POST "Content-Length: 5 5\r\n\r\nhello" HIDDEN, 400},
    {POST "Content-Length: 99999999999999999999\r\n\r\nhello" HIDDEN, 400},
    {POST "Content-Length:\r\n\r\nhello" HIDDEN, 400},
    {POST "Content-Length : 5\r\n\r\nhello" HIDDEN, 400},
    {POST "Content Length: 5\r\n\r\nhello" HIDDEN, 400},
    {POST " Content-Length: 5\r\n\r\nhello" HIDDEN, 400},
    {POST "X: y\r\n Content-Length: 5\r\n\r\nhello" HIDDEN, 400},
    {POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" HIDDEN, 400},
    {POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN, 400},
    {POST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" HIDDEN, 400},
    {POST "Transfer-Encoding: identity\r\n\r\nhello" HIDDEN, 400},
    {POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" HIDDEN, 400},
    {POST "Transfer-Encoding: \x0b"
          "chunked\r\n\r\n0\r\n\r\n" HIDDEN,
     400},
    {POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" HIDDEN, 501},
    {POST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" HIDDEN, 400},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN, 400},
    /* Ends of lines. */
    {"GET / HTTP/1.1\nHost: h\n\n" HIDDEN, 400},
    {"GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n" HIDDEN, 400},
    {"GET / HTTP/1.1\r\nHost: h\r\n\n" HIDDEN, 400},
    {"GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n" HIDDEN, 400},
    {"GET / HTTP/1.1\r\nHost: h\r\r\n\r\n" HIDDEN, 400},
    {"\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    /* Chunks. */
    {CHUNKED "x\r\n" HIDDEN, 400},
    {CHUNKED "-1\r\n" HIDDEN, 400},
    {CHUNKED "0x5\r\nhello\r\n0\r\n\r\n" HIDDEN, 400},
    {CHUNKED "\r\nhello\r\n0\r\n\r\n" HIDDEN, 400},
    {CHUNKED " 5\r\nhello\r\n0\r\n\r\n" HIDDEN, 400},
    {CHUNKED "5\nhello\r\n0\r\n\r\n" HIDDEN, 400},
    {CHUNKED "5\rXhello\r\n0\r\n\r\n" HIDDEN, 400},
    {CHUNKED "5;\nx\r\nhello\r\n0\r\n\r\n" HIDDEN, 400},
    {CHUNKED "5;\x01\r\nhello\r\n0\r\n\r\n" HIDDEN, 400},
    {CHUNKED "5\r\nhelloXX0\r\n\r\n" HIDDEN, 400},
    {CHUNKED "5\r\nhello\n0\r\n\r\n" HIDDEN, 400},
    {CHUNKED "5\r\nhello0\r\n\r\n" HIDDEN, 400},
    {CHUNKED "5\r\nhello\r\n0\r\n\n" HIDDEN, 400},
    {CHUNKED "5\r\nhello\r\n0\r\nX: y\n\r\n" HIDDEN, 400},
    {CHUNKED "0000000000000005\r\nhello\r\n0\r\n\r\n" HIDDEN, 400},
    {CHUNKED "10000000000000000\r\n" HIDDEN, 400},
    {CHUNKED "fffffffffffffff\r\n" HIDDEN, 413},
    /* Start lines. */
    {"G@T / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"GET / HTTP/1.1 \r\nHost: h\r\n\r\n", 400},
    {"GET /\r\nHost: h\r\n\r\n", 400},
    {"GET / \r\nHost: h\r\n\r\n", 400},
    {"GET\r\n\r\n", 400},
    {" / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"GET / HTTP/1.1x\r\nHost: h\r\n\r\n", 400},
    {"GET / http/1.1\r\nHost: h\r\n\r\n", 400},
    {"GET / HTTP/11\r\nHost: h\r\n\r\n", 400},
    {"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
    {"GET / HTTP/0.9\r\nHost: h\r\n\r\n", 505},
    {"GET a HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"GET * HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"GET /\x80 HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"GET /\tx HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"GET http:///a HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"GET http://me@h/a HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"BREW / HTTP/1.1\r\nHost: h\r\n\r\n", 501},
    {"get / HTTP/1.1\r\nHost: h\r\n\r\n", 501},
    {"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", 501},
    /* Headers. */
    {"GET / HTTP/1.1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
    {"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: h\r\nX: a\x01"
     "b\r\n\r\n",
     400},
    {"GET / HTTP/1.1\r\nHost: h\r\nX\x7f: b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: h\r\nExpect: more\r\n\r\n", 417},
    /* The stream ends too soon. */
    {"GET / HT", 400},
    {"GET / HTTP/1.1\r\nHost: h\r\n", 400},
    {POST "Content-Length: 5\r\n\r\nhell", 400},
    {CHUNKED "5\r\nhello\r\n0\r\n", 400},
    /* Too much. */
    {POST "Content-Length: 1048577\r\n\r\n", 413},
    {POST "Expect: 100-continue\r\nContent-Length: 1048577\r\n\r\n", 413},
};

/** A refusal is the only answer, closes, and nothing behind it is taken for a request. */
static void
check_refusal(const struct refusal *row, size_t piece)
{
    struct text received;
    struct text trace = {0};
    char start[32];
    int result = converse(row->sent, piece, tell, &trace, NULL, &received);
    snprintf(start, sizeof start, "HTTP/1.1 %d ", row->status);
    ck_assert_msg(strncmp(received.data, start, strlen(start)) == 0,
                  "%s\n(in pieces of %zu) was answered by\n%s", row->sent, piece, received.data);
    ck_assert_msg(strstr(received.data, "\r\nConnection: close\r\n") != NULL, "%s", row->sent);
    ck_assert_msg(strstr(received.data + 1, "HTTP/1.1") == NULL, "%s", received.data);
    ck_assert_msg(strstr(trace.data, "hidden") == NULL, "%s", row->sent);
    ck_assert_int_eq(result, row->status == 413 ? -EMSGSIZE : -EPROTO);
}

START_TEST(what_cannot_be_is_refused)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        check_refusal(&refusals[i], 0);
        check_refusal(&refusals[i], 1);
        check_refusal(&refusals[i], 7);
    }
}
END_TEST

START_TEST(zero_bytes_are_refused)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n";
    struct served served;
    struct text received = {0};
    served_start(&served, GREEN_TASK, tell, NULL, NULL);
    served_send(&served, request, sizeof request - 1);
    served_receive(&served, &received, NULL);
    ck_assert_int_eq(strncmp(received.data, "HTTP/1.1 400 ", 13), 0);
    ck_assert_int_eq(served_end(&served), -EPROTO);
}
END_TEST

/* ---- limits ---- */

/** What is sent for a limit, and the largest value with which that is refused. */
static void
check_limit(const char *sent, size_t *limit, size_t fits, int status,
            const struct green_http_server_options *options)
{
    struct text received;
    char start[32];
    snprintf(start, sizeof start, "HTTP/1.1 %d ", status);
    for (size_t piece = 0; piece < 4; piece += 3) {
        *limit = fits;
        converse(sent, piece, tell, NULL, options, &received);
        ck_assert_msg(strncmp(received.data, "HTTP/1.1 200 ", 13) == 0, "%s", received.data);
        *limit = fits - 1;
        int result = converse(sent, piece, tell, NULL, options, &received);
        ck_assert_msg(strncmp(received.data, start, strlen(start)) == 0, "%s", received.data);
        ck_assert_int_eq(result, -EMSGSIZE);
    }
}

START_TEST(sizes_are_limited)
{
    struct green_http_server_options options = GREEN_HTTP_SERVER_OPTIONS;
    check_limit("GET /12345 HTTP/1.1\r\nHost: h\r\n\r\n", &options.max_request_line, 19, 414,
                &options);
    options.max_request_line = 100;
    check_limit("GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n", &options.max_header_bytes, 15, 431,
                &options);
    options.max_header_bytes = 100;
    check_limit("GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n", &options.max_header_count, 2, 431,
                &options);
    options.max_header_count = 10;
    /* Between chunks: extensions and trailers together. */
    options.max_header_bytes = 40;
    struct text received;
#define EXTENDED CHUNKED "1;234567890\r\nx\r\n1;234567890\r\ny\r\n0;23456789\r\n"
    ck_assert_int_eq(
        converse(EXTENDED "A: 4567890abcd\r\n\r\n", 0, tell, NULL, &options, &received), 0);
    ck_assert_int_eq(
        converse(EXTENDED "A: 4567890abcde\r\n\r\n", 0, tell, NULL, &options, &received),
        -EMSGSIZE);
    ck_assert_msg(strncmp(received.data, "HTTP/1.1 413", 12) == 0, "%s", received.data);
}
END_TEST

START_TEST(bodies_are_limited)
{
    static const char *const bodies[] = {
        POST "Content-Length: 5\r\n\r\nhello",
        CHUNKED "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
        CHUNKED "5\r\nhello\r\n0\r\n\r\n",
    };
    struct green_http_server_options options = GREEN_HTTP_SERVER_OPTIONS;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct text received;
        options.max_body_bytes = 5;
        ck_assert_int_eq(converse(bodies[i], 0, tell, NULL, &options, &received), 0);
        ck_assert_ptr_nonnull(strstr(received.data, "[hello]"));
        options.max_body_bytes = 4;
        ck_assert_int_eq(converse(bodies[i], 0, tell, NULL, &options, &received), -EMSGSIZE);
        ck_assert_int_eq(strncmp(received.data, "HTTP/1.1 413 ", 13), 0);
    }
}
END_TEST

START_TEST(requests_are_counted)
{
    struct green_http_server_options options = GREEN_HTTP_SERVER_OPTIONS;
    struct text received;
    options.max_requests = 2;
    ck_assert_int_eq(converse(HIDDEN HIDDEN HIDDEN, 0, tell, NULL, &options, &received), 0);
    const char *second = strstr(received.data + 1, "HTTP/1.1 200");
    ck_assert_ptr_nonnull(second);
    ck_assert_ptr_null(strstr(second + 1, "HTTP/1.1 200"));
    ck_assert_ptr_nonnull(strstr(second, "Connection: close"));
    options.max_request_line = 65536;
    ck_assert_int_eq(green_http_serve(0, tell, NULL, &options), -EINVAL);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("http serve");
    TCase *tcase = new_case(suite, "conversations");
    int rows = sizeof conversations / sizeof conversations[0];
    tcase_add_loop_test(tcase, conversations_in_pieces, 0, rows);
    tcase_add_loop_test(tcase, conversations_cut_once, 0, rows);
    tcase = new_case(suite, "refusals");
    tcase_add_test(tcase, what_cannot_be_is_refused);
    tcase_add_test(tcase, zero_bytes_are_refused);
    tcase = new_case(suite, "limits");
    tcase_add_test(tcase, sizes_are_limited);
    tcase_add_test(tcase, bodies_are_limited);
    tcase_add_test(tcase, requests_are_counted);
    return run_suite(suite);
}
