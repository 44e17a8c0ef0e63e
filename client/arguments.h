/*
 * Command lines of the subcommands: the options of a load, and some of their own.
 */
#ifndef ECHOC_ARGUMENTS_H
#define ECHOC_ARGUMENTS_H

#include "load.h"

/** What a subcommand takes. */
struct echoc_arguments {
    /** "bench". */
    const char *command;
    /** Rows as those of a load, the last without a name. */
    const struct echoc_load_option *own;
    /**
     * Sets an option of its own; text is NULL for one without a value. Returns NULL or what is
     * wrong.
     */
    const char *(*set)(void *arg, const char *name, const char *text);
    void *arg;
    /** Set by options of a load; NULL: there are none. */
    struct echoc_load *load;
};

/**
 * Read a command line; each complaint is one line that names the option and what would be right.
 *
 * @param ret_words  Set to the index of the first word that is no option; words come last.
 * @return ECHOC_OK, or ECHOC_USAGE after a complaint.
 */
int echoc_arguments_parse(const struct echoc_arguments *arguments, int argc, char **argv,
                          int *ret_words);

/**
 * Print the rows of a table of options, as a help text has them.
 *
 * @return 0, or -1 when standard output failed.
 */
int echoc_arguments_print(const struct echoc_load_option *options);

/**
 * Take [HOST [PORT]] into a load.
 *
 * @return ECHOC_OK, or ECHOC_USAGE after a complaint.
 */
int echoc_arguments_address(const char *command, struct echoc_load *load, int count, char **words);

/** The command line again, as a shell would take it, cut if it does not fit. */
void echoc_arguments_quote(const char *command, int argc, char **argv, char *buffer, size_t size);

#endif
