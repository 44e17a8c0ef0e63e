/*
 * Mode prefork: a pool of processes, each of which serves one connection at a time, blocking.
 *
 * The pool grows when nobody is idle. A worker that has had nothing to do for a while leaves, as
 * long as enough stay: nobody has to be told to.
 */
#include <errno.h>
#include <unistd.h>

#include "mode.h"
#include "session.h"
#include "signals.h"
#include "stats.h"
#include "stream.h"
#include "supervisor.h"

/** How long a worker beyond the least number waits for a connection before it leaves. */
#define IDLE_MS 5000

/** Accept the next connection; -ETIMEDOUT after a while without. */
static int
accept_next(const struct server *server)
{
    struct green_timeout timeout;
    green_timeout_start(&timeout, IDLE_MS);
    int fd = listeners_accept(&server->listeners);
    green_timeout_stop(&timeout);
    return fd;
}

/** Serve until the worker is cancelled, or may leave for want of work. */
static void
serve_connections(struct server *server)
{
    struct place *place = server->place;
    unsigned pause_ms = 0;
    for (;;) {
        atomic_store(&place->activity, ACTIVITY_IDLE);
        int fd = accept_next(server);
        if (fd == -ECANCELED) {
            return;
        }
        if (fd == -ETIMEDOUT) {
            if (board_may_retire(server->board, place)) {
                return;
            }
            continue;
        }
        if (fd < 0) {
            if (pause_ms == 0) {
                stats_add(STAT_ACCEPT_ERRORS, 1);
                log_write(LOG_WARNING, "cannot accept for now: %s", green_strerror(fd));
            }
            green_accept_pause(&pause_ms);
            continue;
        }
        pause_ms = 0;
        board_note_busy(server->board, place);
        session_run(server, fd);
        green_close(fd);
    }
}

static int
work_prefork(struct server *server)
{
    signals_for_blocking_worker(server->signal_fd);
    server_ready(server);
    serve_connections(server);
    return 0;
}

/** In a drain: those who block cannot look after the queue, which may be longer than the pool. */
static int
work_rest(struct server *server)
{
    close(server->signal_fd);
    server->signal_fd = signals_open();
    return stream_run_rest(server);
}

static int
run_prefork(struct server *server)
{
    const struct options *options = &server->options;
    uint64_t most = options->max_workers < options->max_connections ? options->max_workers
                                                                    : options->max_connections;
    uint64_t least = options->workers < most ? options->workers : most;
    const struct workforce force = {work_prefork, work_rest, (unsigned)least, (unsigned)most,
                                    false};
    return supervise(server, &force);
}

const struct mode mode_prefork = {
    .name = "prefork",
    .summary = "a process for every connection, from a pool of --workers to --max-workers",
    .default_workers = 8,
    .most_workers = 32768,
    .run = run_prefork,
};
