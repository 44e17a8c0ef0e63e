/*
 * Listeners of the same address.
 *
 * All are opened by the process that the user started, before it has workers, and stay open there:
 * what is queued at one outlives the worker that accepted from it. There are never fewer than when
 * it began: closing one would reset what is queued there.
 */
#include "group.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

static int
open_socket(const struct green_address *address)
{
    int family = address->storage.ss_family;
    int on = 1;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    }
    return fd;
}

static int
share(int fd)
{
    int on = 1;
    return setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
}

static int
bind_socket(int fd, const struct green_address *address)
{
    return bind(fd, (const struct sockaddr *)&address->storage, address->length);
}

int
group_open(const struct green_address *address, int backlog)
{
    int fd = open_socket(address);
    /* Shared only once it is bound: another program's port is not to be joined unawares. */
    if (fd >= 0 && (bind_socket(fd, address) != 0 || share(fd) != 0 || listen(fd, backlog) != 0)) {
        int err = -errno;
        close(fd);
        return err;
    }
    return fd;
}

/** One more beside the i-th listener; its descriptor or a negative errno. */
static int
open_beside(const struct listeners *listeners, size_t i, int backlog)
{
    int shared = 0;
    socklen_t length = sizeof shared;
    getsockopt(listeners->fds[i], SOL_SOCKET, SO_REUSEPORT, &shared, &length);
    if (!shared) {
        return -EADDRINUSE;
    }
    const struct green_address *address = &listeners->addresses[i];
    int fd = open_socket(address);
    if (fd >= 0 && (share(fd) != 0 || bind_socket(fd, address) != 0 || listen(fd, backlog) != 0)) {
        int err = -errno;
        close(fd);
        return err;
    }
    return fd;
}

static void
complete_one(struct listeners *listeners, size_t i, const struct options *options)
{
    size_t siblings;
    listeners_rank(listeners, i, &siblings);
    for (size_t have = siblings; have < options->workers; have++) {
        int fd = listeners->count == LISTENERS_MAX
                     ? -E2BIG
                     : open_beside(listeners, i, (int)options->backlog);
        if (fd < 0) {
            char text[GREEN_ADDRESS_TEXT];
            log_write(LOG_WARNING, "--accept reuseport: %zu listeners at %s for %ju workers: %s",
                      have, green_address_format(&listeners->addresses[i], text, sizeof text),
                      (uintmax_t)options->workers, green_strerror(fd));
            return;
        }
        listeners->fds[listeners->count] = fd;
        listeners->addresses[listeners->count++] = listeners->addresses[i];
    }
}

void
group_complete(struct listeners *listeners, const struct options *options)
{
    size_t count = listeners->count;
    for (size_t i = 0; i < count; i++) {
        if (listeners->addresses[i].storage.ss_family != AF_UNIX &&
            listeners_rank(listeners, i, NULL) == 0) {
            complete_one(listeners, i, options);
        }
    }
}
