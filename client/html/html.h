/*
 * The report as a page: one file that needs no network.
 */
#ifndef ECHOC_HTML_H
#define ECHOC_HTML_H

#include "compare/comparison.h"

/**
 * Write the page of a comparison; of one with a single contender it is the page of a run.
 *
 * The file is there as a whole or not at all. Never suspends.
 *
 * @param path  "-" is standard output.
 * @return 0, or a negative errno value.
 */
int echoc_html_write(const char *path, const struct echoc_comparison *comparison);

/**
 * Write the page of a single run.
 *
 * @param result  Stays the caller's.
 * @return As echoc_html_write().
 */
int echoc_html_write_run(const char *path, const struct echoc_result *result);

#endif
