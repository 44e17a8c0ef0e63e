/*
 * Mode thread: a thread for every connection, all in the main process.
 */
#include "mode.h"
#include "stream.h"

static int
run_thread(struct server *server)
{
    return stream_run(server, GREEN_THREAD, (unsigned)server->options.max_connections);
}

const struct mode mode_thread = {
    .name = "thread",
    .summary = "a thread for every connection",
    .default_workers = 1,
    .most_workers = 1,
    .default_connections = 4096,
    .run = run_thread,
};
