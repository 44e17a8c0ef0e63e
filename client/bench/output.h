/*
 * Where the results of a run go.
 */
#ifndef ECHOC_BENCH_OUTPUT_H
#define ECHOC_BENCH_OUTPUT_H

#include <stdio.h>

#include "result.h"

/** The files that were asked for; NULL: not this one. "-" is standard output. */
struct output {
    const char *json;
    const char *hdr;
    const char *csv;
    const char *html;
    /** Open while the run goes on. */
    FILE *hdr_file;
};

/**
 * Find out whether all files can be written, and begin the log.
 *
 * @return ECHOC_OK, or ECHOC_FAILED after a complaint.
 */
int output_begin(struct output *output);

/** A second is over: write its histograms to the log. */
void output_second(struct output *output, const struct echoc_result *result,
                   const struct echoc_second *row, const struct echoc_histograms *histograms);

/**
 * Write the result of a run.
 *
 * @return ECHOC_OK, or ECHOC_FAILED after a complaint.
 */
int output_end(struct output *output, const struct echoc_result *result);

#endif
