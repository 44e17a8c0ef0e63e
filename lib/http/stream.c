/*
 * A connection as a stream of bytes: what came and was not used yet, and limits on waiting.
 *
 * Invariant: every wait of HTTP on a connection is here, inside a timeout scope of its own. The
 * buffer is filled only when it is empty, so nothing is ever moved in it. One worker at a time.
 */
#include "http/stream.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "green/net.h"
#include "green/timeout.h"

/** What is read and thrown away at the end, in bytes at most. */
#define LINGER_MAX 1048576

void
green__http_stream_init(struct green__http_stream *stream, int fd)
{
    stream->fd = fd;
    stream->ended = false;
    stream->timed_out = false;
    stream->start = 0;
    stream->end = 0;
}

ssize_t
green__http_stream_recv(struct green__http_stream *stream, void *buffer, size_t length,
                        uint64_t timeout_ms)
{
    struct green_timeout limit;
    green_timeout_start(&limit, timeout_ms);
    ssize_t got = green_recv(stream->fd, buffer, length, 0);
    green_timeout_stop(&limit);
    stream->timed_out = got == -ETIMEDOUT && green_timeout_fired(&limit);
    stream->ended = stream->ended || got == 0;
    return got;
}

ssize_t
green__http_stream_fill(struct green__http_stream *stream, uint64_t timeout_ms)
{
    ssize_t got = green__http_stream_recv(stream, stream->data, sizeof stream->data, timeout_ms);
    stream->start = 0;
    stream->end = got > 0 ? (size_t)got : 0;
    return got;
}

int
green__http_stream_send(struct green__http_stream *stream, const void *bytes, size_t length,
                        int flags, uint64_t timeout_ms)
{
    const char *next = bytes;
    while (length > 0) {
        struct green_timeout limit;
        green_timeout_start(&limit, timeout_ms);
        ssize_t sent = green_send(stream->fd, next, length, flags);
        green_timeout_stop(&limit);
        if (sent < 0) {
            stream->timed_out = sent == -ETIMEDOUT && green_timeout_fired(&limit);
            return (int)sent;
        }
        next += sent;
        length -= (size_t)sent;
    }
    return 0;
}

void
green__http_stream_finish(struct green__http_stream *stream, uint64_t linger_ms)
{
    if (green_shutdown(stream->fd, SHUT_WR) != 0 || stream->ended) {
        return;
    }
    green_deadline deadline = green_after(linger_ms);
    size_t thrown = 0;
    ssize_t got = 1;
    while (got > 0 && thrown < LINGER_MAX) {
        got = green__http_stream_fill(stream, green__http_until(deadline));
        thrown += got > 0 ? (size_t)got : 0;
    }
}

void
green__http_stream_cut(struct green__http_stream *stream)
{
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

uint64_t
green__http_until(uint64_t deadline)
{
    uint64_t now = green__clock_now();
    return deadline <= now ? 0 : (deadline - now + 999999) / 1000000;
}
