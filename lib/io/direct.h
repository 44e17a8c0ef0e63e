/*
 * System calls by themselves.
 *
 * The C library's are cancellation points of POSIX threads, which nobody needs here: in a process
 * with a second thread each of them costs two atomic operations. And in a process that others take
 * turns with, each page of code that a message goes through has to be found anew: so where we know
 * the instruction there is no call. The sanitizers know the C library's alone, and get those.
 */
#ifndef GREEN_IO_DIRECT_H
#define GREEN_IO_DIRECT_H

#include <errno.h>
#include <stdint.h>
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

/* Enter the kernel: its result, or a negative errno. */
#if defined(__x86_64__) && defined(__LP64__)
#define GREEN__TRAPS 1
static inline long
green__trap(long number, intptr_t a, intptr_t b, intptr_t c, intptr_t d, intptr_t e, intptr_t f)
{
    register intptr_t fourth __asm__("r10") = d;
    register intptr_t fifth __asm__("r8") = e;
    register intptr_t sixth __asm__("r9") = f;
    long result = number;
    __asm__ volatile("syscall"
                     : "+a"(result)
                     : "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth), "r"(sixth)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__) && defined(__LP64__)
#define GREEN__TRAPS 1
static inline long
green__trap(long number, intptr_t a, intptr_t b, intptr_t c, intptr_t d, intptr_t e, intptr_t f)
{
    register long which __asm__("x8") = number;
    register intptr_t result __asm__("x0") = a;
    register intptr_t second __asm__("x1") = b;
    register intptr_t third __asm__("x2") = c;
    register intptr_t fourth __asm__("x3") = d;
    register intptr_t fifth __asm__("x4") = e;
    register intptr_t sixth __asm__("x5") = f;
    __asm__ volatile("svc 0"
                     : "+r"(result)
                     : "r"(which), "r"(second), "r"(third), "r"(fourth), "r"(fifth), "r"(sixth)
                     : "memory");
    return result;
}
#endif

/** syscall(): the result, or -1 with errno set. */
static inline long
green__direct(long number, intptr_t a, intptr_t b, intptr_t c, intptr_t d, intptr_t e, intptr_t f)
{
#if defined(GREEN__TRAPS)
    long result = green__trap(number, a, b, c, d, e, f);
    if (__builtin_expect(result < 0, 0)) {
        errno = (int)-result;
        return -1;
    }
    return result;
#else
    return syscall(number, a, b, c, d, e, f);
#endif
}

/** recv(). */
static inline ssize_t
green__direct_recv(int fd, void *buf, size_t len, int flags)
{
#if GREEN__DIRECT
    return green__direct(SYS_recvfrom, fd, (intptr_t)buf, (intptr_t)len, flags, 0, 0);
#else
    return recv(fd, buf, len, flags);
#endif
}

/** send(). */
static inline ssize_t
green__direct_send(int fd, const void *buf, size_t len, int flags)
{
#if GREEN__DIRECT
    return green__direct(SYS_sendto, fd, (intptr_t)buf, (intptr_t)len, flags, 0, 0);
#else
    return send(fd, buf, len, flags);
#endif
}

/** accept4() on a listener that does not block. */
static inline int
green__direct_accept(int fd, struct sockaddr *peer, socklen_t *length, int flags)
{
#if GREEN__DIRECT
    return (int)green__direct(SYS_accept4, fd, (intptr_t)peer, (intptr_t)length, flags, 0, 0);
#else
    return accept4(fd, peer, length, flags);
#endif
}

/** epoll_wait(). */
static inline int
green__direct_epoll(int set, struct epoll_event *events, int most, int timeout_ms)
{
#if GREEN__DIRECT
    return (int)green__direct(SYS_epoll_pwait, set, (intptr_t)events, most, timeout_ms, 0, 0);
#else
    return epoll_wait(set, events, most, timeout_ms);
#endif
}

/** close(). */
static inline int
green__direct_close(int fd)
{
#if GREEN__DIRECT
    return (int)green__direct(SYS_close, fd, 0, 0, 0, 0, 0);
#else
    return close(fd);
#endif
}

#endif
