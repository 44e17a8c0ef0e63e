/*
 * Connecting.
 *
 * A task's connect() must not block, and knows no MSG_DONTWAIT: the socket is non-blocking for the
 * length of that one call. Any worker may call.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "green/net.h"
#include "io/engine.h"
#include "io/held.h"
#include "sched/wait.h"

/** Between two tries when a UNIX listener's queue is full, which no readiness tells; milliseconds.
 */
#define UNIX_RETRY_MS 5

/** Start to connect without waiting: 0 or the negative errno of connect(). */
static int
start(int fd, const struct sockaddr *address, socklen_t length)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0) {
        return -errno;
    }
    bool blocking = !(flags & O_NONBLOCK);
    if (blocking) {
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    }
    int err = connect(fd, address, length) == 0 ? 0 : -errno;
    if (blocking) {
        fcntl(fd, F_SETFL, flags);
    }
    return err;
}

/** How a connection that was started has turned out. */
static int
outcome(int fd)
{
    int err = 0;
    socklen_t size = sizeof err;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &size) == 0 ? -err : -errno;
}

/**
 * A stream that begins to connect is new: nobody waits for it, and no engine knows it. What a slot
 * says is about an older descriptor that was closed behind our back.
 */
static void
renew_stream(int fd)
{
    struct green__io *io = green__io_peek();
    const struct green__slot *slot = io == NULL ? NULL : green__slot_peek(io, fd);
    int type = 0;
    socklen_t size = sizeof type;
    if (slot != NULL && (slot->armed != 0 || slot->handle != NULL) &&
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM) {
        green__slot_renew(io, fd, true);
    }
}

int
green_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    int err = green__wait_check(green__self());
    while (err == 0) {
        err = start(fd, address, length);
        if (err == 0 || err == -EINPROGRESS) {
            renew_stream(fd);
        }
        if (err == -EINPROGRESS || err == -EINTR) {
            int events = green_wait_fd(fd, POLLOUT, GREEN_FOREVER);
            return events < 0 ? events : outcome(fd);
        }
        if (err != -EAGAIN || address->sa_family != AF_UNIX) {
            return err;
        }
        err = green_sleep(UNIX_RETRY_MS);
    }
    return err;
}

static int
connect_new(const struct sockaddr *address, socklen_t length)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    green__held_add(fd);
    struct green__io *io = green__io_peek();
    if (io != NULL) {
        green__slot_renew(io, fd, true);
    }
    int one = 1;
    if (address->sa_family != AF_UNIX) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    int err = green_connect(fd, address, length);
    if (err != 0) {
        green_close(fd);
        return err;
    }
    return fd;
}

int
green_connect_address(const struct green_address *address)
{
    return connect_new((const struct sockaddr *)&address->storage, address->length);
}

int
green_connect_host(const char *host, const char *service)
{
    struct addrinfo hints;
    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    struct addrinfo *list;
    int fd = green_resolve(host, service, &hints, &list);
    if (fd != 0) {
        return fd;
    }
    fd = -ENOENT;
    for (const struct addrinfo *entry = list; entry != NULL; entry = entry->ai_next) {
        fd = connect_new(entry->ai_addr, entry->ai_addrlen);
        bool late = fd == -ETIMEDOUT &&
                    green__clock_now() >= green__wait_limit(green__self(), GREEN_FOREVER);
        if (fd >= 0 || fd == -ECANCELED || late) {
            break; /* the system's own time-out is about that one address */
        }
    }
    freeaddrinfo(list);
    return fd;
}
