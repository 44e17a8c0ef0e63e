/*
 * A connection's bytes, whether they go over it as they are or inside TLS.
 *
 * What is plain goes straight to the library's calls: it costs one branch that is always taken.
 */
#ifndef SERVER_WIRE_H
#define SERVER_WIRE_H

#include <green.h>

#include "refusal.h"

struct wire {
    int fd;
    struct green_tls *tls; /**< NULL: plain. */
};

/**
 * Shake hands, if connections speak TLS. What comes before it, a PROXY header, was received from
 * the descriptor to its last byte and no further.
 *
 * Suspends, for the header timeout at most. A cancellation, the order to drain, does not end it:
 * who has just connected did so before we stopped.
 *
 * @return REFUSAL_NONE, or why the connection is to be closed.
 */
enum refusal wire_open(struct wire *wire, int fd);

/** Free what TLS needs; the descriptor stays open. */
void wire_close(struct wire *wire);

/** As green_recv_view(), or green_tls_recv_view(). */
ssize_t wire_recv_secure(const struct wire *wire, struct green_view *ret_chunk);

static inline ssize_t
wire_recv_view(const struct wire *wire, struct green_view *ret_chunk)
{
    return __builtin_expect(wire->tls == NULL, 1) ? green_recv_view(wire->fd, ret_chunk)
                                                  : wire_recv_secure(wire, ret_chunk);
}

/** As green_sendall(). */
int wire_sendall(const struct wire *wire, const void *bytes, size_t length);

/** As green_send_view(). */
int wire_send_secure(const struct wire *wire, struct green_view *chunk);

static inline int
wire_send_view(const struct wire *wire, struct green_view *chunk)
{
    return __builtin_expect(wire->tls == NULL, 1) ? green_send_view(wire->fd, chunk)
                                                  : wire_send_secure(wire, chunk);
}

/** End our side. */
int wire_shutdown(const struct wire *wire);

/** Write what the access log says of TLS, with a space before it; "" for a plain connection. */
const char *wire_describe(const struct wire *wire, bool json, char *buffer, size_t size);
#define WIRE_TEXT 400

#endif
