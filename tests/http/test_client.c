/*
 * The client's side, against raw servers that answer by a script: what was sent is compared to the
 * byte, with the connections it came over.
 */
#include "asking.h"

#include <stdio.h>
#include <stdlib.h>

START_TEST(connections_are_kept)
{
    static const struct answer answers[] = {
        {OK(1) "a", false, false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nb\r\n0\r\n\r\n", false, false},
        {"HTTP/1.1 204 No Content\r\n\r\n", false, false},
        {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nd", false, false},
        {"HTTP/1.1 200 OK\r\n\r\nuntil the end", true, false},
        {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nf", false, false},
        {OK(1) "g", false, false},
    };
    struct text trace = {0};
    start(answers, 7, NULL);
    ask(&trace, "/a", plain);
    ask(&trace, "/b?c", plain);
    ask(&trace, "", plain);
    ask(&trace, "?q", plain);
    ask(&trace, "/e#fragment", plain);
    ask(&trace, "/f", plain);
    ask(&trace, "/g", plain);
    ck_assert_str_eq(trace.data, "200 [a]\n200 [b]\n204 []\n200 [d]\n200 [until the end]\n"
                                 "200 [f]\n200 [g]\n");
    ck_assert_str_eq(seen(), "connection\nGET /a HTTP/1.1\r\n\r\nGET /b?c HTTP/1.1\r\n\r\n"
                             "GET / HTTP/1.1\r\n\r\nGET /?q HTTP/1.1\r\n\r\n"
                             "connection\nGET /e HTTP/1.1\r\n\r\n"
                             "connection\nGET /f HTTP/1.1\r\n\r\n"
                             "connection\nGET /g HTTP/1.1\r\n\r\n");
    stop();
}
END_TEST

START_TEST(stale_connections_are_replaced_once)
{
    static const struct answer answers[] = {
        {OK(1) "a", false, false}, {NULL, true, false},
        {OK(1) "b", false, false}, {NULL, true, false}, /* a POST is not sent twice */
        {NULL, true, false},                            /* nor anything on a new connection */
        {OK(1) "c", false, false}, {"HTTP/1.1 20", true, false}, /* an answer had begun */
    };
    struct text trace = {0};
    const struct green_http_call post = {.body = "x", .body_length = 1};
    start(answers, 7, NULL);
    ask(&trace, "/1", plain);
    ask(&trace, "/2", plain);
    ask(&trace, "/3", post);
    ask(&trace, "/4", plain);
    ask(&trace, "/5", plain);
    ask(&trace, "/6", plain);
    ck_assert_str_eq(trace.data,
                     "200 [a]\n200 [b]\nEPROTO: the stream ended where a response was due\n"
                     "EPROTO: the stream ended where a response was due\n200 [c]\n"
                     "EPROTO: the stream ended where a response was due\n");
    ck_assert_str_eq(seen(), "connection\nGET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n"
                             "connection\nGET /2 HTTP/1.1\r\n\r\n"
                             "POST /3 HTTP/1.1\r\nContent-Length: 1\r\n\r\nx"
                             "connection\nGET /4 HTTP/1.1\r\n\r\n"
                             "connection\nGET /5 HTTP/1.1\r\n\r\nGET /6 HTTP/1.1\r\n\r\n");
    stop();
}
END_TEST

/** One whose end is known is not tried at all, so that a POST need not be sent twice. */
START_TEST(ended_connections_are_not_used)
{
    static const struct answer answers[] = {{OK(1) "a", true, false}, {OK(1) "b", false, false}};
    struct text trace = {0};
    start(answers, 2, NULL);
    ask(&trace, "/1", plain);
    green_sleep(5);
    ask(&trace, "/2", (struct green_http_call){.body = "x", .body_length = 1});
    ck_assert_str_eq(trace.data, "200 [a]\n200 [b]\n");
    stop();
}
END_TEST

/** What comes behind a response belongs to nobody. */
START_TEST(answers_unasked_are_not_taken)
{
    static const struct answer answers[] = {{OK(1) "a" OK(6) "forged", false, false},
                                            {OK(1) "b", false, false}};
    struct text trace = {0};
    start(answers, 2, NULL);
    ask(&trace, "/1", plain);
    ask(&trace, "/2", plain);
    ck_assert_str_eq(trace.data, "200 [a]\n200 [b]\n");
    ck_assert_str_eq(seen(),
                     "connection\nGET /1 HTTP/1.1\r\n\r\nconnection\nGET /2 HTTP/1.1\r\n\r\n");
    stop();
}
END_TEST

/* ---- bodies ---- */

START_TEST(bodies_are_sent)
{
    static const struct answer answers[] = {{OK(0), false, false},
                                            {OK(0), false, false},
                                            {OK(0), false, false},
                                            {OK(0), false, false},
                                            {OK(0), false, false}};
    static const char *const pieces[] = {"hello", " ", "world", NULL};
    static const struct green_http_header headers[] = {{"User-Agent", "me"}, {"Content-Type", "a"}};
    struct text trace = {0};
    start(answers, 5, NULL);
    ask(&trace, "/1", (struct green_http_call){.method = "PUT", .body = "hi", .body_length = 2});
    ask(&trace, "/2", (struct green_http_call){.method = "POST"});
    struct source source = {pieces, 0};
    ask(&trace, "/3",
        (struct green_http_call){
            .source = give, .source_arg = &source, .source_length = GREEN_HTTP_UNKNOWN});
    source.pieces = pieces;
    ask(&trace, "/4",
        (struct green_http_call){
            .method = "PATCH", .source = give, .source_arg = &source, .source_length = 11});
    ask(&trace, "/5",
        (struct green_http_call){.body = "", .headers = headers, .header_count = 2, .close = true});
    ck_assert_str_eq(trace.data, "200 []\n200 []\n200 []\n200 []\n200 []\n");
    char expected[1000];
    snprintf(expected, sizeof expected,
             "connection\nPUT /1 HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi"
             "POST /2 HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
             "POST /3 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
             "5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\n\r\n"
             "PATCH /4 HTTP/1.1\r\nContent-Length: 11\r\n\r\nhello world"
             "POST /5 HTTP/1.1\r\nHost: %.50s\r\nUser-Agent: me\r\nContent-Type: a\r\n"
             "Content-Length: 0\r\nConnection: close\r\n\r\n",
             server.url + 7);
    ck_assert_str_eq(seen(), expected);
    stop();
}
END_TEST

START_TEST(sources_may_fail)
{
    static const char *const pieces[] = {"hello", NULL};
    struct text trace = {0};
    start(NULL, 0, NULL);
    struct source source = {pieces, -EIO};
    struct green_http_call call = {
        .source = give, .source_arg = &source, .source_length = GREEN_HTTP_UNKNOWN};
    ask(&trace, "/", call);
    source = (struct source){pieces, 0};
    call.source_length = 6;
    ask(&trace, "/", call);
    ask(&trace, "/",
        (struct green_http_call){.source = NULL, .body = NULL, .method = "BAD METHOD"});
    ck_assert_str_eq(trace.data, "EIO: the body's source failed\nEINVAL: the body's source failed\n"
                                 "EINVAL: a method that cannot be sent\n");
    stop();
}
END_TEST

/** The method could be sent again, but what the source gave is gone. */
START_TEST(a_body_from_a_source_is_not_sent_again)
{
    static const struct answer answers[] = {
        {OK(1) "a", false, false}, {NULL, true, false}, {OK(1) "b", false, false}};
    static const char *const pieces[] = {"hello", NULL};
    struct source source = {pieces, 0};
    struct text trace = {0};
    start(answers, 3, NULL);
    ask(&trace, "/1", plain);
    ask(&trace, "/2",
        (struct green_http_call){.method = "PUT",
                                 .source = give,
                                 .source_arg = &source,
                                 .source_length = GREEN_HTTP_UNKNOWN});
    ck_assert_str_eq(trace.data, "200 [a]\nEPROTO: the stream ended where a response was due\n");
    stop();
}
END_TEST

START_TEST(consent_is_waited_for)
{
    static const struct answer answers[] = {
        {"HTTP/1.1 100 Continue\r\n\r\n", false, false},
        {OK(1) "a", false, false},
        {"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n", false, false},
        {"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n" OK(1) "c", false,
         false},
    };
    struct text trace = {0};
    const struct green_http_call call = {.body = "body", .body_length = 4, .expect_continue = true};
    start(answers, 4, NULL);
    ask(&trace, "/1", call);
    server.next = 2;
    ask(&trace, "/2", call);
    ask(&trace, "/3", plain);
    ck_assert_str_eq(trace.data, "200 [a]\n417 []\n200 [c]\n");
    ck_assert_str_eq(
        seen(), "connection\nPOST /1 HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
                "bodyPOST /2 HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
                "connection\nGET /3 HTTP/1.1\r\n\r\n");
    stop();
}
END_TEST

START_TEST(consent_is_not_waited_for_long)
{
    struct green_http_client_options options = GREEN_HTTP_CLIENT_OPTIONS;
    static const struct answer answers[] = {{NULL, false, false}, {OK(1) "a", false, false}};
    struct text trace = {0};
    options.expect_timeout_ms = 20;
    start(answers, 2, &options);
    ask(&trace, "/",
        (struct green_http_call){.body = "body", .body_length = 4, .expect_continue = true});
    ck_assert_str_eq(trace.data, "200 [a]\n");
    stop();
}
END_TEST

/* ---- redirects ---- */

START_TEST(redirects_are_followed)
{
    static const struct answer answers[] = {
        TO("301", "/b"),   {OK(1) "1", false, false}, TO("302", "c?d#e"), {OK(1) "2", false, false},
        TO("303", "../x"), {OK(1) "3", false, false}, TO("307", "y"),     {OK(1) "4", false, false},
        TO("308", "?z"),   {OK(1) "5", false, false}, TO("302", "put"),   {OK(1) "6", false, false},
        TO("303", "head"), {OK(1) "", false, false},
    };
    static const struct green_http_header headers[] = {{"Content-Type", "t"}, {"Cookie", "secret"}};
    struct green_http_call post = {
        .headers = headers, .header_count = 2, .body = "B", .body_length = 1};
    struct text trace = {0};
    start(answers, 14, NULL);
    ask(&trace, "/a", post);
    ask(&trace, "/a/b", post);
    ask(&trace, "/a/b", post);
    ask(&trace, "/a/b", post);
    ask(&trace, "/a/b", post);
    post.method = "PUT";
    ask(&trace, "/a/b", post);
    ask(&trace, "/a/b", (struct green_http_call){.method = "HEAD"});
    ck_assert_str_eq(trace.data, "200 [1]\n200 [2]\n200 [3]\n200 [4]\n200 [5]\n200 [6]\n200 []\n");
#define POST(path) \
    "POST " path " HTTP/1.1\r\nContent-Type: t\r\nCookie: secret\r\nContent-Length: 1\r\n\r\nB"
#define GOT(path) "GET " path " HTTP/1.1\r\nCookie: secret\r\n\r\n"
    ck_assert_str_eq(
        seen(),
        "connection\n" POST("/a") GOT("/b") POST("/a/b") GOT("/a/c?d") POST("/a/b") GOT("/x")
            POST("/a/b") POST("/a/y") POST("/a/b")
                POST("/a/b?z") "PUT /a/b HTTP/1.1\r\nContent-Type: t\r\nCookie: "
                               "secret\r\nContent-Length: "
                               "1\r\n\r\nBPUT /a/put HTTP/1.1\r\nContent-Type: t\r\nCookie: "
                               "secret\r\nContent-Length: 1\r\n\r\nB"
                               "HEAD /a/b HTTP/1.1\r\n\r\n"
                               /* An answer to HEAD has no body: what looks like one is not taken
                                  for more. */
                               "connection\nHEAD /a/head HTTP/1.1\r\n\r\n");
    stop();
}
END_TEST

/** Answers of which one names the server itself by another name. */
static void
start_with_location(struct answer *answers, size_t count, char *text, size_t size,
                    const char *format)
{
    start(answers, count, NULL);
    snprintf(text, size, format, atoi(strrchr(server.url, ':') + 1));
    answers[0].text = text;
}

START_TEST(secrets_stay_with_their_host)
{
    struct answer answers[] = {{NULL, false, false}, {OK(1) "a", false, false}};
    static const struct green_http_header headers[] = {
        {"Authorization", "secret"}, {"COOKIE", "secret"}, {"X", "y"}, {"Host", "named"}};
    char text[200];
    struct text trace = {0};
    start_with_location(answers, 2, text, sizeof text,
                        "HTTP/1.1 302 X\r\nLocation: http://localhost:%d/b\r\nContent-Length: "
                        "0\r\n\r\n");
    ask(&trace, "/a", (struct green_http_call){.headers = headers, .header_count = 4});
    ck_assert_str_eq(trace.data, "200 [a]\n");
    char expected[400];
    snprintf(expected, sizeof expected,
             "connection\nGET /a HTTP/1.1\r\nUser-Agent: green\r\nAuthorization: secret\r\nCOOKIE: "
             "secret\r\nX: y\r\nHost: named\r\n\r\n"
             "connection\nGET /b HTTP/1.1\r\nHost: localhost:%.9s\r\nUser-Agent: green\r\nX: "
             "y\r\n\r\n",
             strrchr(server.url, ':') + 1);
    ck_assert_str_eq(server.trace.data, expected);
    stop();
}
END_TEST

START_TEST(redirects_are_limited)
{
    static const struct answer answers[] = {
        TO("302", "/b"),       TO("302", "/c"),
        TO("302", "/d"),       TO("302", "https://h/"),
        TO("302", "http://:"), TO("304", "/x"),
        TO("300", "/x"),       {"HTTP/1.1 302 X\r\nContent-Length: 0\r\n\r\n", false, false},
    };
    struct green_http_client_options options = GREEN_HTTP_CLIENT_OPTIONS;
    struct text trace = {0};
    options.max_redirects = 2;
    start(answers, 8, &options);
    for (int i = 0; i < 6; i++) {
        ask(&trace, "/a", plain);
    }
    ck_assert_str_eq(trace.data, "ELOOP: too many redirects\n"
                                 "EPROTONOSUPPORT: a redirect to what is not http\n"
                                 "EPROTO: a redirect to what is no URL\n304 []\n300 [moved]\n"
                                 "302 []\n");
    stop();
}
END_TEST

START_TEST(a_source_is_not_sent_twice)
{
    static const struct answer answers[] = {
        TO("307", "/b"), TO("303", "/c"), {OK(0), false, false}};
    static const char *const pieces[] = {"hello", NULL};
    struct text trace = {0};
    struct source source = {pieces, 0};
    struct green_http_call call = {
        .source = give, .source_arg = &source, .source_length = GREEN_HTTP_UNKNOWN};
    start(answers, 3, NULL);
    ask(&trace, "/a", call);
    source.pieces = pieces;
    ask(&trace, "/a", call);
    ck_assert_str_eq(trace.data, "307 [moved]\n200 []\n");
    stop();
}
END_TEST

/** A thread or a process has a client of its own, and blocks in the kernel. */
static intptr_t
ask_alone(void *arg)
{
    static struct text trace;
    (void)arg;
    if (green_http_client_create(NULL, &client) != 0) {
        return -1;
    }
    ask(&trace, "/1", plain);
    ask(&trace, "/2", plain);
    green_http_client_destroy(client);
    return strcmp(trace.data, "200 [a]\n200 [b]\n");
}

START_TEST(every_kind_of_worker_asks)
{
    static const struct answer answers[] = {{OK(1) "a", false, false}, {OK(1) "b", false, false}};
    struct green_job *job;
    intptr_t value;
    raw_server_start(&server, answers, 2);
    ck_assert_int_eq(green_spawn_as((enum green_kind)_i, ask_alone, NULL, NULL, &job), 0);
    ck_assert_int_eq(green_job_join(job, &value, green_after(LIMIT_MS)), 0);
    ck_assert_int_eq(value, 0);
    green_job_put(job);
    ck_assert_str_eq(seen(), "connection\nGET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n");
    raw_server_stop(&server);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("http client");
    TCase *tcase = new_case(suite, "requests");
    tcase_add_test(tcase, connections_are_kept);
    tcase_add_test(tcase, stale_connections_are_replaced_once);
    tcase_add_test(tcase, ended_connections_are_not_used);
    tcase_add_test(tcase, a_body_from_a_source_is_not_sent_again);
    tcase_add_test(tcase, answers_unasked_are_not_taken);
    tcase_add_test(tcase, bodies_are_sent);
    tcase_add_test(tcase, sources_may_fail);
    tcase_add_test(tcase, consent_is_waited_for);
    tcase_add_test(tcase, consent_is_not_waited_for_long);
    tcase_add_test(tcase, redirects_are_followed);
    tcase_add_test(tcase, secrets_stay_with_their_host);
    tcase_add_test(tcase, redirects_are_limited);
    tcase_add_test(tcase, a_source_is_not_sent_twice);
    tcase_add_loop_test(tcase, every_kind_of_worker_asks, GREEN_TASK, KINDS);
    return run_suite(suite);
}
