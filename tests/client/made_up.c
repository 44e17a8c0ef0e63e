/*
 * Comparisons that nobody has measured. They are the same each time.
 */
#include "made_up.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS 5

/** Latencies that thin out towards the tail, as real ones do. */
static void
fill(struct echoc_histogram *histogram, double typical_us, double tail, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        double share = ((double)i + 0.5) / count;
        double nines = -log10(1 - share);
        double us =
            typical_us * (0.55 + 1.5 * share * 0.6) + typical_us * (tail - 1) * pow(nines / 4, 3);
        echoc_histogram_record(histogram, (uint64_t)(us * 1000));
    }
}

static void
fill_series(struct echoc_result *result, const struct made_up *contender, double rate)
{
    result->series = calloc(SECONDS, sizeof *result->series);
    if (result->series == NULL) {
        abort();
    }
    result->series_length = SECONDS;
    for (size_t i = 0; i < SECONDS; i++) {
        double wave = 1 + 0.04 * sin((double)i * 1.7 + rate);
        result->series[i] = (struct echoc_second){
            .at_s = (double)i,
            .length_s = 1,
            .due = (uint64_t)rate,
            .sent = (uint64_t)(rate * wave),
            .answered = (uint64_t)(rate * wave),
            .connections = result->load.connections,
            .p50_us = contender->typical_us,
            .p99_us = contender->typical_us * (1.5 + contender->tail * 0.1 * wave),
            .max_us = contender->typical_us * contender->tail,
        };
    }
}

struct echoc_result *
made_up_result(const struct made_up *contender, uint64_t connections, unsigned number)
{
    struct echoc_result *result = echoc_result_create();
    if (result == NULL) {
        abort();
    }
    /* 0, +1, -1, +2, -2 parts of the spread, so that the first is the median. */
    size_t step = number / 2;
    double place = (number % 2 == 0 ? 1.0 : -1.0) * (double)step / 2;
    double rate = contender->rate * (1 + contender->spread * place);
    rate *= connections < 8 ? 0.1 : connections > 500 ? 0.85 : 1;
    echoc_load_init(&result->load);
    result->load.connections = connections;
    result->load.duration_s = SECONDS;
    (void)snprintf(result->label, sizeof result->label, "%s", contender->name);
    (void)snprintf(result->program, sizeof result->program, "echoc 0.0");
    (void)snprintf(result->command, sizeof result->command, "echoc bench -c %llu -d 5s 127.0.0.1 1",
                   (unsigned long long)connections);
    (void)snprintf(result->machine.system, sizeof result->machine.system, "Linux 6.18 x86_64");
    (void)snprintf(result->machine.processor, sizeof result->machine.processor, "Made Up 9000");
    result->machine.processors = 2;
    result->machine.memory_bytes = UINT64_C(25) << 30;
    result->started_unix_s = 1.76e9;
    result->elapsed_s = SECONDS;
    result->messages_per_s = rate;
    result->sent_per_s = rate;
    result->bytes_per_s = rate * 64;
    result->totals.connections = connections;
    result->totals.answered = result->totals.sent = (uint64_t)(rate * SECONDS);
    result->server.known = contender->cpu_us > 0;
    result->server.cpu_us_per_message = contender->cpu_us;
    result->server.bytes_per_connection = contender->bytes;
    result->client_cpu = contender->saturated ? 0.99 : 0.7;
    result->client_saturated = contender->saturated;
    if (contender->saturated) {
        (void)snprintf(result->reasons[result->reason_count++], sizeof result->reasons[0],
                       "its loop used 99%% of a processor");
    }
    fill(&result->histograms.reply, contender->typical_us, contender->tail, 20000);
    fill(&result->histograms.connect, contender->typical_us, 2, 200);
    fill_series(result, contender, rate);
    return result;
}

struct echoc_comparison *
made_up_comparison(const struct made_up *contenders, size_t count, const uint64_t *points,
                   size_t point_count, unsigned rounds)
{
    struct echoc_comparison *comparison = echoc_comparison_create();
    if (comparison == NULL) {
        abort();
    }
    comparison->contender_count = count;
    comparison->point_count = point_count;
    memcpy(comparison->points, points, point_count * sizeof *points);
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(comparison->contenders[i].name, sizeof comparison->contenders[i].name, "%s",
                       contenders[i].name);
        (void)snprintf(comparison->contenders[i].command, sizeof comparison->contenders[i].command,
                       "echod --mode=%s --port 0", contenders[i].name);
    }
    (void)snprintf(comparison->command, sizeof comparison->command, "echoc compare");
    (void)snprintf(comparison->placement, sizeof comparison->placement,
                   "the server on processor 0, the load on 1");
    for (unsigned number = 1; number <= rounds; number++) {
        for (size_t point = 0; point < point_count; point++) {
            for (size_t i = 0; i < count; i++) {
                if (echoc_comparison_add(comparison, i, point, number,
                                         made_up_result(&contenders[i], points[point], number),
                                         NULL) != 0) {
                    abort();
                }
            }
        }
    }
    return comparison;
}
