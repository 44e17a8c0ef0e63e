/*
 * Serving by tasks or threads of this process: the library's stream server, and signals.
 *
 * The main stack waits for signals. In a drain it waits for the connections, and a job of its own
 * looks out for the signal that ends everything at once.
 */
#include "stream.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "balance.h"
#include "board.h"
#include "events.h"
#include "leave.h"
#include "session.h"
#include "settings.h"
#include "signals.h"
#include "stats.h"

/** The server of this process, and what the dump begins with; the lock is for those who write it
 * and the end of the server. */
static struct {
    pthread_mutex_t lock;
    const struct green_server *stream;
    atomic_bool draining;
} reported = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int
handle(int fd, void *config)
{
    struct server *server = config;
    if (server->place == NULL) {
        session_run(server, fd);
        return 0;
    }
    uint64_t began_ns = green_after(0);
    session_run(server, fd);
    balance_note(server, green_server_connections(reported.stream) - 1, began_ns);
    return 0;
}

/** Where workers share a listener. */
static int
before_accept(int listener, void *config)
{
    const struct server *server = config;
    return balance_wait(server, listener, green_server_connections(reported.stream));
}

static void
on_trouble(int err, void *config)
{
    (void)config;
    stats_add(STAT_ACCEPT_ERRORS, 1);
    log_write(LOG_WARNING, "a connection has to wait: %s", green_strerror(err));
}

static unsigned
count_unserved(const struct green_server *stream)
{
    unsigned open = green_server_connections(stream);
    unsigned idle = session_lingering();
    return open > idle ? open - idle : 0;
}

static void
report(void)
{
    pthread_mutex_lock(&reported.lock);
    const struct green_server *stream = reported.stream;
    if (stream != NULL) {
        log_notice("pid %d: %u connections are open, %u of them wait for the peer's end%s",
                   (int)getpid(), green_server_connections(stream), session_lingering(),
                   atomic_load(&reported.draining) ? "; draining" : "");
    }
    pthread_mutex_unlock(&reported.lock);
}

static void
report_on(const struct green_server *stream)
{
    pthread_mutex_lock(&reported.lock);
    reported.stream = stream;
    pthread_mutex_unlock(&reported.lock);
}

/** SIGQUIT, where no thread of its own takes it. */
static void
dump(void)
{
    report();
    green_dump(STDERR_FILENO);
}

/** What looks out for signals during a drain. */
struct lookout {
    struct server *server;
    const struct green_server *stream;
};

static intptr_t
look_out(void *arg)
{
    const struct lookout *lookout = arg;
    struct server *server = lookout->server;
    for (;;) {
        enum order order = signals_wait(server->signal_fd);
        /* A worker leaves the second SIGTERM to its supervisor, which may have got the same one. */
        if (order == ORDER_END || (order == ORDER_DRAIN && server->board == NULL)) {
            leave_at_once(server, count_unserved(lookout->stream), false);
        } else if (order == ORDER_DUMP || order == ORDER_DUMP_HERE) {
            dump();
        } else if (order == ORDER_NONE) {
            return 0; /* cancelled: the drain is over */
        }
    }
}

/** Serve what is open to its end; ends the process if the time, or a signal, does not allow it. */
static void
drain(struct server *server, struct green_server *stream, enum green_kind kind)
{
    static struct lookout lookout; /* a thread may outlive our frame */
    struct green_job *job = NULL;
    struct green_shield shield;
    green_deadline deadline = green_after(setting(SETTING_DRAIN_TIMEOUT_MS));
    log_write(server->place == NULL ? LOG_INFO : LOG_DEBUG, "draining; %u open",
              green_server_connections(stream));
    lookout = (struct lookout){server, stream};
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    options.daemon = true;
    atomic_store(&reported.draining, true);
    green_shield_start(&shield); /* the supervisor's word for a drain is a cancellation */
    green_spawn_as(kind, look_out, &lookout, &options, &job);
    events_stopping(server);
    leave_listeners(server);
    int err = green_server_stop(stream, deadline);
    if (err != 0) {
        leave_at_once(server, count_unserved(stream), true);
    }
    if (job != NULL) {
        green_job_cancel(job);
        green_job_join(job, NULL, GREEN_FOREVER);
        green_job_put(job);
    }
    green_shield_stop(&shield);
}

/** Whether this process accepts from the i-th listener. */
static bool
is_ours(const struct server *server, size_t i)
{
    const struct options *options = &server->options;
    if (server->place == NULL || options->sharing == SHARING_ONE) {
        return true;
    }
    size_t worker = (size_t)(server->place - server->board->places);
    return listeners_is_of(&server->listeners, i, worker, options->workers);
}

static struct green_server *
open_stream(struct server *server, enum green_kind kind, unsigned limit)
{
    struct green_server_options options = GREEN_SERVER_OPTIONS;
    options.kind = kind;
    options.limit = limit;
    options.stack_size = server->options.stack_size;
    options.on_trouble = on_trouble;
    if (server->place != NULL && server->options.sharing == SHARING_ONE) {
        options.before_accept = before_accept;
    }
    /* What a connection has on its stack is its own, and the library's buffers are elsewhere. */
    options.hibernate_ms = server->options.hibernate_ms;
    struct green_server *stream = NULL;
    int err = green_server_create(handle, server, &options, &stream);
    report_on(stream); /* those who accept look there */
    for (size_t i = 0; i < server->listeners.count && err == 0; i++) {
        if (is_ours(server, i)) {
            err = green_server_listen(stream, server->listeners.fds[i]);
        } else {
            close(server->listeners.fds[i]);
        }
    }
    if (err != 0) {
        log_write(LOG_ERROR, "cannot start to serve: %s", green_strerror(err));
        return NULL;
    }
    signals_dump_apart(server->signal_fd, report);
    return stream;
}

int
stream_run(struct server *server, enum green_kind kind, unsigned limit)
{
    if (server->place == NULL) {
        stats_take(0, kind == GREEN_THREAD);
        server->connections = &stats_own->connections;
    }
    struct green_server *stream = open_stream(server, kind, limit);
    if (stream == NULL) {
        return 1;
    }
    green_yield(); /* those who accept wait at their listeners now */
    server_ready(server);
    enum order order;
    while ((order = events_wait(server)) != ORDER_DRAIN && order != ORDER_END &&
           order != ORDER_NONE) {
        if (order == ORDER_DUMP || order == ORDER_DUMP_HERE) {
            dump();
        } else if (server->place == NULL) {
            log_write(LOG_INFO, "only echod with worker processes can have more of them, or fewer");
        }
    }
    if (order == ORDER_END) {
        leave_at_once(server, count_unserved(stream), false);
    }
    drain(server, stream, kind);
    report_on(NULL);
    green_server_destroy(stream);
    return 0;
}

int
stream_run_rest(struct server *server)
{
    struct green_server *stream = open_stream(server, GREEN_TASK, 0);
    if (stream == NULL) {
        return 1;
    }
    green_server_stop_for_all(stream);
    drain(server, stream, GREEN_TASK);
    report_on(NULL);
    green_server_destroy(stream);
    return 0;
}
