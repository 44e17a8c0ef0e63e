/*
 * The socket calls: who calls decides how they wait.
 *
 * A worker that can be parked goes to its scheduler's engine, a thread without tasks into the
 * kernel. Nothing here knows how an engine works. Any worker may call.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/direct.h"
#include "io/engine.h"
#include "io/held.h"
#include "io/kernel.h"
#include "io/pause.h"
#include "io/view.h"

/** What a call starts with: the caller's engine, or NULL when it blocks in the kernel. */
static int
begin(int fd, struct green_job **ret_self, struct green__io **ret_io)
{
    struct green_job *self = green__self();
    *ret_self = self;
    *ret_io = NULL;
    int err = green__wait_check(self);
    if (err != 0 || (green__wait_in_kernel(self) && !green__io_holds(green__io_peek(), fd))) {
        return err;
    }
    return green__io_get(ret_io);
}

static ssize_t
attempt_accept(const struct green__call *call, bool nonblocking)
{
    if (nonblocking) {
        green__listener_unblock(call->fd);
    }
    return accept4(call->fd, call->peer, call->peer_length, SOCK_CLOEXEC);
}

static bool
is_stream(int fd)
{
    int type = 0;
    socklen_t size = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

/**
 * MSG_WAITALL for who can be parked, since the kernel's own needs a call that blocks.
 *
 * An error that comes after some bytes is left for the next call to find.
 */
static ssize_t
recv_all(struct green__io *io, int fd, void *buf, size_t len, int flags)
{
    size_t done = 0;
    flags &= ~MSG_WAITALL;
    for (;;) {
        ssize_t got = io->engine->recv(io, fd, (char *)buf + done, len - done, flags);
        if (got <= 0) {
            return done > 0 ? (ssize_t)done : got;
        }
        done += (size_t)got;
        if (done == len || (flags & (MSG_PEEK | MSG_DONTWAIT)) || !is_stream(fd)) {
            return (ssize_t)done;
        }
        int events = green_wait_fd(fd, POLLIN, GREEN_FOREVER);
        if (events < 0 || (events & POLLERR)) {
            return (ssize_t)done;
        }
    }
}

ssize_t
green_recv(int fd, void *buf, size_t len, int flags)
{
    struct green_job *self;
    struct green__io *io;
    int err = begin(fd, &self, &io);
    if (err != 0) {
        return err;
    }
    if (io != NULL) {
        return flags & MSG_WAITALL ? recv_all(io, fd, buf, len, flags)
                                   : io->engine->recv(io, fd, buf, len, flags);
    }
    return green__kernel_recv(self, fd, buf, len, flags);
}

ssize_t
green_send(int fd, const void *buf, size_t len, int flags)
{
    struct green_job *self;
    struct green__io *io;
    int err = begin(fd, &self, &io);
    if (err != 0) {
        return err;
    }
    if (io != NULL) {
        return io->engine->send(io, fd, buf, len, flags);
    }
    return green__kernel_send(self, fd, buf, len, flags);
}

int
green_sendall(int fd, const void *buf, size_t len, int flags)
{
    const char *next = buf;
    while (len > 0) {
        ssize_t sent = green_send(fd, next, len, flags);
        if (sent < 0) {
            return (int)sent;
        }
        next += sent;
        len -= (size_t)sent;
    }
    return 0;
}

/** Fill a view's buffer, blocking in the kernel; what nothing comes into is given back. */
static inline ssize_t
recv_into(struct green_job *self, int fd, struct green_view *view)
{
    ssize_t got = green__kernel_recv(self, fd, view->buffer, GREEN_VIEW_MAX, 0);
    if (got <= 0) {
        green__view_give(view);
        return got;
    }
    view->data = view->buffer;
    view->length = (size_t)got;
    return got;
}

ssize_t
green_recv_view(int fd, struct green_view *ret_view)
{
    struct green_job *self;
    struct green__io *io;
    int err = begin(fd, &self, &io);
    if (err != 0) {
        return err;
    }
    if (io != NULL) {
        return io->engine->recv_view(io, fd, ret_view);
    }
    struct green_view view;
    err = green__view_take(&view);
    if (err != 0) {
        return err;
    }
    ssize_t got = recv_into(self, fd, &view);
    if (got > 0) {
        *ret_view = view;
    }
    return got;
}

void
green_view_release(struct green_view *view)
{
    struct green__io *io = green__io_peek();
    if (io != NULL) {
        io->engine->release(io, view);
    } else {
        green__view_give(view);
    }
}

int
green_send_view(int fd, struct green_view *view)
{
    struct green_job *self;
    struct green__io *io;
    int err = begin(fd, &self, &io);
    if (err == 0 && io != NULL) {
        return io->engine->send_view(io, fd, view);
    }
    if (err == 0) {
        err = green_sendall(fd, view->data, view->length, 0);
    }
    green_view_release(view);
    return err;
}

/** Send in one call; with flags. */
static ssize_t
send_some(struct green_job *self, int fd, struct green_view *view, int flags)
{
    ssize_t sent = green__kernel_send(self, fd, view->data, view->length, flags);
    green__view_take_off(view, sent);
    return sent;
}

/** The same where the kernel is blocked in; the answer's buffer is good for what comes next. */
static ssize_t
answer_in_kernel(struct green_job *self, int fd, struct green_view *view,
                 struct green_timeout *sending, uint64_t ms)
{
    ssize_t sent = view->length > 0 ? send_some(self, fd, view, MSG_DONTWAIT) : 0;
    if (view->length > 0 && (sent >= 0 || sent == -EAGAIN)) {
        green_timeout_start(sending, ms);
        do {
            sent = send_some(self, fd, view, 0);
        } while (sent >= 0 && view->length > 0);
        green_timeout_stop(sending);
    }
    if (sent < 0) {
        return sent;
    }
    if (view->buffer == NULL || green__io_peek() != NULL) { /* it may be the engine's */
        green_view_release(view);
        return green_recv_view(fd, view);
    }
    return recv_into(self, fd, view);
}

ssize_t
green_answer_view(int fd, struct green_view *view, struct green_timeout *sending, uint64_t ms)
{
    struct green_job *self;
    struct green__io *io;
    struct green_timeout unbound;
    if (sending == NULL) {
        sending = &unbound;
        ms = UINT64_MAX;
    }
    sending->fired = false;
    ssize_t got = begin(fd, &self, &io);
    if (got == 0) {
        got = io != NULL ? io->engine->answer_view(io, fd, view, sending, ms)
                         : answer_in_kernel(self, fd, view, sending, ms);
    }
    if (got <= 0 && got != -ETIMEDOUT && got != -ECANCELED) {
        green_view_release(view);
    }
    return got;
}

/* ---- connections ---- */

/** Whether the connection was gone before it could be accepted, so that the next one is due. */
static bool
was_gone(int err)
{
    switch (-err) {
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
        return true;
    default:
        return false;
    }
}

static int
accept_one(int fd, struct green_address *peer)
{
    struct green_job *self;
    struct green__io *io;
    int err = begin(fd, &self, &io);
    if (err != 0) {
        return err;
    }
    struct sockaddr *address = peer == NULL ? NULL : (struct sockaddr *)&peer->storage;
    socklen_t *length = peer == NULL ? NULL : &peer->length;
    if (peer != NULL) {
        peer->length = sizeof peer->storage;
    }
    if (io != NULL) {
        return io->engine->accept(io, fd, address, length);
    }
    const struct green__call call = {.fd = fd,
                                     .event = POLLIN,
                                     .peer = address,
                                     .peer_length = length,
                                     .attempt = attempt_accept};
    return (int)green__kernel_call(self, &call);
}

int
green_accept(int fd, struct green_address *ret_peer)
{
    for (;;) {
        struct green_address peer;
        int connection = accept_one(fd, ret_peer == NULL ? NULL : &peer);
        if (connection >= 0) {
            struct green__io *io = green__io_peek(); /* there is one without tasks too */
            if (io != NULL) {
                const struct green__slot *listener = green__slot_peek(io, fd);
                green__slot_renew(io, connection,
                                  listener != NULL && listener->tcp ? GREEN__TCP : GREEN__STREAM);
            }
            if (ret_peer != NULL) {
                *ret_peer = peer;
            }
            return green__held_add(connection);
        }
        if (!was_gone(connection)) {
            if (connection == -EMFILE || connection == -ENFILE || connection == -ENOBUFS ||
                connection == -ENOMEM) {
                green__pause_note();
            }
            return connection;
        }
    }
}

int
green_listen(const struct green_address *address, int backlog)
{
    int family = address->storage.ss_family;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    int one = 1;
    if (family != AF_UNIX) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    if (family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    }
    if (bind(fd, (const struct sockaddr *)&address->storage, address->length) != 0 ||
        listen(fd, backlog) != 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    struct green__io *io = green__io_peek();
    if (io != NULL) {
        green__slot_renew(io, fd, GREEN__OTHER);
    }
    return green__held_add(fd);
}

int
green_shutdown(int fd, int how)
{
    return shutdown(fd, how) == 0 ? 0 : -errno;
}

int
green_close(int fd)
{
    struct green__io *io = green__io_peek();
    struct green__slot *slot = io == NULL ? NULL : green__slot_peek(io, fd);
    green__held_remove(fd);
    if (slot != NULL) {
        green__slot_renew(io, fd, GREEN__OTHER);
    }
    int err = green__direct_close(fd) == 0 || errno == EINTR ? 0 : -errno;
    green__pause_end();
    return err;
}
