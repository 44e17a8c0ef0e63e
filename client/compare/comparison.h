/*
 * What a comparison has measured: rounds of the same load against several servers, and what they
 * come to. A single run is a comparison of one server in one round.
 */
#ifndef ECHOC_COMPARISON_H
#define ECHOC_COMPARISON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "result.h"

#define ECHOC_CONTENDERS_MAX 12
#define ECHOC_POINTS_MAX     16
#define ECHOC_NAME_MAX       24

/** A server that is compared. */
struct echoc_contender {
    char name[ECHOC_NAME_MAX + 1];
    /** How it was started. */
    char command[512];
    /** How many processors it can keep busy; 0: unknown. */
    unsigned processors;
};

/** One run of the load against one of them. */
struct echoc_round {
    size_t contender;
    /** Which number of connections; all rounds of a number are of the same point. */
    size_t point;
    unsigned number;
    /** Owned; NULL when there is none. */
    struct echoc_result *result;
    /** Why it does not count, or empty. */
    char discarded[240];
};

struct echoc_comparison {
    struct echoc_contender contenders[ECHOC_CONTENDERS_MAX];
    size_t contender_count;
    /** Numbers of connections, ascending. */
    uint64_t points[ECHOC_POINTS_MAX];
    size_t point_count;
    struct echoc_round *rounds;
    size_t round_count;
    size_t round_room;
    /** The command line. */
    char command[1024];
    /** Which processors the server and the load had, as a sentence; empty: any. */
    char placement[200];
    /** How many processors the server had; 0: unknown. */
    unsigned server_processors;
    /** The work for each message. */
    uint64_t delay_ms;
    uint64_t burn_ms;
    bool interrupted;
};

/** What the rounds of a contender at a point come to. What is not known is not a number. */
struct echoc_summary {
    /** Rounds that count, and those that do not. */
    size_t rounds;
    size_t discarded;
    /** The median of messages a second, and the least and the most. */
    double rate;
    double rate_low;
    double rate_high;
    /** The client was the bottleneck in all rounds: the server may be faster than the rate. */
    bool at_least;
    /** The median of the ratios to the first contender in the same round. */
    double ratio;
    /** Medians over the rounds. */
    double p50_us;
    double p99_us;
    double p999_us;
    double max_us; /**< The largest of all. */
    double cpu_us;
    double connection_bytes;
    uint64_t errors;
};

/** Make an empty one; NULL when memory is short. */
struct echoc_comparison *echoc_comparison_create(void);

/** Free it with all results. NULL is taken. */
void echoc_comparison_destroy(struct echoc_comparison *comparison);

/**
 * Add a round.
 *
 * @param result     Owned by the comparison from then on, also when the call fails.
 * @param discarded  Why it does not count, or NULL: then a round without a result, and one that was
 *                   no use or in which the client was the bottleneck, is discarded for that reason;
 *                   but not if the server had nothing to spare either: its limit was met too.
 * @return 0 or -ENOMEM.
 */
int echoc_comparison_add(struct echoc_comparison *comparison, size_t contender, size_t point,
                         unsigned number, struct echoc_result *result, const char *discarded);

/** Whether a round counts, all things considered: where none of its kind is better, it does. */
bool echoc_comparison_counts(const struct echoc_comparison *comparison,
                             const struct echoc_round *round);

struct echoc_summary echoc_comparison_summarize(const struct echoc_comparison *comparison,
                                                size_t contender, size_t point);

/** The round that counts whose rate is the median's or next to it; NULL when none counts. */
const struct echoc_round *echoc_comparison_typical(const struct echoc_comparison *comparison,
                                                   size_t contender, size_t point);

/** Processor time of the server for a message; not a number when it is not known. */
double echoc_comparison_cpu_us(const struct echoc_result *result);

/** Memory of the server for a connection; not a number when it is not known. */
double echoc_comparison_connection_bytes(const struct echoc_result *result);

/**
 * The point for what shows only one: the largest at which the most contenders have a round that
 * counts.
 */
size_t echoc_comparison_focus(const struct echoc_comparison *comparison);

/**
 * Say in words what the figures mean: which contender for which need.
 *
 * @return Sentences on one line, to be freed; NULL when memory is short.
 */
char *echoc_comparison_words(const struct echoc_comparison *comparison);

/** The sentence on a discarded round: "round 2 of green, 64 connections: ...". */
void echoc_comparison_describe(const struct echoc_comparison *comparison,
                               const struct echoc_round *round, char *text, size_t size);

#endif
