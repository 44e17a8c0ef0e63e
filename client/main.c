/*
 * echoc: talks to echod.
 *
 * Invariant: a subcommand is a row of the table; what runs without one is the row at its end. The
 * rows get what is left of the command line and return the exit code.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "bench/command.h"
#include "compare/command.h"
#include "connect.h"
#include "green.h"
#include "interactive.h"
#include "merge.h"
#include "options.h"
#include "pipe.h"
#include "report.h"
#include "channel.h"

/* Talk to a server: one message, at the prompt, or as a pipe. */
static int
talk(int argc, char **argv)
{
    struct echoc_options options;
    int status;
    if (!echoc_options_parse(argc, argv, &options, &status)) {
        return status;
    }
    struct green_tls_config *config;
    struct channel channel;
    status = echoc_tls_prepare(&options.tls, &config);
    if (status == ECHOC_OK) {
        status = echoc_connect(&options, config, &channel);
    }
    echoc_tls_config_put(config);
    if (status != ECHOC_OK) {
        return status;
    }
    if (options.message != NULL) {
        status = echoc_pipe_message(&channel, options.message);
    } else if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)) {
        status = echoc_interactive(&channel);
    } else {
        status = echoc_pipe_input(&channel);
    }
    channel_close(&channel);
    return status;
}

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
};

static const struct command commands[] = {
    {"bench", bench_command},
    {"compare", compare_command},
    {"merge", merge_command},
    {NULL, talk}, /* no subcommand */
};

/*
 * A standard descriptor that is closed would become the connection's. What takes its place is open
 * the wrong way round, so that its use fails as it should.
 */
static bool
hold_standard_descriptors(void)
{
    static const int flags[] = {O_WRONLY, O_RDONLY, O_RDONLY};
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) == -1 && errno == EBADF && open("/dev/null", flags[fd]) != fd) {
            return false;
        }
    }
    return true;
}

int
main(int argc, char **argv)
{
    if (!hold_standard_descriptors()) {
        return ECHOC_FAILED;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    const struct command *command = commands;
    while (command->name != NULL && (argc < 2 || strcmp(command->name, argv[1]) != 0)) {
        command++;
    }
    return command->name == NULL ? command->run(argc, argv) : command->run(argc - 1, argv + 1);
}
