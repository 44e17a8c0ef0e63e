/*
 * What the figures of a run mean, in words.
 *
 * Invariant: only what has been measured is said. For the main stack, after the loops have ended.
 */
#include "verdict.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

/* A loop that had its core for more of the time than this could not do more. */
#define BUSY_SHARE 0.95
/* A client that is later than this, in one of a hundred messages, distorts what it measures. */
#define LATE_NS UINT64_C(1000000)
/* Fewer messages than this share of those that were due. */
#define MISSED_SHARE 0.99

static void __attribute__((format(printf, 2, 3)))
add_reason(struct echoc_result *result, const char *format, ...)
{
    if (result->reason_count < ECHOC_REASONS_MAX) {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(result->reasons[result->reason_count++], sizeof result->reasons[0], format,
                        args);
        va_end(args);
    }
    result->client_saturated = true;
}

static double
rise_s(_Atomic uint64_t *begin, _Atomic uint64_t *end)
{
    uint64_t from = atomic_load(begin);
    uint64_t to = atomic_load(end);
    return to > from ? (double)(to - from) / 1e9 : 0;
}

/* The loop that had least to spare, and what kept it from more. */
static void
judge_loops(struct echoc_result *result, const struct plan *plan)
{
    double busiest = 0;
    double waited = 0;
    if (result->elapsed_s <= 0) {
        return;
    }
    for (size_t i = 0; i < plan->loops; i++) {
        struct board *board = &plan->control->boards[i];
        double cpu = rise_s(&board->cpu_begin_ns, &board->cpu_end_ns) / result->elapsed_s;
        double wait = rise_s(&board->wait_begin_ns, &board->wait_end_ns) / result->elapsed_s;
        result->client_cpu += cpu;
        if (cpu + wait > busiest + waited) {
            busiest = cpu;
            waited = wait;
        }
    }
    if (busiest > BUSY_SHARE) {
        add_reason(result, "a loop of the client used %.0f%% of a core: give it more --threads",
                   100 * (busiest < 1 ? busiest : 1));
    } else if (busiest + waited > BUSY_SHARE && waited > 0.05) {
        add_reason(result,
                   "a loop of the client used %.0f%% of a core and waited for one %.0f%% of the "
                   "time: other programs, maybe the server, run on the same cores",
                   100 * busiest, 100 * (waited < 1 ? waited : 1));
    }
}

static void
judge_schedule(struct echoc_result *result, const struct plan *plan)
{
    const struct schedule *schedule = &plan->schedule;
    if (plan->load.step_count == 0 || result->elapsed_s <= 0) {
        return;
    }
    double warmup_s = plan->load.warmup_s;
    double due =
        schedule_due(schedule, warmup_s + result->elapsed_s) - schedule_due(schedule, warmup_s);
    result->totals.due = (uint64_t)(due + 0.5);
    result->offered_per_s = due / result->elapsed_s;
    for (size_t i = 0; i < result->series_length; i++) {
        struct echoc_second *row = &result->series[i];
        double from = warmup_s + row->at_s;
        row->due = (uint64_t)(schedule_due(schedule, from + row->length_s) -
                              schedule_due(schedule, from) + 0.5);
    }
    uint64_t late_ns = echoc_histogram_quantile(&result->histograms.lag, 0.99);
    if (late_ns > LATE_NS) {
        char text[TEXT_FIGURE];
        add_reason(result, "the client itself was late: one message in a hundred by %s or more",
                   text_us(text, (double)late_ns / 1e3));
    }
}

static void
judge_server(struct echoc_result *result, const struct plan *plan)
{
    struct echoc_server *server = &result->server;
    uint64_t clients = plan->load.connections;
    for (size_t i = 0; i < plan->load.attack_count; i++) {
        clients += plan->load.attacks[i].count;
    }
    double answered = result->messages_per_s * result->elapsed_s;
    if (server->known && answered > 0) {
        server->cpu_us_per_message = server->cpu_s * 1e6 / answered;
    }
    if (server->known && clients > 0 && server->resident_bytes > server->resident_before_bytes) {
        server->bytes_per_connection =
            (double)(server->resident_bytes - server->resident_before_bytes) / (double)clients;
    }
}

/* ---- a server that is no use ---- */

static void
describe_other(struct echoc_result *result, const struct echoc_damage *evidence)
{
    char expected[TEXT_SAMPLE];
    char got[TEXT_SAMPLE];
    const char *kind = result->load.echo ? "echo" : "uppercase-echo";
    (void)text_sample(got, evidence->got, evidence->got_length);
    if (evidence->expected_length == 0) {
        (void)snprintf(result->failure, sizeof result->failure,
                       "this is no %s server: %.120s came unasked", kind, got);
        return;
    }
    (void)text_sample(expected, evidence->expected, evidence->expected_length);
    const char *hint = result->load.echo ? "" : " (does it echo unchanged? then --service echo)";
    (void)snprintf(result->failure, sizeof result->failure,
                   "this is no %s server: %.70s came where %.70s was expected%s", kind, got,
                   expected, hint);
}

static void
describe_failure(struct echoc_result *result, const struct plan *plan)
{
    int verdict = atomic_load(&plan->control->verdict);
    const char *text = "";
    switch (verdict) {
    case 0:
        return;
    case ECHOC_CAUSE_NOT_ECHO:
        describe_other(result, &plan->control->evidence);
        return;
    case ECHOC_CAUSE_CLOSED:
        text = "the server ends every connection before it has answered";
        break;
    case ETIMEDOUT:
        text = "the server takes messages and answers none of them";
        break;
    case ECONNREFUSED:
    default:
        text = "the server is gone: no connection stands, and none can be made";
        break;
    }
    (void)snprintf(result->failure, sizeof result->failure, "%s", text);
}

static void
describe_loops(struct echoc_result *result, const struct plan *plan)
{
    for (size_t i = 0; i < plan->loops; i++) {
        int err = plan->control->boards[i].failed;
        if (err != 0 && result->failure[0] == '\0') {
            (void)snprintf(result->failure, sizeof result->failure, "the client failed: %s",
                           green_strerror(err));
        }
    }
}

void
verdict_reach(struct echoc_result *result, const struct plan *plan)
{
    judge_loops(result, plan);
    judge_schedule(result, plan);
    judge_server(result, plan);
    describe_failure(result, plan);
    describe_loops(result, plan);
}
