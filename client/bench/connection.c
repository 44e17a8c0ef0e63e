/*
 * The life of a connection: it is made, talks until the run or its churn is over, and ends.
 *
 * Our side is shut down only when every message has been answered. The stream is then read to its
 * end, so that nothing that a server adds to it is missed.
 *
 * Invariant: one task a connection receives on it, makes it and closes it. Tasks of the loop only.
 */
#include <errno.h>
#include <string.h>

#include "loop.h"

#define RETRY_FIRST_MS 10
#define RETRY_MAX_MS   1000
#define USELESS_MIN    10
#define STRANGE_NS     UINT64_C(1000000000)

/* ---- waiting ---- */

/* Wait, but not beyond the end of the run. Returns whether it goes on. */
static bool
pause_until(struct loop *loop, green_deadline deadline)
{
    (void)green_event_wait(&loop->stop, deadline);
    return !loop->stopping;
}

/* Wait for this connection's turn in the rate of connections. */
static bool
take_turn(struct loop *loop)
{
    if (loop->connect_gap_ns == 0) {
        return !loop->stopping;
    }
    uint64_t now_ns = clock_ns();
    uint64_t turn_ns = loop->next_connect_ns > now_ns ? loop->next_connect_ns : now_ns;
    loop->next_connect_ns = turn_ns + loop->connect_gap_ns;
    return turn_ns <= now_ns ? !loop->stopping : pause_until(loop, turn_ns);
}

/* ---- making and ending ---- */

static int
make(struct connection *connection)
{
    struct loop *loop = connection->loop;
    const struct plan *plan = loop->plan;
    struct green_timeout timeout;
    if (green_semaphore_acquire(&loop->connecting, GREEN_FOREVER) != 0) {
        return -ECANCELED;
    }
    connection->connecting = true;
    connection->number = loop->made++ * plan->loops + loop->index;
    uint64_t begin_ns = clock_ns();
    green_timeout_start(&timeout, plan->timeout_ns / 1000000);
    int err = dial(plan, connection->number, plan->load.churn > 0, &connection->channel);
    green_timeout_stop(&timeout);
    uint64_t now_ns = clock_ns();
    connection->connecting = false;
    (void)green_semaphore_release(&loop->connecting);
    if (err != 0) {
        if (!loop->stopping) {
            loop_count(loop, ECHOC_PHASE_CONNECT, -err, 1);
        }
        return err;
    }
    echoc_histogram_record(&loop_page(loop, now_ns)->histograms.connect, now_ns - begin_ns);
    loop->standing++;
    loop->board->totals.connections++;
    connection->free_ns = now_ns;
    connection->progress_ns = now_ns;
    traffic_begin(connection);
    return 0;
}

static void
unmake(struct connection *connection)
{
    struct loop *loop = connection->loop;
    channel_close(&connection->channel);
    checker_fini(&connection->checker);
    loop->standing--;
    loop->last_seen_ns = clock_ns();
}

void
connection_finish(struct connection *connection)
{
    if (connection->channel.fd >= 0 && !connection->connecting && !connection->shut) {
        connection->shut = true;
        (void)channel_finish(&connection->channel);
    }
}

/* ---- talking ---- */

/* Whether nothing more is to be sent on this connection. */
static bool
is_done(const struct connection *connection)
{
    return connection->loop->stopping || connection->left == 0;
}

static void
begin_reply(struct connection *connection, uint64_t now_ns)
{
    connection->begun = true;
    if (connection->first_sent_ns != 0) {
        echoc_histogram_record(&loop_page(connection->loop, now_ns)->histograms.first_byte,
                               now_ns - connection->first_sent_ns);
    }
}

/* Pause as long as the load says, and look at the clock again. */
static void
think(struct connection *connection)
{
    struct loop *loop = connection->loop;
    uint64_t pause_ns = (uint64_t)(loop->plan->load.think_s * 1e9);
    (void)pause_until(loop, clock_ns() + pause_ns);
}

/* Go on after something was received. */
static void
go_on(struct connection *connection, uint64_t now_ns)
{
    struct loop *loop = connection->loop;
    uint64_t outstanding = checker_outstanding(&connection->checker);
    if (is_done(connection)) {
        if (outstanding == 0) {
            connection_finish(connection);
        }
        return;
    }
    if (loop->plan->load.think_s > 0 && outstanding == 0) {
        think(connection);
        now_ns = clock_ns();
    }
    traffic_release(connection, now_ns);
    if (checker_outstanding(&connection->checker) == 0 && is_done(connection)) {
        connection_finish(connection);
    }
}

/* Receive until the stream ends. Returns 0 at its end, or the negative errno that broke it. */
static int
talk(struct connection *connection)
{
    struct loop *loop = connection->loop;
    for (;;) {
        struct green_view view;
        ssize_t got = channel_recv_view(&connection->channel, &view);
        if (got <= 0) {
            return (int)got;
        }
        uint64_t now_ns = clock_ns();
        uint64_t base = connection->checker.base;
        loop->now_ns = now_ns;
        if (!connection->begun) {
            begin_reply(connection, now_ns);
        }
        loop_page(loop, now_ns)->counts.bytes_received += (uint64_t)got;
        int err = checker_feed(&connection->checker, view.data, view.length);
        if (err != 0) {
            green_view_release(&view);
            return err;
        }
        connection->progress_ns = now_ns;
        if (connection->checker.base != base) {
            connection->free_ns = now_ns;
        }
        if (loop->plan->load.think_s > 0) {
            green_view_release(&view); /* not to be kept for a pause */
        } else {
            connection->spare = &view;
        }
        go_on(connection, now_ns);
        connection->spare = NULL;
        green_view_release(&view);
    }
}

/* ---- how it ended ---- */

/* Bytes of messages whose reply has not come as a whole. */
static uint64_t
unprocessed_bytes(const struct connection *connection)
{
    const struct checker *checker = &connection->checker;
    const struct script *script = &connection->loop->plan->script;
    uint64_t bytes = connection->sending_offset;
    size_t at = checker->at;
    for (uint64_t message = checker->base; message < connection->sending; message++) {
        bytes += script->request_at[at + 1] - script->request_at[at];
        at = at + 1 == script->count ? 0 : at + 1;
    }
    return bytes;
}

/* A connection ended that was to go on. When one after the other does before it has answered
 * anything, there is no use in making more. */
static void
note_useless(struct connection *connection)
{
    struct loop *loop = connection->loop;
    if (connection->checker.base > 0) {
        return;
    }
    loop->useless++;
    if (loop->useless > 2 * loop->count + USELESS_MIN) {
        control_judge(loop->control, ECHOC_CAUSE_CLOSED, NULL);
    }
}

static void
judge_end(struct connection *connection, int err)
{
    struct loop *loop = connection->loop;
    loop->now_ns = clock_ns();
    if (err == 0 && !connection->shut) {
        checker_end(&connection->checker);
    } else {
        checker_conclude(&connection->checker);
    }
    uint64_t outstanding = checker_outstanding(&connection->checker);
    loop->board->totals.unanswered += outstanding;
    if (connection->shut && outstanding == 0) {
        if (err != 0) {
            loop_count(loop, ECHOC_PHASE_CLOSE, -err, 1);
        }
    } else if (connection->shut) {
        loop_count(loop, ECHOC_PHASE_RECEIVE, ETIMEDOUT, 1);
    } else {
        note_useless(connection);
        if (err == 0) {
            /* In order, so that what crossed the end is not done, and not lost. */
            loop->board->totals.bytes_unprocessed += unprocessed_bytes(connection);
            loop_count(loop, ECHOC_PHASE_RECEIVE, ECHOC_CAUSE_CLOSED, 1);
        } else if (!connection->broken) {
            loop_count(loop, ECHOC_PHASE_RECEIVE, -err, 1);
        }
    }
}

/* How long to wait for what is missing. From a server that has never been right, not for long. */
static uint64_t
patience_ns(const struct connection *connection)
{
    uint64_t timeout_ns = connection->loop->plan->timeout_ns;
    bool strange = connection->loop->answered == 0 && connection->checker.puzzle != NULL;
    return strange && timeout_ns > STRANGE_NS ? STRANGE_NS : timeout_ns;
}

/*
 * A reply is overdue: what came after it was lost is known by now. For what nothing has come after,
 * one more message goes: its reply shows whether the other one is lost. When that is overdue too,
 * the connection is given up.
 */
void
connection_watch(struct connection *connection, uint64_t now_ns)
{
    struct loop *loop = connection->loop;
    uint64_t outstanding =
        connection->standing && !connection->shut ? checker_outstanding(&connection->checker) : 0;
    if (outstanding == 0 || now_ns < connection->progress_ns + patience_ns(connection)) {
        return;
    }
    loop->now_ns = now_ns;
    connection->progress_ns = now_ns;
    checker_conclude(&connection->checker);
    if (checker_outstanding(&connection->checker) < outstanding) {
        traffic_release(connection, now_ns);
        return;
    }
    if (connection->allowance > 0 || loop->answered == 0) {
        connection->shut = true; /* ends as overdue */
        (void)green_shutdown(connection->channel.fd, SHUT_RDWR);
        if (loop->answered == 0) {
            control_judge(loop->control, ETIMEDOUT, NULL);
        }
        return;
    }
    connection->allowance++;
    traffic_release(connection, now_ns);
}

/* ---- the task ---- */

/* Where in the open loop's schedule this connection begins. */
static void
begin_cursor(struct connection *connection)
{
    struct loop *loop = connection->loop;
    const struct plan *plan = loop->plan;
    if (plan->load.step_count == 0) {
        return;
    }
    uint64_t index = (uint64_t)(connection - loop->connections) * plan->loops + loop->index;
    uint64_t random = plan->load.poisson ? script_random(&loop->random) | 1 : 0;
    cursor_init(&connection->cursor, index, plan->load.connections, random);
    double next_s = cursor_next(&connection->cursor, &plan->schedule);
    connection->due_ns = next_s > 1e9
                             ? UINT64_MAX
                             : atomic_load(&loop->control->start_ns) + (uint64_t)(next_s * 1e9);
}

/* One connection from its making to its end. Returns whether it was of any use. */
static bool
live(struct connection *connection, bool *first)
{
    struct loop *loop = connection->loop;
    if (!take_turn(loop)) {
        return false;
    }
    int err = make(connection);
    if (*first) {
        (void)atomic_fetch_add(&loop->board->tried, 1);
        (void)green_event_wait(&loop->start, GREEN_FOREVER);
        begin_cursor(connection);
        *first = false;
    }
    if (err != 0) {
        return false;
    }
    if (loop->stopping) {
        connection_finish(connection);
    } else {
        uint64_t now_ns = clock_ns();
        connection->progress_ns = now_ns;
        connection->free_ns = now_ns;
        traffic_release(connection, now_ns);
    }
    err = talk(connection);
    traffic_end(connection);
    judge_end(connection, err);
    bool good = (connection->shut && err == 0) || connection->checker.base > 0;
    unmake(connection);
    return good;
}

intptr_t
connection_run(void *arg)
{
    struct connection *connection = arg;
    struct loop *loop = connection->loop;
    uint64_t pause_ms = RETRY_FIRST_MS;
    bool first = true;
    while (!loop->stopping) {
        if (live(connection, &first)) {
            pause_ms = RETRY_FIRST_MS;
            continue;
        }
        if (!pause_until(loop, green_after(pause_ms))) {
            break;
        }
        pause_ms = pause_ms * 2 < RETRY_MAX_MS ? pause_ms * 2 : RETRY_MAX_MS;
    }
    loop->alive--;
    return 0;
}
