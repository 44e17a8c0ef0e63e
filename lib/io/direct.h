/*
 * System calls by themselves.
 *
 * The C library's are cancellation points of POSIX threads, which nobody needs here: in a process
 * with a second thread each of them costs two atomic operations. The sanitizers know the C
 * library's alone, and get those.
 */
#ifndef GREEN_IO_DIRECT_H
#define GREEN_IO_DIRECT_H

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "context/context.h"

#if defined(GREEN__ASAN) || defined(GREEN__TSAN) || !defined(SYS_recvfrom) || \
    !defined(SYS_sendto) || !defined(SYS_accept4)
#define GREEN__DIRECT 0
#else
#define GREEN__DIRECT 1
#endif

/** recv(). */
static inline ssize_t
green__direct_recv(int fd, void *buf, size_t len, int flags)
{
#if GREEN__DIRECT
    return syscall(SYS_recvfrom, fd, buf, len, flags, NULL, NULL);
#else
    return recv(fd, buf, len, flags);
#endif
}

/** send(). */
static inline ssize_t
green__direct_send(int fd, const void *buf, size_t len, int flags)
{
#if GREEN__DIRECT
    return syscall(SYS_sendto, fd, buf, len, flags, NULL, 0);
#else
    return send(fd, buf, len, flags);
#endif
}

/** accept4() on a listener that does not block. */
static inline int
green__direct_accept(int fd, struct sockaddr *peer, socklen_t *length, int flags)
{
#if GREEN__DIRECT
    return (int)syscall(SYS_accept4, fd, peer, length, flags);
#else
    return accept4(fd, peer, length, flags);
#endif
}

/** epoll_wait(). */
static inline int
green__direct_epoll(int set, struct epoll_event *events, int most, int timeout_ms)
{
#if GREEN__DIRECT
    return (int)syscall(SYS_epoll_pwait, set, events, most, timeout_ms, NULL, 0);
#else
    return epoll_wait(set, events, most, timeout_ms);
#endif
}

/** close(). */
static inline int
green__direct_close(int fd)
{
#if GREEN__DIRECT
    return (int)syscall(SYS_close, fd);
#else
    return close(fd);
#endif
}

#endif
