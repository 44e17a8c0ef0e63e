/*
 * A connection as a stream of bytes: what came and was not used yet, and limits on waiting.
 */
#ifndef GREEN_HTTP_STREAM_H
#define GREEN_HTTP_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct green__http_stream {
    int fd;
    bool ended;     /**< The peer's end has come. */
    bool timed_out; /**< The last -ETIMEDOUT was our own limit, not a scope around the call. */
    size_t start;   /**< What is there and not used yet: data[start] up to data[end]. */
    size_t end;
    char data[4096];
};

static inline size_t
green__http_stream_held(const struct green__http_stream *stream)
{
    return stream->end - stream->start;
}

void green__http_stream_init(struct green__http_stream *stream, int fd);

/** Receive past the buffer, which is empty: green_recv() within a time. */
ssize_t green__http_stream_recv(struct green__http_stream *stream, void *buffer, size_t length,
                                uint64_t timeout_ms);

/** Receive into the buffer, which is empty. */
ssize_t green__http_stream_fill(struct green__http_stream *stream, uint64_t timeout_ms);

/** Send all; the time counts up to each progress. 0 or a negative errno. */
int green__http_stream_send(struct green__http_stream *stream, const void *bytes, size_t length,
                            int flags, uint64_t timeout_ms);

/**
 * End our side, and let the peer read what we sent before a close could reset it: throw away what
 * it still sends, up to its end.
 */
void green__http_stream_finish(struct green__http_stream *stream, uint64_t linger_ms);

/** Let the close reset the connection: the peer shall see that something is missing. */
void green__http_stream_cut(struct green__http_stream *stream);

/** The milliseconds from now to a point of the monotonic clock, rounded up. */
uint64_t green__http_until(uint64_t deadline);

#endif
