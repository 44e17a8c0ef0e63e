/*
 * The subcommand `echoc merge`: what several clients have measured, added up.
 */
#ifndef ECHOC_MERGE_H
#define ECHOC_MERGE_H

/** Run it; argv[0] is "merge". Returns the exit code. */
int merge_command(int argc, char **argv);

#endif
