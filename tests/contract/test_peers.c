/*
 * Peers that break off, vanish or stop reading cost nobody but themselves.
 */
#include <signal.h>
#include <stdlib.h>

#include "client.h"
#include "tests.h"

/* More than the kernel holds for a connection: the rest would be in the server. */
#define TOO_MUCH (64 * 1024 * 1024)

START_TEST(a_reset_leaves_the_others_served)
{
    struct server server = server_start(NO_OPTIONS);
    int other = client_connect(&server);
    client_chat(other);
    int fd = client_connect(&server);
    client_chat(fd);
    client_reset(fd);
    client_chat(other);
    fd = client_connect(&server);
    client_chat(fd);
    client_close(fd);
    client_close(other);
    server_stop(&server);
}
END_TEST

/** One connection that ends in one of the ways in which connections end. */
static void
come_and_go(const struct server *server, size_t way)
{
    int fd = client_connect(server);
    switch (way) {
    case 0:
        client_reset(fd);
        return;
    case 1:
        client_say(fd, "gone before the reply");
        client_reset(fd);
        return;
    case 2:
        client_say(fd, "half\xc3");
        client_half_close(fd);
        client_expect(fd, "HALF\xc3");
        client_expect_end(fd);
        client_close(fd);
        return;
    case 3:
        client_say(fd, "closed without reading");
        client_close(fd);
        return;
    default:
        client_chat(fd);
        client_reset(fd);
    }
}

/** How many descriptors the server has once their number has stopped changing. */
static size_t
settled_descriptors(const struct server *server)
{
    uint64_t since = now_ms();
    size_t count = server_descriptors(server);
    while (now_ms() - since < 300) {
        nap(10);
        size_t now = server_descriptors(server);
        since = now == count ? since : now_ms();
        count = now;
    }
    return count;
}

START_TEST(nothing_leaks_when_connections_break_off)
{
    struct server server = server_start(NO_OPTIONS);
    for (size_t i = 0; i < 20; i++) {
        come_and_go(&server, i % 5);
    }
    /* A worker makes its ring with its first connection, and may not have had one yet. */
    size_t base = settled_descriptors(&server) + mode->workers;
    srand(1);
    for (size_t i = 0; i < 200; i++) {
        come_and_go(&server, (size_t)rand() % 5);
    }
    AWAIT(&server, server_descriptors(&server) <= base);
    int fd = client_connect(&server);
    client_chat(fd);
    client_close(fd);
    server_stop(&server);
}
END_TEST

START_TEST(writing_to_a_peer_that_is_gone_kills_nobody)
{
    struct server server = server_start(OPTIONS("--delay", "50"));
    pid_t before[256];
    size_t workers = server_workers(&server, before, 256);
    int other = client_connect(&server);
    client_chat(other);
    for (size_t i = 0; i < 5; i++) {
        /* Read, but not answered: the reply goes to a peer that is gone by then. */
        int fd = client_connect(&server);
        client_say(fd, "x");
        client_await_read(&server, fd);
        client_reset(fd);
    }
    client_chat(other);
    client_chat(other);
    for (size_t i = 0; i < workers; i++) {
        ck_assert_msg(!process_gone(before[i]), "worker %d is gone", (int)before[i]);
    }
    server_signal_all(&server, SIGPIPE);
    client_chat(other);
    client_close(other);
    server_stop(&server);
}
END_TEST

START_TEST(readers_that_stop_block_nobody)
{
    enum { STUCK = 10 };
    struct server server = server_start(NO_OPTIONS);
    int other = client_connect(&server);
    client_chat(other);
    int stuck[STUCK];
    for (size_t i = 0; i < STUCK; i++) {
        stuck[i] = client_connect_small(&server);
    }
    client_fill_all(stuck, STUCK, TOO_MUCH);
    client_chat(other);
    int fd = client_connect(&server);
    client_chat(fd);
    client_close(fd);
    for (size_t i = 0; i < STUCK; i++) {
        client_reset(stuck[i]);
    }
    client_chat(other);
    client_close(other);
    server_stop(&server);
}
END_TEST

const char *
peers_add(TCase *tcase)
{
    tcase_add_test(tcase, a_reset_leaves_the_others_served);
    tcase_add_test(tcase, nothing_leaks_when_connections_break_off);
    tcase_add_test(tcase, writing_to_a_peer_that_is_gone_kills_nobody);
    tcase_add_test(tcase, readers_that_stop_block_nobody);
    return NULL;
}

START_TEST(a_stuck_reader_costs_at_most_64_kib)
{
    enum { STUCK = 50, LIMIT_KIB = 64 };
    struct server server = server_start(NO_OPTIONS);
    int other = client_connect(&server);
    int stuck[2 * STUCK];
    size_t memory[2];
    for (size_t half = 0; half < 2; half++) { /* the first has the buffers made that all share */
        for (size_t i = 0; i < STUCK; i++) {
            stuck[half * STUCK + i] = client_connect_small(&server);
        }
        client_fill_all(&stuck[half * STUCK], STUCK, TOO_MUCH);
        client_chat(other);
        memory[half] = server_memory_kib(&server);
    }
    ck_assert_msg(memory[1] < memory[0] + (size_t)STUCK * LIMIT_KIB,
                  "%d stuck readers cost %zu KiB (%zu before)", STUCK, memory[1] - memory[0],
                  memory[0]);
    for (size_t i = 0; i < 2 * STUCK; i++) {
        client_reset(stuck[i]);
    }
    client_close(other);
    server_stop(&server);
}
END_TEST

const char *
memory_add(TCase *tcase)
{
    if (small_stress()) {
        return "memory is not what it is without a sanitizer";
    }
    if (!mode->frugal) {
        return "a connection has a thread or process of its own, whose memory is counted too";
    }
    tcase_add_test(tcase, a_stuck_reader_costs_at_most_64_kib);
    return NULL;
}
