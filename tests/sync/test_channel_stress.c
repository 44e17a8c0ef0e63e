/*
 * Channels under a crowd: 4 threads with 100 tasks each, and three without tasks, pass numbered
 * items from producers through relays to consumers, by plain calls and by selects over sends and
 * receives, with deadlines that pass and tasks that are cancelled. Every item that was sent arrives
 * once.
 *
 * What a relay holds when it is cancelled it delivers itself, so that nothing may be missing.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>

#include "../base/support.h"
#include "green/channel.h"

enum {
    THREADS = 4,
    PRODUCERS = 40,
    RELAYS = 30,
    CONSUMERS = 30,
    CHANNELS = 4,
    HELD_MAX = 2,
    CANCEL_ONE_IN = 8,
    PLAIN = 3, /* threads without tasks: one of each sort */
};

static struct green_channel *in[CHANNELS];
static struct green_channel *out[CHANNELS];
static atomic_uchar *arrived; /* by item */
static atomic_uchar *sent;    /* by item */
static int items_each;
static atomic_int producers_left; /* of all threads */
static atomic_int relays_left;
static atomic_int last_item;
static atomic_long operations;

static uint32_t
roll(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void
deliver(int item)
{
    atomic_fetch_add(&arrived[item], 1);
}

static void
close_all(struct green_channel **channels)
{
    for (int i = 0; i < CHANNELS; i++) {
        green_channel_close(channels[i]);
    }
}

/** A deadline that mostly does not matter. */
static green_deadline
some_deadline(uint32_t *state)
{
    switch (roll(state) % 8) {
    case 0:
        return GREEN_NOW;
    case 1:
        return green_after(roll(state) % 2);
    default:
        return GREEN_FOREVER;
    }
}

/** Send to one channel, or to whichever takes the item first. */
static int
send_some(int item, uint32_t *state)
{
    uint32_t first = roll(state) % CHANNELS;
    atomic_fetch_add_explicit(&operations, 1, memory_order_relaxed);
    if (roll(state) % 2 == 0) {
        return green_channel_send(in[first], &item, some_deadline(state));
    }
    struct green_case cases[] = {GREEN_SEND(in[first], &item),
                                 GREEN_SEND(in[(first + 1) % CHANNELS], &item),
                                 GREEN_SEND(in[(first + 2) % CHANNELS], &item)};
    int index = green_select(cases, 3, some_deadline(state));
    return index < 0 ? index : cases[index].err;
}

static intptr_t
produce(void *arg)
{
    uint32_t state = (uint32_t)NUMBER(arg);
    int err = 0;
    for (int i = 0; i < items_each && err != -ECANCELED; i++) {
        int item = atomic_fetch_add(&last_item, 1);
        do {
            err = send_some(item, &state);
            if (err == -ETIMEDOUT) {
                green_yield();
            }
        } while (err == -ETIMEDOUT);
        if (err == 0) {
            atomic_store(&sent[item], 1);
        } else if (err != -ECANCELED) {
            break;
        }
    }
    if (atomic_fetch_sub(&producers_left, 1) == 1) {
        close_all(in);
    }
    return err == -ECANCELED ? 0 : err;
}

struct relay {
    int held[HELD_MAX];
    int count;
    struct green_channel *from[CHANNELS]; /* NULL once closed and empty */
};

/** Receive and send, whatever comes first; 0, -ETIMEDOUT, -ECANCELED, or -EPIPE when all is done.
 */
static int
relay_once(struct relay *relay, uint32_t *state)
{
    int item = 0;
    uint32_t to = roll(state) % CHANNELS;
    bool room = relay->count < HELD_MAX;
    struct green_case cases[CHANNELS + 1];
    bool open = false;
    for (int i = 0; i < CHANNELS; i++) {
        cases[i] = (struct green_case)GREEN_RECEIVE(room ? relay->from[i] : NULL, &item);
        open = open || relay->from[i] != NULL;
    }
    cases[CHANNELS] =
        (struct green_case)GREEN_SEND(relay->count > 0 ? out[to] : NULL, &relay->held[0]);
    if (!open && relay->count == 0) {
        return -EPIPE;
    }
    int index = green_select(cases, CHANNELS + 1, some_deadline(state));
    atomic_fetch_add_explicit(&operations, 1, memory_order_relaxed);
    if (index == CHANNELS) {
        relay->held[0] = relay->held[1];
        relay->count--;
        return cases[index].err == 0 ? 0 : -EPROTO; /* it closes after us */
    }
    if (index >= 0 && cases[index].err == -EPIPE) {
        relay->from[index] = NULL;
    } else if (index >= 0) {
        relay->held[relay->count++] = item;
    }
    return index < 0 ? index : 0;
}

static intptr_t
pass_on(void *arg)
{
    struct relay relay = {.count = 0};
    uint32_t state = (uint32_t)NUMBER(arg);
    memcpy(relay.from, in, sizeof in);
    int err;
    while ((err = relay_once(&relay, &state)) == 0 || err == -ETIMEDOUT) {
        if (err == -ETIMEDOUT) {
            green_yield();
        }
    }
    while (relay.count > 0) {
        deliver(relay.held[--relay.count]);
    }
    if (atomic_fetch_sub(&relays_left, 1) == 1) {
        close_all(out);
    }
    return err == -EPIPE || err == -ECANCELED ? 0 : err;
}

static intptr_t
consume(void *arg)
{
    uint32_t state = (uint32_t)NUMBER(arg);
    for (;;) {
        int item = -1;
        int err;
        uint32_t first = roll(&state) % CHANNELS;
        if (roll(&state) % 2 == 0) {
            err = green_channel_receive(out[first], &item, green_after(5));
        } else {
            struct green_case cases[] = {GREEN_RECEIVE(out[first], &item),
                                         GREEN_RECEIVE(out[(first + 1) % CHANNELS], &item)};
            int index = green_select(cases, 2, some_deadline(&state));
            err = index < 0 ? index : cases[index].err;
        }
        atomic_fetch_add_explicit(&operations, 1, memory_order_relaxed);
        if (err == 0) {
            deliver(item);
        } else if (err == -EPIPE) { /* of this one; the others may have some left */
            for (int i = 0; i < CHANNELS; i++) {
                while (green_channel_receive(out[i], &item, GREEN_NOW) == 0) {
                    deliver(item);
                }
            }
            return 0;
        } else if (err == -ETIMEDOUT) {
            green_yield();
        } else {
            return err == -ECANCELED ? 0 : err;
        }
    }
}

/** Spawn the thread's tasks, cancel some of them in the middle, and join all. */
static intptr_t
run_crowd(void *arg)
{
    enum { TASKS = PRODUCERS + RELAYS + CONSUMERS };
    struct green_job *jobs[TASKS];
    uint32_t state = (uint32_t)NUMBER(arg);
    for (int i = 0; i < TASKS; i++) {
        green_entry entry = i < PRODUCERS ? produce : i < PRODUCERS + RELAYS ? pass_on : consume;
        if (green_spawn(entry, POINTER(1 + i + TASKS * NUMBER(arg)), &jobs[i]) != 0) {
            return -ENOMEM;
        }
    }
    for (int i = 1; i < TASKS; i += CANCEL_ONE_IN) { /* the first of a kind always stays */
        green_sleep(1 + roll(&state) % 3);
        if (i != PRODUCERS && i != PRODUCERS + RELAYS) {
            green_job_cancel(jobs[i]);
        }
    }
    intptr_t err = 0;
    for (int i = 0; i < TASKS; i++) {
        intptr_t value = finish(jobs[i]);
        err = err != 0 ? err : value;
    }
    return err;
}

START_TEST(nothing_is_lost_or_doubled)
{
    /* Four operations an item: in and out of two channels; those cancelled leave some out. */
    items_each = stress(1000000, 20000) / 4 / (THREADS * PRODUCERS) * 5 / 4;
    int items = items_each * (THREADS * PRODUCERS + 1);
    arrived = calloc((size_t)items, sizeof *arrived);
    sent = calloc((size_t)items, sizeof *sent);
    producers_left = THREADS * PRODUCERS + 1;
    relays_left = THREADS * RELAYS + 1;
    for (int i = 0; i < CHANNELS; i++) { /* the first two are rendezvous */
        ck_assert_int_eq(green_channel_create(sizeof(int), (size_t)i / 2 * 3, &in[i]), 0);
        ck_assert_int_eq(green_channel_create(sizeof(int), (size_t)i / 2 * 3, &out[i]), 0);
    }
    static const green_entry plain[PLAIN] = {produce, pass_on, consume};
    struct green_job *threads[THREADS + PLAIN];
    for (int i = 0; i < THREADS + PLAIN; i++) {
        green_entry entry = i < THREADS ? run_crowd : plain[i - THREADS];
        threads[i] = spawn(GREEN_THREAD, entry, POINTER(i));
    }
    for (int i = 0; i < THREADS + PLAIN; i++) {
        intptr_t value = 1;
        ck_assert_int_eq(green_job_join(threads[i], &value, GREEN_FOREVER), 0);
        ck_assert_int_eq(value, 0);
        green_job_put(threads[i]);
    }
    int count = 0;
    for (int i = 0; i < items; i++) {
        ck_assert_int_eq(arrived[i], sent[i]);
        count += sent[i];
    }
    ck_assert_int_ge(count, items * 3 / 4);
    for (int i = 0; i < CHANNELS; i++) {
        ck_assert_uint_eq(green_channel_count(in[i]) + green_channel_count(out[i]), 0);
        green_channel_destroy(in[i]);
        green_channel_destroy(out[i]);
    }
    printf("%d items, %ld calls\n", count, atomic_load(&operations));
    free(arrived);
    free(sent);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {nothing_is_lost_or_doubled};
    return RUN_TESTS("channel_stress", tests);
}
