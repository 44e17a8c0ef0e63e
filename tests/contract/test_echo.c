/*
 * The protocol: every message comes back upper-cased, in order, whatever way it is cut.
 *
 * Where a test cuts a code point it waits until the server has read the first part, so that the cut
 * is real and no pause stands for it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "tests.h"

#define BIG (1024 * 1024)

START_TEST(a_message_comes_back_upper_cased)
{
    struct server server = server_start(NO_OPTIONS);
    int fd = client_connect(&server);
    client_say(fd, "hello, stra\u00dfe");
    client_expect(fd, "HELLO, STRASSE");
    client_half_close(fd);
    client_expect_end(fd);
    client_close(fd);
    server_stop(&server);
}
END_TEST

START_TEST(messages_are_answered_one_by_one_in_order)
{
    struct server server = server_start(NO_OPTIONS);
    int fd = client_connect(&server);
    for (size_t i = 0; i < scaled(500); i++) {
        char message[64];
        char reply[64];
        snprintf(message, sizeof message, "message %zu\n", i);
        snprintf(reply, sizeof reply, "MESSAGE %zu\n", i);
        client_say(fd, message);
        client_expect(fd, reply);
    }
    client_close(fd);
    server_stop(&server);
}
END_TEST

/* Upper case of other lengths than the lower case, of the same, and none at all. */
static const struct {
    const char *text;
    const char *upper;
} letters[] = {
    {"\u00df", "SS"},
    {"\u00e9", "\u00c9"},
    {"\u0131", "I"},
    {"\u0149", "\u02bcN"},
    {"\u03c2", "\u03a3"},
    {"\ufb03", "FFI"},
    {"\u1fb3", "\u0391\u0399"},
    {"\u4e2d", "\u4e2d"},
    {"\U00010428", "\U00010400"},
    {"\U0001f600", "\U0001f600"},
};

START_TEST(a_code_point_may_be_cut_behind_each_of_its_bytes)
{
    struct server server = server_start(NO_OPTIONS);
    int fd = client_connect(&server);
    for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++) {
        const char *text = letters[i].text;
        size_t length = strlen(text);
        for (size_t cut = 1; cut < length; cut++) {
            client_send(fd, text, cut);
            client_await_read(&server, fd);
            client_send(fd, text + cut, length - cut);
            client_expect(fd, letters[i].upper);
        }
        for (size_t at = 0; at < length; at++) {
            client_send(fd, text + at, 1);
            client_await_read(&server, fd);
        }
        client_expect(fd, letters[i].upper);
    }
    client_half_close(fd);
    client_expect_end(fd);
    client_close(fd);
    server_stop(&server);
}
END_TEST

START_TEST(half_close_sends_what_was_held_unchanged)
{
    static const char *const beginnings[] = {"\xc3", "\xe1\xbe", "\xf0\x9f", "\xf0\x9f\x98"};
    struct server server = server_start(NO_OPTIONS);
    for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++) {
        int fd = client_connect(&server);
        client_say(fd, "a");
        client_say(fd, beginnings[i]);
        client_expect(fd, "A");
        client_await_read(&server, fd);
        client_half_close(fd);
        client_expect(fd, beginnings[i]);
        client_expect_end(fd);
        client_close(fd);
    }
    server_stop(&server);
}
END_TEST

/* Nothing here begins a well-formed sequence that could still be completed: all is sent at once. */
static const struct {
    const char *bytes;
    const char *reply;
} invalid[] = {
    {"\xff\xfe", "\xff\xfe"},             /* never in UTF-8 */
    {"a\x80z", "A\x80Z"},                 /* a continuation alone */
    {"\xc0", "\xc0"},                     /* could only begin an overlong form */
    {"\xe0\x80", "\xe0\x80"},             /* likewise, with its second byte */
    {"\xed\xa0", "\xed\xa0"},             /* half a surrogate */
    {"\xf4\x90", "\xf4\x90"},             /* beyond U+10FFFF */
    {"\xf5", "\xf5"},                     /* likewise */
    {"\xe2\x82z", "\xe2\x82Z"},           /* broken off by ASCII */
    {"\xe2\x82\xc3\x9fz", "\xe2\x82SSZ"}, /* broken off by another letter */
    {"\xf0\x9f\x98z\xc3\xa9", "\xf0\x9f\x98Z\xc3\x89"},
};

START_TEST(invalid_bytes_pass_at_once)
{
    struct server server = server_start(NO_OPTIONS);
    int fd = client_connect(&server);
    for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++) {
        client_say(fd, invalid[i].bytes);
        client_expect(fd, invalid[i].reply);
    }
    client_send(fd, "a\0b", 3);
    client_expect_bytes(fd, "A\0B", 3);
    client_close(fd);
    server_stop(&server);
}
END_TEST

START_TEST(a_mebibyte_in_one_go)
{
    struct server server = server_start(NO_OPTIONS);
    char *text = text_make(BIG);
    char *upper = text_upper(text, BIG);
    int fd = client_connect(&server);
    client_exchange(fd, text, BIG, upper, BIG);
    client_half_close(fd);
    client_expect_end(fd);
    client_close(fd);
    free(text);
    free(upper);
    server_stop(&server);
}
END_TEST

START_TEST(a_late_reader_loses_nothing)
{
    enum { MUCH = 8 * BIG };
    struct server server = server_start(NO_OPTIONS);
    char *text = text_make(MUCH);
    char *upper = text_upper(text, MUCH);
    int fd = client_connect_small(&server);
    size_t sent = client_fill(fd, text, MUCH);
    ck_assert_uint_gt(sent, 0);
    client_exchange(fd, text + sent, MUCH - sent, upper, MUCH);
    client_half_close(fd);
    client_expect_end(fd);
    client_close(fd);
    free(text);
    free(upper);
    server_stop(&server);
}
END_TEST

START_TEST(half_close_does_not_cut_what_is_still_to_come)
{
    struct server server = server_start(NO_OPTIONS);
    char *text = text_make(BIG);
    char *upper = text_upper(text, BIG);
    int fd = client_connect(&server);
    size_t sent = client_fill(fd, text, BIG);
    client_half_close(fd);
    client_expect_bytes(fd, upper, sent);
    client_expect_end(fd);
    client_close(fd);
    free(text);
    free(upper);
    server_stop(&server);
}
END_TEST

START_TEST(a_thousand_messages_in_flight)
{
    enum { MESSAGES = 1000, LENGTH = 13 };
    struct server server = server_start(NO_OPTIONS);
    char text[MESSAGES * LENGTH + 1];
    char upper[MESSAGES * LENGTH + 1];
    for (size_t i = 0; i < MESSAGES; i++) {
        snprintf(text + i * LENGTH, LENGTH + 1, "message %04zu\n", i);
        snprintf(upper + i * LENGTH, LENGTH + 1, "MESSAGE %04zu\n", i);
    }
    int fd = client_connect(&server);
    for (size_t i = 0; i < MESSAGES; i++) {
        client_send(fd, text + i * LENGTH, LENGTH);
    }
    client_expect_bytes(fd, upper, MESSAGES * LENGTH);
    client_close(fd);
    server_stop(&server);
}
END_TEST

START_TEST(connections_do_not_mix)
{
    enum { CONNECTIONS = 40, ROUNDS = 10 };
    struct server server = server_start(NO_OPTIONS);
    int fds[CONNECTIONS];
    for (size_t i = 0; i < CONNECTIONS; i++) {
        fds[i] = client_connect(&server);
    }
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < CONNECTIONS; i++) {
            char message[64];
            snprintf(message, sizeof message, "round %zu of connection %zu\n", round, i);
            client_say(fds[i], message);
        }
        for (size_t i = CONNECTIONS; i-- > 0;) {
            char reply[64];
            snprintf(reply, sizeof reply, "ROUND %zu OF CONNECTION %zu\n", round, i);
            client_expect(fds[i], reply);
        }
    }
    for (size_t i = 0; i < CONNECTIONS; i++) {
        client_close(fds[i]);
    }
    server_stop(&server);
}
END_TEST

START_TEST(a_byte_at_a_time_is_served)
{
    struct server server = server_start(NO_OPTIONS);
    int fd = client_connect(&server);
    for (size_t i = 0; i < scaled(1000); i++) {
        char byte = (char)('a' + i % 26);
        char upper = (char)('A' + i % 26);
        client_send(fd, &byte, 1);
        client_expect_bytes(fd, &upper, 1);
    }
    client_close(fd);
    server_stop(&server);
}
END_TEST

START_TEST(a_connection_that_says_nothing_ends_in_order)
{
    struct server server = server_start(NO_OPTIONS);
    int fd = client_connect(&server);
    client_half_close(fd);
    client_expect_end(fd);
    client_close(fd);
    client_close(client_connect(&server));
    server_stop(&server);
}
END_TEST

START_TEST(ascii_maps_a_to_z_alone)
{
    struct server server = server_start(OPTIONS("--encoding", "ascii"));
    int fd = client_connect(&server);
    client_say(fd, "az{`stra\u00dfe \u00e9\xc3");
    client_expect(fd, "AZ{`STRA\u00dfE \u00e9\xc3");
    client_close(fd);
    server_stop(&server);
}
END_TEST

START_TEST(service_echo_changes_nothing)
{
    struct server server = server_start(OPTIONS("--service", "echo"));
    int fd = client_connect(&server);
    client_say(fd, "as it is: \u00df\xff\xc3");
    client_expect(fd, "as it is: \u00df\xff\xc3");
    client_close(fd);
    server_stop(&server);
}
END_TEST

START_TEST(service_discard_answers_nothing)
{
    struct server server = server_start(OPTIONS("--service=discard"));
    char *text = text_make(BIG);
    int fd = client_connect(&server);
    client_send(fd, text, BIG);
    client_await_read(&server, fd);
    client_half_close(fd);
    client_expect_end(fd);
    client_close(fd);
    free(text);
    server_stop(&server);
}
END_TEST

START_TEST(burnt_and_delayed_messages_are_answered)
{
    struct server server = server_start(OPTIONS("--delay", "5", "--burn", "5"));
    int fd = client_connect(&server);
    client_chat(fd);
    client_chat(fd);
    client_close(fd);
    server_stop(&server);
}
END_TEST

const char *
echo_add(TCase *tcase)
{
    tcase_add_test(tcase, a_message_comes_back_upper_cased);
    tcase_add_test(tcase, messages_are_answered_one_by_one_in_order);
    tcase_add_test(tcase, a_code_point_may_be_cut_behind_each_of_its_bytes);
    tcase_add_test(tcase, half_close_sends_what_was_held_unchanged);
    tcase_add_test(tcase, invalid_bytes_pass_at_once);
    tcase_add_test(tcase, a_mebibyte_in_one_go);
    tcase_add_test(tcase, a_late_reader_loses_nothing);
    tcase_add_test(tcase, half_close_does_not_cut_what_is_still_to_come);
    tcase_add_test(tcase, a_thousand_messages_in_flight);
    tcase_add_test(tcase, connections_do_not_mix);
    tcase_add_test(tcase, a_byte_at_a_time_is_served);
    tcase_add_test(tcase, a_connection_that_says_nothing_ends_in_order);
    tcase_add_test(tcase, ascii_maps_a_to_z_alone);
    tcase_add_test(tcase, service_echo_changes_nothing);
    tcase_add_test(tcase, service_discard_answers_nothing);
    tcase_add_test(tcase, burnt_and_delayed_messages_are_answered);
    return NULL;
}
