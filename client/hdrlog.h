/*
 * Histogram logs as HdrHistogram's tools write and read them, version 1.3.
 */
#ifndef ECHOC_HDRLOG_H
#define ECHOC_HDRLOG_H

#include <stddef.h>
#include <stdio.h>

#include "histogram.h"

#define ECHOC_TAG_MAX 32

/** An interval of a log. */
struct echoc_hdrlog_row {
    /** Empty: the row has no tag. */
    char tag[ECHOC_TAG_MAX];
    double start_unix_s;
    double length_s;
    /** The histogram, as echoc_histogram_decode() takes it. */
    char *text;
};

/** Write the lines that a log begins with. */
void echoc_hdrlog_begin(FILE *file, const char *program, double start_unix_s);

/**
 * Write a row, unless its histogram is empty.
 *
 * @param tag      Empty for none.
 * @param start_s  Since the start of the log.
 * @return 0 or -ENOMEM; errors of the file are the file's.
 */
int echoc_hdrlog_put(FILE *file, const char *tag, double start_s, double length_s,
                     const struct echoc_histogram *histogram);

/**
 * Read all rows of a log, behind those that are there already.
 *
 * @param rows     An array of malloc(), or NULL; it grows. Rows are freed by echoc_hdrlog_free().
 * @param problem  Receives what is wrong, as a text without the path.
 * @return 0, or -EBADMSG, -ENOMEM or the negative errno of reading, and a problem.
 */
int echoc_hdrlog_read(const char *path, struct echoc_hdrlog_row **rows, size_t *count,
                      char *problem, size_t size);

void echoc_hdrlog_free(struct echoc_hdrlog_row *rows, size_t count);

#endif
