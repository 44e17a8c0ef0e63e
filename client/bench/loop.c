/*
 * One loop of a run: begins and ends its connections, and looks after them fifty times a second.
 *
 * Invariant: `stopping` is set once, by the ticker; from then on nothing new is sent, and a
 * connection whose messages are all answered is shut down, by the ticker if it waits. The tasks of
 * connections end by themselves.
 */
#include "loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_NS       UINT64_C(1000000000)
#define TICK_MS         20
#define WATCH_EVERY     5 /* ticks */
#define CONNECT_AT_ONCE 256

struct page *
loop_page(struct loop *loop, uint64_t now_ns)
{
    if (now_ns >= loop->page_until_ns) {
        loop->page = board_page(loop->board, loop->control, now_ns);
        /* The ticker asks again, so a page that comes too late is at most a tick late. */
        loop->page_until_ns = now_ns + UINT64_C(1000000) * TICK_MS;
        if (loop->measure_ns != 0 && loop->page_until_ns > loop->measure_ns) {
            uint64_t passed = now_ns > loop->measure_ns ? now_ns - loop->measure_ns : 0;
            uint64_t next_ns =
                loop->measure_ns +
                (now_ns < loop->measure_ns ? 0 : (passed / SECOND_NS + 1) * SECOND_NS);
            next_ns = now_ns < loop->end_ns && loop->end_ns < next_ns ? loop->end_ns : next_ns;
            loop->page_until_ns = next_ns < loop->page_until_ns ? next_ns : loop->page_until_ns;
        }
        if (!loop->stopping) {
            loop->page->counts.connections = loop->standing;
        }
    }
    return loop->page;
}

void
loop_count(struct loop *loop, enum echoc_phase phase, int cause, uint64_t count)
{
    board_count(loop->board, phase, cause, count);
    loop_page(loop, clock_ns())->counts.errors += count;
}

/* ---- the ticker ---- */

static void
look_for_start(struct loop *loop, uint64_t now_ns)
{
    uint64_t start_ns = atomic_load(&loop->control->start_ns);
    if (loop->started || start_ns == 0 || now_ns < start_ns) {
        return;
    }
    loop->started = true;
    loop->measure_ns = atomic_load(&loop->control->measure_ns);
    loop->end_ns = atomic_load(&loop->control->end_ns);
    loop->page_until_ns = 0;
    green_event_set(&loop->start);
}

static void
measure_processor(struct loop *loop, uint64_t now_ns)
{
    uint64_t cpu_ns;
    uint64_t wait_ns;
    struct board *board = loop->board;
    bool begun = atomic_load(&board->cpu_begin_ns) != 0;
    if (loop->started && !begun && now_ns >= loop->measure_ns) {
        thread_times(&cpu_ns, &wait_ns);
        atomic_store(&board->wait_begin_ns, wait_ns);
        atomic_store(&board->cpu_begin_ns, cpu_ns);
    }
    if (begun && loop->stopping && atomic_load(&board->cpu_end_ns) == 0) {
        thread_times(&cpu_ns, &wait_ns);
        atomic_store(&board->wait_end_ns, wait_ns);
        atomic_store(&board->cpu_end_ns, cpu_ns);
    }
}

static void
publish(struct loop *loop)
{
    struct board *board = loop->board;
    atomic_store_explicit(&board->last_answer_ns, loop->answered_ns, memory_order_relaxed);
    atomic_store_explicit(&board->answered, loop->answered, memory_order_relaxed);
    atomic_store_explicit(&board->standing, loop->standing, memory_order_relaxed);
}

/* When all of a loop's connections have been gone for long, the server is. */
static void
look_for_server(struct loop *loop, uint64_t now_ns)
{
    if (loop->standing > 0 || loop->last_seen_ns == 0) {
        loop->last_seen_ns = now_ns;
    }
    uint64_t limit_ns =
        loop->plan->timeout_ns < 5 * SECOND_NS ? loop->plan->timeout_ns : 5 * SECOND_NS;
    if (loop->started && !loop->stopping && loop->count > 0 &&
        now_ns > loop->last_seen_ns + limit_ns && loop->plan->load.connect_rate == 0) {
        control_judge(loop->control, ECONNREFUSED, NULL);
    }
}

static void
stop(struct loop *loop)
{
    loop->stopping = true;
    atomic_store(&loop->board->stopping, true);
    green_event_set(&loop->start);
    green_event_set(&loop->stop);
    pacer_stop(loop);
    for (size_t i = 0; i < loop->count; i++) {
        struct connection *connection = &loop->connections[i];
        if (connection->connecting) {
            green_job_cancel(connection->job);
        } else if (connection->channel.fd >= 0 && checker_outstanding(&connection->checker) == 0) {
            connection_finish(connection);
        }
    }
}

static bool
should_stop(const struct loop *loop, uint64_t now_ns)
{
    const struct plan *plan = loop->plan;
    bool spent = loop->count > 0 && plan->load.messages > 0 && loop->budget == 0;
    return atomic_load_explicit(&loop->control->stop, memory_order_relaxed) || spent ||
           (loop->started && now_ns >= loop->end_ns);
}

/* What has not been answered by now, or not been closed, will not be. */
static void
abandon(struct loop *loop)
{
    for (size_t i = 0; i < loop->count; i++) {
        struct connection *connection = &loop->connections[i];
        if (connection->channel.fd < 0 || connection->connecting) {
            continue;
        }
        if (connection->shut && checker_outstanding(&connection->checker) == 0) {
            loop_count(loop, ECHOC_PHASE_CLOSE, ETIMEDOUT, 1);
        }
        connection->shut = true;
        (void)green_shutdown(connection->channel.fd, SHUT_RDWR);
    }
}

static void
watch(struct loop *loop, uint64_t now_ns)
{
    for (size_t i = 0; i < loop->count; i++) {
        connection_watch(&loop->connections[i], now_ns);
    }
    look_for_server(loop, now_ns);
}

/* All loops begin at the same moment, which does not wait for a tick. */
static void
wait_for_tick(struct loop *loop)
{
    uint64_t start_ns = atomic_load(&loop->control->start_ns);
    uint64_t tick_ns = clock_ns() + UINT64_C(1000000) * TICK_MS;
    if (!loop->started && start_ns != 0 && start_ns < tick_ns) {
        tick_ns = start_ns;
    }
    struct green_event never;
    green_event_init(&never);
    (void)green_event_wait(&never, tick_ns);
    green_event_fini(&never);
}

static bool
has_work(const struct loop *loop)
{
    return loop->alive > 0 || !loop->stopping || !atomic_load(&loop->control->measured);
}

static intptr_t
run_ticker(void *arg)
{
    struct loop *loop = arg;
    uint64_t give_up_ns = UINT64_MAX;
    for (uint64_t tick = 0; has_work(loop); tick++) {
        wait_for_tick(loop);
        uint64_t now_ns = clock_ns();
        look_for_start(loop, now_ns);
        loop->end_ns = loop->started ? atomic_load(&loop->control->end_ns) : UINT64_MAX;
        if (!loop->stopping && should_stop(loop, now_ns)) {
            stop(loop);
            give_up_ns = now_ns + loop->plan->timeout_ns;
        }
        measure_processor(loop, now_ns);
        publish(loop);
        loop->page_until_ns = 0;
        (void)loop_page(loop, now_ns);
        if (tick % WATCH_EVERY == 0 && loop->started) {
            watch(loop, now_ns);
        }
        if (loop->stopping && (now_ns >= give_up_ns || atomic_load(&loop->control->abandon))) {
            abandon(loop);
            give_up_ns = UINT64_MAX;
        }
    }
    publish(loop);
    return 0;
}

/* ---- beginning and end ---- */

static uint64_t
share(const struct loop *loop, uint64_t count)
{
    uint64_t loops = loop->plan->loops;
    return count / loops + (loop->index < count % loops);
}

static void
init(struct loop *loop)
{
    const struct plan *plan = loop->plan;
    loop->control = plan->control;
    loop->board = &plan->control->boards[loop->index];
    loop->page = &loop->board->pages[0];
    loop->end_ns = UINT64_MAX;
    loop->measure_ns = 0;
    loop->budget = share(loop, plan->load.messages);
    loop->random = (loop->index + 1) * UINT64_C(0x9e3779b97f4a7c15);
    if (plan->load.connect_rate > 0) {
        double gap_ns = 1e9 * (double)plan->loops / plan->load.connect_rate;
        loop->connect_gap_ns = (uint64_t)gap_ns;
    }
    green_event_init(&loop->start);
    green_event_init(&loop->stop);
    green_semaphore_init(&loop->connecting, CONNECT_AT_ONCE);
}

static int
start_connections(struct loop *loop)
{
    uint32_t window = loop->plan->window;
    loop->count = share(loop, loop->plan->load.connections);
    loop->connections = calloc(loop->count + 1, sizeof loop->connections[0]);
    loop->stamps = calloc(loop->count * window + 1, sizeof loop->stamps[0]);
    if (loop->connections == NULL || loop->stamps == NULL) {
        loop->count = 0;
        return -ENOMEM;
    }
    for (size_t i = 0; i < loop->count; i++) {
        struct connection *connection = &loop->connections[i];
        connection->loop = loop;
        connection->channel.fd = -1;
        green_mutex_init(&connection->sender);
        connection->stamps = loop->stamps + i * window;
    }
    for (size_t i = 0; i < loop->count; i++) {
        struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
        options.name = "connection";
        struct connection *connection = &loop->connections[i];
        int err =
            green_spawn_as(GREEN_TASK, connection_run, connection, &options, &connection->job);
        if (err != 0) {
            loop->count = i;
            return err;
        }
        loop->alive++;
    }
    return 0;
}

static int
run_ticker_to_end(struct loop *loop)
{
    struct green_job *ticker;
    int err = green_spawn(run_ticker, loop, &ticker);
    if (err == 0) {
        (void)green_job_join(ticker, NULL, GREEN_FOREVER);
        green_job_put(ticker);
    }
    return err;
}

intptr_t
loop_run(void *arg)
{
    struct loop *loop = arg;
    init(loop);
    int err = start_connections(loop);
    if (err == 0) {
        err = pacer_open(loop);
    }
    if (err == 0) {
        err = attacks_start(loop);
    }
    if (err != 0) {
        loop->board->failed = err;
        atomic_store(&loop->control->stop, true);
    }
    (void)run_ticker_to_end(loop);
    for (size_t i = 0; i < loop->count; i++) {
        (void)green_job_join(loop->connections[i].job, NULL, GREEN_FOREVER);
        green_job_put(loop->connections[i].job);
    }
    attacks_stop(loop);
    pacer_close(loop);
    for (size_t i = 0; i < loop->count; i++) {
        green_mutex_fini(&loop->connections[i].sender);
    }
    free(loop->connections);
    free(loop->stamps);
    board_end(loop->board);
    return err;
}
