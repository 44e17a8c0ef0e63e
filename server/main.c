/*
 * echod: answers every message with its upper-cased form, by tasks, threads or processes.
 *
 * Everything that can fail for the user's fault does so here, before a mode runs: options, logs,
 * listeners, the pid file.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "access.h"
#include "admin.h"
#include "board.h"
#include "filter.h"
#include "leave.h"
#include "limits.h"
#include "listener.h"
#include "log.h"
#include "mode.h"
#include "options.h"
#include "pidfile.h"
#include "privileges.h"
#include "secure.h"
#include "server.h"
#include "settings.h"
#include "signals.h"
#include "stats.h"
#include "tasks.h"
#include "upgrade.h"
#include "upper.h"

/** Read the options; ends the process when they are wrong, or when that was the question. */
static void
load(struct server *server, int argc, char **argv)
{
    struct complaint complaint;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    server->started = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
    server->argc = argc;
    server->argv = argv;
    int code = options_load(&server->options, argc, argv, &complaint);
    if (code != 0) {
        fprintf(stderr, "echod: %s (echod --help lists the options)\n", complaint.text);
        exit(code);
    }
    if (server->options.check_config) {
        code = secure_check(&server->options, &complaint);
        if (code != 0) {
            fprintf(stderr, "echod: %s\n", complaint.text);
            exit(code);
        }
        printf("echod: the configuration is right\n");
        exit(0);
    }
}

static int
open_logs(const struct options *options)
{
    int err = log_open(options->log);
    if (err == -ENOSYS) {
        log_write(LOG_ERROR, "--log %s: this echod was built without libsystemd", options->log);
        return 2;
    }
    if (err != 0) {
        log_write(LOG_ERROR, "--log %s: cannot write there: %s", options->log, green_strerror(err));
        return 1;
    }
    err = access_open(options->access_log);
    if (err != 0) {
        log_write(LOG_ERROR, "--access-log %s: cannot write there: %s", options->access_log,
                  green_strerror(err));
        return 1;
    }
    return 0;
}

/** What has to be there before there is any worker. */
static int
prepare(struct server *server)
{
    const struct options *options = &server->options;
    size_t rows = options->max_workers + options->workers + WORKERS_ROOM + 1;
    settings_apply(options);
    if (settings_share() != 0 || stats_share(rows) != 0 || limits_share(options) != 0 ||
        tasks_share() != 0) {
        log_write(LOG_ERROR, "there is no memory for what workers share");
        return 1;
    }
    int code = privileges_choose(options);
    if (code == 0) {
        code = open_logs(options);
    }
    if (code == 0 && access_share(options) != 0) {
        log_write(LOG_ERROR, "there is no memory for what workers share");
        code = 1;
    }
    if (code != 0) {
        return code;
    }
    if (upper_setup() != 0) {
        log_write(LOG_ERROR, "the table of upper-case letters cannot be built");
        return 1;
    }
    server->signal_fd = signals_open();
    if (server->signal_fd < 0) {
        log_write(LOG_ERROR, "cannot listen to signals: %s", green_strerror(server->signal_fd));
        return 1;
    }
    struct complaint complaint;
    code = secure_open(options, &complaint);
    if (code != 0) {
        log_write(LOG_ERROR, "%s", complaint.text);
        return code;
    }
    code = listeners_open(&server->listeners, options);
    return code == 0 ? admin_open(server) : code;
}

int
main(int argc, char **argv)
{
    static struct server server;
    upgrade_remember(argv);
    load(&server, argc, argv);
    int code = prepare(&server);
    if (code != 0) {
        return code;
    }
    code = pidfile_write(server.options.pidfile);
    if (code == 0) {
        code = privileges_drop();
    }
    if (code == 0) {
        code = filter_start(server.options.seccomp);
    }
    if (code == 0) {
        admin_start(&server);
        code = server.options.mode->run(&server);
    }
    leave_files(&server);
    options_free(&server.options);
    return code;
}
