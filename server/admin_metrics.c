/*
 * Metrics, named by Prometheus's conventions: base units, _total for what only grows.
 *
 * Source of the format: Prometheus, "Exposition formats", text version 0.0.4.
 */
#include <inttypes.h>

#include <green.h>

#include "admin_text.h"
#include "settings.h"
#include "stats.h"

/** Histograms get a bucket for each doubling, from about a microsecond to half a minute. */
#define FIRST_BOUND 4
#define BOUND_STEP  4

static void
describe(struct admin_text *text, const char *name, const char *type, const char *help)
{
    admin_text_describe(text, "echod_", name, type, help);
}

static void
counter(struct admin_text *text, const char *name, enum stat stat, const char *help)
{
    describe(text, name, "counter", help);
    admin_text_add(text, "echod_%s %" PRIu64 "\n", name, stats_sum(stat));
}

static void
add_endings(struct admin_text *text)
{
    describe(text, "connections_ended_total", "counter", "Connections that ended, by reason.");
    for (int i = 0; i < ENDING_COUNT; i++) {
        admin_text_add(text, "echod_connections_ended_total{reason=\"%s\"} %" PRIu64 "\n",
                       ending_name((enum ending)i), stats_sum((enum stat)(STAT_ENDED + i)));
    }
}

static void
add_refusals(struct admin_text *text)
{
    describe(text, "refused_total", "counter", "Connections that were not served, by reason.");
    for (int i = 0; i < REFUSAL_COUNT; i++) {
        admin_text_add(text, "echod_refused_total{reason=\"%s\"} %" PRIu64 "\n",
                       refusal_name((enum refusal)i), stats_sum((enum stat)(STAT_REFUSED + i)));
    }
}

static void
add_tls(struct admin_text *text)
{
    describe(text, "tls_handshakes_total", "counter", "TLS handshakes that were done, by version.");
    admin_text_add(text,
                   "echod_tls_handshakes_total{version=\"TLSv1.2\"} %" PRIu64
                   "\nechod_tls_handshakes_total{version=\"TLSv1.3\"} %" PRIu64 "\n",
                   stats_sum(STAT_TLS_12), stats_sum(STAT_TLS_13));
    counter(text, "tls_resumed_total", STAT_TLS_RESUMED, "TLS handshakes that resumed a session.");
    counter(text, "tls_offloaded_total", STAT_TLS_OFFLOADED,
            "TLS handshakes after which the kernel seals what is sent.");
    counter(text, "tls_truncated_total", STAT_TLS_TRUNCATED,
            "TLS streams that ended without the peer's close_notify.");
}

static void
add_durations(struct admin_text *text)
{
    uint64_t sum = 0;
    size_t bucket = 0;
    describe(text, "message_duration_seconds", "histogram",
             "Time from a message's being received to its answer's being sent.");
    for (size_t bound = FIRST_BOUND; bound <= STATS_BUCKETS; bound += BOUND_STEP) {
        for (; bucket < bound; bucket++) {
            for (size_t row = 0; row < stats_rows(); row++) {
                sum += atomic_load(&stats_row(row)->service[bucket]);
            }
        }
        if (bound < STATS_BUCKETS) { /* the last has no end */
            admin_text_add(text, "echod_message_duration_seconds_bucket{le=\"%.9g\"} %" PRIu64 "\n",
                           (double)stats_bucket_end(bound - 1) / 1e9, sum);
        }
    }
    admin_text_add(text,
                   "echod_message_duration_seconds_bucket{le=\"+Inf\"} %" PRIu64
                   "\nechod_message_duration_seconds_sum %.9f\n"
                   "echod_message_duration_seconds_count %" PRIu64 "\n",
                   sum, (double)stats_sum(STAT_SERVICE_NS) / 1e9, sum);
}

/** One gauge of each process that serves. */
static void
each_worker(struct admin_text *text, const char *name, const char *help, enum gauge gauge,
            double scale)
{
    describe(text, name, "gauge", help);
    for (size_t row = 0; row < stats_rows(); row++) {
        const struct stats *stats = stats_row(row);
        if (atomic_load(&stats->gauges[GAUGE_PID]) != 0) {
            admin_text_add(text, "echod_%s{worker=\"%zu\"} %.9g\n", name, row,
                           (double)atomic_load(&stats->gauges[gauge]) * scale);
        }
    }
}

static void
add_connections(struct admin_text *text)
{
    describe(text, "connections", "gauge", "Connections that are served now.");
    for (size_t row = 0; row < stats_rows(); row++) {
        const struct stats *stats = stats_row(row);
        if (atomic_load(&stats->gauges[GAUGE_PID]) != 0) {
            admin_text_add(text, "echod_connections{worker=\"%zu\"} %u\n", row,
                           atomic_load(&stats->connections));
        }
    }
}

void
admin_metrics(struct admin_text *text, const struct server *server)
{
    describe(text, "build_info", "gauge", "Which version this is.");
    admin_text_add(text, "echod_build_info{version=\"%s\"} 1\n", green_version());
    describe(text, "draining", "gauge", "Whether echod drains.");
    admin_text_add(text, "echod_draining %d\n", setting(SETTING_STATE) == STATE_DRAINING);
    counter(text, "worker_starts_total", STAT_STARTS, "Processes that began to serve.");
    counter(text, "connections_accepted_total", STAT_ACCEPTED, "Connections that were accepted.");
    add_endings(text);
    add_refusals(text);
    counter(text, "untracked_total", STAT_UNTRACKED,
            "Connections that there was no room to count by address.");
    add_tls(text);
    counter(text, "proxy_checks_total", STAT_PROXY_CHECKS,
            "Connections that a proxy made for itself, to see whether echod is there.");
    counter(text, "accept_errors_total", STAT_ACCEPT_ERRORS,
            "Times that accepting had to pause for want of something.");
    counter(text, "messages_total", STAT_MESSAGES, "Messages that were received.");
    counter(text, "received_bytes_total", STAT_RECEIVED, "Bytes that were received.");
    counter(text, "sent_bytes_total", STAT_SENT, "Bytes that were sent.");
    counter(text, "late_bytes_total", STAT_LATE,
            "Bytes that came after the end of a drained connection.");
    add_connections(text);
    add_durations(text);
    each_worker(text, "tasks", "Tasks that live.", GAUGE_TASKS, 1);
    each_worker(text, "run_queue_length", "Workers in the run queue.", GAUGE_READY, 1);
    each_worker(text, "loop_lag_seconds", "How long what comes has to wait for the loop.",
                GAUGE_LAG_NS, 1e-9);
    each_worker(text, "stack_high_water_bytes", "The deepest stack.", GAUGE_STACK_MAX, 1);
    admin_metrics_processes(text, server);
}
