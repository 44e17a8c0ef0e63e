/*
 * Samples of what echod does: rates and percentiles are of the second before.
 *
 * Invariant: sample number i is at i modulo the size of the ring; all of it belongs to the admin
 * process' one thread.
 */
#include "admin_history.h"

#include <inttypes.h>
#include <time.h>

#include <green.h>

#include "admin_process.h"
#include "stats.h"

struct sample {
    double time;
    double messages; /* a second, as the next two */
    double received;
    double sent;
    double p50_us;
    double p99_us;
    double lag_us;
    uint64_t connections;
    uint64_t memory;
};

/** What the counters were at the last sample. */
struct totals {
    uint64_t at_ns;
    uint64_t messages;
    uint64_t received;
    uint64_t sent;
    uint64_t service[STATS_BUCKETS];
};

static struct sample ring[ADMIN_HISTORY];
static uint64_t taken;
static struct totals before;

static void
add_up(struct totals *totals)
{
    totals->at_ns = green_after(0);
    totals->messages = stats_sum(STAT_MESSAGES);
    totals->received = stats_sum(STAT_RECEIVED);
    totals->sent = stats_sum(STAT_SENT);
    for (size_t bucket = 0; bucket < STATS_BUCKETS; bucket++) {
        totals->service[bucket] = 0;
        for (size_t row = 0; row < stats_rows(); row++) {
            totals->service[bucket] += atomic_load(&stats_row(row)->service[bucket]);
        }
    }
}

/** The end of the bucket in which this share of the second's answers is reached; 0 for none. */
static double
percentile_us(const struct totals *now, double share)
{
    uint64_t all = 0;
    uint64_t seen = 0;
    for (size_t bucket = 0; bucket < STATS_BUCKETS; bucket++) {
        all += now->service[bucket] - before.service[bucket];
    }
    for (size_t bucket = 0; bucket < STATS_BUCKETS && all > 0; bucket++) {
        seen += now->service[bucket] - before.service[bucket];
        if ((double)seen >= share * (double)all) {
            return (double)stats_bucket_end(bucket) / 1e3;
        }
    }
    return 0;
}

/** What is of the workers now: connections and memory add up, of the lags the most counts. */
static void
look_at_workers(struct sample *sample)
{
    for (size_t row = 0; row < stats_rows(); row++) {
        const struct stats *stats = stats_row(row);
        int pid = (int)atomic_load(&stats->gauges[GAUGE_PID]);
        if (pid != 0) {
            double lag_us = (double)atomic_load(&stats->gauges[GAUGE_LAG_NS]) / 1e3;
            sample->connections += atomic_load(&stats->connections);
            sample->memory += admin_process_memory(pid);
            sample->lag_us = lag_us > sample->lag_us ? lag_us : sample->lag_us;
        }
    }
}

void
admin_history_sample(void)
{
    struct totals now;
    struct timespec wall;
    struct sample sample = {0};
    clock_gettime(CLOCK_REALTIME, &wall);
    add_up(&now);
    if (before.at_ns != 0) {
        double seconds = (double)(now.at_ns - before.at_ns) / 1e9;
        sample.time = (double)wall.tv_sec + (double)wall.tv_nsec / 1e9;
        sample.messages = (double)(now.messages - before.messages) / seconds;
        sample.received = (double)(now.received - before.received) / seconds;
        sample.sent = (double)(now.sent - before.sent) / seconds;
        sample.p50_us = percentile_us(&now, 0.5);
        sample.p99_us = percentile_us(&now, 0.99);
        look_at_workers(&sample);
        ring[taken++ % ADMIN_HISTORY] = sample;
    }
    before = now;
}

uint64_t
admin_history_count(void)
{
    return taken;
}

void
admin_history_write(struct admin_text *text, uint64_t from)
{
    if (taken > ADMIN_HISTORY && from < taken - ADMIN_HISTORY) {
        from = taken - ADMIN_HISTORY;
    }
    admin_text_add(text, "[");
    for (uint64_t i = from; i < taken; i++) {
        const struct sample *sample = &ring[i % ADMIN_HISTORY];
        admin_text_add(text,
                       "%s{\"time\":%.1f,\"messages\":%.1f,\"received\":%.0f,\"sent\":%.0f,"
                       "\"p50_us\":%.1f,\"p99_us\":%.1f,\"lag_us\":%.1f,\"connections\":%" PRIu64
                       ",\"memory\":%" PRIu64 "}",
                       i > from ? "," : "", sample->time, sample->messages, sample->received,
                       sample->sent, sample->p50_us, sample->p99_us, sample->lag_us,
                       sample->connections, sample->memory);
    }
    admin_text_add(text, "]");
}
