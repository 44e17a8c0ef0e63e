/*
 * What a comparison prints.
 */
#ifndef ECHOC_COMPARE_TABLE_H
#define ECHOC_COMPARE_TABLE_H

#include <stdio.h>

#include "comparison.h"

/** Print a table for each number of connections, the words, and the rounds that do not count. */
void table_print(FILE *out, const struct echoc_comparison *comparison);

#endif
