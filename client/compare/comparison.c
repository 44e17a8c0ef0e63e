/*
 * What the rounds of a comparison come to.
 *
 * Medians, since a single round that was disturbed must not move a figure; ratios within a round,
 * since what disturbs a machine for some seconds disturbs both.
 *
 * Invariant: a round has a result or a reason why it does not count. For one worker.
 */
#include "comparison.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** More rounds than anybody has the time for. */
#define ROUNDS_MAX 256

/** A server that used so much of what it can use had nothing to spare. */
#define FULL_SHARE 0.9

#define SATURATED "the load generator was the bottleneck"

struct echoc_comparison *
echoc_comparison_create(void)
{
    return calloc(1, sizeof(struct echoc_comparison));
}

void
echoc_comparison_destroy(struct echoc_comparison *comparison)
{
    if (comparison == NULL) {
        return;
    }
    for (size_t i = 0; i < comparison->round_count; i++) {
        echoc_result_destroy(comparison->rounds[i].result);
    }
    free(comparison->rounds);
    free(comparison);
}

/** Whether the server had its processors full. */
static bool
server_was_full(const struct echoc_comparison *comparison, const struct echoc_round *round)
{
    const struct echoc_result *result = round->result;
    double most_s = result->elapsed_s * comparison->contenders[round->contender].processors;
    return result->server.known && most_s > 0 && result->server.cpu_s >= FULL_SHARE * most_s;
}

/** Why the result of a round is no use, if it is not. */
static void
judge(const struct echoc_comparison *comparison, struct echoc_round *round)
{
    const struct echoc_result *result = round->result;
    size_t size = sizeof round->discarded;
    if (result == NULL) {
        (void)snprintf(round->discarded, size, "there is no result");
    } else if (result->failure[0] != '\0') {
        (void)snprintf(round->discarded, size, "%.*s", (int)size - 1, result->failure);
    } else if (result->totals.answered == 0) {
        (void)snprintf(round->discarded, size, "no message was answered");
    } else if (result->client_saturated && !server_was_full(comparison, round)) {
        (void)snprintf(round->discarded, size, SATURATED "%s%s",
                       result->reason_count > 0 ? ": " : "",
                       result->reason_count > 0 ? result->reasons[0] : "");
    }
}

int
echoc_comparison_add(struct echoc_comparison *comparison, size_t contender, size_t point,
                     unsigned number, struct echoc_result *result, const char *discarded)
{
    if (comparison->round_count == comparison->round_room) {
        size_t room = comparison->round_room * 2 + 16;
        struct echoc_round *rounds = realloc(comparison->rounds, room * sizeof *rounds);
        if (rounds == NULL) {
            echoc_result_destroy(result);
            return -ENOMEM;
        }
        comparison->rounds = rounds;
        comparison->round_room = room;
    }
    struct echoc_round *round = &comparison->rounds[comparison->round_count++];
    *round = (struct echoc_round){
        .contender = contender, .point = point, .number = number, .result = result};
    if (discarded != NULL) {
        (void)snprintf(round->discarded, sizeof round->discarded, "%s", discarded);
    } else {
        judge(comparison, round);
    }
    return 0;
}

/** Only the client stood in its way: what it shows is true, and the server may be better. */
static bool
only_saturated(const struct echoc_round *round)
{
    return round->result != NULL && strncmp(round->discarded, SATURATED, strlen(SATURATED)) == 0;
}

static bool
same_kind(const struct echoc_round *round, size_t contender, size_t point)
{
    return round->contender == contender && round->point == point;
}

bool
echoc_comparison_counts(const struct echoc_comparison *comparison, const struct echoc_round *round)
{
    if (round->discarded[0] == '\0') {
        return true;
    }
    if (!only_saturated(round)) {
        return false;
    }
    for (size_t i = 0; i < comparison->round_count; i++) {
        const struct echoc_round *other = &comparison->rounds[i];
        if (same_kind(other, round->contender, round->point) && other->discarded[0] == '\0') {
            return false;
        }
    }
    return true;
}

/* ---- medians ---- */

static int
ascending(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return a < b ? -1 : a > b;
}

/** The median, which sorts the values; not a number when there is none. */
static double
median(double *values, size_t count)
{
    if (count == 0) {
        return NAN;
    }
    qsort(values, count, sizeof *values, ascending);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

typedef double figure_of(const struct echoc_result *result);

static double
rate_of(const struct echoc_result *result)
{
    return result->messages_per_s;
}

static double
quantile_of(const struct echoc_result *result, double share)
{
    const struct echoc_histogram *reply = &result->histograms.reply;
    return reply->count > 0 ? (double)echoc_histogram_quantile(reply, share) / 1000 : NAN;
}

static double
p50_of(const struct echoc_result *result)
{
    return quantile_of(result, 0.5);
}

static double
p99_of(const struct echoc_result *result)
{
    return quantile_of(result, 0.99);
}

static double
p999_of(const struct echoc_result *result)
{
    return quantile_of(result, 0.999);
}

static double
max_of(const struct echoc_result *result)
{
    return quantile_of(result, 1);
}

/* Nothing works for nothing: what is zero was too short, or too little, to be seen. */
static double
if_seen(const struct echoc_result *result, double value)
{
    return result->server.known && value > 0 ? value : NAN;
}

double
echoc_comparison_cpu_us(const struct echoc_result *result)
{
    return if_seen(result, result->server.cpu_us_per_message);
}

double
echoc_comparison_connection_bytes(const struct echoc_result *result)
{
    return if_seen(result, result->server.bytes_per_connection);
}

/** The figure of each round that counts. */
static size_t
collect(const struct echoc_comparison *comparison, size_t contender, size_t point,
        figure_of *figure, double values[ROUNDS_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < comparison->round_count && count < ROUNDS_MAX; i++) {
        const struct echoc_round *round = &comparison->rounds[i];
        if (same_kind(round, contender, point) && echoc_comparison_counts(comparison, round)) {
            double value = figure(round->result);
            if (isfinite(value)) {
                values[count++] = value;
            }
        }
    }
    return count;
}

static double
median_of(const struct echoc_comparison *comparison, size_t contender, size_t point,
          figure_of *figure)
{
    double values[ROUNDS_MAX];
    size_t count = collect(comparison, contender, point, figure, values);
    return median(values, count);
}

/** The rate of a contender in a round; not a number when that does not count. */
static double
rate_in(const struct echoc_comparison *comparison, size_t contender, size_t point, unsigned number)
{
    for (size_t i = 0; i < comparison->round_count; i++) {
        const struct echoc_round *round = &comparison->rounds[i];
        if (same_kind(round, contender, point) && round->number == number &&
            echoc_comparison_counts(comparison, round)) {
            return round->result->messages_per_s;
        }
    }
    return NAN;
}

static double
ratio_to_first(const struct echoc_comparison *comparison, size_t contender, size_t point)
{
    double ratios[ROUNDS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < comparison->round_count && count < ROUNDS_MAX; i++) {
        const struct echoc_round *round = &comparison->rounds[i];
        if (same_kind(round, contender, point) && echoc_comparison_counts(comparison, round)) {
            double first = rate_in(comparison, 0, point, round->number);
            if (first > 0) {
                ratios[count++] = round->result->messages_per_s / first;
            }
        }
    }
    if (count > 0) {
        return median(ratios, count);
    }
    /* No round of both counts. */
    return median_of(comparison, contender, point, rate_of) /
           median_of(comparison, 0, point, rate_of);
}

struct echoc_summary
echoc_comparison_summarize(const struct echoc_comparison *comparison, size_t contender,
                           size_t point)
{
    struct echoc_summary summary = {.rate_low = NAN, .rate_high = NAN, .max_us = NAN};
    double values[ROUNDS_MAX];
    for (size_t i = 0; i < comparison->round_count; i++) {
        const struct echoc_round *round = &comparison->rounds[i];
        if (!same_kind(round, contender, point)) {
            continue;
        }
        bool counts = echoc_comparison_counts(comparison, round);
        summary.rounds += counts;
        summary.discarded += !counts;
        summary.at_least |= counts && only_saturated(round);
        summary.errors += round->result != NULL ? round->result->totals.errors : 0;
    }
    size_t count = collect(comparison, contender, point, max_of, values);
    if (count > 0) {
        (void)median(values, count);
        summary.max_us = values[count - 1];
    }
    count = collect(comparison, contender, point, rate_of, values);
    summary.rate = median(values, count);
    if (count > 0) {
        summary.rate_low = values[0];
        summary.rate_high = values[count - 1];
    }
    summary.ratio = ratio_to_first(comparison, contender, point);
    summary.p50_us = median_of(comparison, contender, point, p50_of);
    summary.p99_us = median_of(comparison, contender, point, p99_of);
    summary.p999_us = median_of(comparison, contender, point, p999_of);
    summary.cpu_us = median_of(comparison, contender, point, echoc_comparison_cpu_us);
    summary.connection_bytes =
        median_of(comparison, contender, point, echoc_comparison_connection_bytes);
    return summary;
}

const struct echoc_round *
echoc_comparison_typical(const struct echoc_comparison *comparison, size_t contender, size_t point)
{
    double rate = median_of(comparison, contender, point, rate_of);
    const struct echoc_round *typical = NULL;
    double distance = INFINITY;
    for (size_t i = 0; i < comparison->round_count; i++) {
        const struct echoc_round *round = &comparison->rounds[i];
        if (same_kind(round, contender, point) && echoc_comparison_counts(comparison, round) &&
            fabs(round->result->messages_per_s - rate) < distance) {
            distance = fabs(round->result->messages_per_s - rate);
            typical = round;
        }
    }
    return typical;
}

size_t
echoc_comparison_focus(const struct echoc_comparison *comparison)
{
    size_t focus = 0;
    size_t most = 0;
    for (size_t point = 0; point < comparison->point_count; point++) {
        size_t with = 0;
        for (size_t i = 0; i < comparison->contender_count; i++) {
            with += echoc_comparison_typical(comparison, i, point) != NULL;
        }
        if (with >= most) {
            most = with;
            focus = point;
        }
    }
    return focus;
}

void
echoc_comparison_describe(const struct echoc_comparison *comparison,
                          const struct echoc_round *round, char *text, size_t size)
{
    const char *name = comparison->contenders[round->contender].name;
    unsigned long long connections = comparison->points[round->point];
    (void)snprintf(text, size, "round %u of %s, %llu connection%s: %s", round->number, name,
                   connections, connections == 1 ? "" : "s", round->discarded);
}
