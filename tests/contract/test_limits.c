/*
 * Timeouts, the limit of connections, and work that takes a while.
 *
 * A timeout of a second is told from none by the event it causes, which is awaited; that something
 * does not happen can only be watched for a while.
 */
#include <stdlib.h>

#include "client.h"
#include "tests.h"

START_TEST(an_idle_connection_is_ended_in_order)
{
    struct server server = server_start(OPTIONS("--idle-timeout", "1s"));
    int fd = client_connect(&server);
    client_chat(fd);
    client_expect_end(fd);
    client_close(fd);
    fd = client_connect(&server);
    client_chat(fd);
    client_close(fd);
    server_stop(&server);
}
END_TEST

START_TEST(held_bytes_go_out_before_an_idle_connection_ends)
{
    struct server server = server_start(OPTIONS("--idle-timeout=500ms"));
    int fd = client_connect(&server);
    client_say(fd, "a\xf0\x9f\x98");
    client_expect(fd, "A\xf0\x9f\x98");
    client_expect_end(fd);
    client_close(fd);
    server_stop(&server);
}
END_TEST

START_TEST(a_connection_that_talks_outlives_the_idle_timeout)
{
    struct server server = server_start(OPTIONS("--idle-timeout", "2"));
    int talking = client_connect(&server);
    int idle = client_connect(&server);
    client_chat(idle);
    uint64_t start = now_ms();
    while (now_ms() - start < 3000) {
        client_chat(talking);
        nap(100);
    }
    client_expect_end(idle);
    client_chat(talking);
    client_close(idle);
    client_close(talking);
    server_stop(&server);
}
END_TEST

START_TEST(a_reader_that_stops_is_cut_by_the_write_timeout)
{
    struct server server = server_start(OPTIONS("--write-timeout", "4s"));
    int other = client_connect(&server);
    client_chat(other);
    int stuck = client_connect_small(&server);
    client_fill_all(&stuck, 1, (size_t)64 * 1024 * 1024);
    client_await_hangup(stuck);
    client_chat(other);
    client_close(stuck);
    client_close(other);
    server_stop(&server);
}
END_TEST

START_TEST(a_full_server_lets_others_wait)
{
    enum { LIMIT = 2, ALL = 7 };
    size_t processes = mode->frugal && mode->workers > 0 ? mode->workers : 1;
    struct server server = server_start(OPTIONS("--max-connections", "2"));
    struct crowd crowd = {0};
    crowd_join(&crowd, &server, ALL);
    size_t answered = crowd_settle(&crowd);
    /* Where several processes serve, each has the limit for itself or they share it. */
    ck_assert_uint_ge(answered, LIMIT);
    ck_assert_uint_le(answered, LIMIT * processes);
    while (crowd.count > answered) {
        for (size_t i = 0; i < crowd.count; i++) {
            if (crowd.answered[i]) {
                crowd_leave(&crowd, i);
                break;
            }
        }
        AWAIT(&server, crowd_answered(&crowd) >= answered);
        ck_assert_uint_le(crowd_settle(&crowd), LIMIT * processes);
    }
    crowd_leave_answered(&crowd);
    ck_assert_uint_eq(crowd.count, 0);
    server_stop(&server);
}
END_TEST

START_TEST(connections_wait_at_the_same_time)
{
    enum { CONNECTIONS = 60 };
    /* One after the other they would outlast the patience of any wait here. */
    struct server server = server_start(OPTIONS("--delay", "2000"));
    struct crowd crowd = {0};
    crowd_join(&crowd, &server, CONNECTIONS);
    AWAIT(&server, crowd_answered(&crowd) == CONNECTIONS);
    crowd_leave_answered(&crowd);
    server_stop(&server);
}
END_TEST

const char *
limits_add(TCase *tcase)
{
    tcase_add_test(tcase, an_idle_connection_is_ended_in_order);
    tcase_add_test(tcase, held_bytes_go_out_before_an_idle_connection_ends);
    tcase_add_test(tcase, a_connection_that_talks_outlives_the_idle_timeout);
    tcase_add_test(tcase, a_reader_that_stops_is_cut_by_the_write_timeout);
    tcase_add_test(tcase, a_full_server_lets_others_wait);
    tcase_add_test(tcase, connections_wait_at_the_same_time);
    return NULL;
}
