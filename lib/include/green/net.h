/*
 * Sockets and other descriptors, in blocking style.
 *
 * The calls mirror POSIX: plain descriptors, the same order of arguments, a negative errno value
 * instead of -1. A task is parked while it waits, a thread or process blocks in the kernel. Timeout
 * scopes (timeout.h) bound them all. One worker may wait to read a descriptor and one to write it;
 * a second reader or writer gets -EBUSY.
 *
 * Descriptors that others made are left as they are: O_NONBLOCK is not set on them (listeners are
 * the exception). Those made here are close-on-exec. A descriptor that this library has waited for
 * is closed with green_close(), so that it forgets it.
 */
#ifndef GREEN_NET_H
#define GREEN_NET_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base.h"
#include "timeout.h"

struct addrinfo;

#ifdef __cplusplus
extern "C" {
#endif

/* ---- waiting ---- */

/**
 * Wait until a descriptor is ready.
 *
 * Suspends until then; one that is ready returns at once. Regular files are always ready.
 *
 * @param fd        Any descriptor that poll() takes.
 * @param events    POLLIN, POLLOUT or both.
 * @param deadline  Absolute: see green_after().
 * @return What is ready: a mask of POLLIN, POLLOUT, POLLERR and POLLHUP; or
 *         -ETIMEDOUT  the deadline or a scope ended first,
 *         -ECANCELED  the calling worker was cancelled,
 *         -EBUSY      another worker waits for the same,
 *         -EBADF      no such descriptor, or it was closed meanwhile by a worker of this thread,
 *         -ENOMEM     no memory to watch it.
 */
GREEN_API GREEN_SUSPENDS int green_wait_fd(int fd, short events, green_deadline deadline);

/**
 * Wait until one of several descriptors is ready: poll().
 *
 * Suspends until then.
 *
 * @param fds       As for poll(), but POLLIN and POLLOUT are the events to wait for; entries with a
 *                  negative fd are passed over.
 * @param count     How many entries.
 * @param deadline  Absolute: see green_after().
 * @return How many entries have a revents that is not 0; or the errors of green_wait_fd(), but a
 * bad descriptor has POLLNVAL in its revents.
 */
GREEN_API GREEN_SUSPENDS int green_poll(struct pollfd *fds, size_t count, green_deadline deadline);

/* ---- addresses ---- */

/** A socket address of any family. */
struct green_address {
    struct sockaddr_storage storage;
    socklen_t length;
};

/**
 * The address that a numeric host and a port stand for; asks no name server.
 *
 * @param host         "127.0.0.1", "::1", "fe80::1%eth0".
 * @param port         0 to 65535.
 * @param ret_address  Set on success.
 * @return 0, or -EINVAL when host is no numeric address.
 */
GREEN_API int green_address_parse(const char *host, uint16_t port,
                                  struct green_address *ret_address);

/**
 * The address of a UNIX socket.
 *
 * @param path         A path of the file system, or '@' and an abstract name.
 * @param ret_address  Set on success.
 * @return 0, or -ENAMETOOLONG, or -EINVAL for an empty path.
 */
GREEN_API int green_address_unix(const char *path, struct green_address *ret_address);

/**
 * Write an address as people read it: "127.0.0.1:8888", "[::1]:8888", "unix:/run/echod.sock".
 *
 * @param address  Not NULL.
 * @param buffer   Receives the text, cut if it does not fit, always terminated.
 * @param size     Its size in bytes; GREEN_ADDRESS_TEXT holds every address.
 * @return buffer.
 */
GREEN_API const char *green_address_format(const struct green_address *address, char *buffer,
                                           size_t size);
#define GREEN_ADDRESS_TEXT 128

/**
 * Look a name up, as getaddrinfo() does.
 *
 * Suspends while another thread asks, one of the pool, or for a thread without tasks one made for
 * the call; a numeric host needs no waiting.
 *
 * @param host      A name or a numeric address; NULL with AI_PASSIVE.
 * @param service   A port number or a service's name; may be NULL.
 * @param hints     As for getaddrinfo(); may be NULL.
 * @param ret_list  Set on success; freed by freeaddrinfo().
 * @return 0, or
 *         -ENOENT     the name does not resolve,
 *         -EAGAIN     the name server does not answer now,
 *         -EINVAL     the service or the hints make no sense,
 *         -ENOMEM, -ETIMEDOUT, -ECANCELED.
 */
GREEN_API GREEN_SUSPENDS int green_resolve(const char *host, const char *service,
                                           const struct addrinfo *hints,
                                           struct addrinfo **ret_list);

/* ---- sockets ---- */

/**
 * A new socket that listens. Never suspends.
 *
 * TCP sockets get SO_REUSEADDR, and TCP_NODELAY for what they accept; IPv6 ones are IPv6 only.
 *
 * @param address  Where; port 0 lets the kernel choose.
 * @param backlog  As for listen().
 * @return The descriptor, or the negative errno of socket(), bind() or listen().
 */
GREEN_API int green_listen(const struct green_address *address, int backlog);

/**
 * Accept a connection: accept4() with SOCK_CLOEXEC.
 *
 * Suspends until there is one.
 *
 * @param fd       A listening socket.
 * @param ret_peer Set on success; may be NULL.
 * @return The connection's descriptor, to be closed with green_close(); or
 *         -ETIMEDOUT, -ECANCELED, -EBUSY as for green_wait_fd(),
 *         -EMFILE, -ENFILE, -ENOBUFS, -ENOMEM  the connection stays queued: see
 *                 green_accept_pause(),
 *         or another negative errno of accept4(); connections that were gone before they could be
 *         accepted are passed over.
 */
GREEN_API GREEN_SUSPENDS int green_accept(int fd, struct green_address *ret_peer);

/**
 * Wait out a lack of descriptors or memory that green_accept() reported.
 *
 * Suspends for 5 ms, doubled by each pause in a row up to 1 s; a descriptor that this process
 * closes with green_close() ends it at once.
 *
 * @param pause_ms  The length of the last pause, kept by the caller: 0 at first, and again after
 *                  each connection that was accepted.
 * @return 0, -ETIMEDOUT (a scope ended first) or -ECANCELED.
 */
GREEN_API GREEN_SUSPENDS int green_accept_pause(unsigned *pause_ms);

/**
 * Connect a socket.
 *
 * Suspends until the connection stands. After a failure the socket is good for green_close() only.
 *
 * @return 0, -ETIMEDOUT, -ECANCELED, -EBUSY, or the negative errno of connect().
 */
GREEN_API GREEN_SUSPENDS int green_connect(int fd, const struct sockaddr *address,
                                           socklen_t length);

/**
 * A new connected TCP socket to the first address of a name that answers, with TCP_NODELAY.
 *
 * Suspends. The families of addresses take turns; an address that has not answered within 250 ms
 * has the next tried beside it, one that fails at once ("happy eyeballs", RFC 8305).
 *
 * @return The descriptor, or an error of green_resolve() or of the last attempt that failed.
 */
GREEN_API GREEN_SUSPENDS int green_connect_host(const char *host, const char *service);

/** A new connected socket to an address. Suspends. Returns the descriptor or a negative errno. */
GREEN_API GREEN_SUSPENDS int green_connect_address(const struct green_address *address);

/**
 * Receive what there is, at least a byte: recv().
 *
 * Suspends until there is something.
 *
 * @param flags  As for recv(); MSG_DONTWAIT polls and gives -EAGAIN. MSG_WAITALL waits for `len`
 *               bytes of a stream; when it ends, fails, or the call is cut short before, it gives
 *               what has come.
 * @return The number of bytes; 0 at the end of the stream; or
 *         -ETIMEDOUT, -ECANCELED, -EBUSY as for green_wait_fd(), or another negative errno.
 */
GREEN_API GREEN_SUSPENDS ssize_t green_recv(int fd, void *buf, size_t len, int flags);

/**
 * Send some of the bytes: send(). Never raises SIGPIPE.
 *
 * Suspends until at least one byte is taken.
 *
 * @return How many bytes were taken, or a negative errno as for green_recv(); -EPIPE or -ECONNRESET
 *         when the peer is gone.
 */
GREEN_API GREEN_SUSPENDS ssize_t green_send(int fd, const void *buf, size_t len, int flags);

/**
 * Send all of the bytes.
 *
 * Suspends until the last is taken. After a failure it is unknown how many were.
 *
 * @return 0, or a negative errno as for green_send().
 */
GREEN_API GREEN_SUSPENDS int green_sendall(int fd, const void *buf, size_t len, int flags);

/** Read from any descriptor: read(). Suspends until there is something; as green_recv(). */
GREEN_API GREEN_SUSPENDS ssize_t green_read(int fd, void *buf, size_t len);

/**
 * Write to any descriptor: write(), at most PIPE_BUF bytes at a time to what could block. Suspends
 * until something is taken; returns how much was, or a negative errno. A pipe without a reader
 * raises SIGPIPE as write() does.
 */
GREEN_API GREEN_SUSPENDS ssize_t green_write(int fd, const void *buf, size_t len);

/** Write all of the bytes; 0 or a negative errno. Suspends as green_write() does. */
GREEN_API GREEN_SUSPENDS int green_writeall(int fd, const void *buf, size_t len);

/** shutdown(): SHUT_RD, SHUT_WR or SHUT_RDWR. Never suspends. Returns 0 or a negative errno. */
GREEN_API int green_shutdown(int fd, int how);

/**
 * Close a descriptor and forget it: close().
 *
 * Never suspends. Workers of this thread that wait for it get -EBADF; a later descriptor of the
 * same number never wakes them. To end the wait of another thread, call green_shutdown() first.
 *
 * @return 0 or -EBADF.
 */
GREEN_API int green_close(int fd);

/* ---- datagrams, messages ---- */

/**
 * A new socket: socket() with SOCK_CLOEXEC. Never suspends.
 *
 * @param family  AF_INET, AF_INET6, AF_UNIX, ...
 * @param type    SOCK_DGRAM, SOCK_STREAM, ...
 * @param protocol  0, or one of the family's.
 * @return The descriptor, to be closed with green_close(), or a negative errno.
 */
GREEN_API int green_socket(int family, int type, int protocol);

/** Bind a socket: bind(). Never suspends. Returns 0 or a negative errno. */
GREEN_API int green_bind(int fd, const struct green_address *address);

/**
 * Receive and learn from whom: recvfrom().
 *
 * Suspends until there is something.
 *
 * @param flags     As for recvfrom(); MSG_DONTWAIT polls and gives -EAGAIN, MSG_TRUNC gives the
 *                  length of the whole datagram.
 * @param ret_peer  Set on success; its length is 0 where the kernel does not tell. May be NULL.
 * @return The number of bytes, 0 for an empty datagram, or a negative errno as for green_recv().
 */
GREEN_API GREEN_SUSPENDS ssize_t green_recvfrom(int fd, void *buf, size_t len, int flags,
                                                struct green_address *ret_peer);

/**
 * Send to an address: sendto(). Never raises SIGPIPE.
 *
 * Suspends until it is taken.
 *
 * @param peer  NULL for a socket that is connected.
 * @return How many bytes were taken, or a negative errno as for green_send().
 */
GREEN_API GREEN_SUSPENDS ssize_t green_sendto(int fd, const void *buf, size_t len, int flags,
                                              const struct green_address *peer);

/**
 * Receive into several buffers, with address and control data: recvmsg().
 *
 * Suspends until there is something. With MSG_WAITALL a task may get less than a thread does.
 * Descriptors that come over a UNIX socket are the caller's, closed by green_close(), and
 * close-on-exec with MSG_CMSG_CLOEXEC.
 *
 * @param message  As for recvmsg(); untouched by a call that fails.
 * @return As green_recv().
 */
GREEN_API GREEN_SUSPENDS ssize_t green_recvmsg(int fd, struct msghdr *message, int flags);

/**
 * Send several buffers, with address and control data: sendmsg(). Never raises SIGPIPE.
 *
 * Suspends until at least one byte is taken. Descriptors go with the first byte.
 *
 * @return As green_send().
 */
GREEN_API GREEN_SUSPENDS ssize_t green_sendmsg(int fd, const struct msghdr *message, int flags);

/* ---- views: received bytes where they are ----
 *
 * Where the library receives by io_uring, a descriptor that was received from by views is received
 * from by this library's calls until it is closed: it may hold bytes that came after the last view.
 */

/** Received bytes in a buffer of the library's. */
struct green_view {
    unsigned char *data; /**< May be changed in place. */
    size_t length;
    void *buffer; /**< The library's. */
};

/**
 * Receive what there is into a buffer that the library lends: no memory is held while nothing
 * comes.
 *
 * Suspends as green_recv() does.
 *
 * @param ret_view  Set when the result is positive: up to GREEN_VIEW_MAX bytes, the caller's until
 *                  green_view_release() or green_send_view(), by the same worker.
 * @return As green_recv().
 */
GREEN_API GREEN_SUSPENDS ssize_t green_recv_view(int fd, struct green_view *ret_view);
#define GREEN_VIEW_MAX 32768

/** Give the buffer back. A view that is empty or given back already is left alone. */
GREEN_API void green_view_release(struct green_view *view);

/**
 * Send all of a view's bytes and give its buffer back, whatever the result.
 *
 * Suspends until the last byte is taken.
 *
 * @return As green_sendall().
 */
GREEN_API GREEN_SUSPENDS int green_send_view(int fd, struct green_view *view);

/**
 * Answer and wait for more: send all of a view's bytes, give its buffer back, and receive the next.
 *
 * As green_send_view() and then green_recv_view(), with one wait for both where that is possible:
 * for a server that answers one message after the other. Suspends as those do.
 *
 * @param view     Set when the result is positive. Else it is empty when all was sent, or could not
 *                 be. When a scope or a cancellation ended the call before, it has what is left to
 *                 be sent, and is still the caller's.
 * @param sending  A scope that is not in use, or NULL: it bounds the sending alone. It starts if
 *                 that has to wait, and has been stopped when the call returns. Whether it has
 *                 fired can be asked then. The caller's scopes bound both.
 * @param ms       The milliseconds of that scope, counted from the call.
 * @return As green_recv().
 */
GREEN_API GREEN_SUSPENDS ssize_t green_answer_view(int fd, struct green_view *view,
                                                   struct green_timeout *sending, uint64_t ms);

#ifdef __cplusplus
}
#endif

#endif
