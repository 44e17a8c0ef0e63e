/*
 * What the programs that measure have in common: a body is run for several rounds, and its best and
 * median are printed, for people or as a line of JSON for who puts reports together.
 */
#ifndef GREEN_BENCH_MEASURE_H
#define GREEN_BENCH_MEASURE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MEASURE_ROUNDS 9

static bool measure_json;

static inline void
measure_options(int argc, char **argv)
{
    measure_json = argc > 1 && strcmp(argv[1], "--json") == 0;
}

/** Processor time of the process: other programs then matter less. */
static inline double
measure_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static inline int
measure_compare(const void *one, const void *other)
{
    double a = *(const double *)one;
    double b = *(const double *)other;
    return (a > b) - (a < b);
}

/** Print what `count` rounds gave, in nanoseconds an operation; sorts them. */
static inline void
measure_print(const char *who, const char *what, double *rounds, size_t count)
{
    qsort(rounds, count, sizeof *rounds, measure_compare);
    if (measure_json) {
        printf("{\"who\": \"%s\", \"what\": \"%s\", \"best\": %.2f, \"median\": %.2f, "
               "\"worst\": %.2f, \"rounds\": %zu}\n",
               who, what, rounds[0], rounds[count / 2], rounds[count - 1], count);
    } else {
        printf("%-13s %-34s best %9.1f ns   median %9.1f ns   worst %9.1f ns\n", who, what,
               rounds[0], rounds[count / 2], rounds[count - 1]);
    }
    fflush(stdout);
}

/** Run a body that does `times` operations, for several rounds, and print what one of them takes.
 */
static inline void
measure(const char *who, const char *what, size_t times, void (*body)(void))
{
    double rounds[MEASURE_ROUNDS];
    for (int i = 0; i < MEASURE_ROUNDS; i++) {
        double start = measure_now_ns();
        body();
        rounds[i] = (measure_now_ns() - start) / (double)times;
    }
    measure_print(who, what, rounds, MEASURE_ROUNDS);
}

#endif
