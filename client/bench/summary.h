/*
 * A result in words, for people.
 */
#ifndef ECHOC_BENCH_SUMMARY_H
#define ECHOC_BENCH_SUMMARY_H

#include <stdio.h>

#include "result.h"

/** Print a result. Returns 0, or -1 when the stream failed. */
int summary_print(FILE *stream, const struct echoc_result *result);

#endif
