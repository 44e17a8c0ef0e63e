/*
 * Waiting for, reading and writing descriptors of any sort.
 *
 * What others made is left as it is: a descriptor that may block is asked first whether it would,
 * a pipe is given at most what it takes without blocking, and a terminal is written through an open
 * file of our own. Any worker may call.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "green/job.h"
#include "green/net.h"
#include "io/engine.h"
#include "io/kernel.h"

/** Whether the calling worker's engine may hold bytes that came by one of the descriptors. */
static bool
holds_any(const struct pollfd *fds, size_t count)
{
    struct green__io *io = green__io_peek();
    bool any = false;
    for (size_t i = 0; i < count && io != NULL; i++) {
        any |= green__io_holds(io, fds[i].fd);
    }
    return any;
}

int
green_poll(struct pollfd *fds, size_t count, green_deadline deadline)
{
    struct green_job *self = green__self();
    int err = green__wait_check(self);
    if (err != 0) {
        return err;
    }
    if (green__wait_in_kernel(self) && !holds_any(fds, count)) {
        return green__kernel_poll(self, fds, count, deadline);
    }
    struct green__io *io;
    err = green__io_get(&io);
    return err != 0 ? err : io->engine->wait_fd(io, fds, count, deadline);
}

int
green_wait_fd(int fd, short events, green_deadline deadline)
{
    struct pollfd entry = {.fd = fd, .events = events};
    if (fd < 0) {
        return -EBADF;
    }
    int ready = green_poll(&entry, 1, deadline);
    if (ready < 0) {
        return ready;
    }
    return (entry.revents & POLLNVAL) ? -EBADF : entry.revents;
}

/** read() and write() know no MSG_DONTWAIT: ask whether they would block. */
static bool
would_block(const struct green__call *call)
{
    struct pollfd entry = {.fd = call->fd, .events = call->event};
    int ready;
    do {
        ready = poll(&entry, 1, 0);
    } while (ready < 0 && errno == EINTR);
    errno = EAGAIN;
    return ready == 0;
}

/** How much of it one write() takes without blocking once the descriptor is ready. */
static size_t
writable_at_once(int fd, size_t len)
{
    struct stat status;
    if (len <= PIPE_BUF || (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))) {
        return len;
    }
    return PIPE_BUF;
}

static ssize_t
attempt_read(const struct green__call *call, bool nonblocking)
{
    if (nonblocking && would_block(call)) {
        return -1;
    }
    return read(call->fd, call->buffer.into, call->length);
}

/** A terminal, but not the master's side of one: that cannot be opened once more. */
static bool
is_terminal(int fd)
{
    struct stat status;
    int number;
    return fstat(fd, &status) == 0 && S_ISCHR(status.st_mode) && isatty(fd) &&
           ioctl(fd, TIOCGPTN, &number) != 0;
}

/** How long a terminal is left alone that is ready and takes nothing, in milliseconds. */
#define TERMINAL_RETRY_MS 5

/**
 * Write to a terminal without blocking.
 *
 * One that is ready may have room for a single byte, and O_NONBLOCK would be everybody's who has
 * it open: hence an open file of our own.
 */
static ssize_t
write_terminal(const struct green__call *call)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", call->fd);
    int own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (own < 0) { /* somebody else's: it may block, and then does */
        return write(call->fd, call->buffer.from, call->length);
    }
    ssize_t written = write(own, call->buffer.from, call->length);
    int err = errno;
    close(own);
    errno = err;
    return written;
}

static ssize_t
attempt_write(const struct green__call *call, bool nonblocking)
{
    if (!nonblocking) {
        return write(call->fd, call->buffer.from, call->length);
    }
    if (would_block(call)) {
        return -1;
    }
    return is_terminal(call->fd)
               ? write_terminal(call)
               : write(call->fd, call->buffer.from, writable_at_once(call->fd, call->length));
}

/** Make the call for a worker that can be parked: once the descriptor is ready. */
static ssize_t
call_when_ready(const struct green__call *call)
{
    for (;;) {
        int events = green_wait_fd(call->fd, call->event, GREEN_FOREVER);
        if (events < 0) {
            return events;
        }
        bool terminal = call->event == POLLOUT && is_terminal(call->fd);
        ssize_t result = terminal ? write_terminal(call) : call->attempt(call, false);
        if (result >= 0 || (errno != EAGAIN && errno != EINTR)) {
            return result >= 0 ? result : -errno;
        }
        int err = terminal && errno == EAGAIN ? green_sleep(TERMINAL_RETRY_MS) : 0;
        if (err != 0) {
            return err;
        }
    }
}

static ssize_t
read_or_write(const struct green__call *call)
{
    struct green_job *self = green__self();
    int err = green__wait_check(self);
    if (err != 0) {
        return err;
    }
    return green__wait_in_kernel(self) ? green__kernel_call(self, call) : call_when_ready(call);
}

ssize_t
green_read(int fd, void *buf, size_t len)
{
    if (green__io_holds(green__io_peek(), fd)) {
        return green_recv(fd, buf, len, 0);
    }
    const struct green__call call = {
        .fd = fd, .event = POLLIN, .buffer.into = buf, .length = len, .attempt = attempt_read};
    return read_or_write(&call);
}

ssize_t
green_write(int fd, const void *buf, size_t len)
{
    bool may_block = green__wait_in_kernel(green__self());
    const struct green__call call = {.fd = fd,
                                     .event = POLLOUT,
                                     .buffer.from = buf,
                                     .length = may_block ? len : writable_at_once(fd, len),
                                     .attempt = attempt_write};
    return read_or_write(&call);
}

int
green_writeall(int fd, const void *buf, size_t len)
{
    const char *next = buf;
    while (len > 0) {
        ssize_t written = green_write(fd, next, len);
        if (written < 0) {
            return (int)written;
        }
        next += written;
        len -= (size_t)written;
    }
    return 0;
}
