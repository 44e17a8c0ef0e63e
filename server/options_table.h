/*
 * The table of the options: what each is called, takes and means, wherever it is written.
 */
#ifndef SERVER_OPTIONS_TABLE_H
#define SERVER_OPTIONS_TABLE_H

#include "options.h"

/** Room for any value as text. */
#define OPTIONS_VALUE_MAX 4096

/** How a value is written. */
enum options_kind {
    OPTIONS_NUMBER,
    OPTIONS_DURATION,
    OPTIONS_PATIENCE, /**< A duration, or off: 0. */
    OPTIONS_SIZE,
    OPTIONS_TEXT,
    OPTIONS_MODE,
    OPTIONS_SERVICE,
    OPTIONS_ENCODING,
    OPTIONS_FORMAT,
    OPTIONS_SHARING,
    OPTIONS_LEVEL,
    OPTIONS_HOST,     /**< May be given several times. */
    OPTIONS_NETWORKS, /**< May be given several times, or with commas. */
    OPTIONS_FILES,    /**< The same of paths. */
    OPTIONS_VERIFY,
    OPTIONS_FLAG, /**< Takes no value on the command line; yes or no elsewhere. */
};

struct options_row {
    const char *name;
    enum options_kind kind;
    bool live;        /**< A running server takes a new value over. */
    size_t offset;    /**< Of the member of struct options. */
    uint64_t least;   /**< Of a number or size; of a duration: its unit in ms. */
    uint64_t most;    /**< Of a number or size; of a duration: its least value. */
    const char *wish; /**< What a right value is. */
    const char *argument;
    const char *help;
};

/** All rows, ended by one without a name. */
extern const struct options_row options_rows[];

/** The row of this name; NULL when there is none. */
const struct options_row *options_find(const char *name);

/** Set an option; false when the value is not one of its. Texts are copied. */
bool options_set(struct options *options, const struct options_row *row, const char *value);

/** Let a live option of one be what it is in the other. Texts are copied. */
void options_copy(struct options *to, const struct options *from, const struct options_row *row);

/** Whether the two have the same value in this row. */
bool options_same(const struct options *a, const struct options *b, const struct options_row *row);

/** Write a value as it is written in a file; returns `buffer`. */
const char *options_format(const struct options *options, const struct options_row *row,
                           char *buffer, size_t size);

#endif
