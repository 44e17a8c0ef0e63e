/*
 * The subcommand `echoc bench`.
 */
#ifndef ECHOC_BENCH_COMMAND_H
#define ECHOC_BENCH_COMMAND_H

/** Run it; argv[0] is "bench". Returns the exit code. */
int bench_command(int argc, char **argv);

#endif
