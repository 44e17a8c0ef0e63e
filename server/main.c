/*
 * echod: answers every message with its upper-cased form, by tasks, threads or processes.
 *
 * Everything that can fail for the user's fault does so here, before a mode runs: options,
 * listeners, the pid file.
 */
#include "leave.h"
#include "listener.h"
#include "log.h"
#include "mode.h"
#include "options.h"
#include "pidfile.h"
#include "server.h"
#include "signals.h"
#include "upper.h"

int
main(int argc, char **argv)
{
    static struct server server;
    static atomic_uint connections;
    options_parse(&server.options, argc, argv);
    const struct options *options = &server.options;
    log_setup(options->log_format, options->log_level);
    if (upper_setup() != 0) {
        log_write(LOG_ERROR, "the table of upper-case letters cannot be built");
        return 1;
    }
    server.connections = &connections;
    server.signal_fd = signals_open();
    if (server.signal_fd < 0) {
        log_write(LOG_ERROR, "cannot listen to signals: %s", green_strerror(server.signal_fd));
        return 1;
    }
    int code = listeners_open(&server.listeners, options);
    if (code != 0) {
        return code;
    }
    code = pidfile_write(options->pidfile);
    if (code == 0) {
        code = options->mode->run(&server);
    }
    leave_files(&server);
    return code;
}
