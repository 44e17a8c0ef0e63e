/*
 * The server's side: what is waited for and how long, and how connections end, for each kind of
 * worker.
 */
#include "support.h"

#include <stdio.h>
#include <sys/socket.h>

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

/* ---- waiting ---- */

/** Reads a body and answers; or answers with more than anybody reads. */
static int
patient(struct green_http_request *request, void *arg)
{
    char buffer[1000] = "";
    ssize_t got;
    (void)arg;
    while ((got = green_http_read(request, buffer, sizeof buffer)) > 0) {
    }
    if (got < 0) {
        return (int)got;
    }
    int err = green_http_respond_start(request, 200, NULL, 0, GREEN_HTTP_UNKNOWN);
    while (err == 0 && strcmp(request->path, "/much") == 0) {
        err = green_http_write(request, buffer, sizeof buffer);
    }
    return err;
}

struct slow {
    const char *sent;
    const char *start;
    int result;
};

static const struct slow slowness[] = {
    {"", "", 0},
    {GET("/"), "HTTP/1.1 200 ", 0},
    {"GET / HTTP/1.1\r\nHost", "HTTP/1.1 408 ", -ETIMEDOUT},
    {"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhell", "HTTP/1.1 408 ", -ETIMEDOUT},
    {"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhell", "HTTP/1.1 408 ",
     -ETIMEDOUT},
};

START_TEST(slow_peers_are_given_up)
{
    struct green_http_server_options options = GREEN_HTTP_SERVER_OPTIONS;
    options.idle_timeout_ms = options.header_timeout_ms = options.body_timeout_ms = 20;
    options.linger_ms = 10;
    enum green_kind kinds[] = {GREEN_TASK, GREEN_THREAD};
    for (size_t i = 0; i < 2; i++) {
        struct served served;
        struct text text = {0};
        served_start(&served, kinds[i], patient, NULL, &options);
        served_send(&served, slowness[_i].sent, strlen(slowness[_i].sent));
        served_receive(&served, &text, NULL);
        ck_assert_int_eq(strncmp(text.data, slowness[_i].start, strlen(slowness[_i].start)), 0);
        ck_assert(*slowness[_i].start != '\0' || text.length == 0);
        ck_assert_int_eq(served_end(&served), slowness[_i].result);
    }
}
END_TEST

/** A byte now and then is no progress: the limits are on the whole. */
START_TEST(drips_are_given_up)
{
    struct green_http_server_options options = GREEN_HTTP_SERVER_OPTIONS;
    options.header_timeout_ms = options.body_timeout_ms = 50;
    options.min_body_rate = 1000;
    options.linger_ms = 10;
    static const char *const starts[] = {
        "GET / HTTP/1.1\r\nHost: ", "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999\r\n\r\n"};
    for (size_t i = 0; i < 2; i++) {
        struct served served;
        struct text text = {0};
        served_start(&served, GREEN_TASK, patient, NULL, &options);
        served_send(&served, starts[i], strlen(starts[i]));
        green_deadline limit = green_after(LIMIT_MS);
        while (green_job_join(served.job, NULL, green_after(5)) == -ETIMEDOUT) {
            served_send(&served, "x", 1);
            ck_assert_uint_lt(green_after(0), limit);
        }
        served_receive(&served, &text, NULL);
        ck_assert_int_eq(strncmp(text.data, "HTTP/1.1 408 ", 13), 0);
        ck_assert_int_eq(served_end(&served), -ETIMEDOUT);
    }
}
END_TEST

START_TEST(peers_that_do_not_read_are_given_up)
{
    struct green_http_server_options options = GREEN_HTTP_SERVER_OPTIONS;
    options.write_timeout_ms = 30;
    struct served served;
    served_start(&served, GREEN_TASK, patient, NULL, &options);
    served_send(&served, GET("/much"), strlen(GET("/much")));
    intptr_t value;
    ck_assert_int_eq(green_job_join(served.job, &value, green_after(LIMIT_MS)), 0);
    ck_assert_int_eq(value, -ETIMEDOUT);
    served_end(&served);
}
END_TEST

START_TEST(peers_that_are_gone_end_it)
{
    struct served served;
    served_start(&served, GREEN_TASK, patient, NULL, NULL);
    served_send(&served, GET("/much"), strlen(GET("/much")));
    green_yield();
    int result = served_end(&served);
    ck_assert_msg(result == -EPIPE || result == -ECONNRESET, "%d", result);
}
END_TEST

/* ---- the end ---- */

/** Takes its time, says whether it should end. */
static int
slowly(struct green_http_request *request, void *arg)
{
    (void)arg;
    if (strcmp(request->path, "/quick") == 0) {
        return green_http_respond(request, 200, NULL, 0, "quick", 5);
    }
    green_http_respond_start(request, 200, NULL, 0, GREEN_HTTP_UNKNOWN);
    green_http_write(request, "begun", 5);
    while (!green_http_draining(request)) {
        int err = green_sleep(1);
        if (err != 0) {
            return err;
        }
    }
    return green_http_write(request, "drained", 7);
}

/** Have a first answer: one that has not run yet would never run once it is cancelled. */
static void
warm_up(struct served *served)
{
    struct text text = {0};
    served_send(served, GET("/quick"), strlen(GET("/quick")));
    served_receive(served, &text, "\r\n\r\nquick");
}

static void
cancel_and_look(enum green_kind kind, const char *sent, const char *until, const char *last)
{
    struct served served;
    struct text text = {0};
    struct green_http_server_options options = GREEN_HTTP_SERVER_OPTIONS;
    options.drain_quiet_ms = until == NULL ? LIMIT_MS : 1;
    served_start(&served, kind, slowly, NULL, &options);
    served_send(&served, sent, strlen(sent));
    if (until != NULL) {
        served_receive(&served, &text, until);
    } else {
        warm_up(&served);
    }
    green_job_cancel(served.job);
    if (until == NULL) {
        green_sleep(5); /* it comes when the worker has heard of the end: it is answered yet */
        served_send(&served, GET("/"), strlen(GET("/")));
    }
    served_receive(&served, &text, NULL);
    ck_assert_msg(strstr(text.data, last) != NULL, "%s", text.data);
    ck_assert_int_eq(served_end(&served), -ECANCELED);
}

START_TEST(cancelled_connections_are_drained)
{
    enum green_kind kind = (enum green_kind)_i;
    cancel_and_look(kind, GET("/"), "begun", "7\r\ndrained\r\n0\r\n\r\n");
    cancel_and_look(kind, "", NULL,
                    "Connection: close\r\n\r\n5\r\nbegun\r\n7\r\ndrained\r\n0\r\n\r\n");
}
END_TEST

START_TEST(idle_connections_end_when_cancelled)
{
    struct served served;
    struct text text = {0};
    served_start(&served, (enum green_kind)_i, slowly, NULL, NULL);
    warm_up(&served);
    green_job_cancel(served.job);
    served_receive(&served, &text, NULL);
    ck_assert_str_eq(text.data, "");
    ck_assert_int_eq(served_end(&served), -ECANCELED);
}
END_TEST

/** What the client still sends is read, so that no reset overtakes the reply. */
START_TEST(replies_are_not_reset)
{
    static const char head[] = "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n";
    static char body[50000];
    struct served served;
    struct text text = {0};
    served_start(&served, GREEN_TASK, patient, NULL, NULL);
    served_send(&served, head, sizeof head - 1);
    served_send(&served, body, sizeof body);
    green_shutdown(served.fd, SHUT_WR);
    served_receive(&served, &text, NULL);
    ck_assert(!served.reset);
    ck_assert_int_eq(strncmp(text.data, "HTTP/1.1 413 ", 13), 0);
    ck_assert_int_eq(served_end(&served), -EMSGSIZE);
}
END_TEST

/** Waits for ever, but for a cancellation that is let through to it. */
static int
waits(struct green_http_request *request, void *arg)
{
    green_http_respond_start(request, 200, NULL, 0, GREEN_HTTP_UNKNOWN);
    green_http_write(request, "begun", 5);
    return green_semaphore_acquire(arg, GREEN_FOREVER) == -ECANCELED ? 0 : -EIO;
}

START_TEST(cancellation_reaches_handlers_that_want_it)
{
    struct green_http_server_options options = GREEN_HTTP_SERVER_OPTIONS;
    struct green_semaphore never = GREEN_SEMAPHORE_INIT(0);
    struct served served;
    struct text text = {0};
    options.cancel_handlers = true;
    served_start(&served, GREEN_TASK, waits, &never, &options);
    served_send(&served, GET("/"), strlen(GET("/")));
    served_receive(&served, &text, "begun");
    green_job_cancel(served.job);
    served_receive(&served, &text, NULL);
    ck_assert_str_eq(text.data + text.length - 5, "0\r\n\r\n");
    ck_assert_int_eq(served_end(&served), -ECANCELED);
    green_semaphore_fini(&never);
}
END_TEST

/** A scope around the call ends: like a cancellation. */
static intptr_t
serve_within(void *arg)
{
    struct served *served = arg;
    struct green_timeout scope;
    green_timeout_start(&scope, 30);
    int err = green_http_serve(served->server_fd, slowly, NULL, NULL);
    green_timeout_stop(&scope);
    green_close(served->server_fd);
    return err;
}

START_TEST(scopes_around_drain_too)
{
    for (int busy = 0; busy < 2; busy++) {
        struct served served = {0};
        struct text text = {0};
        int fds[2];
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        served.fd = fds[0];
        served.server_fd = fds[1];
        ck_assert_int_eq(green_spawn(serve_within, &served, &served.job), 0);
        served_send(&served, GET("/"), busy ? strlen(GET("/")) : 0);
        served_receive(&served, &text, NULL);
        ck_assert(busy ? strstr(text.data, "drained\r\n0\r\n\r\n") != NULL : text.length == 0);
        ck_assert_int_eq(served_end(&served), -ETIMEDOUT);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("http ends");
    TCase *tcase = new_case(suite, "waiting");
    tcase_add_loop_test(tcase, slow_peers_are_given_up, 0, sizeof slowness / sizeof slowness[0]);
    tcase_add_test(tcase, drips_are_given_up);
    tcase_add_test(tcase, peers_that_do_not_read_are_given_up);
    tcase_add_test(tcase, peers_that_are_gone_end_it);
    tcase = new_case(suite, "end");
    tcase_add_loop_test(tcase, cancelled_connections_are_drained, GREEN_TASK, KINDS);
    tcase_add_loop_test(tcase, idle_connections_end_when_cancelled, GREEN_TASK, KINDS);
    tcase_add_test(tcase, replies_are_not_reset);
    tcase_add_test(tcase, cancellation_reaches_handlers_that_want_it);
    tcase_add_test(tcase, scopes_around_drain_too);
    return run_suite(suite);
}
