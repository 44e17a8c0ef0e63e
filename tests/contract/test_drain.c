/*
 * How echod ends: SIGTERM lets every connection finish, a second one or SIGINT does not.
 *
 * What is under way when the signal comes is put there by stopping the server's processes first:
 * then its order is certain and no test races the server.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "client.h"
#include "tests.h"

/** What echod calls quiet while it drains. */
#define QUIET_MS 100

START_TEST(an_idle_server_ends_at_once)
{
    struct server server = server_start(NO_OPTIONS);
    server_stop(&server);
}
END_TEST

/** A connection that talks on during a drain, and when it was last answered. */
struct talk {
    int fd;
    uint64_t answered_ms;
};

/**
 * Chat once more; false when the stream has ended, which is right only if we paused for too long: a
 * busy machine may make us.
 */
static bool
talk_on(struct talk *talk)
{
    static const char answer[] = "ARE YOU THERE?";
    char buffer[sizeof answer];
    size_t got = 0;
    uint64_t pause_ms = now_ms() - talk->answered_ms;
    ssize_t result = send(talk->fd, "are you there?", 14, MSG_NOSIGNAL);
    while (got < 14 && result > 0) {
        struct pollfd ready = {.fd = talk->fd, .events = POLLIN};
        ck_assert_int_eq(poll(&ready, 1, (int)patience_ms()), 1);
        result = recv(talk->fd, buffer + got, 14 - got, 0);
        got += result > 0 ? (size_t)result : 0;
    }
    if (got == 14) {
        ck_assert_int_eq(memcmp(buffer, answer, 14), 0);
        talk->answered_ms = now_ms();
        return true;
    }
    ck_assert_msg(pause_ms >= QUIET_MS / 2, "it ended %lu ms after an answer",
                  (unsigned long)pause_ms);
    return false;
}

START_TEST(a_talk_is_finished_before_the_end)
{
    struct server server = server_start(NO_OPTIONS);
    int talking = client_connect(&server);
    int quiet = client_connect(&server);
    client_chat(quiet);
    for (size_t i = 0; i < 20; i++) {
        client_chat(talking);
    }
    server_signal(&server, SIGTERM);
    /* It goes on for as long as it pauses for less than 100 ms. */
    struct talk talk = {talking, now_ms()};
    bool late = false;
    for (size_t i = 0; i < 20 && !late; i++) {
        late = !talk_on(&talk);
    }
    client_expect_end(quiet);
    if (!late) {
        client_expect_end(talking);
    }
    client_close(quiet);
    client_close(talking);
    ck_assert_int_eq(server_wait(&server), 0);
}
END_TEST

START_TEST(all_that_was_sent_is_answered_before_the_end)
{
    enum { LENGTH = 1024 * 1024 };
    struct server server = server_start(NO_OPTIONS);
    char *text = text_make(LENGTH);
    char *upper = text_upper(text, LENGTH);
    int fd = client_connect(&server);
    client_chat(fd);
    size_t sent = client_fill(fd, text, LENGTH);
    server_signal(&server, SIGTERM);
    client_expect_bytes(fd, upper, sent);
    client_expect_end(fd);
    client_close(fd);
    ck_assert_int_eq(server_wait(&server), 0);
    free(text);
    free(upper);
}
END_TEST

START_TEST(held_bytes_go_out_before_the_end)
{
    struct server server = server_start(NO_OPTIONS);
    int fd = client_connect(&server);
    client_say(fd, "a\xe1\xbe");
    client_expect(fd, "A");
    client_await_read(&server, fd);
    server_signal(&server, SIGTERM);
    client_expect(fd, "\xe1\xbe");
    client_expect_end(fd);
    client_close(fd);
    ck_assert_int_eq(server_wait(&server), 0);
}
END_TEST

START_TEST(what_was_sent_while_it_was_told_to_end_is_answered)
{
    struct server server = server_start(NO_OPTIONS);
    int fd = client_connect(&server);
    client_chat(fd);
    server_signal_all(&server, SIGSTOP);
    client_say(fd, "last words");
    server_signal(&server, SIGTERM);
    server_signal_all(&server, SIGCONT);
    client_expect(fd, "LAST WORDS");
    client_expect_end(fd);
    client_close(fd);
    ck_assert_int_eq(server_wait(&server), 0);
}
END_TEST

START_TEST(connections_in_the_queue_are_served_before_the_end)
{
    enum { QUEUED = 12 };
    struct server server = server_start(NO_OPTIONS);
    /* All is set up in every process by now: one that starts accepting afterwards is not meant. */
    int fd = client_connect(&server);
    client_chat(fd);
    client_close(fd);
    server_signal_all(&server, SIGSTOP);
    int fds[QUEUED];
    for (size_t i = 0; i < QUEUED; i++) {
        fds[i] = client_connect(&server);
        client_say(fds[i], "queued");
    }
    server_signal(&server, SIGTERM);
    server_signal_all(&server, SIGCONT);
    for (size_t i = 0; i < QUEUED; i++) {
        client_expect(fds[i], "QUEUED");
    }
    for (size_t i = 0; i < QUEUED; i++) {
        client_expect_end(fds[i]);
        client_close(fds[i]);
    }
    ck_assert_int_eq(server_wait(&server), 0);
}
END_TEST

/** Try to connect; what still gets in is let go again. */
static bool
is_refused(const struct server *server)
{
    int fd = client_try_port(server->port);
    if (fd >= 0) {
        client_close(fd);
    }
    return fd == -ECONNREFUSED;
}

START_TEST(nobody_gets_in_during_a_drain)
{
    struct server server = server_start(NO_OPTIONS);
    int talking = client_connect(&server);
    client_chat(talking);
    server_signal(&server, SIGTERM);
    struct talk talk = {talking, now_ms()};
    uint64_t end = now_ms() + patience_ms();
    bool late = false;
    while (!is_refused(&server)) {
        ck_assert_msg(now_ms() < end, "it still listens");
        late = late || !talk_on(&talk);
        /* Slower than any server takes them, or its queue would never be empty. */
        nap(10);
    }
    if (!late && talk_on(&talk)) {
        client_expect_end(talking);
    }
    client_close(talking);
    ck_assert_int_eq(server_wait(&server), 0);
}
END_TEST

/** Talk on until the stream ends, which it has to do in order. */
static void
talk_until_end(int fd)
{
    uint64_t end = now_ms() + patience_ms();
    for (;;) {
        char buffer[256];
        ck_assert_msg(now_ms() < end, "the connection was never ended");
        ck_assert(send(fd, "more", 4, MSG_NOSIGNAL) == 4);
        nap(10);
        ssize_t got = recv(fd, buffer, sizeof buffer, 0);
        if (got == 0) {
            return;
        }
        ck_assert(got > 0 || errno == EAGAIN);
    }
}

START_TEST(a_peer_that_never_falls_silent_is_ended_in_order)
{
    struct server server = server_start(OPTIONS("--drain-timeout", "1s"));
    int fd = client_connect(&server);
    client_chat(fd);
    server_signal(&server, SIGTERM);
    talk_until_end(fd);
    client_close(fd);
    ck_assert_int_eq(server_wait(&server), 0);
    ck_assert_uint_eq(server_logged(&server, "cut off"), 0);
}
END_TEST

START_TEST(what_crosses_the_end_is_told)
{
    struct server server = server_start(OPTIONS("--drain-timeout", "600ms"));
    int fd = client_connect(&server);
    client_chat(fd);
    server_signal(&server, SIGTERM);
    for (char answer[6] = "x"; answer[0] != '\0';) { /* talk on; the last message has no answer */
        struct pollfd entry = {.fd = fd, .events = POLLIN};
        client_say(fd, "hello\n");
        ck_assert_int_eq(poll(&entry, 1, (int)patience_ms()), 1);
        ssize_t got = recv(fd, answer, sizeof answer, 0);
        ck_assert(got == 0 || (got == 6 && memcmp(answer, "HELLO\n", 6) == 0));
        answer[0] = got == 0 ? '\0' : 'x';
    }
    ck_assert_int_eq(server_wait(&server), 0); /* our end of it does not come */
    ck_assert_uint_eq(
        server_logged(&server, ": 6 bytes came after the end of a drained connection"), 1);
    client_close(fd);
}
END_TEST

START_TEST(a_reader_that_stops_does_not_stop_the_drain)
{
    enum { STUCK = 3 };
    struct server server = server_start(OPTIONS("--drain-timeout", "1s"));
    int fds[STUCK];
    for (size_t i = 0; i < STUCK; i++) {
        fds[i] = client_connect_small(&server);
    }
    client_fill_all(fds, STUCK, (size_t)64 * 1024 * 1024);
    server_signal(&server, SIGTERM);
    ck_assert_int_eq(server_wait(&server), 1);
    ck_assert_msg(server_logged(&server, "3 connections") == 1, "it said:\n%s",
                  server_log(&server));
    for (size_t i = 0; i < STUCK; i++) {
        client_expect_cut(fds[i]);
        client_close(fds[i]);
    }
}
END_TEST

/** It was told to end now: no drain of 30 seconds, no crash, and the connection is over. */
static void
expect_abrupt_end(struct server *server, int fd)
{
    uint64_t start = now_ms();
    int code = server_wait(server);
    ck_assert_msg(code == 0 || code == 1 || code == -SIGINT || code == -SIGTERM, "ended with %d",
                  code);
    ck_assert_uint_lt(now_ms() - start, patience_ms() / 2);
    client_expect_cut(fd);
    client_close(fd);
    AWAIT(server, server_workers(server, NULL, 0) == 0);
}

START_TEST(a_second_sigterm_ends_now)
{
    struct server server = server_start(NO_OPTIONS);
    int fd = client_connect_small(&server);
    client_fill_all(&fd, 1, (size_t)64 * 1024 * 1024);
    server_signal(&server, SIGTERM);
    /* Two of a kind that are pending together count as one: the drain has begun by now. */
    AWAIT(&server, is_refused(&server));
    server_signal(&server, SIGTERM);
    expect_abrupt_end(&server, fd);
}
END_TEST

START_TEST(sigint_ends_now)
{
    struct server server = server_start(NO_OPTIONS);
    int fd = client_connect_small(&server);
    client_fill_all(&fd, 1, (size_t)64 * 1024 * 1024);
    server_signal(&server, SIGINT);
    expect_abrupt_end(&server, fd);
}
END_TEST

START_TEST(sigint_ends_a_drain)
{
    struct server server = server_start(NO_OPTIONS);
    int fd = client_connect_small(&server);
    client_fill_all(&fd, 1, (size_t)64 * 1024 * 1024);
    server_signal(&server, SIGTERM);
    AWAIT(&server, is_refused(&server));
    server_signal(&server, SIGINT);
    expect_abrupt_end(&server, fd);
}
END_TEST

const char *
drain_add(TCase *tcase)
{
    tcase_add_test(tcase, an_idle_server_ends_at_once);
    tcase_add_test(tcase, a_talk_is_finished_before_the_end);
    tcase_add_test(tcase, all_that_was_sent_is_answered_before_the_end);
    tcase_add_test(tcase, held_bytes_go_out_before_the_end);
    tcase_add_test(tcase, what_was_sent_while_it_was_told_to_end_is_answered);
    tcase_add_test(tcase, connections_in_the_queue_are_served_before_the_end);
    tcase_add_test(tcase, nobody_gets_in_during_a_drain);
    tcase_add_test(tcase, a_peer_that_never_falls_silent_is_ended_in_order);
    tcase_add_test(tcase, what_crosses_the_end_is_told);
    tcase_add_test(tcase, a_reader_that_stops_does_not_stop_the_drain);
    tcase_add_test(tcase, a_second_sigterm_ends_now);
    tcase_add_test(tcase, sigint_ends_now);
    tcase_add_test(tcase, sigint_ends_a_drain);
    return NULL;
}
