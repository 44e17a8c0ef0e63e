/*
 * A connection that is being served, and the exchange in progress on it.
 */
#ifndef GREEN_HTTP_CONNECTION_H
#define GREEN_HTTP_CONNECTION_H

#include "green/http.h"
#include "green/timeout.h"
#include "http/body.h"
#include "http/head.h"
#include "http/stream.h"
#include "http/text.h"

/** What is left unread of a request's body is read up to so many bytes, to keep the connection. */
#define GREEN__HTTP_SKIP_MAX 65536

enum green__http_reply {
    GREEN__HTTP_SILENT, /**< No response has begun. */
    GREEN__HTTP_BEGUN,  /**< Its head is sent. */
    GREEN__HTTP_WHOLE,
};

struct green__http_connection {
    struct green_http_request request; /**< What the handler sees: first, so that it leads here. */
    const struct green_http_server_options *options;
    struct green_shield shield;
    bool outer_shield; /**< The caller was shielded already: nothing can cancel it. */
    int stop;          /**< Why the connection drains: -ECANCELED or -ETIMEDOUT; 0: it does not. */
    int broken;        /**< Sending failed: nothing more can be said. */
    uint64_t requests; /**< So far. */
    int64_t date_of;   /**< Seconds that `date` stands for. */
    char date[GREEN__HTTP_DATE];

    /* Of the exchange. */
    bool keep;        /**< The connection goes on after it. */
    bool consent_due; /**< The client waits for "100 Continue". */
    bool swallow;     /**< The body of the response is not sent. */
    bool chunked;     /**< The response is. */
    enum green__http_reply reply;
    uint64_t left;      /**< Of the response's body; GREEN_HTTP_UNKNOWN when nobody counts. */
    uint64_t waited_ns; /**< For the request's body. */

    struct green__http_body body;
    struct green__http_head head;
    struct green__http_text out;
    struct green__http_stream stream;
};

static inline struct green__http_connection *
green__http_connection_of(struct green_http_request *request)
{
    return (struct green__http_connection *)(void *)request;
}

/** Whether the caller of green_http_serve() was cancelled, or a scope around it has ended. */
bool green__http_stopping(struct green__http_connection *connection);

/** Answer by a line of text: `why` is added when it is not NULL. */
int green__http_refuse(struct green__http_connection *connection, int status, const char *why);

/** Send what ends a response that has begun; what is missing cuts the connection. */
void green__http_finish_reply(struct green__http_connection *connection);

#endif
