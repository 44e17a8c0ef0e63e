/*
 * The body of a message received: where it ends, and its chunks undone.
 */
#ifndef GREEN_HTTP_BODY_H
#define GREEN_HTTP_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "http/head.h"
#include "http/stream.h"

struct green__http_body {
    enum green__http_framing framing;
    bool done;
    uint64_t left;     /**< Of the body, or of the chunk. */
    uint64_t received; /**< Bytes of the body. */
    uint64_t limit;    /**< Of them. */
    uint64_t overhead; /**< Bytes of chunk extensions and trailers that may still come. */
    unsigned state;    /**< Of the chunks. */
    unsigned digits;
    int err;         /**< Sticky. */
    const char *why; /**< In words; NULL when the error is the system's. */
};

/**
 * Start a body that a parsed head announces.
 *
 * @param limit     Bytes of the body at most.
 * @param overhead  Bytes of chunk extensions and trailers at most.
 */
void green__http_body_init(struct green__http_body *body, const struct green__http_head *head,
                           uint64_t limit, uint64_t overhead);

/**
 * Undo chunks: takes bytes from `from`, puts those of the body into `out`. Never suspends.
 *
 * @return How many bytes were taken; *ret_put says how many were put; or a negative errno.
 */
ssize_t green__http_body_unchunk(struct green__http_body *body, const char *from, size_t length,
                                 char *out, size_t room, size_t *ret_put);

/** Take note of an end of the body that the stream's buffer holds already. Never suspends. */
bool green__http_body_settle(struct green__http_body *body, struct green__http_stream *stream);

/**
 * Read some of the body: a count, 0 at its end, or a negative errno, from then on for ever.
 *
 * @param timeout_ms  What one wait may last.
 */
ssize_t green__http_body_read(struct green__http_body *body, struct green__http_stream *stream,
                              void *buffer, size_t length, uint64_t timeout_ms);

#endif
