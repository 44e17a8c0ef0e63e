/*
 * Accepting and serving by tasks or threads of this process.
 *
 * One job accepts from each listener, one serves each connection, and the main stack waits for
 * signals. A drain ends the accepting first, then cancels those who serve.
 *
 * Invariant: `serving` has every connection whose job is running serve(), so that the drain reaches
 * it; one that comes later sees `draining`. Both change under the lock, under which nothing waits.
 */
#include "stream.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "serve.h"
#include "signals.h"

struct stream {
    struct server *server;
    struct green_spawn_options spawn;
    enum green_kind kind;
    struct green_semaphore *room; /* a unit for each connection that may still come */
    atomic_uint open;             /* connections accepted and not yet closed */
    atomic_uint lingering;        /* those of them that only wait for the peer's end */
    bool shut_down;               /* the end of accepting is meant for all who have the listeners */
    int empty_fd;                 /* an eventfd: written when, while draining, the last one ends */
    pthread_mutex_t lock;
    atomic_bool draining;
    struct connection *serving;
};

struct connection {
    struct stream *stream;
    struct connection *next;
    struct connection **place; /* what points to it in the list */
    struct green_job *job;
    int fd;
};

struct acceptor {
    struct stream *stream;
    int fd;
    struct green_job *job;
};

/* ---- connections ---- */

/** Make the connection known to the drain; false when that has begun. */
static bool
enlist(struct connection *connection)
{
    struct stream *stream = connection->stream;
    pthread_mutex_lock(&stream->lock);
    bool draining = atomic_load(&stream->draining);
    if (!draining) {
        connection->job = green_self();
        connection->next = stream->serving;
        connection->place = &stream->serving;
        if (connection->next != NULL) {
            connection->next->place = &connection->next;
        }
        stream->serving = connection;
    }
    pthread_mutex_unlock(&stream->lock);
    return !draining;
}

static void
delist(struct connection *connection)
{
    struct stream *stream = connection->stream;
    pthread_mutex_lock(&stream->lock);
    *connection->place = connection->next;
    if (connection->next != NULL) {
        connection->next->place = connection->place;
    }
    pthread_mutex_unlock(&stream->lock);
}

/** Take note that a connection is closed. */
static void
note_closed(struct stream *stream)
{
    atomic_fetch_sub(stream->server->connections, 1);
    green_semaphore_release(stream->room);
    if (atomic_fetch_sub(&stream->open, 1) == 1 && atomic_load(&stream->draining)) {
        uint64_t one = 1;
        ssize_t ignored = write(stream->empty_fd, &one, sizeof one);
        (void)ignored;
    }
}

static intptr_t
serve_connection(void *arg)
{
    struct connection *connection = arg;
    struct stream *stream = connection->stream;
    bool enlisted = enlist(connection);
    enum ending ending = serve(connection->fd, &stream->server->options, !enlisted);
    if (enlisted) {
        delist(connection);
    }
    if (ending == ENDING_DRAINED) {
        atomic_fetch_add(&stream->lingering, 1);
        uint64_t late = serve_linger(connection->fd);
        if (late > 0) {
            log_write(LOG_INFO, "%ju bytes came after the end of a drained connection",
                      (uintmax_t)late);
        }
        atomic_fetch_sub(&stream->lingering, 1);
    }
    green_close(connection->fd);
    free(connection);
    note_closed(stream);
    return 0;
}

/* ---- accepting ---- */

static int
spawn_connection(struct stream *stream, int fd)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        return -ENOMEM;
    }
    connection->stream = stream;
    connection->fd = fd;
    int err = green_spawn_as(stream->kind, serve_connection, connection, &stream->spawn, NULL);
    if (err != 0) {
        free(connection);
    }
    return err;
}

/** Start to serve a connection; while the system has no means for it, it waits. */
static void
take_connection(struct stream *stream, int fd)
{
    atomic_fetch_add(&stream->open, 1);
    atomic_fetch_add(stream->server->connections, 1);
    unsigned pause_ms = 0;
    int err;
    while ((err = spawn_connection(stream, fd)) != 0) {
        if (pause_ms == 0) {
            log_write(LOG_WARNING, "cannot serve a connection yet: %s", green_strerror(err));
        }
        struct green_shield shield; /* it was accepted: it is not given up */
        green_shield_start(&shield);
        green_accept_pause(&pause_ms);
        green_shield_stop(&shield);
    }
}

static intptr_t
accept_connections(void *arg)
{
    const struct acceptor *acceptor = arg;
    struct stream *stream = acceptor->stream;
    unsigned pause_ms = 0;
    for (;;) {
        /* A full server does not accept; with several listeners one may be in hand. */
        int fd = green_semaphore_acquire(stream->room, GREEN_FOREVER);
        if (fd == 0) {
            green_semaphore_release(stream->room);
            fd = green_accept(acceptor->fd, NULL);
        }
        if (fd == -ECANCELED) {
            break;
        }
        if (fd < 0) {
            if (pause_ms == 0) {
                log_write(LOG_WARNING, "cannot accept for now: %s", green_strerror(fd));
            }
            green_accept_pause(&pause_ms);
            continue;
        }
        pause_ms = 0;
        struct green_shield shield;
        green_shield_start(&shield);
        green_semaphore_acquire(stream->room, GREEN_FOREVER);
        green_shield_stop(&shield);
        take_connection(stream, fd);
    }
    return 0;
}

/** Take what is still queued at a listener, whatever the limit. */
static void
accept_rest(struct stream *stream, int listener)
{
    unsigned pause_ms = 0;
    for (;;) {
        int fd = listeners_accept_queued(listener);
        if (fd >= 0) {
            pause_ms = 0;
            take_connection(stream, fd);
        } else if (fd == -EMFILE || fd == -ENFILE || fd == -ENOBUFS || fd == -ENOMEM) {
            if (green_accept_pause(&pause_ms) != 0) {
                return; /* the drain has no time left */
            }
        } else {
            return;
        }
    }
}

/* ---- from start to end ---- */

/** End those who accept. */
static void
end_acceptors(const struct stream *stream, struct acceptor *acceptors)
{
    for (size_t i = 0; i < stream->server->listeners.count; i++) {
        if (acceptors[i].job != NULL) {
            green_job_cancel(acceptors[i].job);
        }
    }
    for (size_t i = 0; i < stream->server->listeners.count; i++) {
        if (acceptors[i].job != NULL) {
            green_job_join(acceptors[i].job, NULL, GREEN_FOREVER);
            green_job_put(acceptors[i].job);
            acceptors[i].job = NULL;
        }
    }
}

/** Have every connection served to its end, those in the queue included; then stop listening. */
static void
start_drain(struct stream *stream, struct acceptor *acceptors)
{
    struct server *server = stream->server;
    log_write(LOG_INFO, "draining; %u open", atomic_load(&stream->open));
    pthread_mutex_lock(&stream->lock);
    atomic_store(&stream->draining, true);
    for (struct connection *each = stream->serving; each != NULL; each = each->next) {
        green_job_cancel(each->job);
    }
    pthread_mutex_unlock(&stream->lock);
    struct green_timeout timeout;
    green_timeout_start(&timeout, server->options.drain_timeout_ms);
    end_acceptors(stream, acceptors);
    for (size_t i = 0; i < server->listeners.count; i++) {
        accept_rest(stream, server->listeners.fds[i]);
    }
    green_timeout_stop(&timeout);
    if (stream->shut_down) {
        listeners_shut_down(&server->listeners);
    }
    listeners_close(&server->listeners);
}

static void
dump(const struct stream *stream)
{
    log_notice("pid %d serves %u connections, %u of them wait for the peer's end%s", (int)getpid(),
               atomic_load(&stream->open), atomic_load(&stream->lingering),
               atomic_load(&stream->draining) ? "; draining" : "");
}

/** Obey an order, and signals from then on, until there is nothing left to do, or no time. */
static struct ending_report
control(struct stream *stream, struct acceptor *acceptors, enum order first)
{
    struct server *server = stream->server;
    green_deadline deadline = GREEN_FOREVER;
    bool draining = false;
    bool timed_out = false;
    struct green_shield shield;
    if (first == ORDER_DRAIN) {
        draining = true;
        green_shield_start(&shield);
        deadline = green_after(server->options.drain_timeout_ms);
        start_drain(stream, acceptors);
    }
    while (!draining || atomic_load(&stream->open) > 0) {
        struct pollfd ready[] = {{.fd = server->signal_fd, .events = POLLIN},
                                 {.fd = draining ? stream->empty_fd : -1, .events = POLLIN}};
        int count = green_poll(ready, 2, deadline);
        enum order order = ORDER_NONE;
        if (count == -ECANCELED) {
            order = ORDER_DRAIN; /* the supervisor's word */
        } else if (count == -ETIMEDOUT) {
            timed_out = true;
            break;
        } else if (count > 0 && ready[0].revents != 0) {
            order = signals_read(server->signal_fd);
        }
        if (order == ORDER_END || (order == ORDER_DRAIN && draining)) {
            break;
        }
        if (order == ORDER_DRAIN) {
            draining = true;
            green_shield_start(&shield);
            deadline = green_after(server->options.drain_timeout_ms);
            start_drain(stream, acceptors);
        } else if (order == ORDER_DUMP) {
            dump(stream);
        } else if (count > 0 && ready[1].revents != 0) {
            uint64_t ignored;
            ssize_t got = read(stream->empty_fd, &ignored, sizeof ignored);
            (void)got;
        }
    }
    if (draining) {
        green_shield_stop(&shield);
    }
    unsigned cut = atomic_load(&stream->open) - atomic_load(&stream->lingering);
    return (struct ending_report){cut, timed_out};
}

static int
open_stream(struct stream *stream, struct server *server, enum green_kind kind,
            unsigned max_connections)
{
    memset(stream, 0, sizeof *stream);
    stream->server = server;
    stream->kind = kind;
    stream->spawn.daemon = true;
    stream->spawn.stack_size = server->options.stack_size;
    pthread_mutex_init(&stream->lock, NULL);
    stream->empty_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (stream->empty_fd < 0) {
        return -errno;
    }
    return green_semaphore_create(max_connections, &stream->room);
}

static struct stream stream; /* threads that are abandoned in the end still look at it */
static struct acceptor acceptors[LISTENERS_MAX];

static struct ending_report
finish(enum order first)
{
    struct ending_report ending = control(&stream, acceptors, first);
    if (atomic_load(&stream.open) == 0) {
        green_semaphore_destroy(stream.room);
    }
    return ending;
}

struct ending_report
stream_run(struct server *server, enum green_kind kind, unsigned max_connections)
{
    int err = open_stream(&stream, server, kind, max_connections);
    for (size_t i = 0; i < server->listeners.count && err == 0; i++) {
        acceptors[i] = (struct acceptor){.stream = &stream, .fd = server->listeners.fds[i]};
        err = green_spawn_as(kind, accept_connections, &acceptors[i], &stream.spawn,
                             &acceptors[i].job);
    }
    if (err != 0) {
        log_write(LOG_ERROR, "cannot start to serve: %s", green_strerror(err));
        return (struct ending_report){1, false};
    }
    green_yield(); /* those who accept wait at their listeners now */
    server_ready(server);
    return finish(ORDER_NONE);
}

struct ending_report
stream_run_rest(struct server *server)
{
    int err = open_stream(&stream, server, GREEN_TASK, 0);
    if (err != 0) {
        log_write(LOG_ERROR, "cannot serve what is queued: %s", green_strerror(err));
        return (struct ending_report){1, false};
    }
    stream.shut_down = true;
    return finish(ORDER_DRAIN);
}
