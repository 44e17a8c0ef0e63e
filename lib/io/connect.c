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

#include "base/alloc.h"
#include "base/clock.h"
#include "green/net.h"
#include "io/connect.h"
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
 * says is about an older descriptor that was closed behind our back, or does not say that it is a
 * stream, which the engines serve better. Returns whether the slot knows now.
 */
static bool
renew_stream(int fd, int family)
{
    struct green__io *io = green__io_peek();
    int type = 0;
    socklen_t size = sizeof type;
    if (io == NULL || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 ||
        type != SOCK_STREAM) {
        return false;
    }
    green__slot_renew(io, fd, green__sort_of(family));
    return true;
}

/** Wait for a connection that was started; 0 or the negative errno. */
static int
await_outcome(int fd, int family, bool known)
{
    int events = green_wait_fd(fd, POLLOUT, GREEN_FOREVER);
    int err = events < 0 ? events : outcome(fd);
    if (err == 0 && !known) {
        (void)renew_stream(fd, family); /* the wait was the first that this thread did */
    }
    return err;
}

int
green_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    int err = green__wait_check(green__self());
    while (err == 0) {
        bool known = false;
        err = start(fd, address, length);
        if (err == 0 || err == -EINPROGRESS) {
            known = renew_stream(fd, address->sa_family);
        }
        if (err == -EINPROGRESS || err == -EINTR) {
            return await_outcome(fd, address->sa_family, known);
        }
        if (err != -EAGAIN || address->sa_family != AF_UNIX) {
            return err;
        }
        err = green_sleep(UNIX_RETRY_MS);
    }
    return err;
}

/** A new stream of ours, that no slot knows yet. */
static int
make_stream(int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    green__held_add(fd);
    struct green__io *io = green__io_peek();
    if (io != NULL) {
        green__slot_renew(io, fd, green__sort_of(family));
    }
    int one = 1;
    if (family != AF_UNIX) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    return fd;
}

static int
connect_new(const struct sockaddr *address, socklen_t length)
{
    int fd = make_stream(address->sa_family);
    if (fd < 0) {
        return fd;
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

/* ---- the first address that answers ---- */

/** Attempts under way at several addresses. */
struct race {
    const struct addrinfo **order; /**< Whom to try, one family after the other in turn. */
    size_t count;
    size_t next;
    struct pollfd *pending;
    size_t pending_count;
    green_deadline next_start; /**< When the next may start, unless nobody is under way. */
    int err;                   /**< Of the last that failed. */
};

/** RFC 8305, section 4: the families alternate, the one that the resolver put first leading. */
static void
interleave(struct race *race, const struct addrinfo *list)
{
    const struct addrinfo *leading = list;
    const struct addrinfo *others = list;
    int family = list->ai_family;
    bool turn = true;
    while (leading != NULL || others != NULL) {
        while (leading != NULL && leading->ai_family != family) {
            leading = leading->ai_next;
        }
        while (others != NULL && others->ai_family == family) {
            others = others->ai_next;
        }
        const struct addrinfo **from =
            (turn && leading != NULL) || others == NULL ? &leading : &others;
        if (*from != NULL) {
            race->order[race->count++] = *from;
            *from = (*from)->ai_next;
        }
        turn = !turn;
    }
}

/** Start the next attempt: its descriptor if it has succeeded at once, else -1. */
static int
start_next(struct race *race)
{
    const struct addrinfo *entry = race->order[race->next++];
    int fd = make_stream(entry->ai_family);
    int err = fd < 0 ? fd : start(fd, entry->ai_addr, entry->ai_addrlen);
    if (err == 0) {
        return fd;
    }
    if (err == -EINPROGRESS || err == -EINTR) {
        race->pending[race->pending_count++] = (struct pollfd){.fd = fd, .events = POLLOUT};
        race->next_start = green_after(GREEN__ATTEMPT_DELAY_MS);
        return -1;
    }
    if (fd >= 0) {
        green_close(fd);
    }
    race->err = err;
    return -1;
}

/** Look at those that are ready: a descriptor that has connected, or -1. */
static int
take_ready(struct race *race)
{
    size_t kept = 0;
    int winner = -1;
    for (size_t i = 0; i < race->pending_count; i++) {
        struct pollfd entry = race->pending[i];
        int err = entry.revents == 0 || winner >= 0 ? -EINPROGRESS : outcome(entry.fd);
        if (err == 0) {
            winner = entry.fd;
        } else if (err == -EINPROGRESS) {
            race->pending[kept++] = entry;
        } else {
            green_close(entry.fd);
            race->err = err;
            race->next_start = GREEN_NOW; /* RFC 8305, section 5: nobody waits for a failure */
        }
    }
    race->pending_count = kept;
    return winner;
}

/** Run until one has connected: its descriptor, or a negative errno. */
static int
run(struct race *race)
{
    for (;;) {
        bool more = race->next < race->count;
        int fd = -1;
        if (more && (race->pending_count == 0 || green__clock_now() >= race->next_start)) {
            fd = start_next(race);
        } else if (race->pending_count == 0) {
            return race->err;
        } else {
            int ready = green_poll(race->pending, race->pending_count,
                                   more ? race->next_start : GREEN_FOREVER);
            bool due = more && ready == -ETIMEDOUT && green__clock_now() >= race->next_start;
            if (ready < 0 && !due) {
                return ready; /* if it is a time-out, a scope's */
            }
            fd = ready < 0 ? -1 : take_ready(race);
        }
        if (fd >= 0) {
            return fd;
        }
    }
}

int
green__connect_first(const struct addrinfo *list)
{
    int err = green__wait_check(green__self());
    if (err != 0) {
        return err;
    }
    struct race race = {.err = -ENOENT};
    size_t count = 0;
    for (const struct addrinfo *entry = list; entry != NULL; entry = entry->ai_next) {
        count++;
    }
    if (count == 0) {
        return -ENOENT;
    }
    race.order = green__alloc(count * sizeof *race.order);
    race.pending = green__alloc(count * sizeof *race.pending);
    int fd = -ENOMEM;
    if (race.order != NULL && race.pending != NULL) {
        interleave(&race, list);
        fd = run(&race);
        for (size_t i = 0; i < race.pending_count; i++) {
            green_close(race.pending[i].fd);
        }
    }
    green__free(race.order);
    green__free(race.pending);
    return fd;
}

int
green_connect_host(const char *host, const char *service)
{
    struct addrinfo hints;
    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    struct addrinfo *list;
    int fd = green_resolve(host, service, &hints, &list);
    if (fd == 0) {
        fd = green__connect_first(list);
        freeaddrinfo(list);
    }
    return fd;
}
