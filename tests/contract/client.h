/*
 * The client's end of a connection, for tests.
 *
 * Every call either does what its name says within patience_ms() or fails the test. Sockets are
 * non-blocking, so that a test can fill a connection that nobody reads.
 */
#ifndef CONTRACT_CLIENT_H
#define CONTRACT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "harness.h"

/** A connection to 127.0.0.1 and the server's port. */
int client_connect(const struct server *server);

/** The same with small buffers at our end, so that it fills early. */
int client_connect_small(const struct server *server);

/** A connection to any address; a negative errno value instead of failing the test. */
int client_try(const struct sockaddr *address, socklen_t length);

/** client_try() of 127.0.0.1 and a port. */
int client_try_port(int port);

/** Send all of it. */
void client_send(int fd, const void *data, size_t length);
void client_say(int fd, const char *text);

/** Read exactly these bytes, no more being read and none awaited. */
void client_expect(int fd, const char *text);
void client_expect_bytes(int fd, const void *data, size_t length);

/** Send and read at the same time, until all is sent and exactly the reply came back. */
void client_exchange(int fd, const char *data, size_t length, const char *reply,
                     size_t reply_length);

/** One short message and its reply. */
void client_chat(int fd);

/** Write until nothing more is taken; returns how many bytes were, at most `limit`. */
size_t client_fill(int fd, const char *data, size_t limit);

/** Write to all until no one takes more and the answers are stuck; fails if they take more than
 *  that each, on average. */
void client_fill_all(const int *fds, size_t count, size_t limit);

/** The server must not send anything for this long. */
void client_expect_silence(int fd, unsigned ms);

/** The stream must end here, in good order. */
void client_expect_end(int fd);

/** The connection must end, by a reset or in good order, whatever comes before. */
void client_expect_cut(int fd);

/** Wait, without reading, until the server has cut the connection. */
void client_await_hangup(int fd);

/** Wait until the server has read all that was sent (TCP over IPv4 only). */
void client_await_read(const struct server *server, int fd);

void client_half_close(int fd);
void client_close(int fd);
void client_reset(int fd); /* closes it abruptly, without the end of the stream */

/** A text of that many bytes and what becomes of it; freed by the caller. */
char *text_make(size_t length);
char *text_upper(const char *text, size_t length);

/* ---- crowds: connections of which some may have to wait ---- */

#define CROWD_MAX 64

/** Connections that each sent one message; the server answers those that it has accepted. */
struct crowd {
    size_t count;
    int fds[CROWD_MAX];
    bool answered[CROWD_MAX];
};

/** Connect some more, each sending a message. */
void crowd_join(struct crowd *crowd, const struct server *server, size_t count);

/** How many were answered by now; a connection that ended fails the test. */
size_t crowd_answered(struct crowd *crowd);

/** Wait until no more were answered for a while; returns how many were. */
size_t crowd_settle(struct crowd *crowd);

/** Close this one, or all that were answered; they leave the crowd. */
void crowd_leave(struct crowd *crowd, size_t index);
void crowd_leave_answered(struct crowd *crowd);

#endif
