/*
 * One run of a load: starts the loops, tells them when to begin and to end, and gathers.
 *
 * Invariant: the main stack only ever waits for a tenth of a second at a time; signals leave a mark
 * that it finds then. Whatever happens, every loop is joined.
 */
#include "run.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "report.h"
#include "facts.h"
#include "green.h"
#include "plan.h"
#include "verdict.h"

#define TICK_MS 100
/* From telling the loops to begin to the beginning: longer than they take to look. */
#define LEAD_NS UINT64_C(50000000)

static atomic_int interrupts; /* any thread of ours may be the one that is interrupted */

static void
on_signal(int number)
{
    (void)number;
    atomic_fetch_add(&interrupts, 1);
}

struct run {
    struct plan plan;
    enum green_kind kind;
    uint64_t pid;
    struct control *control;
    struct loop *loops;
    struct green_job **jobs;
    size_t started;
    struct gather *gather;
    const struct run_watcher *watcher;
    struct echoc_result *result;
    struct facts *facts;
    bool begin_known;
};

/* ---- looking on ---- */

static struct run_state
look(const struct run *run)
{
    struct run_state state = {.phase = RUN_CONNECTING};
    uint64_t now_ns = clock_ns();
    uint64_t measure_ns = atomic_load(&run->control->measure_ns);
    bool stopping = true;
    for (size_t i = 0; i < run->control->loop_count; i++) {
        struct board *board = &run->control->boards[i];
        stopping = stopping && atomic_load(&board->stopping);
        state.answered += atomic_load_explicit(&board->answered, memory_order_relaxed);
        state.errors += atomic_load_explicit(&board->errors, memory_order_relaxed);
        state.tried += atomic_load_explicit(&board->tried, memory_order_relaxed);
        state.standing += atomic_load_explicit(&board->standing, memory_order_relaxed);
        state.attackers += atomic_load_explicit(&board->attackers, memory_order_relaxed);
    }
    if (measure_ns != 0) {
        state.phase = now_ns < measure_ns ? RUN_WARMING : RUN_MEASURING;
        state.elapsed_s = now_ns < measure_ns ? 0 : (double)(now_ns - measure_ns) / 1e9;
        if (now_ns >= atomic_load(&run->control->end_ns) || atomic_load(&run->control->stop) ||
            stopping) {
            state.phase = RUN_ENDING;
        }
    }
    return state;
}

static void
heed_signals(struct run *run)
{
    if (atomic_load(&interrupts) > 0 && !atomic_load(&run->control->stop)) {
        run->result->interrupted = true;
        uint64_t now_ns = clock_ns();
        if (now_ns < atomic_load(&run->control->end_ns)) {
            atomic_store(&run->control->end_ns, now_ns);
        }
        atomic_store(&run->control->stop, true);
    }
    if (atomic_load(&interrupts) > 1) {
        atomic_store(&run->control->abandon, true);
    }
    if (atomic_load(&run->control->verdict) > 0 && !atomic_load(&run->control->stop)) {
        atomic_store(&run->control->end_ns, clock_ns());
        atomic_store(&run->control->stop, true);
        atomic_store(&run->control->abandon, true);
    }
}

/* The server's processor time counts from the moment that the measurement does, and so on. */
static void
take_facts(struct run *run, const struct run_state *state)
{
    if (!run->begin_known && state->phase == RUN_MEASURING) {
        run->begin_known = true;
        facts_begin(run->facts);
    }
    if (state->phase == RUN_ENDING && !atomic_load(&run->control->measured)) {
        facts_end(run->facts, &run->result->server);
        atomic_store(&run->control->measured, true);
    }
}

static void
tick(struct run *run, uint64_t ms)
{
    (void)green_sleep(ms);
    heed_signals(run);
    struct run_state state = look(run);
    take_facts(run, &state);
    gather_step(run->gather);
    if (run->watcher->tick != NULL) {
        run->watcher->tick(run->watcher->arg, &state);
    }
}

/* Sleep less when something is to happen sooner. */
static uint64_t
until_next(const struct run *run)
{
    uint64_t now_ns = clock_ns();
    uint64_t points[] = {atomic_load(&run->control->measure_ns),
                         atomic_load(&run->control->end_ns)};
    uint64_t ms = TICK_MS;
    for (size_t i = 0; i < 2; i++) {
        if (points[i] > now_ns && (points[i] - now_ns) / 1000000 < ms) {
            ms = (points[i] - now_ns) / 1000000 + 1;
        }
    }
    return ms;
}

static bool
all_ended(const struct run *run)
{
    for (size_t i = 0; i < run->started; i++) {
        if (green_job_alive(run->jobs[i])) {
            return false;
        }
    }
    return true;
}

/* ---- the run ---- */

static int
start_loops(struct run *run)
{
    size_t loops = run->plan.loops;
    run->loops = calloc(loops, sizeof run->loops[0]);
    run->jobs = calloc(loops, sizeof run->jobs[0]);
    if (run->loops == NULL || run->jobs == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < loops; i++) {
        struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
        char name[32];
        (void)snprintf(name, sizeof name, "loop %zu", i + 1);
        options.name = name;
        options.daemon =
            run->kind == GREEN_PROCESS; /* it does not outlive us, even if we are killed */
        run->loops[i].plan = &run->plan;
        run->loops[i].index = i;
        int err = green_spawn_as(run->kind, loop_run, &run->loops[i], &options, &run->jobs[i]);
        if (err != 0) {
            return err;
        }
        run->started++;
    }
    return 0;
}

static double
unix_time(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void
begin_measuring(struct run *run)
{
    const struct echoc_load *load = &run->plan.load;
    uint64_t start_ns = clock_ns() + LEAD_NS;
    uint64_t measure_ns = start_ns + (uint64_t)(load->warmup_s * 1e9);
    uint64_t end_ns =
        load->messages > 0 ? UINT64_MAX : measure_ns + (uint64_t)(load->duration_s * 1e9);
    if (atomic_load(&run->control->stop)) {
        end_ns = measure_ns;
    }
    run->result->measured_unix_s = unix_time() + (double)(measure_ns - clock_ns()) / 1e9;
    atomic_store(&run->control->measure_ns, measure_ns);
    atomic_store(&run->control->end_ns, end_ns);
    atomic_store(&run->control->start_ns, start_ns);
}

/*
 * Wait until every connection has been made, or has failed once. When none has come for as long as
 * a message may take, the server has no room for more: the run begins with those that stand.
 */
static void
await_connections(struct run *run)
{
    uint64_t connections = run->plan.load.connections;
    uint64_t standing = 0;
    uint64_t change_ns = clock_ns();
    for (struct run_state state = look(run);
         !atomic_load(&run->control->stop) && state.tried < connections; state = look(run)) {
        if (state.standing > standing || run->plan.load.connect_rate > 0) {
            standing = state.standing;
            change_ns = clock_ns();
        }
        if (standing > 0 && clock_ns() - change_ns > run->plan.timeout_ns) {
            return;
        }
        tick(run, connections < 1000 ? 5 : TICK_MS);
    }
}

static void
conduct(struct run *run)
{
    atomic_store(&run->control->end_ns, UINT64_MAX);
    await_connections(run);
    begin_measuring(run);
    while (!all_ended(run)) {
        tick(run, until_next(run));
    }
}

static void
join_loops(struct run *run)
{
    for (size_t i = 0; i < run->started; i++) {
        int err = green_job_join(run->jobs[i], NULL, GREEN_FOREVER);
        if (err != 0) {
            (void)snprintf(run->result->failure, sizeof run->result->failure,
                           "a process of the load died: %s", green_strerror(err));
        }
        green_job_put(run->jobs[i]);
    }
    free(run->jobs);
    free(run->loops);
}

static int
run_planned(struct run *run)
{
    run->control = run->plan.control;
    run->facts = facts_open(&run->plan.address, run->pid);
    run->gather = gather_begin(run->control, run->result, run->watcher->second, run->watcher->arg);
    int err = run->gather == NULL ? -ENOMEM : start_loops(run);
    if (err != 0) {
        atomic_store(&run->control->stop, true);
        atomic_store(&run->control->abandon, true);
        (void)snprintf(run->result->failure, sizeof run->result->failure, "cannot start a loop: %s",
                       green_strerror(err));
    } else {
        conduct(run);
    }
    atomic_store(&run->control->measured, true);
    join_loops(run);
    if (run->gather != NULL) {
        gather_end(run->gather);
    }
    facts_close(run->facts);
    verdict_reach(run->result, &run->plan);
    return run->result->failure[0] != '\0' || run->result->totals.errors > 0 ? ECHOC_FAILED
                                                                             : ECHOC_OK;
}

bool
run_load(const struct echoc_load *load, uint64_t wait_ms, const struct run_watcher *watcher,
         struct echoc_result *result, int *ret_status)
{
    struct run run = {.watcher = watcher, .result = result};
    struct sigaction ours = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    struct sigaction old_int;
    struct sigaction old_term;
    result->load = *load;
    result->started_unix_s = unix_time();
    result->measured_unix_s = result->started_unix_s;
    (void)snprintf(result->program, sizeof result->program, "echoc %s", green_version());
    facts_machine(&result->machine);
    if (plan_init(&run.plan, load, wait_ms, &run.kind, &run.pid) != 0) {
        *ret_status = ECHOC_FAILED;
        return false;
    }
    atomic_store(&interrupts, 0);
    (void)sigaction(SIGINT, &ours, &old_int);
    (void)sigaction(SIGTERM, &ours, &old_term);
    *ret_status = run_planned(&run);
    (void)sigaction(SIGINT, &old_int, NULL);
    (void)sigaction(SIGTERM, &old_term, NULL);
    plan_fini(&run.plan);
    return true;
}
