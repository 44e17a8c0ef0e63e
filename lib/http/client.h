/*
 * A client: its kept connections, one hop of a request, a response.
 */
#ifndef GREEN_HTTP_CLIENT_H
#define GREEN_HTTP_CLIENT_H

#include "base/list.h"
#include "green/http.h"
#include "http/body.h"
#include "http/head.h"
#include "http/stream.h"
#include "http/text.h"
#include "http/url.h"

struct green_http_client {
    struct green_http_client_options options;
    char *user_agent;
    struct green__list idle; /**< Kept connections, the oldest first. */
    unsigned idle_count;
    unsigned responses; /**< Not closed yet. */
};

/** A connection of a client's. */
struct green__http_link {
    struct green__list member;
    struct green_http_url url; /**< Where to: host and port of it. */
    uint64_t idle_since;
    bool kept; /**< It has been used before, so the server may have closed it. */
    struct green__http_stream stream;
};

struct green__http_response {
    struct green_http_response response; /**< First: what the caller sees leads here. */
    struct green_http_client *client;
    struct green__http_link *link; /**< NULL once the body has ended or failed. */
    bool keep;                     /**< The connection is good for another request. */
    struct green__http_head head;
    struct green__http_body body;
    struct green__http_text url;
    struct green__http_text whole; /**< The body as one piece. */
};

/** One hop: what is asked of one server. */
struct green__http_hop {
    const struct green_http_call *call;
    const char *method;
    struct green_http_url url;
    bool has_body;    /**< The call's body goes with it. */
    bool foreign;     /**< A redirect led to another host: no credentials go there. */
    bool source_used; /**< The source has been read from: it cannot be sent again. */
    int source_err;   /**< The source failed: nothing else is to blame. */
};

/** Fill an error, if there is one to fill, by a text; returns the code. */
int green__http_error(struct green_http_error *error, int code, const char *text);

/** As that, with the text of the code when there is no other. */
int green__http_error_or(struct green_http_error *error, int code, const char *text);

/** A connection to a URL's host, kept or new: 0 or a negative errno. Suspends. */
int green__http_link_get(struct green_http_client *client, const struct green_http_url *url,
                         bool fresh, struct green__http_link **ret_link);

/** Keep a connection for later. Never suspends. */
void green__http_link_keep(struct green_http_client *client, struct green__http_link *link);

/** Close a connection. NULL is taken. */
void green__http_link_close(struct green__http_link *link);

/** Close the kept connections that are too old, or all. */
void green__http_links_prune(struct green_http_client *client, bool all);

/** Send a hop's request and receive the head of the response into `response`. Suspends. */
int green__http_hop(struct green__http_response *response, struct green__http_hop *hop,
                    struct green_http_error *error);

#endif
