/*
 * The head of a message: its start line and its headers, within limits, and what they say about
 * the body.
 */
#ifndef GREEN_HTTP_HEAD_H
#define GREEN_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "green/http.h"
#include "http/stream.h"
#include "http/text.h"

/** The parser's own limit is 80 KiB. */
#define GREEN__HTTP_HEAD_MAX 65536

struct green__http_limits {
    size_t line;  /**< Bytes of the start line without its end. */
    size_t bytes; /**< Of all headers with their ends. */
    size_t count; /**< Of headers. */
};

/** How the end of a body is told. */
enum green__http_framing {
    GREEN__HTTP_NO_BODY,
    GREEN__HTTP_LENGTH,
    GREEN__HTTP_CHUNKED,
    GREEN__HTTP_UNTIL_END,
};

struct green__http_head {
    struct green__http_text text; /**< What came, taken apart in place by the parser. */
    size_t line;                  /**< Where in it the current line starts. */
    size_t headers_at;            /**< Where its first header starts; 0 in the start line. */
    size_t lines;                 /**< Headers so far. */
    bool skipped;                 /**< An empty line before the start line. */
    struct green_http_header *items;
    size_t room; /**< For so many items. */

    struct green_http_headers headers;
    const char *method; /**< Of a request, like the next five. */
    const char *target;
    const char *path;
    const char *query;
    const char *host;
    bool expects; /**< "Expect: 100-continue" */
    int code;     /**< Of a response, like the next. */
    const char *reason;
    int minor; /**< HTTP/1.minor */
    bool keep_alive;
    enum green__http_framing framing;
    uint64_t length; /**< With GREEN__HTTP_LENGTH. */

    int status;      /**< After a failure: what a server answers, 0 for want of memory. */
    const char *why; /**< After a failure, in words. */
};

/** Be ready for the next head; memory is kept for it unless it is much. */
void green__http_head_clear(struct green__http_head *head);
void green__http_head_fini(struct green__http_head *head);

/** Whether anything of the head has come. */
static inline bool
green__http_head_begun(const struct green__http_head *head)
{
    return head->text.length > 0;
}

/**
 * Take what the stream holds, up to the end of the head. Never suspends.
 *
 * @return 1 when the head is complete, 0 when more must come, or -EPROTO, -EMSGSIZE or -ENOMEM
 *         with `status` and `why`.
 */
int green__http_head_feed(struct green__http_head *head, struct green__http_stream *stream,
                          const struct green__http_limits *limits);

/** Take a complete head apart: 0, or -EPROTO or -ENOMEM with `status` and `why`. */
int green__http_head_parse_request(struct green__http_head *head);

/** @param to_head  The request was HEAD: there is no body whatever the headers say. */
int green__http_head_parse_response(struct green__http_head *head, bool to_head);

/* ---- between the two files of this ---- */

/** Note a failure; returns -EPROTO, or -ENOMEM for status 0. */
int green__http_head_fail(struct green__http_head *head, int status, const char *why);

/** Find the headers with http-parser: 0 or a failure. */
int green__http_head_split(struct green__http_head *head, bool response);

#endif
