/*
 * The messages of a connection go out once each, in order, whoever sends them: its own task, the
 * pacer and who looks after it may all come while a send is under way, since a send lets others
 * run.
 *
 * The socket is a record of what was sent, and each send lets others run before it returns.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "bench/loop.h"

#define WINDOW   64
#define PIPELINE 4
#define SENT_MAX 4194304

/* What stands between a connection and its server. */
static struct {
    unsigned char bytes[SENT_MAX];
    size_t length;
    size_t answered;   /* bytes of those, by whole messages */
    size_t piece;      /* what the socket takes of a send; 0: all */
    int turns;         /* that others get in each send */
    unsigned refusals; /* sends to come that would have to wait, if they may not */
    unsigned sending;  /* callers that are inside */
    bool wrong;        /* the record has no room, or the checker no memory */
    bool together;     /* two were */
} wire;

static struct page page;
static struct control control;
static struct plan plan;
static struct loop loop;
static struct connection connection;
static struct stamp stamps[WINDOW];

/* ---- what traffic.c calls ---- */

ssize_t
channel_send(const struct channel *channel, const void *buf, size_t len, int flags)
{
    (void)channel;
    wire.together |= wire.sending > 0;
    wire.sending++;
    size_t taken = wire.piece > 0 && wire.piece < len ? wire.piece : len;
    bool refused = wire.refusals > 0 && (flags & MSG_DONTWAIT) != 0;
    if (refused) {
        wire.refusals--;
    } else {
        size_t room = SENT_MAX - wire.length;
        wire.wrong |= taken > room;
        memcpy(wire.bytes + wire.length, buf, taken < room ? taken : room);
        wire.length += taken < room ? taken : room;
    }
    for (int turn = 0; turn < wire.turns; turn++) {
        green_yield();
    }
    wire.sending--;
    return refused ? -EAGAIN : (ssize_t)taken;
}

struct page *
loop_page(struct loop *of, uint64_t now_ns)
{
    (void)of;
    (void)now_ns;
    return &page;
}

void
loop_count(struct loop *of, enum echoc_phase phase, int cause, uint64_t count)
{
    (void)of;
    (void)phase;
    (void)cause;
    page.counts.errors += count;
}

void
control_judge(struct control *of, int verdict, const struct echoc_damage *evidence)
{
    (void)evidence;
    of->verdict = verdict;
}

void
pacer_queue(struct connection *of)
{
    of->queued = true;
}

/* ---- the connection ---- */

static void
set_up(const char *rate, const char *size)
{
    memset(&wire, 0, sizeof wire);
    echoc_load_init(&plan.load);
    ck_assert_ptr_null(echoc_load_set(&plan.load, "size", size));
    if (rate != NULL) {
        ck_assert_ptr_null(echoc_load_set(&plan.load, "rate", rate));
    }
    plan.load.pipeline = PIPELINE;
    plan.window = WINDOW;
    plan.loops = 1;
    schedule_init(&plan.schedule, &plan.load);
    ck_assert_int_eq(script_init(&plan.script, &plan.load, (size_t)4 * WINDOW), 0);
    loop = (struct loop){.plan = &plan, .control = &control, .end_ns = UINT64_MAX, .random = 1};
    connection = (struct connection){.loop = &loop, .stamps = stamps};
    connection.channel.fd = -1;
    green_mutex_init(&connection.sender);
    cursor_init(&connection.cursor, 0, 1, 0);
    traffic_begin(&connection);
}

static void
tear_down(void)
{
    green_mutex_fini(&connection.sender);
    checker_fini(&connection.checker);
    script_fini(&plan.script);
}

/* The server answers what has come to it. */
static void
answer(void)
{
    struct checker *checker = &connection.checker;
    const struct script *script = &plan.script;
    while (checker->base < checker->released) {
        size_t length = script->request_at[checker->at + 1] - script->request_at[checker->at];
        size_t from = script->reply_at[checker->at];
        if (wire.answered + length > wire.length) {
            return;
        }
        wire.answered += length;
        size_t end = script->reply_at[checker->at + 1];
        wire.wrong |= checker_feed(checker, script->reply + from, end - from) != 0;
    }
}

/* So many messages were sent, and nothing else, from the text's place `at` on. */
static void
check_sent(size_t at, uint64_t messages)
{
    size_t done = 0;
    for (uint64_t i = 0; i < messages; i++) {
        const struct script *script = &plan.script;
        size_t length = script->request_at[at + 1] - script->request_at[at];
        ck_assert_uint_le(done + length, wire.length);
        ck_assert_mem_eq(wire.bytes + done, script->request + script->request_at[at], length);
        done += length;
        at = at + 1 == script->count ? 0 : at + 1;
    }
    ck_assert_uint_eq(done, wire.length);
    ck_assert(!wire.together && !wire.wrong);
    ck_assert_uint_eq(page.counts.errors, 0);
}

/* ---- several who send ---- */

/* What an open loop's time does not matter for: far behind. */
#define LATE_NS UINT64_C(3600000000000)

static intptr_t
release(void *arg)
{
    for (int round = 0; round < 64; round++) {
        traffic_release(&connection, LATE_NS);
        if (arg != NULL) {
            answer(); /* so that more may go */
        }
        green_yield();
    }
    return 0;
}

/* The connection's task, which has replies, and another that comes again and again. */
static void
release_from_two_tasks(void)
{
    struct green_job *own;
    struct green_job *pacer;
    ck_assert_int_eq(green_spawn(release, &connection, &own), 0);
    ck_assert_int_eq(green_spawn(release, NULL, &pacer), 0);
    ck_assert_int_eq(green_job_join(pacer, NULL, GREEN_FOREVER), 0);
    ck_assert_int_eq(green_job_join(own, NULL, GREEN_FOREVER), 0);
    green_job_put(pacer);
    green_job_put(own);
    uint64_t released = connection.checker.released;
    while (connection.sending < released) {
        green_yield(); /* to who sends the rest */
    }
    traffic_end(&connection);
    ck_assert_uint_ge(released, (uint64_t)2 * PIPELINE);
    ck_assert_uint_eq(connection.sending, released);
    check_sent(0, released);
}

static const struct {
    const char *rate;
    const char *size;
    size_t piece;
    unsigned refusals;
    bool cut;
} loads[] = {
    {NULL, "64", 0, 0, false},         {"20000", "64", 0, 0, false},   {"20000", "64", 7, 0, false},
    {"20000", "1:300", 100, 2, false}, {NULL, "1:300", 100, 0, false}, {"20000", "64", 0, 0, true},
    {NULL, "1:300", 0, 0, true},       {NULL, "9000", 999, 0, false},
};

START_TEST(two_tasks)
{
    set_up(loads[_i].rate, loads[_i].size);
    wire.piece = loads[_i].piece;
    wire.refusals = loads[_i].refusals;
    wire.turns = 3;
    plan.load.cut = loads[_i].cut;
    release_from_two_tasks();
    tear_down();
}
END_TEST

/* ---- the end ---- */

static intptr_t
release_once(void *arg)
{
    (void)arg;
    traffic_release(&connection, LATE_NS);
    return 0;
}

/* While one sends, the stream ends and the next is begun: what was sent on the one does not count
 * on the other. */
START_TEST(end_while_another_sends)
{
    struct green_job *pacer;
    set_up(_i == 0 ? "20000" : NULL, "64");
    wire.turns = 5;
    ck_assert_int_eq(green_spawn(release_once, NULL, &pacer), 0);
    green_yield();
    ck_assert_uint_eq(wire.sending, 1);
    traffic_end(&connection);
    ck_assert_uint_eq(wire.sending, 0);
    ck_assert_int_eq(green_job_join(pacer, NULL, GREEN_FOREVER), 0);
    green_job_put(pacer);
    check_sent(0, PIPELINE);

    /* Nothing goes before the next stream stands. */
    traffic_release(&connection, LATE_NS);
    check_sent(0, PIPELINE);

    wire.length = 0;
    checker_fini(&connection.checker);
    connection.number = 3;
    traffic_begin(&connection);
    size_t at = connection.checker.at;
    traffic_release(&connection, LATE_NS);
    traffic_end(&connection);
    check_sent(at, PIPELINE);
    tear_down();
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("traffic");
    TCase *senders = tcase_create("senders");
    tcase_add_loop_test(senders, two_tasks, 0, (int)(sizeof loads / sizeof loads[0]));
    tcase_add_loop_test(senders, end_while_another_sends, 0, 2);
    suite_add_tcase(suite, senders);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
