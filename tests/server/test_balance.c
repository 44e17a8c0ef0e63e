/*
 * When a worker leaves what comes to the others: above the mean, but not for the sake of
 * connections that come and go.
 */
#include "balance.h"

#include <errno.h>
#include <stdlib.h>

#include <green.h>

#include "../base/support.h"
#include "board.h"

/** Ours, and one more that could accept. */
static struct server server;
static int listener;

static void
set_up(void)
{
    struct green_address address;
    server.board = calloc(1, sizeof *server.board + 2 * sizeof *server.place);
    server.board->capacity = 2;
    server.board->alive = 2;
    server.place = &server.board->places[0];
    atomic_store(&server.board->places[0].activity, ACTIVITY_IDLE);
    atomic_store(&server.board->places[1].activity, ACTIVITY_IDLE);
    ck_assert_int_eq(green_address_parse("127.0.0.1", 0, &address), 0);
    listener = green_listen(&address, 1);
    ck_assert_int_ge(listener, 0);
}

static void
tear_down(void)
{
    green_close(listener);
    free(server.board);
}

/** Whether a worker with so many would wait before it accepts, the other one having so many. */
static bool
steps_back(unsigned open, unsigned others)
{
    struct green_timeout at_once;
    atomic_store(&server.board->places[1].open, others);
    atomic_store(&server.board->places[1].beat_ns, green_after(0));
    green_timeout_start(&at_once, 0);
    int err = balance_wait(&server, listener, open);
    green_timeout_stop(&at_once);
    ck_assert(err == 0 || err == -ETIMEDOUT);
    return err == -ETIMEDOUT;
}

/** So many have ended, which had lived for so long. */
static void
end(unsigned count, uint64_t lived_ns)
{
    for (unsigned i = 0; i < count; i++) {
        balance_note(&server, 10, green_after(0) - lived_ns);
    }
}

START_TEST(who_is_above_the_mean_steps_back)
{
    ck_assert(steps_back(10, 0));
    ck_assert(!steps_back(10, 9));
    ck_assert(!steps_back(1, 0));
    ck_assert(steps_back(1000, 900));
    ck_assert(!steps_back(1000, 990));
    atomic_store(&server.board->places[1].activity, ACTIVITY_NONE);
    ck_assert(!steps_back(10, 0)); /* there is nobody else */
}
END_TEST

/** As many as came and went lately do not count: the test repeats that when it was too slow. */
START_TEST(those_that_come_and_go_do_not_count)
{
    bool accepts = false;
    for (int tries = 0; tries < 100 && !accepts; tries++) {
        end(20, 0);
        accepts = !steps_back(10, 0);
    }
    ck_assert(accepts);
    ck_assert(steps_back(100000, 0));
    while (!steps_back(10, 0)) { /* and in the end it is long ago */
        ck_assert_int_eq(green_sleep(10), 0);
    }
}
END_TEST

START_TEST(those_that_stayed_long_do)
{
    end(20, UINT64_C(1000000000));
    ck_assert(steps_back(10, 0));
}
END_TEST

int
main(void)
{
    TCase *tests = make_case("balance");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, who_is_above_the_mean_steps_back);
    tcase_add_test(tests, those_that_come_and_go_do_not_count);
    tcase_add_test(tests, those_that_stayed_long_do);
    return run_case_of("balance", tests);
}
