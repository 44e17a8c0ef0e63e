/*
 * The subcommand `echoc compare`.
 */
#ifndef ECHOC_COMPARE_COMMAND_H
#define ECHOC_COMPARE_COMMAND_H

/** Run the subcommand; returns the exit code. */
int compare_command(int argc, char **argv);

#endif
