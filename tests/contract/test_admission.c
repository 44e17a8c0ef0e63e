/*
 * What one address may take, and what one connection may: more is refused or ended, whichever
 * process has it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "tests.h"

#define MOST 3

/** Connect and talk, if we are let; a negative number if we are refused. */
static int
try_in(const struct server *server, const char *header)
{
    int fd = client_connect(server);
    char byte;
    client_say(fd, header);
    client_say(fd, "x");
    ssize_t got;
    do {
        nap(1);
        got = recv(fd, &byte, 1, MSG_DONTWAIT);
    } while (got < 0 && errno == EAGAIN);
    if (got == 1) {
        ck_assert_int_eq(byte, 'X');
        return fd;
    }
    client_close(fd);
    return -1;
}

static void
fill(const struct server *server, const char *header, int fds[MOST])
{
    for (int i = 0; i < MOST; i++) {
        fds[i] = -1;
        AWAIT(server, (fds[i] = try_in(server, header)) >= 0);
    }
    ck_assert_int_lt(try_in(server, header), 0);
}

static void
leave(int fds[MOST])
{
    for (int i = 0; i < MOST; i++) {
        client_close(fds[i]);
    }
}

START_TEST(an_address_has_so_many_connections)
{
    struct server server = server_start(OPTIONS("--max-per-address=3", "--access-log=-"));
    int fds[MOST];
    fill(&server, "", fds);
    for (int i = 0; i < MOST; i++) {
        client_chat(fds[i]); /* they are none the worse */
    }
    client_close(fds[0]);
    fds[0] = -1;
    AWAIT(&server, (fds[0] = try_in(&server, "")) >= 0);
    ck_assert_int_lt(try_in(&server, ""), 0);
    leave(fds);
    AWAIT(&server, strstr(server_output(&server), " end=address_connections ") != NULL);
    ck_assert_uint_gt(server_logged(&server, "its address has as many connections as it may"), 0);
    server_stop(&server);
}
END_TEST

START_TEST(what_a_killed_worker_held_is_forgotten)
{
    struct server server = server_start(OPTIONS("--max-per-address=3"));
    for (int round = 0; round < 3; round++) {
        int fds[MOST];
        fill(&server, "", fds);
        for (int i = 0; i < MOST; i++) {
            pid_t owner = server_owner(&server, fds[i]);
            if (owner > 0) {
                kill(owner, SIGKILL); /* perhaps the second time */
            }
            client_expect_cut(fds[i]);
            /* Were it found dead in the drain, its connection would be one that is cut there. */
            AWAIT(&server, owner == 0 || kill(owner, 0) != 0);
        }
        leave(fds);
    }
    server_stop(&server);
}
END_TEST

#define FROM(address) "PROXY TCP6 " address " ::1 4711 8888\r\n"

START_TEST(a_network_of_ipv6_is_one_address)
{
    struct server server = server_start(OPTIONS("--max-per-address=3", "--proxy-protocol"));
    int first[MOST];
    int second[MOST];
    int checks[MOST + 1];
    fill(&server, FROM("2001:db8:0:1::7"), first);
    ck_assert_int_lt(try_in(&server, FROM("2001:db8:0:1:ffff::1")), 0);
    fill(&server, FROM("2001:db8:0:2::7"), second);
    for (int i = 0; i <= MOST; i++) { /* the proxy is none of its clients */
        checks[i] = try_in(&server, "PROXY UNKNOWN\r\n");
        ck_assert_int_ge(checks[i], 0);
    }
    client_close(checks[MOST]);
    leave(checks);
    leave(first);
    leave(second);
    server_stop(&server);
}
END_TEST

START_TEST(an_address_connects_so_often)
{
    struct server server = server_start(OPTIONS("--rate-per-address=1", "--burst-per-address=3"));
    int fd;
    for (int i = 0; i < 3; i++) { /* at once */
        fd = try_in(&server, "");
        ck_assert_int_ge(fd, 0);
        client_close(fd);
    }
    while ((fd = try_in(&server, "")) >= 0) { /* a slow machine gives it time for more */
        client_close(fd);
    }
    AWAIT(&server, server_logged(&server, "its address connects more often than it may") > 0);
    AWAIT(&server, (fd = try_in(&server, "")) >= 0);
    client_close(fd);
    server_stop(&server);
}
END_TEST

START_TEST(limits_change_while_it_runs)
{
    char path[] = "/tmp/echod-admission-XXXXXX";
    int file = mkstemp(path);
    ck_assert_int_ge(file, 0);
    ck_assert_int_eq(write(file, "max-per-address = 3\n", 20), 20);
    struct server server = server_start(OPTIONS("--config", path));
    int fds[MOST];
    fill(&server, "", fds);
    ck_assert_int_eq(pwrite(file, "max-per-address = 0\n", 20, 0), 20);
    server_signal(&server, SIGHUP);
    AWAIT(&server, server_logged(&server, "max-per-address is now 0 (it was 3)") == 1);
    int more = try_in(&server, "");
    ck_assert_int_ge(more, 0);
    client_close(more);
    leave(fds);
    server_stop(&server);
    close(file);
    unlink(path);
}
END_TEST

START_TEST(a_connection_may_send_so_much)
{
    struct server server = server_start(OPTIONS("--max-bytes=100k", "--access-log=-"));
    size_t length = (size_t)100 * 1024;
    char *text = text_make(length);
    char *upper = text_upper(text, length);
    int fd = client_connect(&server);
    client_exchange(fd, text, length, upper, length);
    client_expect_end(fd); /* all is answered, then it is over */
    client_close(fd);
    AWAIT(&server, strstr(server_output(&server), " end=max_bytes ") != NULL);
    fd = client_connect(&server);
    client_exchange(fd, text, length - 1, upper, length - 1);
    client_half_close(fd);
    client_expect_end(fd);
    client_close(fd);
    AWAIT(&server, strstr(server_output(&server), " end=peer ") != NULL);
    free(text);
    free(upper);
    server_stop(&server);
}
END_TEST

START_TEST(a_connection_may_last_so_long)
{
    struct server server = server_start(OPTIONS("--max-lifetime=1s", "--access-log=-"));
    int fd = client_connect(&server);
    client_say(fd, "a\xf0\x9f\x98");
    client_expect(fd, "A\xf0\x9f\x98"); /* what was held goes out at the end */
    client_expect_end(fd);
    client_close(fd);
    AWAIT(&server, strstr(server_output(&server), " end=max_lifetime ") != NULL);
    server_stop(&server);
}
END_TEST

const char *
admission_add(TCase *tcase)
{
    tcase_add_test(tcase, an_address_has_so_many_connections);
    if (mode->workers > 0) {
        tcase_add_test(tcase, what_a_killed_worker_held_is_forgotten);
    }
    tcase_add_test(tcase, a_network_of_ipv6_is_one_address);
    tcase_add_test(tcase, an_address_connects_so_often);
    tcase_add_test(tcase, limits_change_while_it_runs);
    tcase_add_test(tcase, a_connection_may_send_so_much);
    tcase_add_test(tcase, a_connection_may_last_so_long);
    return NULL;
}
