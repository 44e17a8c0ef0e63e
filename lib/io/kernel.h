/*
 * Descriptor calls of a thread that blocks in the kernel: it has no tasks that could run meanwhile.
 */
#ifndef GREEN_IO_KERNEL_H
#define GREEN_IO_KERNEL_H

#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "sched/wait.h"

/** One system call on a descriptor, to be tried until it succeeds. */
struct green__call {
    int fd;
    short event; /**< POLLIN or POLLOUT: what it waits for when the descriptor is non-blocking. */
    int flags;
    union {
        void *into;
        const void *from;
    } buffer;
    size_t length;
    struct sockaddr *peer;
    socklen_t *peer_length;
    /** Make the call; `nonblocking` wants MSG_DONTWAIT where there is such a thing. */
    ssize_t (*attempt)(const struct green__call *call, bool nonblocking);
};

/**
 * Make the call, blocking in it until it succeeds, fails, or a scope or a cancellation cuts it
 * short.
 *
 * @return Its result, or a negative errno.
 */
ssize_t green__kernel_call(struct green_job *self, const struct green__call *call);

/* The same of recv() and send(), which are nearly all that such a thread does. */
ssize_t green__kernel_recv(struct green_job *self, int fd, void *buf, size_t len, int flags);
ssize_t green__kernel_send(struct green_job *self, int fd, const void *buf, size_t len, int flags);

/** poll() with a deadline, cut short likewise: how many are ready, or a negative errno. */
int green__kernel_poll(struct green_job *self, struct pollfd *fds, size_t count,
                       green_deadline deadline);

/** accept() knows no MSG_DONTWAIT: make a listener, and only that, non-blocking. */
void green__listener_unblock(int fd);

#endif
