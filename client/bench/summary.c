/*
 * A result in words, for people.
 *
 * Invariant: every figure has its unit, and a figure that would mislead has the reason beside it.
 * Never suspends.
 */
#include "summary.h"

#include <string.h>

#include "text.h"

static void
print_load(FILE *stream, const struct echoc_result *result)
{
    const struct echoc_load *load = &result->load;
    char buffer[1024];
    char count[TEXT_FIGURE];
    bool open = load->step_count > 0;
    (void)fprintf(stream, "\n%s connection%s", text_exact(count, load->connections),
                  load->connections == 1 ? "" : "s");
    (void)fprintf(stream, " x %s B", echoc_load_get(load, "size", buffer, sizeof buffer));
    if (load->pipeline > 1) {
        (void)fprintf(stream, ", %llu in flight", (unsigned long long)load->pipeline);
    }
    if (load->churn > 0) {
        (void)fprintf(stream, ", anew after %llu message%s", (unsigned long long)load->churn,
                      load->churn == 1 ? "" : "s");
    }
    if (open) {
        (void)fprintf(stream, ", %s/s %s", echoc_load_get(load, "rate", buffer, sizeof buffer),
                      load->poisson ? "at random (open loop)" : "evenly (open loop)");
    } else {
        (void)fprintf(stream, " (closed loop: each waits for its reply)");
    }
    if (echoc_load_get(load, "attack", buffer, sizeof buffer) != NULL) {
        (void)fprintf(stream, ", beside %s", buffer);
    }
    (void)fprintf(stream, "\n\n");
}

static void
print_rates(FILE *stream, const struct echoc_result *result)
{
    char count[TEXT_FIGURE];
    char bytes[TEXT_FIGURE];
    char duration[TEXT_FIGURE];
    char exact[TEXT_FIGURE];
    (void)fprintf(stream, "  throughput   %s messages/s, %s/s of replies\n",
                  text_count(count, result->messages_per_s),
                  text_bytes(bytes, result->bytes_per_s));
    (void)fprintf(stream, "  answered     %s messages in %s",
                  text_exact(exact, result->totals.answered),
                  text_us(duration, result->elapsed_s * 1e6));
    if (result->totals.unanswered > 0) {
        (void)fprintf(stream, "; %s never were", text_exact(exact, result->totals.unanswered));
    }
    (void)fprintf(stream, "\n");
    if (result->load.step_count > 0) {
        char sent[TEXT_FIGURE];
        (void)fprintf(stream, "  offered      %s messages/s",
                      text_count(count, result->offered_per_s));
        (void)fprintf(stream, ", sent %s/s", text_count(sent, result->sent_per_s));
        double missed = result->offered_per_s > 0
                            ? 100 * (1 - result->messages_per_s / result->offered_per_s)
                            : 0;
        if (missed > 1) {
            (void)fprintf(stream, ": the server answered %.1f%% less than was asked", missed);
        }
        (void)fprintf(stream, "\n");
    }
    if (result->totals.bytes_unprocessed > 0) {
        (void)fprintf(stream,
                      "  unprocessed  %s B crossed the server's orderly end: not lost, not done\n",
                      text_exact(exact, result->totals.bytes_unprocessed));
    }
}

static void
print_latency(FILE *stream, const char *name, const struct echoc_histogram *histogram)
{
    static const double shares[] = {0.5, 0.9, 0.99, 0.999, 0.9999, 1};
    if (histogram->count == 0) {
        return;
    }
    (void)fprintf(stream, "  %-13s", name);
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        char text[TEXT_FIGURE];
        uint64_t value = echoc_histogram_quantile(histogram, shares[i]);
        (void)text_us(text, (double)value / 1e3);
        (void)fprintf(stream, "%*s%s", text_before(text, 10), "", text);
    }
    (void)fprintf(stream, "\n");
}

static void
print_latencies(FILE *stream, const struct echoc_result *result)
{
    const struct echoc_histograms *histograms = &result->histograms;
    bool open = result->load.step_count > 0;
    (void)fprintf(stream, "\n  %-13s%10s%10s%10s%10s%10s%10s\n", "latency", "p50", "p90", "p99",
                  "p99.9", "p99.99", "max");
    print_latency(stream, open ? "since due" : "reply", &histograms->reply);
    print_latency(stream, "since sent", &histograms->uncorrected);
    print_latency(stream, "client late", &histograms->lag);
    print_latency(stream, "connect", &histograms->connect);
    print_latency(stream, "first byte", &histograms->first_byte);
}

static void
print_server(FILE *stream, const struct echoc_result *result)
{
    const struct echoc_server *server = &result->server;
    char bytes[TEXT_FIGURE];
    char each[TEXT_FIGURE];
    char voluntary[TEXT_FIGURE];
    char involuntary[TEXT_FIGURE];
    if (!server->known) {
        return;
    }
    (void)fprintf(stream, "\n  server       %s, pid %llu", server->name,
                  (unsigned long long)server->pid);
    if (server->processes > 1) {
        (void)fprintf(stream, " and %llu more", (unsigned long long)server->processes - 1);
    }
    (void)fprintf(stream, ": %s of processor a message", text_us(each, server->cpu_us_per_message));
    if (result->elapsed_s > 0) {
        (void)fprintf(stream, " (%.0f%% of a core)", 100 * server->cpu_s / result->elapsed_s);
    }
    (void)fprintf(stream, "\n               %s of memory, %s a connection\n",
                  text_bytes(bytes, (double)server->resident_bytes),
                  text_bytes(each, server->bytes_per_connection));
    (void)fprintf(stream, "               context switches: %s voluntary, %s forced\n",
                  text_exact(voluntary, server->switches_voluntary),
                  text_exact(involuntary, server->switches_involuntary));
}

static void
print_damage(FILE *stream, const struct echoc_result *result)
{
    for (int kind = 0; kind < ECHOC_DAMAGE_KINDS; kind++) {
        const struct echoc_damage *first = &result->damage[kind];
        char count[TEXT_FIGURE];
        char expected[TEXT_SAMPLE];
        char got[TEXT_SAMPLE];
        if (first->count == 0) {
            continue;
        }
        (void)fprintf(stream,
                      "\n  %s %s, the first on connection %llu, message %llu, at byte %llu of "
                      "the replies\n    expected %s\n    got      %s\n",
                      text_exact(count, first->count), echoc_damage_name(kind),
                      (unsigned long long)first->connection, (unsigned long long)first->message,
                      (unsigned long long)first->offset,
                      text_sample(expected, first->expected, first->expected_length),
                      text_sample(got, first->got, first->got_length));
    }
}

static void
print_errors(FILE *stream, const struct echoc_result *result)
{
    char count[TEXT_FIGURE];
    if (result->error_count == 0) {
        (void)fprintf(stream, "\n  errors       none: every byte of every reply was as expected\n");
        return;
    }
    (void)fprintf(stream, "\n  errors       %s\n", text_exact(count, result->totals.errors));
    for (size_t i = 0; i < result->error_count; i++) {
        const struct echoc_error *row = &result->errors[i];
        (void)fprintf(stream, "    %-8s %10s  %s\n", echoc_phase_name(row->phase),
                      text_exact(count, row->count), echoc_cause_text(row->cause));
    }
    print_damage(stream, result);
}

static void
print_verdict(FILE *stream, const struct echoc_result *result)
{
    for (size_t i = 0; i < result->reason_count; i++) {
        char note[400];
        (void)snprintf(note, sizeof note, "note: the client was the bottleneck: %s",
                       result->reasons[i]);
        (void)fputs(i == 0 ? "\n  " : "  ", stream);
        text_print(stream, note, "  ");
    }
    if (result->interrupted) {
        (void)fprintf(stream, "\n  note: interrupted, these are the figures up to then\n");
    }
    if (result->failure[0] != '\0') {
        (void)fprintf(stream, "\n  failed: %s\n", result->failure);
    }
}

int
summary_print(FILE *stream, const struct echoc_result *result)
{
    print_load(stream, result);
    print_rates(stream, result);
    print_latencies(stream, result);
    print_server(stream, result);
    print_errors(stream, result);
    print_verdict(stream, result);
    return fflush(stream) != 0 || ferror(stream) ? -1 : 0;
}
