/*
 * The server's side: responses, and bodies in both directions.
 */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define GET(path)  "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define GET0(path) "GET " path " HTTP/1.0\r\n\r\n"
#define HEAD(path) "HEAD " path " HTTP/1.1\r\nHost: h\r\n\r\n"

/** Answers in the way that the path names; `arg` is a trace or NULL. */
static int
route(struct green_http_request *request, void *arg)
{
    static const struct green_http_header plain = {"Content-Type", "text/plain"};
    static const struct green_http_header bad[] = {{"X", "a\r\nSet-Cookie: b"},
                                                   {"X y", "a"},
                                                   {"", "a"},
                                                   {"Content-Length", "1"},
                                                   {"connection", "close"},
                                                   {"X", NULL},
                                                   {"Transfer-Encoding", "chunked"}};
    struct text *trace = arg;
    const char *path = request->path;
    if (strcmp(path, "/chunks") == 0 || strcmp(path, "/counted") == 0) {
        uint64_t length = path[2] == 'o' ? 5 : GREEN_HTTP_UNKNOWN;
        int err = green_http_respond_start(request, 200, &plain, 1, length);
        err = err != 0 ? err : green_http_write(request, "he", 2);
        err = err != 0 ? err : green_http_write(request, "", 0);
        return err != 0 ? err : green_http_write(request, "llo", 3);
    }
    if (strcmp(path, "/empty") == 0) {
        return green_http_respond(request, 204, NULL, 0, "ignored", 7);
    }
    if (strcmp(path, "/unchanged") == 0) {
        int err = green_http_respond_start(request, 304, NULL, 0, GREEN_HTTP_UNKNOWN);
        return err != 0 ? err : green_http_write(request, "ignored", 7);
    }
    if (strcmp(path, "/silent") == 0) {
        return 0;
    }
    if (strcmp(path, "/fails") == 0) {
        return -EIO;
    }
    if (strcmp(path, "/cut") == 0) {
        green_http_respond_start(request, 200, NULL, 0, GREEN_HTTP_UNKNOWN);
        green_http_write(request, "half", 4);
        return -EIO;
    }
    if (strcmp(path, "/short") == 0) {
        green_http_respond_start(request, 200, NULL, 0, 10);
        return green_http_write(request, "half", 4);
    }
    if (strcmp(path, "/misused") == 0) {
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
            text_add(trace, "%d ", green_http_respond(request, 200, &bad[i], 1, "x", 1));
        }
        text_add(trace, "%d ", green_http_respond(request, 100, NULL, 0, NULL, 0));
        text_add(trace, "%d ", green_http_respond(request, 600, NULL, 0, NULL, 0));
        text_add(trace, "%d ", green_http_write(request, "x", 1));
        text_add(trace, "%d ", green_http_respond_start(request, 200, NULL, 0, 3));
        text_add(trace, "%d ", green_http_respond(request, 200, NULL, 0, NULL, 0));
        text_add(trace, "%d ", green_http_write(request, "four", 4));
        text_add(trace, "%d ", green_http_write(request, "yes", 3));
        text_add(trace, "%d", green_http_write(request, "x", 1));
        return 0;
    }
    if (strcmp(path, "/close") == 0) {
        green_http_close(request);
    }
    static const struct green_http_header date = {"Date", "now"};
    return green_http_respond(request, 200, &date, 1, "ok", 2);
}

struct row {
    const char *sent;
    int result;
    const char *received;
};

#define OK   "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 2\r\n"
#define LAST OK "Connection: close\r\n\r\nok"

static const struct row rows[] = {
    {GET("/chunks") GET("/close"), 0,
     "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
     "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n" LAST},
    {GET("/counted") GET("/close"), 0,
     "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello" LAST},
    {HEAD("/chunks") GET("/close"), 0,
     "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n" LAST},
    {HEAD("/counted") GET("/close"), 0,
     "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n" LAST},
    /* To HTTP/1.0 the end of a body is the end of the connection. */
    {GET0("/chunks") GET("/close"), 0,
     "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nhello"},
    {GET("/empty") GET("/unchanged") GET("/close"), 0,
     "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 Not Modified\r\n\r\n" LAST},
    {GET("/silent") GET("/fails") GET("/close"), 0,
     "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\nContent-Length: 22\r\n\r\n"
     "Internal Server Error\n"
     "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\nContent-Length: 22\r\n\r\n"
     "Internal Server Error\n" LAST},
    {GET("/cut") GET("/close"), -EIO,
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"},
    {GET("/short") GET("/close"), -EINVAL, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"},
    /* A body that nobody reads is passed over. */
    {"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nskip" GET("/close"), 0,
     OK "\r\nok" LAST},
    {"POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nskip\r\n0\r\n\r\n" GET(
         "/close"),
     0, OK "\r\nok" LAST},
    /* But not when the client may never send it. */
    {"POST /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n", 0, LAST},
};

START_TEST(responses)
{
    struct text received;
    int result = converse(rows[_i].sent, 0, route, NULL, NULL, &received);
    ck_assert_str_eq(received.data, rows[_i].received);
    ck_assert_int_eq(result, rows[_i].result);
}
END_TEST

START_TEST(misuse_is_refused)
{
    struct text received;
    struct text trace = {0};
    char expected[100];
    ck_assert_int_eq(converse(GET("/misused"), 0, route, &trace, NULL, &received), 0);
    snprintf(expected, sizeof expected,
             "%1$d %1$d %1$d %1$d %1$d %1$d %1$d %1$d %1$d %1$d 0 %2$d %1$d 0 %1$d", -EINVAL,
             -EBUSY);
    ck_assert_str_eq(trace.data, expected);
    ck_assert_str_eq(received.data, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes");
}
END_TEST

/* ---- bodies in both directions ---- */

static int
echo(struct green_http_request *request, void *arg)
{
    char buffer[10000];
    (void)arg;
    int err = green_http_respond_start(request, 200, NULL, 0, request->body_length);
    while (err == 0) {
        ssize_t got = green_http_read(request, buffer, sizeof buffer);
        if (got <= 0) {
            return (int)got;
        }
        err = green_http_write(request, buffer, (size_t)got);
    }
    return err;
}

static intptr_t
send_much(void *arg)
{
    struct served *served = arg;
    char piece[1000];
    for (int i = 0; i < 200; i++) {
        memset(piece, 'a' + i % 26, sizeof piece);
        served_send(served, piece, sizeof piece);
    }
    return 0;
}

START_TEST(large_bodies_are_streamed)
{
    struct served served;
    struct green_job *sender;
    char buffer[4096];
    size_t received = 0;
    served_start(&served, GREEN_TASK, echo, NULL, NULL);
    static const char head[] =
        "PUT / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 200000\r\n\r\n";
    served_send(&served, head, sizeof head - 1);
    ck_assert_int_eq(green_spawn(send_much, &served, &sender), 0);
    struct text text = {0};
    served_receive(&served, &text, "\r\n\r\n");
    ssize_t got;
    while ((got = green_recv(served.fd, buffer, sizeof buffer, 0)) > 0) {
        for (ssize_t i = 0; i < got; i++, received++) {
            ck_assert_int_eq(buffer[i], 'a' + (int)(received / 1000) % 26);
        }
    }
    ck_assert_uint_eq(received, 200000);
    ck_assert_int_eq(green_job_join(sender, NULL, green_after(LIMIT_MS)), 0);
    green_job_put(sender);
    ck_assert_int_eq(served_end(&served), 0);
}
END_TEST

/** Events that are sent as they come: each is there before the next is made. */
static int
events(struct green_http_request *request, void *arg)
{
    struct green_semaphore *next = arg;
    static const struct green_http_header type = {"Content-Type", "text/event-stream"};
    int err = green_http_respond_start(request, 200, &type, 1, GREEN_HTTP_UNKNOWN);
    for (int i = 0; err == 0 && i < 3; i++) {
        green_semaphore_acquire(next, GREEN_FOREVER);
        char event[20];
        int length = snprintf(event, sizeof event, "data: %d\n\n", i);
        err = green_http_write(request, event, (size_t)length);
    }
    return err;
}

START_TEST(events_are_not_held_back)
{
    struct green_semaphore next = GREEN_SEMAPHORE_INIT(0);
    struct served served;
    struct text text = {0};
    served_start(&served, GREEN_TASK, events, &next, NULL);
    served_send(&served, GET("/"), strlen(GET("/")));
    served_receive(&served, &text, "\r\n\r\n");
    for (int i = 0; i < 3; i++) {
        char event[32];
        snprintf(event, sizeof event, "9\r\ndata: %d\n\n\r\n", i);
        green_semaphore_release(&next);
        served_receive(&served, &text, event);
        ck_assert_ptr_nonnull(strstr(text.data, event));
    }
    green_shutdown(served.fd, SHUT_WR);
    served_receive(&served, &text, NULL);
    ck_assert_str_eq(text.data + text.length - 5, "0\r\n\r\n");
    ck_assert_int_eq(served_end(&served), 0);
    green_semaphore_fini(&next);
}
END_TEST

/** Consent comes when the body is asked for, and not before. */
static int
consent(struct green_http_request *request, void *arg)
{
    char buffer[10];
    struct text *trace = arg;
    text_add(trace, "handler\n");
    ssize_t got = green_http_read(request, buffer, sizeof buffer);
    text_add(trace, "%.*s\n", (int)got, buffer);
    return green_http_respond(request, 200, NULL, 0, NULL, 0);
}

START_TEST(consent_is_given_when_the_body_is_read)
{
    struct served served;
    struct text text = {0};
    struct text trace = {0};
    served_start(&served, GREEN_TASK, consent, &trace, NULL);
    static const char head[] =
        "PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    served_send(&served, head, sizeof head - 1);
    served_receive(&served, &text, "\r\n\r\n");
    ck_assert_str_eq(text.data, "HTTP/1.1 100 Continue\r\n\r\n");
    text_add(&trace, "consent\n");
    served_send(&served, "body", 4);
    green_shutdown(served.fd, SHUT_WR);
    text.length = 0;
    served_receive(&served, &text, NULL);
    ck_assert_str_eq(text.data, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    ck_assert_str_eq(trace.data, "handler\nconsent\nbody\n");
    ck_assert_int_eq(served_end(&served), 0);
}
END_TEST

/* ---- without memory ---- */

START_TEST(memory_may_run_out)
{
    static const char sent[] = "POST /x HTTP/1.1\r\nHost: h\r\nA: b\r\nContent-Length: 4\r\n\r\n"
                               "skip" GET("/chunks") GET("/close");
    struct text received;
    allocations_hook();
    converse(sent, 0, route, NULL, NULL, &received); /* what is kept for ever is there now */
    int failures = 0;
    for (long nth = 1; failures < nth; nth++) {
        struct served served;
        served_start(&served, GREEN_TASK, route, NULL, NULL);
        served_send(&served, sent, sizeof sent - 1);
        green_shutdown(served.fd, SHUT_WR);
        long before = allocations_live();
        allocations_fail(nth);
        intptr_t value;
        ck_assert_int_eq(green_job_join(served.job, &value, green_after(LIMIT_MS)), 0);
        allocations_fail(0);
        ck_assert_int_ge(before, allocations_live());
        received.length = 0;
        received.data[0] = '\0';
        served_receive(&served, &received, NULL);
        served_end(&served);
        if (value == 0 && strstr(received.data, LAST) != NULL) {
            break;
        }
        ck_assert_msg(value == -ENOMEM || strstr(received.data, "500 Internal") != NULL,
                      "%ld: %jd\n%s", nth, (intmax_t)value, received.data);
        failures++;
    }
    ck_assert_int_ge(failures, 3);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("http respond");
    TCase *tcase = new_case(suite, "responses");
    tcase_add_loop_test(tcase, responses, 0, sizeof rows / sizeof rows[0]);
    tcase_add_test(tcase, misuse_is_refused);
    tcase_add_test(tcase, large_bodies_are_streamed);
    tcase_add_test(tcase, events_are_not_held_back);
    tcase_add_test(tcase, consent_is_given_when_the_body_is_read);
    tcase_add_test(tcase, memory_may_run_out);
    return run_suite(suite);
}
