/*
 * Whether a line is JSON: a checker, not a parser. For tests of logs and reports.
 */
#ifndef CONTRACT_JSON_H
#define CONTRACT_JSON_H

#include <stdbool.h>

/** Whether the whole text is one JSON object. */
bool json_is_object(const char *text);

#endif
