/*
 * The stream server.
 *
 * One job accepts from each listener, one serves each connection. A stop ends those who accept,
 * takes what is queued, and cancels those who serve.
 *
 * Invariant: `serving` has every connection whose handler runs, so that the stop reaches it; one
 * whose handler starts later finds `stopping` and cancels itself. Both change under the lock, under
 * which nothing waits. A connection is counted in `open` from its accept on.
 */
#include "green/server.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/list.h"
#include "green/net.h"
#include "green/sync.h"
#include "green/timeout.h"
#include "sched/wait.h"

struct listener {
    struct green__list link;
    struct green_server *server;
    struct green_job *acceptor;
    int fd;
};

struct connection {
    struct green__list link;
    struct green_server *server;
    struct green_job *job;
    int fd;
};

struct green_server {
    green_handler handler;
    void *config;
    struct green_server_options options;
    struct green_semaphore room; /* a unit for each connection that may still come, under a limit */
    atomic_uint open;
    atomic_bool stopping;
    bool for_all;
    struct green__list listeners; /* the owner's */
    struct green__waitq lock;     /* guards what follows; its waiters wait for `open` to be 0 */
    struct green__list serving;
};

int
green_server_create(green_handler handler, void *config, const struct green_server_options *options,
                    struct green_server **ret_server)
{
    static const struct green_server_options defaults = GREEN_SERVER_OPTIONS;
    struct green_server *server = green__alloc_zeroed(sizeof *server);
    if (server == NULL) {
        return -ENOMEM;
    }
    server->handler = handler;
    server->config = config;
    server->options = options == NULL ? defaults : *options;
    green_semaphore_init(&server->room, server->options.limit);
    green__list_init(&server->listeners);
    green__list_init(&server->serving);
    green__waitq_init(&server->lock);
    *ret_server = server;
    return 0;
}

void
green_server_destroy(struct green_server *server)
{
    if (server == NULL) {
        return;
    }
    if (!green__list_empty(&server->listeners) || atomic_load(&server->open) > 0) {
        green__misuse("green_server_destroy: the server was not stopped");
    }
    green_semaphore_fini(&server->room);
    green__free(server);
}

unsigned
green_server_connections(const struct green_server *server)
{
    return atomic_load(&server->open);
}

/* ---- connections ---- */

/** Make the connection known to the stop, or learn that it has come. */
static void
enlist(struct connection *connection)
{
    struct green_server *server = connection->server;
    connection->job = green_self();
    green__waitq_lock(&server->lock);
    bool stopping = atomic_load(&server->stopping);
    green__list_append(&server->serving, &connection->link);
    green__waitq_unlock(&server->lock);
    if (stopping) {
        green_job_cancel(connection->job);
    }
}

static void
note_closed(struct green_server *server)
{
    if (server->options.limit > 0) {
        green_semaphore_release(&server->room);
    }
    /* Under the lock to the end: who waits for the last one may free the server then. */
    green__waitq_lock(&server->lock);
    if (atomic_fetch_sub(&server->open, 1) == 1) {
        green__waitq_wake_all(&server->lock);
    }
    green__waitq_unlock(&server->lock);
}

/** What a process that serves one connection runs. */
static intptr_t
process_main(void *arg)
{
    const struct connection *connection = arg;
    return connection->server->handler(connection->fd, connection->server->config);
}

/** Have a child process serve it; this task stands for it here. */
static void
handle_in_process(struct connection *connection)
{
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    options.daemon = true;
    options.keep_fds = &connection->fd;
    options.keep_fd_count = 1;
    struct green_job *process;
    unsigned pause_ms = 0;
    while (green_spawn_as(GREEN_PROCESS, process_main, connection, &options, &process) != 0) {
        if (green_accept_pause(&pause_ms) != 0) {
            return;
        }
    }
    green_close(connection->fd); /* else the end of the child would not end the connection */
    connection->fd = -1;
    if (green_job_join(process, NULL, GREEN_FOREVER) == -ECANCELED) {
        struct green_shield shield;
        green_job_cancel(process);
        green_shield_start(&shield);
        green_job_join(process, NULL, GREEN_FOREVER);
        green_shield_stop(&shield);
    }
    green_job_put(process);
}

static void
handle(struct connection *connection)
{
    struct green_server *server = connection->server;
    enlist(connection);
    if (server->options.kind == GREEN_PROCESS) {
        handle_in_process(connection);
    } else {
        server->handler(connection->fd, server->config);
    }
    green__waitq_lock(&server->lock);
    green__list_remove(&connection->link);
    green__waitq_unlock(&server->lock);
    if (connection->fd >= 0) {
        green_close(connection->fd);
    }
}

static intptr_t
connection_main(void *arg)
{
    struct connection *connection = arg;
    struct green_server *server = connection->server;
    handle(connection);
    green__free(connection);
    note_closed(server);
    return 0;
}

/** Of the jobs of this process: a connection that a child serves has a task here. */
static enum green_kind
own_kind(const struct green_server *server)
{
    return server->options.kind == GREEN_THREAD ? GREEN_THREAD : GREEN_TASK;
}

static int
spawn_connection(struct green_server *server, int fd)
{
    struct connection *connection = green__alloc_zeroed(sizeof *connection);
    if (connection == NULL) {
        return -ENOMEM;
    }
    connection->server = server;
    connection->fd = fd;
    green__list_init(&connection->link);
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    options.daemon = true; /* what is not stopped ends with its owner */
    options.stack_size = server->options.stack_size;
    options.hibernate_ms = server->options.hibernate_ms;
    int err = green_spawn_as(own_kind(server), connection_main, connection, &options, NULL);
    if (err != 0) {
        green__free(connection);
    }
    return err;
}

/* ---- accepting ---- */

/** Report a trouble when it begins, and wait before the next try; 0 or the wait's error. */
static int
wait_out(const struct green_server *server, unsigned *pause_ms, int err)
{
    if (*pause_ms == 0 && server->options.on_trouble != NULL) {
        server->options.on_trouble(err, server->config);
    }
    return green_accept_pause(pause_ms);
}

/** Have a connection served; 0, or the error of the wait for what that takes. */
static int
take(struct green_server *server, int fd)
{
    unsigned pause_ms = 0;
    atomic_fetch_add(&server->open, 1);
    int err;
    while ((err = spawn_connection(server, fd)) != 0) {
        err = wait_out(server, &pause_ms, err);
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

/** Have a connection served, in the end by the one who accepted it: it is not given up. */
static void
take_or_serve(struct green_server *server, int fd)
{
    if (take(server, fd) != 0) {
        struct connection connection = {.server = server, .fd = fd};
        green__list_init(&connection.link);
        handle(&connection);
        note_closed(server);
    }
}

/** Wait until there is room, without taking it: a full server does not accept. */
static int
wait_for_room(struct green_server *server)
{
    if (server->options.limit == 0) {
        return 0;
    }
    int err = green_semaphore_acquire(&server->room, GREEN_FOREVER);
    if (err == 0) {
        green_semaphore_release(&server->room);
    }
    return err;
}

static intptr_t
accept_connections(void *arg)
{
    const struct listener *listener = arg;
    struct green_server *server = listener->server;
    unsigned pause_ms = 0;
    for (;;) {
        int fd = wait_for_room(server);
        if (fd == 0 && server->options.before_accept != NULL) {
            fd = server->options.before_accept(listener->fd, server->config);
        }
        if (fd == 0) {
            fd = green_accept(listener->fd, NULL);
        }
        if (fd == -ECANCELED) {
            return 0;
        }
        if (fd < 0) {
            wait_out(server, &pause_ms, fd);
            continue;
        }
        pause_ms = 0;
        if (server->options.limit > 0) {
            /* With several listeners, one each may be in hand. In a stop it does not wait. */
            green_semaphore_acquire(&server->room, GREEN_FOREVER);
        }
        take_or_serve(server, fd);
    }
}

int
green_server_listen(struct green_server *server, int fd)
{
    struct listener *listener = green__alloc_zeroed(sizeof *listener);
    if (listener == NULL) {
        green_close(fd);
        return -ENOMEM;
    }
    listener->server = server;
    listener->fd = fd;
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    options.daemon = true;
    int err = green_spawn_as(own_kind(server), accept_connections, listener, &options,
                             &listener->acceptor);
    if (err != 0) {
        green_close(fd);
        green__free(listener);
        return err;
    }
    green__list_append(&server->listeners, &listener->link);
    return 0;
}

/* ---- the stop ---- */

/** Accept what has come already; -ETIMEDOUT when nothing has. */
static int
accept_queued(int listener)
{
    struct green_timeout now;
    green_timeout_start(&now, 0);
    int fd = green_accept(listener, NULL);
    green_timeout_stop(&now);
    return fd;
}

/** Take what is queued, whatever the limit, for as long as the scope around it allows. */
static void
take_until_empty(struct green_server *server, int listener, green_deadline until)
{
    unsigned pause_ms = 0;
    while (green__clock_now() < until) {
        int fd = accept_queued(listener);
        bool lacking = fd == -EMFILE || fd == -ENFILE || fd == -ENOBUFS || fd == -ENOMEM;
        if (fd >= 0) {
            pause_ms = 0;
            if (take(server, fd) != 0) {
                green_close(fd); /* nothing to serve it with, and no time left */
                note_closed(server);
            }
        } else if (!lacking || wait_out(server, &pause_ms, fd) != 0) {
            return;
        }
    }
}

/** A queue that fills as fast as it is emptied is left in the end. */
#define QUEUE_MS 1000

static void
take_queued(struct green_server *server, int listener, green_deadline deadline)
{
    green_deadline until = green_after(QUEUE_MS);
    until = until < deadline ? until : deadline;
    int left_ms = green__clock_ms_until(until, green__clock_now());
    struct green_timeout timeout;
    green_timeout_start(&timeout, (uint64_t)left_ms);
    take_until_empty(server, listener, until);
    green_timeout_stop(&timeout);
}

static int
close_listener(struct green_server *server, struct listener *listener, green_deadline deadline)
{
    green_job_cancel(listener->acceptor);
    int err = green_job_join(listener->acceptor, NULL, deadline);
    if (err != 0) {
        return err;
    }
    take_queued(server, listener->fd, deadline);
    if (server->for_all) {
        green_shutdown(listener->fd, SHUT_RDWR);
    }
    green_close(listener->fd);
    green_job_put(listener->acceptor);
    green__list_remove(&listener->link);
    green__free(listener);
    return 0;
}

static void
cancel_serving(struct green_server *server)
{
    green__waitq_lock(&server->lock);
    atomic_store(&server->stopping, true);
    for (struct green__list *link = server->serving.next; link != &server->serving;
         link = link->next) {
        green_job_cancel(GREEN__CONTAINER(link, struct connection, link)->job);
    }
    green__waitq_unlock(&server->lock);
}

void
green_server_stop_for_all(struct green_server *server)
{
    server->for_all = true;
}

int
green_server_stop(struct green_server *server, green_deadline deadline)
{
    if (!atomic_load(&server->stopping)) {
        cancel_serving(server);
    }
    int err = 0;
    while (err == 0 && !green__list_empty(&server->listeners)) {
        err = close_listener(
            server, GREEN__CONTAINER(server->listeners.next, struct listener, link), deadline);
    }
    if (err != 0) {
        return err;
    }
    struct green_job *self = green__self();
    err = green__wait_check(self);
    green__waitq_lock(&server->lock);
    if (atomic_load(&server->open) == 0 || err != 0) {
        green__waitq_unlock(&server->lock);
        return atomic_load(&server->open) == 0 ? 0 : err;
    }
    err = green__waitq_wait(&server->lock, self, deadline, "the last connection to end");
    if (err == 0) { /* who woke us holds the lock until he is done with the server */
        green__waitq_lock(&server->lock);
        green__waitq_unlock(&server->lock);
    }
    return err;
}
