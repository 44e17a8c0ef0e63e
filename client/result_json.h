/*
 * What writing and reading a result share: the members of its tables, named once.
 */
#ifndef ECHOC_RESULT_JSON_H
#define ECHOC_RESULT_JSON_H

#include <jansson.h>
#include <stddef.h>

#include "result.h"

#define ECHOC_RESULT_FORMAT "echoc-bench"

/** A member of a structure that is a number in a file. */
struct echoc_member {
    const char *name;
    size_t offset;
    enum echoc_member_kind { ECHOC_MEMBER_COUNT, ECHOC_MEMBER_REAL } kind;
};

/** The tables; a row without a name ends each. */
extern const struct echoc_member echoc_members_result[];
extern const struct echoc_member echoc_members_totals[];
extern const struct echoc_member echoc_members_second[];
extern const struct echoc_member echoc_members_server[];
extern const struct echoc_member echoc_members_machine[];

/** The histograms of a result: name, place in struct echoc_histograms, and the end as above. */
extern const struct echoc_member echoc_members_histograms[];

/** A result as a value, to be given back with json_decref(); NULL when memory is short. */
json_t *echoc_result_to_json(const struct echoc_result *result);

/** Write a value to a file; "-" is standard output. Returns 0 or a negative errno value. */
int echoc_json_dump(const json_t *root, const char *path);

#endif
