/*
 * The command line of `echoc compare`.
 */
#ifndef ECHOC_COMPARE_OPTIONS_H
#define ECHOC_COMPARE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "contender.h"
#include "load.h"

struct compare_options {
    struct contenders contenders;
    struct echoc_load load;
    uint64_t points[ECHOC_POINTS_MAX];
    size_t point_count;
    unsigned rounds;
    uint64_t delay_ms;
    uint64_t burn_ms;
    char echod[4096];
    const char *json;
    const char *html;
    bool quiet;
    bool help;
};

/**
 * Read the command line and fill in what it leaves open.
 *
 * @param options  To be finished by contenders_fini(), whatever comes out.
 * @return ECHOC_OK, or ECHOC_USAGE after a complaint.
 */
int compare_options_parse(int argc, char **argv, struct compare_options *options);

/** The command line of `echoc bench` for a load, cut if it does not fit. */
void compare_options_command(const struct echoc_load *load, char *text, size_t size);

/** Print the help text; returns the exit code. */
int compare_options_help(void);

#endif
