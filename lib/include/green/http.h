/*
 * HTTP/1.1, server and client, in blocking style.
 *
 * The server side answers one connection that the caller has accepted: in a task, a thread or a
 * process alike. The client side keeps connections for its next requests. Bodies are streamed or
 * taken whole; what is sent and received is never decoded beyond the chunks of HTTP itself.
 *
 * The library has this part only when it was built with http-parser.
 */
#ifndef GREEN_HTTP_H
#define GREEN_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The length of a body that is not known before its end. */
#define GREEN_HTTP_UNKNOWN UINT64_MAX

/** One line of a head. Of a message received: without white space around the value. */
struct green_http_header {
    const char *name;
    const char *value;
};

/** The headers of a message, in their order. */
struct green_http_headers {
    const struct green_http_header *items;
    size_t count;
};

/**
 * The value of the first header of a name; case does not matter. Never suspends.
 *
 * @return As long-lived as the headers; NULL when there is none.
 */
GREEN_API const char *green_http_header(const struct green_http_headers *headers, const char *name);

/**
 * The values of all headers of a name, one a call.
 *
 * @param position  0 at first; where the next call goes on.
 * @return The next value, NULL when there is no more.
 */
GREEN_API const char *green_http_header_next(const struct green_http_headers *headers,
                                             const char *name, size_t *position);

/** The words that go with a status, "Not Found"; "Unknown" for one without. Static storage. */
GREEN_API const char *green_http_reason(int status);

/* ---- addresses ---- */

/** A URL in parts. */
struct green_http_url {
    char host[256]; /**< Without the brackets of an IPv6 address. */
    uint16_t port;
    const char *target; /**< Path and query, inside the text that was parsed; may lack the path. */
    size_t target_length; /**< In bytes; 0 for a URL without both. */
};

/**
 * Take a URL apart: "http://host[:port][/path][?query][#fragment]".
 *
 * @param text     At most 8,000 bytes, visible ASCII only.
 * @param ret_url  Set on success; points into text.
 * @return 0, or
 *         -EINVAL           it is no URL, or has a user name in it,
 *         -EPROTONOSUPPORT  its scheme is not http.
 */
GREEN_API int green_http_url_parse(const char *text, struct green_http_url *ret_url);

/**
 * Undo percent-encoding. Never suspends.
 *
 * @param text    May contain any bytes.
 * @param length  Its length in bytes.
 * @param out     Room for length bytes; may be text itself. Not terminated.
 * @param plus    Whether '+' stands for a space, as it does in queries and forms.
 * @return The length of what was written, or -EBADMSG for a '%' that two hexadecimal digits do not
 *         follow.
 */
GREEN_API ssize_t green_http_decode(const char *text, size_t length, char *out, bool plus);

/** A parameter of a query, still encoded; points into the query. */
struct green_http_parameter {
    const char *name;
    size_t name_length;
    const char *value; /**< Empty when there is no '='. */
    size_t value_length;
};

/**
 * Split a query "a=1&b=2" into its parameters, one a call.
 *
 * @param cursor         Points to the query at first, NULL for none; moved behind what was read.
 * @param ret_parameter  Set when there was one.
 * @return Whether there was one.
 */
GREEN_API bool green_http_query_next(const char **cursor,
                                     struct green_http_parameter *ret_parameter);

/**
 * The decoded value of the first parameter of a name.
 *
 * @param query   NULL or without it: not found.
 * @param name    Decoded.
 * @param buffer  Set on success; terminated.
 * @param size    In bytes.
 * @return Its length in bytes, or
 *         -ENOENT    there is no such parameter,
 *         -ENOBUFS   the buffer is too small,
 *         -EBADMSG   it is not well encoded.
 */
GREEN_API ssize_t green_http_query_get(const char *query, const char *name, char *buffer,
                                       size_t size);

/* ---- the server ---- */

/**
 * What bounds a connection; start from GREEN_HTTP_SERVER_OPTIONS and change what differs.
 *
 * Whoever exceeds a bound gets the reply named, and the connection ends.
 */
struct green_http_server_options {
    size_t max_request_line;    /**< Bytes; 414. */
    size_t max_header_bytes;    /**< Bytes of all headers, 431; of all between chunks, 413. */
    size_t max_header_count;    /**< 431. */
    uint64_t max_body_bytes;    /**< 413. */
    uint64_t max_requests;      /**< The reply to so many closes the connection. */
    uint64_t idle_timeout_ms;   /**< Up to the first byte of a request; no reply, no error. */
    uint64_t header_timeout_ms; /**< From there to the end of its head; 408. */
    /**
     * What the body may keep its reader waiting in all; each max(1, min_body_rate) bytes of it add
     * a second. 408.
     */
    uint64_t body_timeout_ms;
    uint64_t min_body_rate;    /**< Bytes a second. */
    uint64_t write_timeout_ms; /**< Up to the peer's next sign of reading; no reply. */
    uint64_t drain_quiet_ms;   /**< How long a drained connection waits for one more request. */
    uint64_t linger_ms;        /**< How long the end waits for the peer's end. */
    /**
     * A cancellation reaches whatever the handler waits for, its response too, which is then cut
     * off. Otherwise handlers finish, and endless ones ask green_http_draining().
     */
    bool cancel_handlers;
};

#define GREEN_HTTP_SERVER_OPTIONS                                                                \
    {                                                                                            \
        8192, 32768, 100, 1048576, UINT64_MAX, 60000, 10000, 20000, 500, 30000, 100, 1000, false \
    }

/** A request that is being answered: what its handler reads. Lives until the handler returns. */
struct green_http_request {
    const char *method; /**< "GET" */
    const char *target; /**< As it was sent: "/a%20b?c=d", "http://host/a", "*" */
    const char *path;   /**< The path in the target, not decoded; "*" is its own. */
    const char *query;  /**< Behind the '?'; NULL when there is none. */
    const char *host;   /**< The target's, else the Host header's; NULL when there is neither. */
    int version_minor;  /**< 1, or 0 for HTTP/1.0. */
    struct green_http_headers headers;
    uint64_t body_length; /**< Bytes; GREEN_HTTP_UNKNOWN for one in chunks. */
    int fd;               /**< The connection, to ask for its addresses. */
};

/**
 * Answers a request by green_http_respond(), or by green_http_respond_start() and
 * green_http_write().
 *
 * A body that it has not read is skipped. It runs shielded from cancellation (see
 * green_http_server_options) and from timeout scopes around green_http_serve().
 *
 * @param request  Valid until it returns, for the calling worker only.
 * @param arg      What was given to green_http_serve().
 * @return 0, which ends the response; or a negative errno value: the client gets 500, or the status
 *         for what went wrong with its body; a response that has begun is visibly cut off.
 */
typedef int (*green_http_handler)(struct green_http_request *request, void *arg);

/**
 * Serve a connection until it ends.
 *
 * Suspends for as long as the connection lasts. Requests in a row are answered in their order.
 * A cancellation, or the end of a scope around the call, drains: the response in progress is
 * finished and says "Connection: close"; a connection between requests is looked at for
 * drain_quiet_ms more. In the end our side is shut down, and what still comes is thrown away for
 * linger_ms; the caller closes.
 *
 * @param fd       A connected stream socket; stays the caller's.
 * @param handler  Called for each request.
 * @param arg      Passed to it.
 * @param options  NULL for the defaults; used during the call.
 * @return 0 when either side ended the connection between requests, or
 *         -ETIMEDOUT  the peer was too slow, or a scope around the call ended,
 *         -ECANCELED  the calling worker was cancelled; its connection was drained,
 *         -EPROTO     the peer sent what is no request, or not all of it,
 *         -EMSGSIZE   it sent more than it may,
 *         -EINVAL     the options cannot be: a line and headers above 65,536 bytes in all,
 *         -ENOMEM, or another negative errno of green_recv(), green_send() or the handler.
 */
GREEN_API GREEN_SUSPENDS int green_http_serve(int fd, green_http_handler handler, void *arg,
                                              const struct green_http_server_options *options);

/**
 * Read some of a request's body.
 *
 * Suspends until there is something. The first call tells a client that waits with
 * "Expect: 100-continue" to go on. A call that fails does so again.
 *
 * @return The number of bytes; 0 at the end of the body; or
 *         -EPROTO     the peer sent bad chunks, or ended before the body did,
 *         -EMSGSIZE   it exceeds max_body_bytes,
 *         -ETIMEDOUT  it is too slow (or a scope of the handler's ended),
 *         -ENOMEM, or another negative errno of green_recv().
 */
GREEN_API GREEN_SUSPENDS ssize_t green_http_read(struct green_http_request *request, void *buffer,
                                                 size_t length);

/**
 * Send a whole response.
 *
 * Suspends until it is sent. Adds Date, Content-Length and what the connection needs; the answer to
 * HEAD, 204 and 304 have no body whatever is given here.
 *
 * @param status   200 to 599.
 * @param headers  NULL when count is 0. Content-Length, Transfer-Encoding and Connection are the
 *                 library's.
 * @param body     Read during the call; NULL when length is 0.
 * @return 0, or
 *         -EINVAL  the status or a header cannot be sent: the response has not begun,
 *         -EBUSY   a response has begun already,
 *         -ENOMEM, or a negative errno of green_send(), -ETIMEDOUT for a peer that does not read.
 */
GREEN_API GREEN_SUSPENDS int green_http_respond(struct green_http_request *request, int status,
                                                const struct green_http_header *headers,
                                                size_t count, const void *body, size_t length);

/**
 * Begin a response whose body follows by green_http_write().
 *
 * Suspends until the head is sent.
 *
 * @param length  Of the body; GREEN_HTTP_UNKNOWN sends chunks (and to an HTTP/1.0 client, bytes up
 *                to the end of the connection).
 * @return As green_http_respond().
 */
GREEN_API GREEN_SUSPENDS int green_http_respond_start(struct green_http_request *request,
                                                      int status,
                                                      const struct green_http_header *headers,
                                                      size_t count, uint64_t length);

/**
 * Send some of a response's body, at once: each call is a chunk, nothing is held back.
 *
 * Suspends until all of it is sent. What a response to HEAD would have is swallowed.
 *
 * @return 0, or
 *         -EINVAL   no response was begun, or it gets longer than was announced,
 *         -ENOMEM, or a negative errno as for green_http_respond().
 */
GREEN_API GREEN_SUSPENDS int green_http_write(struct green_http_request *request,
                                              const void *buffer, size_t length);

/** Let the connection end with this response; to be called before it begins. Never suspends. */
GREEN_API void green_http_close(struct green_http_request *request);

/**
 * Whether the worker that serves was cancelled meanwhile: an endless response ends now. Never
 * suspends.
 */
GREEN_API bool green_http_draining(struct green_http_request *request);

/* ---- the client ---- */

/** What a client allows; start from GREEN_HTTP_CLIENT_OPTIONS and change what differs. */
struct green_http_client_options {
    size_t max_header_bytes; /**< Bytes of a response's head, or of its trailers. */
    size_t max_header_count;
    uint64_t max_body_bytes;      /**< Bytes of a response's body. */
    unsigned max_redirects;       /**< 0: redirects are handed out like other responses. */
    unsigned max_idle;            /**< Connections kept for later; 0 keeps none. */
    uint64_t idle_timeout_ms;     /**< How long they are kept. */
    uint64_t connect_timeout_ms;  /**< Up to a connection, the look-up of the name included. */
    uint64_t response_timeout_ms; /**< From the request's end to the end of the response's head. */
    uint64_t read_timeout_ms;     /**< Up to the next bytes of a body. */
    uint64_t write_timeout_ms;    /**< Up to the server's next sign of reading. */
    uint64_t expect_timeout_ms;   /**< How long "100 Continue" is waited for. */
    const char *user_agent;       /**< Copied; NULL sends none. */
};

#define GREEN_HTTP_CLIENT_OPTIONS                                                        \
    {                                                                                    \
        65536, 200, UINT64_MAX, 10, 16, 60000, 30000, 60000, 60000, 60000, 1000, "green" \
    }

/** Why a call failed, in words. */
struct green_http_error {
    int code;       /**< The negative errno value that the call returned. */
    char text[124]; /**< "the response ended within its head" */
};

/** Keeps connections and options for requests. */
struct green_http_client;

/** Gives the next bytes of a body: a count, 0 at its end, or a negative errno value. */
typedef ssize_t (*green_http_source)(void *arg, void *buffer, size_t length);

/** What to ask for; zero what is not needed. Read during the call only. */
struct green_http_call {
    const char *method; /**< NULL: GET, or POST when there is a body. */
    const char *url;
    const struct green_http_header *headers; /**< Content-Length, Transfer-Encoding, Connection and
                                                  Expect are the library's. */
    size_t header_count;
    const void *body; /**< NULL: none, unless source is set. */
    size_t body_length;
    green_http_source source; /**< Called for the body, piece by piece; may suspend. */
    void *source_arg;
    uint64_t source_length; /**< What source gives in all; GREEN_HTTP_UNKNOWN sends chunks. */
    bool expect_continue;   /**< Wait for the server's consent before the body is sent. */
    bool close;             /**< Do not keep the connection. */
};

/** A response whose head has come. */
struct green_http_response {
    int status;
    const char *reason; /**< As the server words it; may be empty. */
    int version_minor;
    struct green_http_headers headers;
    uint64_t body_length; /**< Bytes; 0 for none, GREEN_HTTP_UNKNOWN when its end will tell. */
    const char *url;      /**< Where it came from, after redirects. */
    unsigned redirects;
    struct green_http_error error; /**< Why reading its body failed. */
};

/**
 * Make a client.
 *
 * @param options     NULL for the defaults; copied.
 * @param ret_client  Set on success; given back by green_http_client_destroy(). For all workers of
 *                    the calling thread, any number at a time.
 * @return 0, -ENOMEM, or -EINVAL when the options cannot be: headers above 65,536 bytes.
 */
GREEN_API int green_http_client_create(const struct green_http_client_options *options,
                                       struct green_http_client **ret_client);

/** Close its idle connections and free it. Its responses are closed before. NULL is taken. */
GREEN_API void green_http_client_destroy(struct green_http_client *client);

/**
 * Send a request and wait for the head of its response.
 *
 * Suspends. The whole body is sent before the response is read: a server that answers as it reads
 * can be asked for no more than the sockets hold. A kept connection that the server has closed
 * meanwhile is replaced once, when the method is idempotent. Redirects are followed: 301 and 302
 * turn POST into GET, 303 all but HEAD, 307 and 308 nothing (a body from a source cannot be sent
 * twice: its redirect is handed out); Authorization, Cookie and Proxy-Authorization are not sent on
 * to another host or port. (RFC 9110, section 15.4.)
 *
 * @param ret_response  Set on success, whatever the status; given back by
 *                      green_http_response_close().
 * @param ret_error     Set on failure; may be NULL.
 * @return 0, or
 *         -EINVAL           the call or its URL makes no sense,
 *         -EPROTONOSUPPORT  the URL, or a redirect's, is not http,
 *         -EPROTO           what came is no response, or ended too soon,
 *         -EMSGSIZE         its head exceeds the limits,
 *         -ELOOP            more redirects than allowed,
 *         -ETIMEDOUT        a limit of the options or a scope around the call ended,
 *         -ECANCELED, -ENOMEM, or an error of green_connect_host(), green_send(), green_recv() or
 * of the source.
 */
GREEN_API GREEN_SUSPENDS int green_http_request(struct green_http_client *client,
                                                const struct green_http_call *call,
                                                struct green_http_response **ret_response,
                                                struct green_http_error *ret_error);

/** GET a URL: green_http_request() with the defaults. */
GREEN_API GREEN_SUSPENDS int green_http_get(struct green_http_client *client, const char *url,
                                            struct green_http_response **ret_response,
                                            struct green_http_error *ret_error);

/**
 * Read some of a response's body.
 *
 * Suspends until there is something. A call that fails says why in response->error, and does so
 * again.
 *
 * @return The number of bytes; 0 at the end of the body; or
 *         -EPROTO    bad chunks, or the connection ended before the body did,
 *         -EMSGSIZE  it exceeds max_body_bytes,
 *         -ETIMEDOUT, -ECANCELED, -ENOMEM, or another negative errno of green_recv().
 */
GREEN_API GREEN_SUSPENDS ssize_t green_http_response_read(struct green_http_response *response,
                                                          void *buffer, size_t length);

/**
 * Read what is left of a response's body, as one piece.
 *
 * Suspends until its end. A second call gives the same.
 *
 * @param ret_body    Set on success; the response's, with a zero byte behind it.
 * @param ret_length  Set on success, in bytes; may be NULL.
 * @return 0, or an error of green_http_response_read().
 */
GREEN_API GREEN_SUSPENDS int green_http_response_body(struct green_http_response *response,
                                                      const char **ret_body, size_t *ret_length);

/**
 * Free a response. Never suspends. NULL is taken. Its connection is kept for the next request if
 * the body was read to its end, else closed.
 */
GREEN_API void green_http_response_close(struct green_http_response *response);

#ifdef __cplusplus
}
#endif

#endif
