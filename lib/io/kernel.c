/*
 * Blocking in the kernel: the call itself waits, so a message costs one system call.
 *
 * Invariant: between green__kernel_enter() and green__kernel_leave() there is one system call and
 * nothing else, so that whatever must cut it short can interrupt the thread again and again.
 */
#include "io/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "io/direct.h"

/** How long a thread without an alarm sleeps between two looks at its deadline, in milliseconds. */
#define SLICE_MS 50

/** There is nearly always room for so many bytes: nobody prepares to wait for it first. */
#define SHORT 4096

/** poll() in slices, for a thread that the system has no timer left for. */
static int
poll_in_slices(struct green_job *self, struct pollfd *fds, size_t count, green_deadline deadline)
{
    green_deadline limit = green__wait_limit(self, deadline);
    for (;;) {
        green__wait_heed(self);
        int err = green__wait_check(self);
        if (err != 0) {
            return err;
        }
        int left_ms = green__clock_ms_until(limit, green__clock_now());
        int ready =
            poll(fds, (nfds_t)count, left_ms < 0 || left_ms > SLICE_MS ? SLICE_MS : left_ms);
        if (ready > 0 || (ready < 0 && errno != EINTR)) {
            return ready > 0 ? ready : -errno;
        }
        if (left_ms == 0) {
            green__wait_timed_out(self, deadline);
            return -ETIMEDOUT;
        }
    }
}

int
green__kernel_poll(struct green_job *self, struct pollfd *fds, size_t count,
                   green_deadline deadline)
{
    int ready = poll(fds, (nfds_t)count, 0);
    if (ready > 0 || (ready < 0 && errno != EINTR)) {
        return ready > 0 ? ready : -errno;
    }
    if (deadline == GREEN_NOW) {
        int err = green__wait_check(self);
        return err != 0 ? err : -ETIMEDOUT;
    }
    for (;;) {
        if (count == 1) {
            green__wait_on_fd(self, fds->fd);
        }
        int err = green__kernel_enter(self, deadline);
        if (err == -EAGAIN) {
            return poll_in_slices(self, fds, count, deadline);
        }
        if (err != 0) {
            if (err == -ETIMEDOUT) {
                green__wait_timed_out(self, deadline);
            }
            return err;
        }
        ready = poll(fds, (nfds_t)count, -1);
        err = ready < 0 ? -errno : 0;
        green__kernel_leave(self);
        if (ready > 0 || (err != 0 && err != -EINTR)) {
            return ready > 0 ? ready : err;
        }
    }
}

static int
wait_ready(struct green_job *self, const struct green__call *call)
{
    struct pollfd entry = {.fd = call->fd, .events = call->event};
    int ready = green__kernel_poll(self, &entry, 1, GREEN_FOREVER);
    return ready < 0 ? ready : 0;
}

void
green__listener_unblock(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0 && !(flags & O_NONBLOCK)) {
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    }
}

/** There is no time to wait: what need not wait succeeds all the same. */
static ssize_t
call_without_waiting(struct green_job *self, const struct green__call *call)
{
    ssize_t result = call->attempt(call, true);
    if (result >= 0 || (errno != EAGAIN && errno != EINTR)) {
        return result >= 0 ? result : -errno;
    }
    green__wait_timed_out(self, GREEN_FOREVER);
    return -ETIMEDOUT;
}

/** A call may fail because of what came with a cancellation: that is the cause then. */
static int
cause_of(struct green_job *self, int err)
{
    green__wait_heed(self);
    int cancelled = green__wait_check(self);
    return cancelled != 0 ? cancelled : err;
}

/** Make the call; `err` is what came of preparing to wait for it. */
static ssize_t
make_call(struct green_job *self, const struct green__call *call, int err)
{
    for (;;) {
        bool alarmed = err == 0;
        if (err == -ETIMEDOUT) {
            return call_without_waiting(self, call);
        }
        if (err == -EAGAIN && (call->flags & MSG_DONTWAIT)) {
            err = 0;
        } else if (err == -EAGAIN) {
            err = wait_ready(self, call);
        }
        if (err != 0) {
            return err;
        }
        ssize_t result = call->attempt(call, !alarmed || (call->flags & MSG_DONTWAIT));
        err = result < 0 ? -errno : 0;
        if (alarmed) {
            green__kernel_leave(self);
        }
        if (err == -EAGAIN && !(call->flags & MSG_DONTWAIT)) {
            err = wait_ready(self, call); /* somebody has made the descriptor non-blocking */
            if (err != 0) {
                return err;
            }
        } else if (err != -EINTR) {
            return err != 0 ? cause_of(self, err) : result;
        }
        green__wait_on_fd(self, call->fd);
        err = green__kernel_enter(self, GREEN_FOREVER);
    }
}

ssize_t
green__kernel_call(struct green_job *self, const struct green__call *call)
{
    green__wait_on_fd(self, call->fd);
    return make_call(self, call, green__kernel_enter(self, GREEN_FOREVER));
}

/** Whether a call that failed so is not to be made again. */
static bool
is_final(int failure, int flags)
{
    return failure != EINTR && (failure != EAGAIN || (flags & MSG_DONTWAIT));
}

static ssize_t
attempt_recv(const struct green__call *call, bool nonblocking)
{
    return green__direct_recv(call->fd, call->buffer.into, call->length,
                              call->flags | (nonblocking ? MSG_DONTWAIT : 0));
}

/** Not part of its caller, which would have a larger frame for it every time. */
__attribute__((noinline)) static ssize_t
recv_by_call(struct green_job *self, int fd, void *buf, size_t len, int flags, int err)
{
    const struct green__call call = {.fd = fd,
                                     .event = POLLIN,
                                     .flags = flags,
                                     .buffer.into = buf,
                                     .length = len,
                                     .attempt = attempt_recv};
    return err == 0 ? green__kernel_call(self, &call) : make_call(self, &call, err);
}

ssize_t
green__kernel_recv(struct green_job *self, int fd, void *buf, size_t len, int flags)
{
    green__wait_on_fd(self, fd);
    int err = green__kernel_enter(self, GREEN_FOREVER);
    if (err == 0) {
        ssize_t got = green__direct_recv(fd, buf, len, flags);
        int failure = got < 0 ? errno : 0;
        green__kernel_leave(self);
        if (failure == 0) {
            return got;
        }
        if (is_final(failure, flags)) {
            return cause_of(self, -failure);
        }
    }
    return recv_by_call(self, fd, buf, len, flags, err);
}

static ssize_t
attempt_send(const struct green__call *call, bool nonblocking)
{
    return green__direct_send(call->fd, call->buffer.from, call->length,
                              call->flags | MSG_NOSIGNAL | (nonblocking ? MSG_DONTWAIT : 0));
}

__attribute__((noinline)) static ssize_t
send_by_call(struct green_job *self, int fd, const void *buf, size_t len, int flags)
{
    const struct green__call call = {.fd = fd,
                                     .event = POLLOUT,
                                     .flags = flags,
                                     .buffer.from = buf,
                                     .length = len,
                                     .attempt = attempt_send};
    return green__kernel_call(self, &call);
}

ssize_t
green__kernel_send(struct green_job *self, int fd, const void *buf, size_t len, int flags)
{
    if (len <= SHORT || (flags & MSG_DONTWAIT)) {
        ssize_t sent = green__direct_send(fd, buf, len, flags | MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            return sent;
        }
        if (is_final(errno, flags)) {
            return cause_of(self, -errno);
        }
    }
    return send_by_call(self, fd, buf, len, flags);
}
