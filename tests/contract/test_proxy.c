/*
 * PROXY headers: who may send them, what they change, and what becomes of those that are wrong.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "client.h"
#include "tests.h"

#define LINE "PROXY TCP4 192.0.2.7 198.51.100.1 4711 8888\r\n"
#define V2   "\r\n\r\n\0\r\nQUIT\n"
#define TCP6                                                                                      \
    V2 "\x21\x21\0\x24\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0" \
       "\1\x12\x67\x22\xb8"

#define BYTES(text) text, sizeof(text) - 1

static struct server
start(const char *option)
{
    return server_start(OPTIONS("--proxy-protocol", "--access-log=-", option));
}

/** Wait for a line of the access log with this peer and end. */
static void
await_line(const struct server *server, const char *peer, const char *end)
{
    char line[256];
    bool found = false;
    snprintf(line, sizeof line, " end=%s ", end);
    uint64_t until = now_ms() + patience_ms();
    while (!found) {
        char *text = strdup(server_output(server));
        char *next = text;
        for (char *one = strsep(&next, "\n"); one != NULL && !found; one = strsep(&next, "\n")) {
            found = strstr(one, peer) != NULL && strstr(one, line) != NULL;
        }
        free(text);
        ck_assert_msg(found || now_ms() < until, "no line with %s and%sin:\n%s", peer, line,
                      server_output(server));
        nap(2);
    }
}

/** A connection that begins with these bytes, talks, and ends in order. */
static void
talk_after(const struct server *server, const char *header, size_t length)
{
    int fd = client_connect(server);
    client_send(fd, header, length);
    client_chat(fd);
    client_half_close(fd);
    client_expect_end(fd);
    client_close(fd);
}

START_TEST(the_header_names_the_client)
{
    struct server server = start("--trusted=127.0.0.1");
    talk_after(&server, BYTES(LINE));
    await_line(&server, " 192.0.2.7:4711 ", "peer");
    talk_after(&server, BYTES(TCP6));
    await_line(&server, " [2001:db8::7]:4711 ", "peer");
    server_stop(&server);
}
END_TEST

START_TEST(what_follows_in_the_same_segment_is_the_clients)
{
    struct server server = start("--log-level=info");
    int fd = client_connect(&server);
    client_say(fd, LINE "straight on\r\n" LINE);
    client_expect(fd, "STRAIGHT ON\r\nPROXY TCP4 192.0.2.7 198.51.100.1 4711 8888\r\n");
    client_close(fd);
    fd = client_connect(&server);
    client_send(fd, BYTES(TCP6 "x"));
    client_expect(fd, "X");
    client_close(fd);
    server_stop(&server);
}
END_TEST

/** Send byte by byte, each of them read before the next is sent. */
static void
send_apart(const struct server *server, const char *bytes, size_t length)
{
    int fd = client_connect(server);
    for (size_t i = 0; i < length; i++) {
        client_send(fd, bytes + i, 1);
        client_await_read(server, fd);
    }
    client_chat(fd);
    client_close(fd);
}

START_TEST(cuts_change_nothing)
{
    struct server server = start("--header-timeout=120s");
    send_apart(&server, BYTES(LINE));
    send_apart(&server, BYTES(TCP6));
    server_stop(&server);
}
END_TEST

START_TEST(health_checks_are_served)
{
    struct server server = start("--trusted=127.0.0.0/8,::1");
    talk_after(&server, BYTES("PROXY UNKNOWN\r\n"));
    talk_after(&server, BYTES(V2 "\x20\0\0\0"));
    await_line(&server, " 127.0.0.1:", "peer");
    int fd = client_connect(&server); /* one that only looks whether it is accepted */
    client_send(fd, BYTES(V2 "\x20\0\0\0"));
    client_half_close(fd);
    client_expect_end(fd);
    client_close(fd);
    server_stop(&server);
}
END_TEST

START_TEST(strangers_are_refused)
{
    struct server server = start("--trusted=192.0.2.0/24");
    for (int i = 0; i < 2; i++) {
        int fd = client_connect(&server);
        client_expect_cut(fd); /* whatever it would say */
        client_close(fd);
    }
    await_line(&server, " 127.0.0.1:", "proxy_untrusted");
    AWAIT(&server, server_logged(&server, "it is in none of the --trusted networks") > 0);
    server_stop(&server);
}
END_TEST

static const struct {
    const char *bytes;
    size_t length;
    const char *end;
} wrong[] = {
    {BYTES("hello\n"), "proxy_malformed"},
    {BYTES("PROXY TCP4 192.0.2.7 198.51.100.1 4711\r\n"), "proxy_malformed"},
    {BYTES(V2 "\x21\x11\0\4...."), "proxy_malformed"},
    {BYTES(V2 "\x21\x11\xff\xff"), "proxy_too_long"},
};

START_TEST(what_is_no_header_is_refused)
{
    struct server server = start("--log-level=info");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int fd = client_connect(&server);
        client_send(fd, wrong[i].bytes, wrong[i].length);
        client_expect_cut(fd);
        client_close(fd);
        await_line(&server, " 127.0.0.1:", wrong[i].end);
    }
    int fd = client_connect(&server);
    client_say(fd, "PROXY TCP4");
    client_half_close(fd);
    client_expect_end(fd);
    client_close(fd);
    await_line(&server, " 127.0.0.1:", "proxy_incomplete");
    server_stop(&server);
}
END_TEST

START_TEST(late_headers_are_refused)
{
    struct server server = start("--header-timeout=300ms");
    int silent = client_connect(&server);
    int slow = client_connect(&server);
    client_say(slow, "PROXY TCP4 192.0.2.7 ");
    client_expect_end(silent);
    client_expect_end(slow);
    client_close(silent);
    client_close(slow);
    await_line(&server, " 127.0.0.1:", "proxy_timeout");
    talk_after(&server, BYTES(LINE));
    server_stop(&server);
}
END_TEST

/* A drain does not wait for headers that do not come, and loses none that has come. */
START_TEST(a_drain_ends_those_without_a_header)
{
    struct server server = start("--header-timeout=120s");
    int silent = client_connect(&server);
    int slow = client_connect(&server);
    int queued = client_connect(&server);
    client_say(slow, "PROXY TCP4 192.0.2.7 ");
    client_await_read(&server, slow);
    client_say(queued, LINE "in time");
    server_signal(&server, SIGTERM);
    client_expect(queued, "IN TIME");
    client_expect_end(queued);
    client_expect_end(silent);
    client_expect_end(slow);
    client_close(queued);
    client_close(silent);
    client_close(slow);
    ck_assert_int_eq(server_wait(&server), 0);
}
END_TEST

START_TEST(peers_over_unix_sockets_are_trusted_by_name)
{
    char directory[] = "/tmp/echod-proxy-XXXXXX";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char option[128];
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", directory);
    snprintf(option, sizeof option, "--unix=%s", address.sun_path);
    for (int trusted = 0; trusted < 2; trusted++) {
        struct server server = server_start_at(
            OPTIONS(option, "--proxy-protocol", trusted ? "--trusted=unix" : "--trusted=::/0"));
        int fd = client_try((struct sockaddr *)&address, sizeof address);
        ck_assert_int_ge(fd, 0);
        if (trusted) {
            client_say(fd, LINE "x");
            client_expect(fd, "X");
        } else {
            client_expect_cut(fd);
        }
        client_close(fd);
        server_stop(&server);
    }
    rmdir(directory);
}
END_TEST

const char *
proxy_add(TCase *tcase)
{
    tcase_add_test(tcase, the_header_names_the_client);
    tcase_add_test(tcase, what_follows_in_the_same_segment_is_the_clients);
    tcase_add_test(tcase, cuts_change_nothing);
    tcase_add_test(tcase, health_checks_are_served);
    tcase_add_test(tcase, strangers_are_refused);
    tcase_add_test(tcase, what_is_no_header_is_refused);
    tcase_add_test(tcase, late_headers_are_refused);
    tcase_add_test(tcase, a_drain_ends_those_without_a_header);
    tcase_add_test(tcase, peers_over_unix_sockets_are_trusted_by_name);
    return NULL;
}
