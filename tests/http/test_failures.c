/*
 * The client's side when things go wrong: answers that are none, waiting, cancellation, memory.
 */
#include "asking.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

/* ---- what is no answer ---- */

struct bad {
    const char *answer;
    const char *trace;
};

static const struct bad bad[] = {
    {"", "EPROTO: the stream ended where a response was due\n"},
    {"HTTP/1.1 200 OK\r\nContent-Le", "EPROTO: the stream ended where a response was due\n"},
    {"SSH-2.0-x\r\n\r\n", "EPROTO: a malformed version\n"},
    {"HTTP/2.0 200 OK\r\n\r\n", "EPROTO: a version other than HTTP/1\n"},
    {"HTTP/1.1 99 OK\r\n\r\n", "EPROTO: a status that there is not\n"},
    {"HTTP/1.1 600 OK\r\n\r\n", "EPROTO: a status that there is not\n"},
    {"HTTP/1.1 2000 OK\r\n\r\n", "EPROTO: invalid HTTP status code\n"},
    {"HTTP/1.1 101 Yes\r\n\r\n", "EPROTO: the server switches protocols unasked\n"},
    {"HTTP/1.1 200 OK\nA: b\n\n", "EPROTO: a line ends without a carriage return\n"},
    {"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "EPROTO: a folded header\n"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
     "EPROTO: unexpected content-length header\n"},
    {"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nab",
     "EPROTO: invalid character in content-length header\n"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nab",
     "EPROTO: an unknown transfer coding\n"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
     "200 EPROTO: the stream ended within a body\n"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
     "200 EPROTO: the stream ended within a body\n"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
     "200 EPROTO: a bad chunk size\n"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n123456789012345678901",
     "200 EMSGSIZE: the body is too long\n"},
    {"HTTP/1.1 200 OK\r\n\r\n123456789012345678901", "200 EMSGSIZE: the body is too long\n"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n15\r\n",
     "200 EMSGSIZE: the body is too long\n"},
    {"HTTP/1.1 200 OK\r\nA: b\r\nA: b\r\nA: b\r\n\r\n", "EMSGSIZE: too many headers\n"},
    {"HTTP/1.1 200 OK\r\nA: 345678901234567890123456789012345678901234567890123456789\r\n\r\n",
     "EMSGSIZE: the headers are too long\n"},
};

START_TEST(bad_answers)
{
    struct green_http_client_options options = GREEN_HTTP_CLIENT_OPTIONS;
    const struct answer answer = {bad[_i].answer, true, false};
    struct text trace = {0};
    options.max_body_bytes = 20;
    options.max_header_count = 2;
    options.max_header_bytes = 58;
    start(&answer, 1, &options);
    ask(&trace, "/", plain);
    ck_assert_str_eq(trace.data, bad[_i].trace);
    stop();
}
END_TEST

START_TEST(bad_calls)
{
    static const struct green_http_header injected = {"A", "b\r\nC: d"};
    static const struct green_http_header ours = {"transfer-encoding", "chunked"};
    struct green_http_client_options options = GREEN_HTTP_CLIENT_OPTIONS;
    struct text trace = {0};
    start(NULL, 0, NULL);
    ask(&trace, "/", (struct green_http_call){.headers = &injected, .header_count = 1});
    ask(&trace, "/", (struct green_http_call){.headers = &ours, .header_count = 1});
    ask(&trace, "/", (struct green_http_call){.method = "CONNECT"});
    ask(&trace, "https://h/", plain);
    ask(&trace, "http://me@h/", plain);
    ask(&trace, "http://127.0.0.1:1/", plain);
    ck_assert_str_eq(trace.data,
                     "EINVAL: a header that cannot be sent\nEINVAL: a header that cannot be sent\n"
                     "EINVAL: a method that cannot be sent\n"
                     "EPROTONOSUPPORT: the scheme is not http\nEINVAL: no URL\n"
                     "ECONNREFUSED: Connection refused\n");
    ck_assert_str_eq(seen(), "");
    stop();
    options.max_header_bytes = 65537;
    ck_assert_int_eq(green_http_client_create(&options, &client), -EINVAL);
}
END_TEST

/* ---- waiting ---- */

START_TEST(slow_servers_are_given_up)
{
    static const struct answer answers[] = {
        {"", false, true}, {"HTTP/1.1 200 OK\r\nA", false, true}, {OK(5) "hell", false, true}};
    struct green_http_client_options options = GREEN_HTTP_CLIENT_OPTIONS;
    struct text trace = {0};
    options.response_timeout_ms = options.read_timeout_ms = 20;
    start(answers, 3, &options);
    ask(&trace, "/", plain);
    ask(&trace, "/", plain);
    ask(&trace, "/", plain);
    ck_assert_str_eq(trace.data, "ETIMEDOUT: the server took too long\nETIMEDOUT: the server took "
                                 "too long\n200 ETIMEDOUT: the server took too long\n");
    stop();
}
END_TEST

START_TEST(scopes_bound_a_call)
{
    static const struct answer answers[] = {{"", false, true}};
    struct text trace = {0};
    struct green_timeout scope;
    start(answers, 1, NULL);
    green_timeout_start(&scope, 20);
    ask(&trace, "/", plain);
    green_timeout_stop(&scope);
    ck_assert(green_timeout_fired(&scope));
    ck_assert_str_eq(trace.data, "ETIMEDOUT: Connection timed out\n");
    stop();
}
END_TEST

static intptr_t
ask_in_task(void *arg)
{
    ask(arg, "/", plain);
    return 0;
}

START_TEST(calls_are_cancelled)
{
    static const struct answer answers[] = {{"", false, true}};
    struct text trace = {0};
    struct green_job *job;
    start(answers, 1, NULL);
    ck_assert_int_eq(green_spawn(ask_in_task, &trace, &job), 0);
    green_sleep(20);
    green_job_cancel(job);
    ck_assert_int_eq(green_job_join(job, NULL, green_after(LIMIT_MS)), 0);
    green_job_put(job);
    ck_assert_str_eq(trace.data, "ECANCELED: Operation canceled\n");
    stop();
}
END_TEST

/** Many at a time over one client: no more connections are kept than allowed. */
START_TEST(tasks_share_a_client)
{
    enum { TASKS = 20, KEPT = 3 };
    struct green_http_client_options options = GREEN_HTTP_CLIENT_OPTIONS;
    struct answer answers[TASKS * 2];
    struct green_job *jobs[TASKS];
    struct text trace = {0};
    for (size_t i = 0; i < TASKS * 2; i++) {
        answers[i] = (struct answer){OK(1) "x", false, false};
    }
    options.max_idle = KEPT;
    start(answers, TASKS * 2, &options);
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < TASKS; i++) {
            ck_assert_int_eq(green_spawn(ask_in_task, &trace, &jobs[i]), 0);
        }
        for (size_t i = 0; i < TASKS; i++) {
            ck_assert_int_eq(green_job_join(jobs[i], NULL, green_after(LIMIT_MS)), 0);
            green_job_put(jobs[i]);
        }
    }
    ck_assert_uint_eq(trace.length, TASKS * 2 * strlen("200 [x]\n"));
    size_t connections = 0;
    for (const char *at = server.trace.data; (at = strstr(at, "connection\n")) != NULL; at++) {
        connections++;
    }
    ck_assert_uint_le(connections, TASKS * 2 - KEPT);
    ck_assert_uint_ge(connections, TASKS);
    stop();
}
END_TEST

START_TEST(kept_connections_grow_old)
{
    static const struct answer answers[] = {{OK(1) "a", false, false}, {OK(1) "b", false, false}};
    struct green_http_client_options options = GREEN_HTTP_CLIENT_OPTIONS;
    struct text trace = {0};
    options.idle_timeout_ms = 0;
    start(answers, 2, &options);
    ask(&trace, "/1", plain);
    ask(&trace, "/2", plain);
    ck_assert_str_eq(seen(),
                     "connection\nGET /1 HTTP/1.1\r\n\r\nconnection\nGET /2 HTTP/1.1\r\n\r\n");
    stop();
}
END_TEST

START_TEST(responses_may_be_left)
{
    static const struct answer answers[] = {{OK(5) "hello", false, false},
                                            {OK(1) "b", false, false}};
    struct green_http_response *response;
    struct text trace = {0};
    char byte;
    start(answers, 2, NULL);
    ck_assert_int_eq(green_http_get(client, server.url, &response, NULL), 0);
    ck_assert_str_eq(response->reason, "OK");
    ck_assert_uint_eq(response->body_length, 5);
    ck_assert_str_eq(green_http_header(&response->headers, "content-length"), "5");
    ck_assert_str_eq(response->url, server.url);
    ck_assert_int_eq(green_http_response_read(response, &byte, 1), 1);
    ck_assert_int_eq(byte, 'h');
    green_http_response_close(response);
    green_http_response_close(NULL);
    green_http_client_destroy(NULL);
    ask(&trace, "/2", plain);
    ck_assert_str_eq(seen(),
                     "connection\nGET / HTTP/1.1\r\n\r\nconnection\nGET /2 HTTP/1.1\r\n\r\n");
    stop();
}
END_TEST

START_TEST(memory_may_run_out)
{
    static const struct answer answers[] = {
        TO("307", "/b"),
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", true,
         false}};
    static const char *const pieces[] = {"hello", NULL};
    allocations_hook();
    start(answers, 2, NULL);
    struct text trace = {0};
    ask(&trace, "/", plain);
    int failures = 0;
    for (long nth = 1;; nth++) {
        struct source source = {pieces, 0};
        server.next = 0;
        trace.length = 0;
        allocations_fail(nth);
        ask(&trace, "/",
            (struct green_http_call){.source = nth % 2 ? NULL : give,
                                     .source_arg = &source,
                                     .source_length = GREEN_HTTP_UNKNOWN});
        allocations_fail(0);
        if (strcmp(trace.data, nth % 2 ? "200 [hello]\n" : "307 [moved]\n") == 0 && nth % 2) {
            break;
        }
        failures += strstr(trace.data, "ENOMEM") != NULL;
        ck_assert_int_lt(nth, 1000);
        green_sleep(1);
    }
    ck_assert_int_ge(failures, 3);
    stop();
}
END_TEST

START_TEST(descriptors_may_run_out)
{
    static const struct answer answers[] = {{OK(1) "a", false, false}};
    struct text trace = {0};
    struct rlimit limit;
    start(answers, 1, NULL);
    ask(&trace, "/", plain); /* what is kept open for ever is there now */
    green_http_client_destroy(client);
    server.next = 0;
    ck_assert_int_eq(green_http_client_create(NULL, &client), 0);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    const struct rlimit none = {0, limit.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    ask(&trace, "/", plain);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ask(&trace, "/", plain);
    ck_assert_str_eq(trace.data, "200 [a]\nEMFILE: Too many open files\n200 [a]\n");
    stop();
}
END_TEST

START_TEST(a_client_outlives_its_responses)
{
    static const struct answer answers[] = {{OK(5) "hello", false, false}};
    struct green_http_response *response;
    start(answers, 1, NULL);
    ck_assert_int_eq(green_http_get(client, server.url, &response, NULL), 0);
    green_http_client_destroy(client); /* misuse: aborts */
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("http failures");
    TCase *tcase = new_case(suite, "failures");
    tcase_add_loop_test(tcase, bad_answers, 0, sizeof bad / sizeof bad[0]);
    tcase_add_test(tcase, bad_calls);
    tcase_add_test(tcase, slow_servers_are_given_up);
    tcase_add_test(tcase, scopes_bound_a_call);
    tcase_add_test(tcase, calls_are_cancelled);
    tcase_add_test(tcase, tasks_share_a_client);
    tcase_add_test(tcase, kept_connections_grow_old);
    tcase_add_test(tcase, responses_may_be_left);
    tcase_add_test(tcase, memory_may_run_out);
    tcase_add_test(tcase, descriptors_may_run_out);
    tcase_add_test_raise_signal(tcase, a_client_outlives_its_responses, SIGABRT);
    return run_suite(suite);
}
