/*
 * Whose turn it is: workers whose next message is always there do not keep out one who waits for
 * his, told by the order in which messages are received; nor does a crowd that is let in.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support.h"

/** Those whose peers answer at once. */
#define BUSY 12

/** The one whose messages come now and then. */
#define LATE BUSY

#define TRACE_MAX scaled(4000, 800)

/** Between two messages to the late one. */
#define EVERY 37

/** How often one may be served while a message that came before his first turn waits. */
#define TURNS_AT_MOST 2

struct line {
    int server; /**< What the worker receives from. */
    int client; /**< Its peer, which the test plays. */
};

static struct line lines[BUSY + 1];
static int trace[4096];
static int traced;

/** Where in the trace the message that the late one waits for was sent; -1: none is. */
static int sent_at = -1;
static int served_late;
static int worst;

static int
message_to(int who)
{
    return send(lines[who].client, "x", 1, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

/** Since the message for the late one was sent: how often was the one served who was most? */
static int
most_turns_since(int from)
{
    int turns[BUSY + 1] = {0};
    int most = 0;
    for (int i = from; i < traced; i++) {
        turns[trace[i]]++;
        most = turns[trace[i]] > most ? turns[trace[i]] : most;
    }
    return most;
}

static intptr_t
receive_in_turn(void *arg)
{
    int who = (int)(intptr_t)arg;
    char buffer[64];
    while (traced < TRACE_MAX) {
        WANT(green_recv(lines[who].server, buffer, sizeof buffer, 0), ==, 1);
        if (who == LATE) {
            int most = most_turns_since(sent_at);
            worst = most > worst ? most : worst;
            sent_at = -1;
            served_late++;
        } else {
            WANT(message_to(who), ==, 0);
        }
        trace[traced++] = who;
        if (traced % EVERY == 0 && sent_at < 0) {
            sent_at = traced;
            WANT(message_to(LATE), ==, 0);
        }
    }
    for (int i = 0; i <= BUSY; i++) {
        green_shutdown(lines[i].server, SHUT_RD); /* nobody waits on */
    }
    return 0;
}

static intptr_t
receive(void *arg)
{
    intptr_t line = receive_in_turn(arg);
    return traced < TRACE_MAX ? line : 0;
}

static int
open_lines(void)
{
    struct green_address address;
    int listener = listener_make(BUSY + 1, &address);
    for (int i = 0; i <= BUSY; i++) {
        lines[i].client = plain_connect(&address);
        lines[i].server = green_accept(listener, NULL);
        if (lines[i].client < 0 || lines[i].server < 0) {
            return -1;
        }
    }
    return green_close(listener);
}

static intptr_t
run(void *arg)
{
    (void)arg;
    struct green_job *jobs[BUSY + 1];
    WANT(open_lines(), ==, 0);
    for (int i = 0; i <= BUSY; i++) {
        WANT(i == LATE ? 0 : message_to(i), ==, 0);
        WANT(green_spawn(receive, (void *)(intptr_t)i, &jobs[i]), ==, 0);
    }
    for (int i = 0; i <= BUSY; i++) {
        intptr_t line;
        WANT(green_job_join(jobs[i], &line, green_after(LIMIT_MS)), ==, 0);
        WANT(line, ==, 0);
        green_job_put(jobs[i]);
    }
    for (int i = 0; i <= BUSY; i++) {
        green_close(lines[i].server);
        close(lines[i].client);
    }
    WANT(served_late, >, TRACE_MAX / EVERY / 4);
    WANT(worst, <=, TURNS_AT_MOST);
    return 0;
}

START_TEST(nobody_is_served_again_and_again_while_another_waits)
{
    ASSERT_AS(CALL_TASK, run, NULL);
}
END_TEST

START_TEST(nor_does_that_depend_on_who_runs_the_loop)
{
    ASSERT_AS(CALL_MAIN, run, NULL);
}
END_TEST

/* ---- new connections ---- */

#define CROWD 100

static bool all_are_in;

/** Yields until all are in: how many turns that took. */
static intptr_t
take_turns(void *arg)
{
    intptr_t turns = 0;
    (void)arg;
    while (!all_are_in) {
        turns++;
        green_yield();
    }
    return turns;
}

static intptr_t
accept_all(void *arg)
{
    int clients[CROWD];
    int servers[CROWD];
    struct green_address address;
    int listener = listener_make(CROWD, &address);
    (void)arg;
    WANT(listener, >=, 0);
    for (int i = 0; i < CROWD; i++) {
        clients[i] = plain_connect(&address);
        WANT(clients[i], >=, 0);
    }
    for (int i = 0; i < CROWD; i++) {
        servers[i] = green_accept(listener, NULL);
        WANT(servers[i], >=, 0);
    }
    all_are_in = true;
    for (int i = 0; i < CROWD; i++) {
        green_close(servers[i]);
        close(clients[i]);
    }
    green_close(listener);
    return 0;
}

/** Those who have come wait for one turn of the others, not for one in every sixteen of them. */
START_TEST(a_crowd_is_let_in_within_a_turn)
{
    struct green_job *jobs[2];
    intptr_t results[2];
    ck_assert_int_eq(green_spawn(accept_all, NULL, &jobs[0]), 0);
    ck_assert_int_eq(green_spawn(take_turns, NULL, &jobs[1]), 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(green_job_join(jobs[i], &results[i], GREEN_FOREVER), 0);
        green_job_put(jobs[i]);
    }
    ck_assert_int_eq(results[0], 0);
    ck_assert_int_le(results[1], 1);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("turns");
    TCase *tests = new_case(suite, "turns");
    tcase_add_test(tests, nobody_is_served_again_and_again_while_another_waits);
    tcase_add_test(tests, nor_does_that_depend_on_who_runs_the_loop);
    tcase_add_test(tests, a_crowd_is_let_in_within_a_turn);
    return run_suite(suite);
}
