/*
 * Channels: who meets whom in which order, and what is left when one side gives up, is cancelled,
 * closes or ends.
 */
#include <errno.h>
#include <stdint.h>

#include "../base/support.h"
#include "green/base.h"
#include "green/channel.h"
#include "green/timeout.h"
#include "sync/channel.h"

#define ITEM(channel, number) (&(struct order){(channel), (number)})

/** What a task is to do with a channel. */
struct order {
    struct green_channel *channel;
    int number;
};

static struct green_channel *
channel_of(size_t item_size, size_t capacity)
{
    struct green_channel *channel = NULL;
    ck_assert_int_eq(green_channel_create(item_size, capacity, &channel), 0);
    return channel;
}

static void
note_number(const char *what, int number)
{
    char text[32];
    snprintf(text, sizeof text, "%s%d", what, number);
    note(text);
}

/** Send one number; the trace has "+n" when it is taken, "-n" when it is not. */
static intptr_t
send_one(void *arg)
{
    const struct order *order = arg;
    int err = green_channel_send(order->channel, &order->number, GREEN_FOREVER);
    note_number(err == 0 ? "+" : "-", order->number);
    return err;
}

/** Receive one number and add it to the trace as the receiver's; return it. */
static intptr_t
receive_one(void *arg)
{
    const struct order *order = arg;
    int number = 0;
    int err = green_channel_receive(order->channel, &number, GREEN_FOREVER);
    char text[32];
    snprintf(text, sizeof text, "r%d:%d", order->number, err == 0 ? number : err);
    note(text);
    return err == 0 ? number : err;
}

/** Poll for a number; -1 when there is none. */
static int
poll_number(struct green_channel *channel)
{
    int number = -1;
    int err = green_channel_receive(channel, &number, GREEN_NOW);
    ck_assert(err == 0 || (err == -ETIMEDOUT && number == -1));
    return number;
}

/* ---- rendezvous ---- */

START_TEST(sender_waits_for_its_receiver)
{
    struct green_channel *channel = channel_of(sizeof(int), 0);
    struct green_job *one = spawn(GREEN_TASK, send_one, ITEM(channel, 1));
    green_yield();
    note("waits");
    ck_assert_int_eq(poll_number(channel), 1);
    note("got");
    ck_assert_int_eq(finish(one), 0);
    ck_assert_int_eq(poll_number(channel), -1);
    ck_assert_trace("waits got +1");
    green_channel_destroy(channel);
}
END_TEST

START_TEST(receiver_waits_for_its_sender)
{
    struct green_channel *channel = channel_of(sizeof(int), 0);
    int number = 5;
    ck_assert_int_eq(green_channel_send(channel, &number, GREEN_NOW), -ETIMEDOUT);
    struct green_job *one = spawn(GREEN_TASK, receive_one, ITEM(channel, 1));
    green_yield();
    ck_assert_int_eq(green_channel_send(channel, &number, GREEN_NOW), 0);
    number = 6; /* the item was copied */
    ck_assert_int_eq(finish(one), 5);
    green_channel_destroy(channel);
}
END_TEST

START_TEST(senders_are_served_in_order)
{
    struct green_channel *channel = channel_of(sizeof(int), (size_t)_i);
    struct order orders[5];
    struct green_job *jobs[5];
    for (int i = 0; i < 5; i++) {
        orders[i] = (struct order){channel, i};
        jobs[i] = spawn(GREEN_TASK, send_one, &orders[i]);
    }
    green_yield();
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(poll_number(channel), i);
        green_yield();
        note_number("got", i);
    }
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(finish(jobs[i]), 0);
    }
    static const char *const traces[] = {
        "+0 got0 +1 got1 +2 got2 +3 got3 +4 got4",
        "+0 +1 got0 +2 got1 +3 got2 +4 got3 got4",
        "+0 +1 +2 got0 +3 got1 +4 got2 got3 got4",
    };
    ck_assert_trace(traces[_i]);
    green_channel_destroy(channel);
}
END_TEST

START_TEST(receivers_are_served_in_order)
{
    struct green_channel *channel = channel_of(sizeof(int), (size_t)_i);
    struct order orders[3];
    struct green_job *jobs[3];
    for (int i = 0; i < 3; i++) {
        orders[i] = (struct order){channel, i};
        jobs[i] = spawn(GREEN_TASK, receive_one, &orders[i]);
    }
    green_yield();
    for (int i = 10; i < 13; i++) {
        ck_assert_int_eq(green_channel_send(channel, &i, GREEN_NOW), 0);
    }
    ck_assert_uint_eq(green_channel_count(channel), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(finish(jobs[i]), 10 + i);
    }
    ck_assert_trace("r0:10 r1:11 r2:12");
    green_channel_destroy(channel);
}
END_TEST

/* ---- the buffer ---- */

START_TEST(buffer_takes_its_capacity)
{
    struct green_channel *channel = channel_of(sizeof(int), 3);
    ck_assert_uint_eq(green_channel_capacity(channel), 3);
    int next_in = 0;
    int next_out = 0;
    for (int round = 0; round < 7; round++) { /* the ring wraps at every place */
        while (green_channel_send(channel, &next_in, GREEN_NOW) == 0) {
            next_in++;
        }
        ck_assert_uint_eq(green_channel_count(channel), 3);
        for (int i = 0; i < 1 + round % 3; i++) {
            ck_assert_int_eq(poll_number(channel), next_out++);
        }
    }
    ck_assert_int_eq(next_in, 15);
    green_channel_destroy(channel); /* with what is left in it */
}
END_TEST

START_TEST(items_of_any_size)
{
    static const size_t sizes[] = {0, 1, 3, 24, 4096};
    size_t size = sizes[_i / 3];
    struct green_channel *channel = channel_of(size, (size_t)(_i % 3));
    unsigned char in[4096 + 1];
    unsigned char out[4096 + 1];
    memset(in, 'x', sizeof in);
    memset(out, 'o', sizeof out);
    for (int i = 0; i < _i % 3; i++) {
        ck_assert_int_eq(green_channel_send(channel, size > 0 ? in : NULL, GREEN_NOW), 0);
    }
    ck_assert_int_eq(green_channel_send(channel, in, GREEN_NOW), -ETIMEDOUT);
    for (int i = 0; i < _i % 3; i++) {
        ck_assert_int_eq(green_channel_receive(channel, i == 0 ? NULL : out, GREEN_NOW), 0);
    }
    ck_assert_int_eq(green_channel_receive(channel, out, GREEN_NOW), -ETIMEDOUT);
    bool received = _i % 3 == 2;
    ck_assert_int_eq(memcmp(out, in, received ? size : 0), 0);
    ck_assert_int_eq(out[received ? size : 0], 'o');
    green_channel_destroy(channel);
}
END_TEST

/* ---- giving up ---- */

START_TEST(deadlines_pass)
{
    struct green_channel *channel = channel_of(sizeof(int), 0);
    int number = 7;
    ck_assert_int_eq(green_channel_send(channel, &number, green_after(1)), -ETIMEDOUT);
    ck_assert_int_eq(green_channel_receive(channel, &number, green_after(1)), -ETIMEDOUT);
    struct green_timeout timeout;
    green_timeout_start(&timeout, 1);
    ck_assert_int_eq(green_channel_receive(channel, &number, GREEN_FOREVER), -ETIMEDOUT);
    green_timeout_stop(&timeout);
    ck_assert(green_timeout_fired(&timeout));
    ck_assert_int_eq(number, 7);
    ck_assert_int_eq(poll_number(channel), -1); /* nothing of the send is left */
    ck_assert_int_eq(green_channel_send(channel, &number, GREEN_NOW), -ETIMEDOUT);
    green_channel_destroy(channel);
}
END_TEST

START_TEST(cancelled_sender_keeps_its_item)
{
    struct green_channel *channel = channel_of(sizeof(int), 0);
    struct green_job *one = spawn(GREEN_TASK, send_one, ITEM(channel, 1));
    struct green_job *two = spawn(GREEN_TASK, send_one, ITEM(channel, 2));
    green_yield();
    green_job_cancel(one);
    ck_assert_int_eq(finish(one), -ECANCELED);
    ck_assert_int_eq(poll_number(channel), 2);
    ck_assert_int_eq(finish(two), 0);
    ck_assert_trace("-1 +2");
    green_channel_destroy(channel);
}
END_TEST

START_TEST(what_was_handed_over_before_the_cancel_counts)
{
    struct green_channel *channel = channel_of(sizeof(int), 0);
    struct green_job *one = spawn(GREEN_TASK, receive_one, ITEM(channel, 1));
    green_yield();
    int number = 9;
    ck_assert_int_eq(green_channel_send(channel, &number, GREEN_NOW), 0);
    green_job_cancel(one); /* too late for this call */
    ck_assert_int_eq(finish(one), 9);
    green_channel_destroy(channel);
}
END_TEST

static intptr_t
cancelled_calls(void *arg)
{
    const struct order *order = arg;
    int number = 0;
    green_job_cancel(green_self());
    int sent = green_channel_send(order->channel, &number, GREEN_FOREVER);
    int received = green_channel_receive(order->channel, &number, GREEN_NOW);
    return sent == -ECANCELED && received == -ECANCELED ? 0 : -EPROTO;
}

START_TEST(cancelled_worker_does_nothing)
{
    struct green_channel *channel = channel_of(sizeof(int), 1);
    ck_assert_int_eq(finish(spawn(GREEN_TASK, cancelled_calls, ITEM(channel, 0))), 0);
    ck_assert_uint_eq(green_channel_count(channel), 0);
    green_channel_destroy(channel);
}
END_TEST

/* ---- close ---- */

START_TEST(close_wakes_receivers)
{
    struct green_channel *channel = channel_of(sizeof(int), 0);
    struct green_job *one = spawn(GREEN_TASK, receive_one, ITEM(channel, 1));
    struct green_job *two = spawn(GREEN_TASK, receive_one, ITEM(channel, 2));
    green_yield();
    ck_assert(!green_channel_closed(channel));
    green_channel_close(channel);
    green_channel_close(channel);
    ck_assert(green_channel_closed(channel));
    ck_assert_int_eq(finish(one), -EPIPE);
    ck_assert_int_eq(finish(two), -EPIPE);
    int number = 1;
    ck_assert_int_eq(green_channel_send(channel, &number, GREEN_FOREVER), -EPIPE);
    ck_assert_int_eq(green_channel_receive(channel, &number, GREEN_FOREVER), -EPIPE);
    ck_assert_int_eq(number, 1);
    green_channel_destroy(channel);
}
END_TEST

START_TEST(close_lets_receivers_drain)
{
    struct green_channel *channel = channel_of(sizeof(int), 1);
    struct green_job *one = spawn(GREEN_TASK, send_one, ITEM(channel, 1));
    struct green_job *two = spawn(GREEN_TASK, send_one, ITEM(channel, 2));
    green_yield();
    green_channel_close(channel);
    ck_assert_int_eq(finish(one), 0);
    ck_assert_int_eq(finish(two), -EPIPE); /* it waited, and keeps its item */
    ck_assert_int_eq(poll_number(channel), 1);
    int number;
    ck_assert_int_eq(green_channel_receive(channel, &number, GREEN_NOW), -EPIPE);
    ck_assert_trace("+1 -2");
    green_channel_destroy(channel);
}
END_TEST

/* ---- misuse, memory, fork ---- */

static void
destroy_awaited(void)
{
    struct green_channel *channel = channel_of(1, 0);
    spawn(GREEN_TASK, receive_one, ITEM(channel, 1));
    green_yield();
    green_channel_destroy(channel);
}

START_TEST(destroy_of_an_awaited_channel_aborts)
{
    char text[256];
    ck_assert_int_eq(last_words(destroy_awaited, text, sizeof text), -SIGABRT);
    ck_assert_str_eq(text, "green: green_channel_destroy: somebody waits for it\n");
    green_channel_destroy(NULL);
}
END_TEST

static void *
no_memory(size_t size)
{
    (void)size;
    return NULL;
}

START_TEST(no_memory_for_a_channel)
{
    struct green_channel *channel = NULL;
    ck_assert_int_eq(green_channel_create(2, SIZE_MAX / 2, &channel), -ENOMEM);
    ck_assert_int_eq(green_channel_create(SIZE_MAX, SIZE_MAX, &channel), -ENOMEM);
    struct green_allocator none = {no_memory, realloc, free};
    ck_assert_int_eq(green_set_allocator(&none), 0);
    ck_assert_int_eq(green_channel_create(4, 4, &channel), -ENOMEM);
    ck_assert_ptr_null(channel);
}
END_TEST

static intptr_t
count_in_child(void *arg)
{
    struct green_channel *channel = arg;
    struct order order = {channel, 11};
    struct green_job *job = NULL;
    int first = 0;
    int second = 0;
    if (green_channel_receive(channel, &first, GREEN_NOW) != 0 ||
        green_spawn(send_one, &order, &job) != 0 ||
        green_channel_receive(channel, &second, green_after(LONG_MS)) != 0) {
        return -1;
    }
    return finish(job) == 0 ? first + second : -2;
}

START_TEST(forked_child_has_a_copy)
{
    struct green_channel *channel = channel_of(sizeof(int), 1);
    int number = 31;
    ck_assert_int_eq(green_channel_send(channel, &number, GREEN_NOW), 0);
    ck_assert_int_eq(finish(spawn(GREEN_PROCESS, count_in_child, channel)), 42);
    ck_assert_int_eq(poll_number(channel), 31);
    green_channel_destroy(channel);
}
END_TEST

/* ---- every mixture ---- */

#define ROUNDS stress(2000, 200)

struct pair {
    struct green_channel *there;
    struct green_channel *back;
    int rounds;
};

static intptr_t
serve(void *arg)
{
    const struct pair *pair = arg;
    int number;
    int err;
    while ((err = green_channel_receive(pair->there, &number, GREEN_FOREVER)) == 0) {
        number *= 2;
        err = green_channel_send(pair->back, &number, GREEN_FOREVER);
        if (err != 0) {
            break;
        }
    }
    return err;
}

static intptr_t
ask(void *arg)
{
    const struct pair *pair = arg;
    for (int i = 0; i < pair->rounds; i++) {
        int number = i;
        int err = green_channel_send(pair->there, &number, GREEN_FOREVER);
        if (err == 0) {
            err = green_channel_receive(pair->back, &number, GREEN_FOREVER);
        }
        if (err != 0 || number != 2 * i) {
            return -EPROTO;
        }
    }
    green_channel_close(pair->there);
    return 0;
}

/** A task of a thread of its own. */
static intptr_t
ask_in_task(void *arg)
{
    struct green_job *job = NULL;
    int err = green_spawn(ask, arg, &job);
    return err != 0 ? err : finish(job);
}

START_TEST(every_mixture_of_workers)
{
    struct pair pair = {channel_of(sizeof(int), (size_t)_i / 6), channel_of(sizeof(int), 0),
                        ROUNDS};
    struct green_job *server = spawn(_i % 2 == 0 ? GREEN_TASK : GREEN_THREAD, serve, &pair);
    struct green_job *asker;
    switch (_i / 2 % 3) {
    case 0:
        asker = spawn(GREEN_TASK, ask, &pair);
        break;
    case 1:
        asker = spawn(GREEN_THREAD, ask, &pair);
        break;
    default:
        asker = spawn(GREEN_THREAD, ask_in_task, &pair);
    }
    ck_assert_int_eq(finish(asker), 0);
    ck_assert_int_eq(finish(server), -EPIPE);
    green_channel_destroy(pair.there);
    green_channel_destroy(pair.back);
}
END_TEST

START_TEST(lock_is_not_taken)
{
    /* With the lock in somebody's hands, a buffer that nobody waits for is used all the same. */
    struct green_channel *channel = channel_of(sizeof(int), 2);
    green__lock(&channel->lock);
    for (int i = 0; i < 20; i += 2) {
        int item = 0;
        ck_assert_int_eq(green_channel_send(channel, &(int){i}, GREEN_FOREVER), 0);
        ck_assert_int_eq(green_channel_send(channel, &(int){i + 1}, GREEN_FOREVER), 0);
        ck_assert_int_eq(green_channel_send(channel, &item, GREEN_NOW), -ETIMEDOUT);
        ck_assert_uint_eq(green_channel_count(channel), 2);
        for (int k = 0; k < 2; k++) {
            ck_assert_int_eq(green_channel_receive(channel, &item, GREEN_FOREVER), 0);
            ck_assert_int_eq(item, i + k);
        }
        ck_assert_int_eq(green_channel_receive(channel, &item, GREEN_NOW), -ETIMEDOUT);
    }
    green__unlock(&channel->lock);
    green_channel_destroy(channel);
}
END_TEST

int
main(void)
{
    TCase *tests = make_case("channel");
    tcase_add_test(tests, sender_waits_for_its_receiver);
    tcase_add_test(tests, receiver_waits_for_its_sender);
    tcase_add_loop_test(tests, senders_are_served_in_order, 0, 3);
    tcase_add_loop_test(tests, receivers_are_served_in_order, 0, 3);
    tcase_add_test(tests, buffer_takes_its_capacity);
    tcase_add_loop_test(tests, items_of_any_size, 0, 15);
    tcase_add_test(tests, lock_is_not_taken);
    tcase_add_test(tests, deadlines_pass);
    tcase_add_test(tests, cancelled_sender_keeps_its_item);
    tcase_add_test(tests, what_was_handed_over_before_the_cancel_counts);
    tcase_add_test(tests, cancelled_worker_does_nothing);
    tcase_add_test(tests, close_wakes_receivers);
    tcase_add_test(tests, close_lets_receivers_drain);
    tcase_add_test(tests, destroy_of_an_awaited_channel_aborts);
    tcase_add_test(tests, no_memory_for_a_channel);
    if (PROCESSES) {
        tcase_add_test(tests, forked_child_has_a_copy);
    }
    tcase_add_loop_test(tests, every_mixture_of_workers, 0, 12);
    return run_case_of("channel", tests);
}
