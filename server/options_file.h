/*
 * Options from a file and from the environment.
 */
#ifndef SERVER_OPTIONS_FILE_H
#define SERVER_OPTIONS_FILE_H

#include "options.h"

/** Read the file that options->config names; 0 or the exit code, the complaint being set. */
int options_read_file(struct options *options, struct complaint *complaint);

/** Read what the environment has under ECHOD_NAME; 0 or the exit code likewise. */
int options_read_environment(struct options *options, struct complaint *complaint);

/** Where the environment names the file, or NULL. */
const char *options_file_from_environment(void);

#endif
