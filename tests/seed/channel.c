/*
 * Seeded programs over channels: rendezvous and buffered, by send, receive and select, closed in
 * the middle.
 *
 * Each call is one of several cases, as select is. Where several are ready the library may choose;
 * where none is, the model knows which call of another task will make one of them true.
 */
#include "green/channel.h"

#include "seed.h"

#define CHANNELS  3
#define CASES     4
#define ITEMS_MAX 512
#define CAPACITY  3

struct call;

/** A case of a call, as it stands in a channel's line. */
struct place {
    struct call *call;
    int index;
};

struct channel {
    struct green_channel *it;
    int capacity;
    bool closed;
    int buffer[CAPACITY];
    int count;
    struct place lines[2][TASKS_MAX * CASES]; /* by enum green_case_kind */
    int waiting[2];
};

struct call {
    struct task *task;
    struct green_case cases[CASES];
    struct channel *channels[CASES];
    int items[CASES]; /* what it sends, or got */
    int count;
    int expected_err; /* of the case that was served */
    int expected_item;
};

static struct channel channels[CHANNELS];
static int item_count;
static signed char sent[ITEMS_MAX];
static signed char received[ITEMS_MAX];

/* ---- the model ---- */

static bool
is_ready(const struct call *call, int index)
{
    const struct channel *channel = call->channels[index];
    if (channel == NULL) {
        return false;
    }
    enum green_case_kind kind = call->cases[index].kind;
    return channel->closed || channel->waiting[1 - (int)kind] > 0 ||
           (kind == GREEN_CASE_SEND ? channel->count < channel->capacity : channel->count > 0);
}

/** A call waits no more: its places go, in all channels. */
static void
withdraw(const struct call *call)
{
    for (int c = 0; c < CHANNELS; c++) {
        for (int kind = 0; kind < 2; kind++) {
            struct place *line = channels[c].lines[kind];
            int kept = 0;
            for (int i = 0; i < channels[c].waiting[kind]; i++) {
                if (line[i].call != call) {
                    line[kept++] = line[i];
                }
            }
            channels[c].waiting[kind] = kept;
        }
    }
}

/** Serve who has waited longest: with an item if it receives, with what it sends otherwise. */
static int
serve_place(struct channel *channel, enum green_case_kind kind, int err, int item)
{
    struct place place = channel->lines[kind][0];
    struct call *call = place.call;
    withdraw(call);
    serve(call->task, place.index);
    call->expected_err = err;
    call->expected_item = kind == GREEN_CASE_SEND ? call->items[place.index] : item;
    if (kind == GREEN_CASE_SEND && err == 0) {
        sent[call->items[place.index]]++;
    }
    return call->expected_item;
}

static void
push(struct channel *channel, int item)
{
    channel->buffer[channel->count++] = item;
}

static int
shift(struct channel *channel)
{
    int item = channel->buffer[0];
    channel->count--;
    for (int i = 0; i < channel->count; i++) {
        channel->buffer[i] = channel->buffer[i + 1];
    }
    return item;
}

/** A case is done at once: what that has to give. */
static void
model_case(struct call *call, int index)
{
    struct channel *channel = call->channels[index];
    call->expected_err = 0;
    call->expected_item = call->items[index];
    if (call->cases[index].kind == GREEN_CASE_SEND) {
        if (channel->closed) {
            call->expected_err = -EPIPE;
            return;
        }
        sent[call->items[index]]++;
        if (channel->waiting[GREEN_CASE_RECEIVE] > 0) {
            serve_place(channel, GREEN_CASE_RECEIVE, 0, call->items[index]);
        } else {
            push(channel, call->items[index]);
        }
        return;
    }
    if (channel->count > 0) {
        call->expected_item = shift(channel);
        if (channel->waiting[GREEN_CASE_SEND] > 0) {
            push(channel, serve_place(channel, GREEN_CASE_SEND, 0, 0));
        }
    } else if (channel->waiting[GREEN_CASE_SEND] > 0) {
        call->expected_item = serve_place(channel, GREEN_CASE_SEND, 0, 0);
    } else {
        call->expected_err = -EPIPE;
    }
}

static void
model_close(struct channel *channel)
{
    channel->closed = true;
    for (int kind = 1; kind >= 0; kind--) {
        while (channel->waiting[kind] > 0) {
            serve_place(channel, (enum green_case_kind)kind, -EPIPE, 0);
        }
    }
}

/* ---- the calls ---- */

/** A case comes true with an item, whoever made it do so. */
static void
check_outcome(struct task *self, const struct call *call, int index)
{
    const struct green_case *one = &call->cases[index];
    CHECK(self, one->err == call->expected_err, "case %d has %d, not %d", index, one->err,
          call->expected_err);
    if (one->err == 0 && one->kind == GREEN_CASE_RECEIVE) {
        int item = call->items[index];
        CHECK(self, item == call->expected_item, "got item %d, not %d", item, call->expected_item);
        CHECK(self, sent[item] == 1 && ++received[item] == 1, "item %d came %d times", item,
              received[item]);
    }
}

/** A single case goes by the plain call, as often as not. */
static int
call_library(struct call *call, green_deadline deadline)
{
    struct green_case *one = &call->cases[0];
    if (call->count != 1 || one->channel == NULL || chance(50)) {
        return green_select(call->cases, (size_t)call->count, deadline);
    }
    int err = one->kind == GREEN_CASE_SEND
                  ? green_channel_send(one->channel, one->item, deadline)
                  : green_channel_receive(one->channel, one->ret_item, deadline);
    one->err = err == -EPIPE ? -EPIPE : 0;
    return err == -EPIPE ? 0 : err;
}

static bool
draw_call(struct task *self, struct call *call)
{
    *call = (struct call){.task = self, .count = chance(50) ? 1 : 1 + draw(CASES)};
    if (item_count + call->count > ITEMS_MAX) {
        return false;
    }
    for (int i = 0; i < call->count; i++) {
        struct channel *channel = chance(95) ? &channels[draw(CHANNELS)] : NULL;
        call->channels[i] = channel;
        call->cases[i].channel = channel == NULL ? NULL : channel->it;
        call->items[i] = -1;
        if (chance(50)) {
            call->items[i] = item_count++;
            call->cases[i].kind = GREEN_CASE_SEND;
            call->cases[i].item = &call->items[i];
        } else {
            call->cases[i].kind = GREEN_CASE_RECEIVE;
            call->cases[i].ret_item = &call->items[i];
        }
    }
    return true;
}

static void
enter_lines(struct call *call)
{
    for (int i = 0; i < call->count; i++) {
        struct channel *channel = call->channels[i];
        if (channel != NULL) {
            int kind = (int)call->cases[i].kind;
            channel->lines[kind][channel->waiting[kind]++] = (struct place){call, i};
        }
    }
}

/** One of those that are ready is chosen, and the model follows. */
static void
choose(struct task *self, struct call *call, green_deadline deadline)
{
    running = self;
    operations++;
    int index = call_library(call, deadline);
    CHECK(self, running == self, "a call that need not wait let others run");
    CHECK(self, index >= 0 && index < call->count && is_ready(call, index),
          "chose %d, which is not ready", index);
    say(self, "%s item %d, case %d of %d, at once",
        call->cases[index].kind == GREEN_CASE_SEND ? "sends" : "receives", call->items[index],
        index, call->count);
    model_case(call, index);
    check_outcome(self, call, index);
}

static void
step(struct task *self)
{
    struct call call;
    struct line nowhere = {.count = 0}; /* the lines are the channels' */
    if (!draw_call(self, &call)) {
        return;
    }
    green_deadline deadline = some_deadline();
    bool ready = false;
    for (int i = 0; i < call.count; i++) {
        ready |= is_ready(&call, i);
    }
    if (is_cancelled(self)) {
        AT_ONCE(self, call_library(&call, deadline), -ECANCELED);
    } else if (ready) {
        choose(self, &call, deadline);
    } else if (deadline == GREEN_NOW) {
        AT_ONCE(self, call_library(&call, deadline), -ETIMEDOUT);
    } else {
        enter_lines(&call);
        int index = WAIT_IN(self, &nowhere, call_library(&call, deadline), deadline);
        if (index < 0) {
            withdraw(&call);
        } else {
            check_outcome(self, &call, index);
        }
    }
}

static void
look_at(struct task *self, struct channel *channel)
{
    CHECK(self, green_channel_count(channel->it) == (size_t)channel->count, "its count is wrong");
    CHECK(self, green_channel_closed(channel->it) == channel->closed, "closed() is wrong");
    if (chance(10)) {
        say(self, "closes channel %d", (int)(channel - channels));
        model_close(channel);
        green_channel_close(channel->it);
    }
}

static void
body(struct task *self)
{
    for (int i = 3 + draw(16); i > 0 && !(self->cancelled && chance(60)); i--) {
        if (chance(20)) {
            disturb(self, body);
        } else if (chance(5)) {
            look_at(self, &channels[draw(CHANNELS)]);
        } else {
            in_some_scope(self, step);
        }
    }
}

static void
program(void)
{
    for (int i = 0; i < CHANNELS; i++) {
        struct channel *channel = &channels[i];
        channel->capacity = draw(CAPACITY + 1);
        channel->closed = false;
        channel->count = channel->waiting[0] = channel->waiting[1] = 0;
        CHECK(NULL, green_channel_create(sizeof(int), (size_t)channel->capacity, &channel->it) == 0,
              "no channel");
    }
    for (int i = 0; i < item_count; i++) {
        sent[i] = received[i] = 0;
    }
    item_count = 0;
    for (int i = 2 + draw(7); i > 0; i--) {
        start(body);
    }
    finish_all(40);
    for (int i = 0; i < CHANNELS; i++) {
        while (channels[i].count > 0) { /* nothing that was sent is lost */
            int item = -1;
            int expected = shift(&channels[i]);
            CHECK(NULL, green_channel_receive(channels[i].it, &item, GREEN_NOW) == 0,
                  "an item is lost");
            CHECK(NULL, item == expected, "got item %d, not %d", item, expected);
            received[item]++;
        }
        green_channel_destroy(channels[i].it);
    }
    for (int i = 0; i < item_count; i++) {
        CHECK(NULL, sent[i] == received[i], "item %d was sent %d times and came %d times", i,
              sent[i], received[i]);
    }
}

int
main(int argc, char **argv)
{
    return run_seeds(argc, argv, "channel", program);
}
