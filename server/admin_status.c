/*
 * How echod is, as JSON: what the live page draws.
 */
#include <inttypes.h>
#include <time.h>

#include "admin_process.h"
#include "admin_text.h"
#include "server.h"
#include "service.h"
#include "settings.h"
#include "stats.h"

static void
add_worker(struct admin_text *text, size_t row, const struct stats *stats, int pid)
{
    admin_text_add(text,
                   "{\"row\":%zu,\"pid\":%d,\"starts\":%" PRIu64 ",\"connections\":%u,"
                   "\"messages\":%" PRIu64 ",\"tasks\":%" PRIu64 ",\"ready\":%" PRIu64
                   ",\"lag_ns\":%" PRIu64 ",\"memory\":%" PRIu64 "}",
                   row, pid, atomic_load(&stats->values[STAT_STARTS]),
                   atomic_load(&stats->connections), atomic_load(&stats->values[STAT_MESSAGES]),
                   atomic_load(&stats->gauges[GAUGE_TASKS]),
                   atomic_load(&stats->gauges[GAUGE_READY]),
                   atomic_load(&stats->gauges[GAUGE_LAG_NS]), admin_process_memory(pid));
}

/** Only the buckets that are not empty: [end in ns, count]. */
static void
add_buckets(struct admin_text *text)
{
    bool first = true;
    for (size_t bucket = 0; bucket < STATS_BUCKETS; bucket++) {
        uint64_t sum = 0;
        for (size_t row = 0; row < stats_rows(); row++) {
            sum += atomic_load(&stats_row(row)->service[bucket]);
        }
        if (sum > 0) {
            admin_text_add(text, "%s[%" PRIu64 ",%" PRIu64 "]", first ? "" : ",",
                           stats_bucket_end(bucket), sum);
            first = false;
        }
    }
}

/** Connections that ended, and those that were refused, by reason. */
static void
add_reasons(struct admin_text *text)
{
    admin_text_add(text, "\"ended\":{");
    for (int i = 0; i < ENDING_COUNT; i++) {
        admin_text_add(text, "%s\"%s\":%" PRIu64, i > 0 ? "," : "", ending_name((enum ending)i),
                       stats_sum((enum stat)(STAT_ENDED + i)));
    }
    admin_text_add(text, "},\"refused\":{");
    for (int i = 0; i < REFUSAL_COUNT; i++) {
        admin_text_add(text, "%s\"%s\":%" PRIu64, i > 0 ? "," : "", refusal_name((enum refusal)i),
                       stats_sum((enum stat)(STAT_REFUSED + i)));
    }
    admin_text_add(text, "},");
}

void
admin_status(struct admin_text *text, const struct server *server)
{
    static const char *const states[] = {"starting", "serving", "draining"};
    static const char *const levels[] = {"debug", "info", "warning", "error"};
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    admin_text_add(text,
                   "{\"time\":%.3f,\"version\":\"%s\",\"mode\":\"%s\",\"service_name\":\"%s\","
                   "\"actions\":%s,\"state\":\"%s\",\"log_level\":\"%s\",\"accepted\":%" PRIu64
                   ",\"messages\":%" PRIu64 ",\"received\":%" PRIu64 ",\"sent\":%" PRIu64
                   ",\"accept_errors\":%" PRIu64 ",",
                   (double)now.tv_sec + (double)now.tv_nsec / 1e9, green_version(),
                   server->options.mode->name, server->options.service->name,
                   server->options.admin_actions ? "true" : "false", states[setting(SETTING_STATE)],
                   levels[setting(SETTING_LOG_LEVEL)], stats_sum(STAT_ACCEPTED),
                   stats_sum(STAT_MESSAGES), stats_sum(STAT_RECEIVED), stats_sum(STAT_SENT),
                   stats_sum(STAT_ACCEPT_ERRORS));
    add_reasons(text);
    admin_text_add(text, "\"workers\":[");
    bool first = true;
    for (size_t row = 0; row < stats_rows(); row++) {
        const struct stats *stats = stats_row(row);
        int pid = (int)atomic_load(&stats->gauges[GAUGE_PID]);
        if (pid != 0) {
            admin_text_add(text, "%s", first ? "" : ",");
            add_worker(text, row, stats, pid);
            first = false;
        }
    }
    admin_text_add(text, "],\"listeners\":[");
    for (size_t i = 0; i < server->listeners.count; i++) {
        if (listeners_rank(&server->listeners, i, NULL) > 0) {
            continue; /* one of several at the same address */
        }
        char address[GREEN_ADDRESS_TEXT];
        char escaped[2 * GREEN_ADDRESS_TEXT];
        green_address_format(&server->listeners.addresses[i], address, sizeof address);
        escaped[log_escape(escaped, 0, sizeof escaped - 1, address)] = '\0';
        admin_text_add(text, "%s\"%s\"", i > 0 ? "," : "", escaped);
    }
    admin_text_add(text, "],\"service\":[");
    add_buckets(text);
    admin_text_add(text, "]}");
}
