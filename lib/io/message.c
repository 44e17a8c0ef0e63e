/*
 * Datagrams and messages: the socket calls that carry addresses or control data.
 *
 * All four are recvmsg() or sendmsg(), tried until they need not wait. A worker that can be parked
 * goes to its scheduler's engine, a thread without tasks into the kernel. Any worker may call.
 */
#include <errno.h>
#include <sys/socket.h>

#include "green/net.h"
#include "io/engine.h"
#include "io/held.h"
#include "io/kernel.h"

static ssize_t
attempt_recvmsg(const struct green__call *call, bool nonblocking)
{
    struct msghdr *message = call->buffer.into;
    struct msghdr tried = *message; /* a try that fails leaves no trace */
    ssize_t got = recvmsg(call->fd, &tried, call->flags | (nonblocking ? MSG_DONTWAIT : 0));
    if (got >= 0) {
        *message = tried;
    }
    return got;
}

static ssize_t
attempt_sendmsg(const struct green__call *call, bool nonblocking)
{
    return sendmsg(call->fd, call->buffer.from,
                   call->flags | MSG_NOSIGNAL | (nonblocking ? MSG_DONTWAIT : 0));
}

static ssize_t
make_call(const struct green__call *call)
{
    struct green_job *self = green__self();
    int err = green__wait_check(self);
    if (err != 0) {
        return err;
    }
    if (green__wait_in_kernel(self)) {
        return green__kernel_call(self, call);
    }
    struct green__io *io;
    err = green__io_get(&io);
    return err != 0 ? err : io->engine->call(io, call);
}

/** Of a stream whose bytes the engine may hold: the first buffer gets what there is. */
static ssize_t
recv_held(int fd, struct msghdr *message, int flags)
{
    size_t i = 0;
    while (i + 1 < message->msg_iovlen && message->msg_iov[i].iov_len == 0) {
        i++;
    }
    struct iovec nowhere = {NULL, 0};
    const struct iovec *part = message->msg_iovlen == 0 ? &nowhere : &message->msg_iov[i];
    ssize_t got = green_recv(fd, part->iov_base, part->iov_len, flags);
    if (got >= 0) {
        message->msg_namelen = 0;
        message->msg_controllen = 0;
        message->msg_flags = 0;
    }
    return got;
}

ssize_t
green_recvmsg(int fd, struct msghdr *message, int flags)
{
    if (green__io_holds(green__io_peek(), fd) && !(flags & (MSG_OOB | MSG_ERRQUEUE))) {
        return recv_held(fd, message, flags);
    }
    const struct green__call call = {.fd = fd,
                                     .event = POLLIN,
                                     .flags = flags,
                                     .buffer.into = message,
                                     .attempt = attempt_recvmsg};
    return make_call(&call);
}

ssize_t
green_sendmsg(int fd, const struct msghdr *message, int flags)
{
    const struct green__call call = {.fd = fd,
                                     .event = POLLOUT,
                                     .flags = flags,
                                     .buffer.from = message,
                                     .attempt = attempt_sendmsg};
    return make_call(&call);
}

ssize_t
green_recvfrom(int fd, void *buf, size_t len, int flags, struct green_address *ret_peer)
{
    struct green_address peer = {.length = 0};
    struct iovec bytes = {.iov_base = buf, .iov_len = len};
    struct msghdr message = {.msg_name = &peer.storage,
                             .msg_namelen = sizeof peer.storage,
                             .msg_iov = &bytes,
                             .msg_iovlen = 1};
    ssize_t got = green_recvmsg(fd, &message, flags);
    if (got >= 0 && ret_peer != NULL) {
        peer.length = message.msg_namelen;
        *ret_peer = peer;
    }
    return got;
}

ssize_t
green_sendto(int fd, const void *buf, size_t len, int flags, const struct green_address *peer)
{
    struct iovec bytes = {.iov_base = (void *)(uintptr_t)buf, .iov_len = len};
    struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};
    if (peer != NULL) {
        message.msg_name = (void *)(uintptr_t)&peer->storage;
        message.msg_namelen = peer->length;
    }
    return green_sendmsg(fd, &message, flags);
}

int
green_socket(int family, int type, int protocol)
{
    int fd = socket(family, type | SOCK_CLOEXEC, protocol);
    if (fd < 0) {
        return -errno;
    }
    struct green__io *io = green__io_peek();
    if (io != NULL) {
        bool stream = (type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) == SOCK_STREAM;
        green__slot_renew(io, fd, stream ? GREEN__STREAM : GREEN__OTHER);
    }
    return green__held_add(fd);
}

int
green_bind(int fd, const struct green_address *address)
{
    return bind(fd, (const struct sockaddr *)&address->storage, address->length) == 0 ? 0 : -errno;
}
