/*
 * Mode green: a task for every connection.
 *
 * With one worker the main process serves by itself; with several, each is a process with a
 * scheduler of its own, and all of them accept from the same listeners.
 */
#include <unistd.h>

#include "mode.h"
#include "signals.h"
#include "stream.h"
#include "supervisor.h"

static int
work_green(struct server *server)
{
    close(server->signal_fd);
    server->signal_fd = signals_open();
    const struct options *options = &server->options;
    size_t number = (size_t)(server->place - server->board->places);
    unsigned share = (unsigned)(options->max_connections / options->workers +
                                (number < options->max_connections % options->workers));
    return stream_run(server, GREEN_TASK, share);
}

static int
run_green(struct server *server)
{
    const struct options *options = &server->options;
    if (options->workers > 1) {
        unsigned workers = (unsigned)options->workers;
        const struct workforce force = {work_green, NULL, workers, workers, true};
        return supervise(server, &force);
    }
    return stream_run(server, GREEN_TASK, (unsigned)options->max_connections);
}

const struct mode mode_green = {
    .name = "green",
    .summary = "a task for every connection, all of them in one thread a worker",
    .default_workers = 1,
    .most_workers = 1024,
    .run = run_green,
};
