/*
 * A stream server: accepts from its listeners and has every connection served by a job.
 *
 * The kind of job is an option, the handler the same for all. A server that is full stops accepting
 * and goes on when there is room; what it does not accept waits in the kernel's queue.
 */
#ifndef GREEN_SERVER_H
#define GREEN_SERVER_H

#include "base.h"
#include "job.h"

#ifdef __cplusplus
extern "C" {
#endif

struct green_server;

/**
 * Serves one connection, in blocking style, and returns when it is done with it.
 *
 * A server that drains cancels it: the call it waits in returns -ECANCELED, and it should come to
 * an end in order, under a shield (timeout.h).
 *
 * @param fd      The connection; the server closes it.
 * @param config  As given to green_server_create().
 * @return passed over.
 */
typedef int (*green_handler)(int fd, void *config);

/** How to serve; start from GREEN_SERVER_OPTIONS. */
struct green_server_options {
    enum green_kind kind; /**< What serves a connection: a task, a thread or a process. */
    unsigned limit;       /**< Connections at once; 0: no limit but the system's. */
    size_t stack_size;    /**< Of a task or thread; 0: the default. */
    /** Called when accepting fails for want of something, once until it works again; may be NULL.
     */
    void (*on_trouble)(int err, void *config);
    uint64_t hibernate_ms; /**< Of tasks: see struct green_spawn_options, and what it promises. */
    /**
     * Called before each accept by who accepts, except during a stop; may be NULL. It may wait, so
     * as to leave what comes to another process that has the same listener. What it returns, 0 or
     * a negative errno, is taken as if the accept had returned it.
     */
    int (*before_accept)(int listener, void *config);
};

#define GREEN_SERVER_OPTIONS            \
    {                                   \
        GREEN_TASK, 0, 0, NULL, 0, NULL \
    }

/**
 * Make a server that does not listen yet. Never suspends.
 *
 * @param handler     What serves a connection.
 * @param config      Passed to it; outlives the server.
 * @param options     NULL for the defaults; read during the call only.
 * @param ret_server  Set on success; given back by green_server_destroy().
 * @return 0 or -ENOMEM.
 */
GREEN_API int green_server_create(green_handler handler, void *config,
                                  const struct green_server_options *options,
                                  struct green_server **ret_server);

/**
 * Accept from a listening socket from now on. Never suspends.
 *
 * @param fd  As of green_listen(); it is the server's from then on, also after a failure.
 * @return 0, or an error of green_spawn_as().
 */
GREEN_API int green_server_listen(struct green_server *server, int fd);

/** How many connections are open, those included that were accepted and wait for a job. */
GREEN_API unsigned green_server_connections(const struct green_server *server);

/**
 * Drain: take what is queued, stop listening, cancel the handlers and wait until all have returned.
 *
 * Suspends until then. A call that fails can be repeated, and goes on where that left off.
 *
 * @param deadline  Absolute: see green_after().
 * @return 0, or
 *         -ETIMEDOUT  the deadline passed first: green_server_connections() says how many are left,
 *         -ECANCELED  the calling worker was cancelled.
 */
GREEN_API GREEN_SUSPENDS int green_server_stop(struct green_server *server,
                                               green_deadline deadline);

/**
 * While it stops: end the listening for all processes that have the listeners, not for this one
 * alone. To be called before green_server_stop().
 */
GREEN_API void green_server_stop_for_all(struct green_server *server);

/** Free it. NULL is taken; one that was not stopped, or not to the end, is misuse and aborts. */
GREEN_API void green_server_destroy(struct green_server *server);

#ifdef __cplusplus
}
#endif

#endif
