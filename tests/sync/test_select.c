/*
 * Select: which case is chosen, that exactly one is, and that nothing is lost or doubled when a
 * crowd of workers sends, receives, selects, gives up and is cancelled.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>

#include "../base/support.h"
#include "green/base.h"
#include "green/channel.h"

static struct green_channel *
channel_of(size_t capacity)
{
    struct green_channel *channel = NULL;
    ck_assert_int_eq(green_channel_create(sizeof(int), capacity, &channel), 0);
    return channel;
}

static int
send_now(struct green_channel *channel, int number)
{
    return green_channel_send(channel, &number, GREEN_NOW);
}

static int
receive_now(struct green_channel *channel)
{
    int number = -1;
    int err = green_channel_receive(channel, &number, GREEN_NOW);
    return err == 0 ? number : err;
}

/** A select as a task, and what it found. */
struct selection {
    struct green_case cases[4];
    size_t count;
    int numbers[4];
};

static intptr_t
run_select(void *arg)
{
    struct selection *selection = arg;
    return green_select(selection->cases, selection->count, GREEN_FOREVER);
}

/** Receive from both. */
static struct selection
from_two(struct selection *place, struct green_channel *a, struct green_channel *b)
{
    return (struct selection){
        .cases = {GREEN_RECEIVE(a, &place->numbers[0]), GREEN_RECEIVE(b, &place->numbers[1])},
        .count = 2,
    };
}

/* ---- at once ---- */

START_TEST(default_case)
{
    struct green_channel *channel = channel_of(0);
    int number = 3;
    struct green_case cases[] = {GREEN_RECEIVE(channel, &number), GREEN_SEND(channel, &number)};
    ck_assert_int_eq(green_select(cases, 2, GREEN_NOW), -ETIMEDOUT);
    ck_assert_int_eq(green_select(cases, 0, GREEN_NOW), -ETIMEDOUT);
    ck_assert_int_eq(green_select(NULL, 0, green_after(1)), -ETIMEDOUT);
    ck_assert_int_eq(green_select(cases, (size_t)INT32_MAX + 1, GREEN_NOW), -EINVAL);
    green_channel_destroy(channel);
}
END_TEST

START_TEST(ready_case_is_chosen)
{
    struct green_channel *full = channel_of(1);
    struct green_channel *empty = channel_of(1);
    ck_assert_int_eq(send_now(full, 8), 0);
    int in = 0;
    int out = 9;
    struct green_case cases[] = {GREEN_SEND(full, &out), GREEN_RECEIVE(empty, &in),
                                 GREEN_RECEIVE(full, &in)};
    ck_assert_int_eq(green_select(cases, 3, GREEN_FOREVER), 2);
    ck_assert_int_eq(in, 8);
    ck_assert_int_eq(green_select(cases, 3, GREEN_FOREVER), 0);
    ck_assert_int_eq(receive_now(full), 9);
    green_channel_destroy(full);
    green_channel_destroy(empty);
}
END_TEST

START_TEST(nil_case_is_never_ready)
{
    struct green_channel *channel = channel_of(1);
    int in = 0;
    struct green_case cases[] = {GREEN_RECEIVE(NULL, &in), GREEN_RECEIVE(channel, &in),
                                 GREEN_SEND(NULL, &in)};
    ck_assert_int_eq(green_select(cases, 3, GREEN_NOW), -ETIMEDOUT);
    ck_assert_int_eq(green_select(cases, 3, green_after(1)), -ETIMEDOUT);
    ck_assert_int_eq(send_now(channel, 5), 0);
    ck_assert_int_eq(green_select(cases, 3, GREEN_FOREVER), 1);
    ck_assert_int_eq(in, 5);
    green_channel_destroy(channel);
}
END_TEST

START_TEST(closed_channel_is_ready)
{
    struct green_channel *closed = channel_of(1);
    struct green_channel *open = channel_of(0);
    int in = 7;
    ck_assert_int_eq(send_now(closed, 1), 0);
    green_channel_close(closed);
    struct green_case cases[] = {GREEN_RECEIVE(open, &in), GREEN_RECEIVE(closed, &in)};
    ck_assert_int_eq(green_select(cases, 2, GREEN_FOREVER), 1);
    ck_assert_int_eq(cases[1].err, 0);
    ck_assert_int_eq(in, 1);
    ck_assert_int_eq(green_select(cases, 2, GREEN_FOREVER), 1);
    ck_assert_int_eq(cases[1].err, -EPIPE);
    ck_assert_int_eq(in, 1);
    struct green_case send[] = {GREEN_SEND(closed, &in)};
    ck_assert_int_eq(green_select(send, 1, GREEN_FOREVER), 0);
    ck_assert_int_eq(send[0].err, -EPIPE);
    green_channel_destroy(closed);
    green_channel_destroy(open);
}
END_TEST

START_TEST(choice_among_the_ready_is_fair)
{
    struct green_channel *channels[5];
    int in;
    int chosen[5] = {0};
    struct green_case cases[5];
    for (int i = 0; i < 5; i++) {
        channels[i] = channel_of(1);
        cases[i] = (struct green_case)GREEN_RECEIVE(channels[i], &in);
        if (i != 2) { /* one that is not ready makes its neighbours no likelier */
            ck_assert_int_eq(send_now(channels[i], i), 0);
        }
    }
    for (int i = 0; i < 4000; i++) {
        int index = green_select(cases, 5, GREEN_FOREVER);
        ck_assert_int_eq(in, index);
        chosen[index]++;
        ck_assert_int_eq(send_now(channels[index], index), 0);
    }
    for (int i = 0; i < 5; i++) {
        if (i == 2) {
            ck_assert_int_eq(chosen[i], 0);
        } else { /* six standard deviations */
            ck_assert_int_ge(chosen[i], 1000 - 165);
            ck_assert_int_le(chosen[i], 1000 + 165);
        }
        green_channel_destroy(channels[i]);
    }
}
END_TEST

/* ---- waiting ---- */

START_TEST(waiting_select_is_chosen_once)
{
    struct green_channel *a = channel_of(0);
    struct green_channel *b = channel_of(0);
    struct selection selection = from_two(&selection, a, b);
    struct green_job *job = spawn(GREEN_TASK, run_select, &selection);
    green_yield();
    ck_assert_int_eq(send_now(b, 2), 0);
    ck_assert_int_eq(send_now(a, 1), -ETIMEDOUT); /* it has not run yet, but is taken */
    ck_assert_int_eq(send_now(b, 3), -ETIMEDOUT);
    ck_assert_int_eq(finish(job), 1);
    ck_assert_int_eq(selection.numbers[0], 0);
    ck_assert_int_eq(selection.numbers[1], 2);
    ck_assert_int_eq(send_now(a, 1), -ETIMEDOUT); /* it has left both */
    green_channel_destroy(a);
    green_channel_destroy(b);
}
END_TEST

START_TEST(next_in_line_is_served_instead)
{
    struct green_channel *a = channel_of(0);
    struct green_channel *b = channel_of(0);
    struct selection first = from_two(&first, a, b);
    struct selection second = from_two(&second, a, b);
    struct green_job *one = spawn(GREEN_TASK, run_select, &first);
    struct green_job *two = spawn(GREEN_TASK, run_select, &second);
    green_yield();
    ck_assert_int_eq(send_now(a, 10), 0);
    ck_assert_int_eq(send_now(b, 20), 0);
    ck_assert_int_eq(send_now(a, 30), -ETIMEDOUT);
    ck_assert_int_eq(finish(one), 0);
    ck_assert_int_eq(finish(two), 1);
    ck_assert_int_eq(first.numbers[0], 10);
    ck_assert_int_eq(second.numbers[1], 20);
    green_channel_destroy(a);
    green_channel_destroy(b);
}
END_TEST

START_TEST(losing_send_keeps_its_item)
{
    struct green_channel *a = channel_of(0);
    struct green_channel *b = channel_of(0);
    int items[] = {1, 2};
    struct selection selection = {
        .cases = {GREEN_SEND(a, &items[0]), GREEN_SEND(b, &items[1])},
        .count = 2,
    };
    struct green_job *job = spawn(GREEN_TASK, run_select, &selection);
    green_yield();
    ck_assert_int_eq(receive_now(b), 2);
    ck_assert_int_eq(receive_now(a), -ETIMEDOUT);
    ck_assert_int_eq(finish(job), 1);
    ck_assert_int_eq(receive_now(a), -ETIMEDOUT);
    green_channel_destroy(a);
    green_channel_destroy(b);
}
END_TEST

START_TEST(select_does_not_meet_itself)
{
    struct green_channel *channel = channel_of(0);
    int out = 4;
    struct selection selection = {.count = 3};
    selection.cases[0] = (struct green_case)GREEN_SEND(channel, &out);
    selection.cases[1] = (struct green_case)GREEN_RECEIVE(channel, &selection.numbers[1]);
    selection.cases[2] = (struct green_case)GREEN_RECEIVE(channel, &selection.numbers[2]);
    struct green_job *job = spawn(GREEN_TASK, run_select, &selection);
    green_yield();
    ck_assert(green_job_alive(job));
    ck_assert_int_eq(send_now(channel, 6), 0);
    ck_assert_int_eq(send_now(channel, 7), -ETIMEDOUT); /* two places, one wait */
    ck_assert_int_eq(finish(job), 1);
    ck_assert_int_eq(selection.numbers[1], 6);
    ck_assert_int_eq(receive_now(channel), -ETIMEDOUT);
    green_channel_destroy(channel);
}
END_TEST

START_TEST(two_selects_meet)
{
    struct green_channel *a = channel_of(0);
    struct green_channel *b = channel_of(0);
    int out = 4;
    struct selection one = {.count = 2};
    struct selection two = {.count = 2};
    one.cases[0] = (struct green_case)GREEN_RECEIVE(a, &one.numbers[0]);
    one.cases[1] = (struct green_case)GREEN_SEND(b, &out);
    two.cases[0] = (struct green_case)GREEN_RECEIVE(b, &two.numbers[0]);
    two.cases[1] = (struct green_case)GREEN_RECEIVE(NULL, &two.numbers[1]);
    struct green_job *first = spawn(GREEN_TASK, run_select, &one);
    struct green_job *second = spawn(GREEN_TASK, run_select, &two);
    ck_assert_int_eq(finish(first), 1);
    ck_assert_int_eq(finish(second), 0);
    ck_assert_int_eq(two.numbers[0], 4);
    green_channel_destroy(a);
    green_channel_destroy(b);
}
END_TEST

START_TEST(close_ends_a_waiting_select)
{
    struct green_channel *a = channel_of(0);
    struct green_channel *b = channel_of(0);
    struct selection selection = from_two(&selection, a, b);
    struct green_job *job = spawn(GREEN_TASK, run_select, &selection);
    green_yield();
    green_channel_close(a);
    green_channel_close(b);
    ck_assert_int_eq(finish(job), 0);
    ck_assert_int_eq(selection.cases[0].err, -EPIPE);
    ck_assert_int_eq(selection.cases[1].err, 0);
    green_channel_destroy(a);
    green_channel_destroy(b);
}
END_TEST

START_TEST(cancelled_select_leaves_all_channels)
{
    struct green_channel *a = channel_of(0);
    struct green_channel *b = channel_of(0);
    struct selection selection = from_two(&selection, a, b);
    struct green_job *job = spawn(_i == 0 ? GREEN_TASK : GREEN_THREAD, run_select, &selection);
    green_sleep(10);
    green_job_cancel(job);
    ck_assert_int_eq(finish(job), -ECANCELED);
    ck_assert_int_eq(send_now(a, 1), -ETIMEDOUT);
    ck_assert_int_eq(send_now(b, 1), -ETIMEDOUT);
    green_channel_destroy(a);
    green_channel_destroy(b);
}
END_TEST

START_TEST(select_of_nothing_waits_for_its_cancellation)
{
    struct selection selection = {.count = 2};
    struct green_job *job = spawn(GREEN_TASK, run_select, &selection);
    green_yield();
    ck_assert(green_job_alive(job));
    green_job_cancel(job);
    ck_assert_int_eq(finish(job), -ECANCELED);
}
END_TEST

START_TEST(deadline_leaves_all_channels)
{
    struct green_channel *a = channel_of(0);
    int in = 5;
    struct green_case cases[] = {GREEN_RECEIVE(a, &in), GREEN_RECEIVE(a, &in)};
    ck_assert_int_eq(green_select(cases, 2, green_after(1)), -ETIMEDOUT);
    ck_assert_int_eq(send_now(a, 1), -ETIMEDOUT);
    ck_assert_int_eq(in, 5);
    green_channel_destroy(a);
}
END_TEST

START_TEST(many_cases)
{
    enum { MANY = 700 };
    static struct green_channel *channels[MANY];
    static struct green_case cases[2 * MANY];
    static int in[2 * MANY];
    for (int i = 0; i < MANY; i++) {
        channels[i] = channel_of(1);
    }
    for (int i = 0; i < 2 * MANY; i++) { /* each twice, in no order of addresses */
        cases[i] = (struct green_case)GREEN_RECEIVE(channels[i * 37 % MANY], &in[i]);
    }
    ck_assert_int_eq(green_select(cases, 2 * MANY, green_after(1)), -ETIMEDOUT);
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(send_now(channels[i], i), 0);
        int index = green_select(cases, 2 * MANY, GREEN_FOREVER);
        ck_assert_int_eq(index * 37 % MANY, i);
        ck_assert_int_eq(in[index], i);
    }
    for (int i = 0; i < MANY; i++) {
        green_channel_destroy(channels[i]);
    }
}
END_TEST

/* ---- memory ---- */

static atomic_bool memory_is_out;

static void *
allocate(size_t size)
{
    return atomic_load(&memory_is_out) ? NULL : malloc(size);
}

START_TEST(no_memory_to_wait)
{
    struct green_allocator fragile = {allocate, realloc, free};
    ck_assert_int_eq(green_set_allocator(&fragile), 0);
    struct green_channel *a = channel_of(1);
    int in = 0;
    struct green_case cases[] = {GREEN_RECEIVE(a, &in)};
    green_self(); /* a thread's first call needs memory too */
    memory_is_out = true;
    ck_assert_int_eq(green_select(cases, 1, GREEN_NOW), -ETIMEDOUT); /* a poll needs none */
    ck_assert_int_eq(green_select(cases, 1, green_after(LONG_MS)), -ENOMEM);
    memory_is_out = false;
    ck_assert_int_eq(green_select(cases, 1, green_after(1)), -ETIMEDOUT);
    memory_is_out = true;
    ck_assert_int_eq(green_select(cases, 1, green_after(1)), -ETIMEDOUT); /* kept from before */
    memory_is_out = false;
    green_channel_destroy(a);
}
END_TEST

int
main(void)
{
    TCase *tests = make_case("select");
    tcase_add_test(tests, default_case);
    tcase_add_test(tests, ready_case_is_chosen);
    tcase_add_test(tests, nil_case_is_never_ready);
    tcase_add_test(tests, closed_channel_is_ready);
    tcase_add_test(tests, choice_among_the_ready_is_fair);
    tcase_add_test(tests, waiting_select_is_chosen_once);
    tcase_add_test(tests, next_in_line_is_served_instead);
    tcase_add_test(tests, losing_send_keeps_its_item);
    tcase_add_test(tests, select_does_not_meet_itself);
    tcase_add_test(tests, two_selects_meet);
    tcase_add_test(tests, close_ends_a_waiting_select);
    tcase_add_loop_test(tests, cancelled_select_leaves_all_channels, 0, 2);
    tcase_add_test(tests, select_of_nothing_waits_for_its_cancellation);
    tcase_add_test(tests, deadline_leaves_all_channels);
    tcase_add_test(tests, many_cases);
    tcase_add_test(tests, no_memory_to_wait);
    return run_case_of("select", tests);
}
