/*
 * The sockets that echod listens on: opened once, before there is any worker.
 */
#ifndef SERVER_LISTENER_H
#define SERVER_LISTENER_H

#include <green.h>

#include "options.h"

#define LISTENERS_MAX 256

struct listeners {
    int fds[LISTENERS_MAX];
    struct green_address addresses[LISTENERS_MAX]; /**< As bound: with the port that it got. */
    size_t count;
    int admin_fd;          /**< The listener of the admin pages; -1 when there is none. */
    const char *unix_path; /**< To be removed in the end; NULL when there is none. */
};

/**
 * Open what the options ask for.
 *
 * @return 0, or the exit code, one line having said what went wrong.
 */
int listeners_open(struct listeners *listeners, const struct options *options);

/**
 * A socket file that nobody listens on any more is removed; one that somebody listens on, or that
 * is no socket, is named with the option that asked for it.
 *
 * @return 0 when the path is free, or the exit code.
 */
int listener_clear_path(const char *option, const char *path, const struct green_address *address);

/** Write the line for each that says that it can be connected to. */
void listeners_announce(const struct listeners *listeners, const char *mode, uint64_t workers);

/**
 * Accept from any of them: waits as green_accept().
 *
 * @return as green_accept().
 */
int listeners_accept(const struct listeners *listeners);

/**
 * Which of the listeners of its address the i-th is, counted from 0.
 *
 * @param ret_siblings  How many there are, itself included; may be NULL.
 */
size_t listeners_rank(const struct listeners *listeners, size_t i, size_t *ret_siblings);

/** Whether a worker, by its number, is one of those who accept from the i-th when each listener of
 *  an address has its own workers. */
bool listeners_is_of(const struct listeners *listeners, size_t i, size_t worker, size_t workers);

/** Accept what has come already; -ETIMEDOUT when nothing has. */
int listeners_accept_queued(int fd);

/** End them for all processes that have them: nobody can connect any more. */
void listeners_shut_down(const struct listeners *listeners);

/** Close them in this process. */
void listeners_close(struct listeners *listeners);

/** Remove what they have in the file system; done once, nothing the second time. */
void listeners_remove_files(struct listeners *listeners);

#endif
