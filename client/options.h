/*
 * The command line of the conversation: echoc without a subcommand.
 */
#ifndef ECHOC_OPTIONS_H
#define ECHOC_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "tls_options.h"

struct echoc_options {
    /** A name or a numeric address, without brackets; not used when unix_path is set. */
    const char *host;
    /** The port in digits. */
    const char *port;
    /** The path of a UNIX socket, or NULL. */
    const char *unix_path;
    /** The one message of -e, or NULL. */
    const char *message;
    /** For how long to go on trying to connect. */
    uint64_t wait_ms;
    struct echoc_tls tls;
};

/**
 * Read the command line; every string points into argv, whose host may lose its brackets.
 *
 * @param ret_options  Set when the result is true.
 * @param ret_status   Set to the exit code when the result is false: --help and --version have
 *                     been answered, or what is wrong has been said.
 */
bool echoc_options_parse(int argc, char **argv, struct echoc_options *ret_options, int *ret_status);

#endif
