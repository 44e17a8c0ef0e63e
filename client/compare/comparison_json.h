/*
 * A comparison as a file.
 */
#ifndef ECHOC_COMPARISON_JSON_H
#define ECHOC_COMPARISON_JSON_H

#include "comparison.h"

#define ECHOC_COMPARISON_FORMAT  "echoc-compare"
#define ECHOC_COMPARISON_VERSION 1

/**
 * Write a comparison as JSON, with the result of each round in it.
 *
 * @param path  "-" is standard output.
 * @return 0 or a negative errno value.
 */
int echoc_comparison_write_json(const char *path, const struct echoc_comparison *comparison);

#endif
