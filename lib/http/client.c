/*
 * The client: calls, redirects, responses.
 *
 * Invariant: a response owns its connection until its body has ended or failed; then the connection
 * is kept or closed at once, not when the caller gets around to closing the response. All on the
 * thread that made the client.
 */
#include "http/client.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/errors.h"

/** Headers that are the library's. */
static const char *const ours[] = {"Content-Length", "Transfer-Encoding", "Connection", "Expect",
                                   NULL};

int
green_http_client_create(const struct green_http_client_options *options,
                         struct green_http_client **ret_client)
{
    static const struct green_http_client_options defaults = GREEN_HTTP_CLIENT_OPTIONS;
    options = options != NULL ? options : &defaults;
    if (options->max_header_bytes > GREEN__HTTP_HEAD_MAX ||
        (options->user_agent != NULL && !green__http_is_value(options->user_agent))) {
        return -EINVAL;
    }
    struct green_http_client *client = green__alloc_zeroed(sizeof *client);
    if (client == NULL) {
        return -ENOMEM;
    }
    client->options = *options;
    if (options->user_agent != NULL) {
        size_t size = strlen(options->user_agent) + 1;
        client->user_agent = green__alloc(size);
        if (client->user_agent == NULL) {
            green__free(client);
            return -ENOMEM;
        }
        memcpy(client->user_agent, options->user_agent, size);
    }
    green__list_init(&client->idle);
    *ret_client = client;
    return 0;
}

void
green_http_client_destroy(struct green_http_client *client)
{
    if (client == NULL) {
        return;
    }
    if (client->responses > 0) {
        green__misuse("green_http_client_destroy: %u of its responses are not closed",
                      client->responses);
    }
    green__http_links_prune(client, true);
    green__free(client->user_agent);
    green__free(client);
}

/* ---- the body ---- */

/** The body has ended or failed: the connection goes. */
static void
let_go(struct green__http_response *response)
{
    struct green__http_link *link = response->link;
    response->link = NULL;
    if (link == NULL) {
        return;
    }
    if (response->keep && response->body.done && response->body.err == 0) {
        green__http_link_keep(response->client, link);
    } else {
        green__http_link_close(link);
    }
}

static struct green__http_response *
inside(struct green_http_response *response)
{
    return (struct green__http_response *)(void *)response;
}

ssize_t
green_http_response_read(struct green_http_response *response, void *buffer, size_t length)
{
    struct green__http_response *inner = inside(response);
    struct green__http_body *body = &inner->body;
    if (inner->link == NULL) {
        return body->err;
    }
    ssize_t got = green__http_body_read(body, &inner->link->stream, buffer, length,
                                        inner->client->options.read_timeout_ms);
    if (got < 0) {
        bool slow = got == -ETIMEDOUT && inner->link->stream.timed_out;
        green__http_error_or(&response->error, (int)got,
                             slow ? "the server took too long" : body->why);
    }
    if (got < 0 || green__http_body_settle(body, &inner->link->stream)) {
        let_go(inner);
    }
    return got;
}

int
green_http_response_body(struct green_http_response *response, const char **ret_body,
                         size_t *ret_length)
{
    struct green__http_response *inner = inside(response);
    struct green__http_text *whole = &inner->whole;
    ssize_t got = 1;
    while (got > 0) {
        if (green__http_text_reserve(whole, 1024) != 0) {
            inner->body.err = -ENOMEM;
            let_go(inner);
            return green__http_error_or(&response->error, -ENOMEM, NULL);
        }
        /* One byte is left for the zero behind. */
        got = green_http_response_read(response, whole->data + whole->length,
                                       whole->capacity - whole->length - 1);
        whole->length += got > 0 ? (size_t)got : 0;
    }
    if (got < 0) {
        return (int)got;
    }
    whole->data[whole->length] = '\0';
    *ret_body = whole->data;
    if (ret_length != NULL) {
        *ret_length = whole->length;
    }
    return 0;
}

void
green_http_response_close(struct green_http_response *response)
{
    if (response == NULL) {
        return;
    }
    struct green__http_response *inner = inside(response);
    let_go(inner);
    green__http_head_fini(&inner->head);
    green__http_text_fini(&inner->url);
    green__http_text_fini(&inner->whole);
    inner->client->responses--;
    green__free(inner);
}

/* ---- requests and redirects ---- */

/** Whether a redirect turns the method into GET, without a body. (RFC 9110, section 15.4.) */
static bool
turns_to_get(int status, const char *method)
{
    return status == 303 ? strcmp(method, "HEAD") != 0
                         : (status == 301 || status == 302) && strcmp(method, "POST") == 0;
}

/** Where a response redirects to; NULL when it is to be handed out. */
static const char *
redirection(const struct green__http_response *response, const struct green__http_hop *hop)
{
    int status = response->head.code;
    bool redirects = (status >= 301 && status <= 303) || status == 307 || status == 308;
    bool stuck = hop->has_body && hop->source_used && !turns_to_get(status, hop->method);
    if (response->client->options.max_redirects == 0 || !redirects || stuck) {
        return NULL;
    }
    return green_http_header(&response->head.headers, "Location");
}

/** Turn the hop to where a redirect leads: 0, or a failure. */
static int
follow(struct green__http_response *response, struct green__http_hop *hop, const char *location,
       struct green_http_error *error)
{
    if (response->response.redirects == response->client->options.max_redirects) {
        return green__http_error(error, -ELOOP, "too many redirects");
    }
    struct green__http_text target = {0};
    int err = green__http_url_resolve(response->url.data, location, &target);
    struct green_http_url url;
    if (err == 0) {
        err = green_http_url_parse(target.data, &url);
        err = err == -EINVAL ? -EPROTO : err;
    }
    if (err != 0) {
        green__http_text_fini(&target);
        return green__http_error(error, err,
                                 err == -EPROTO            ? "a redirect to what is no URL"
                                 : err == -EPROTONOSUPPORT ? "a redirect to what is not http"
                                                           : green_strerror(err));
    }
    if (turns_to_get(response->head.code, hop->method)) {
        hop->method = "GET";
        hop->has_body = false;
    }
    hop->foreign = hop->foreign || !green__http_url_same_host(&hop->url, &url);
    hop->url = url;
    green__http_text_fini(&response->url);
    response->url = target;
    response->response.redirects++;
    return 0;
}

/** Pass over the body of a redirect: a short one, that the connection can be used again. */
static void
pass_over(struct green__http_response *response)
{
    char waste[1024];
    struct green__http_body *body = &response->body;
    bool is_short = body->framing == GREEN__HTTP_NO_BODY || body->framing == GREEN__HTTP_CHUNKED ||
                    (body->framing == GREEN__HTTP_LENGTH && body->left <= sizeof waste * 16);
    ssize_t got = is_short && response->keep ? 1 : 0;
    for (int i = 0; got > 0 && i < 16; i++) {
        got = green__http_body_read(body, &response->link->stream, waste, sizeof waste,
                                    response->client->options.read_timeout_ms);
    }
    (void)green__http_body_settle(body, &response->link->stream);
    let_go(response);
}

/** Ask, follow redirects, and stop with a head that is for the caller. */
static int
ask(struct green__http_response *response, struct green__http_hop *hop,
    struct green_http_error *error)
{
    const struct green_http_client_options *options = &response->client->options;
    for (;;) {
        int err = green__http_hop(response, hop, error);
        if (err != 0) {
            return err;
        }
        green__http_body_init(&response->body, &response->head, options->max_body_bytes,
                              options->max_header_bytes);
        const char *location = redirection(response, hop);
        if (location == NULL) {
            return 0;
        }
        err = follow(response, hop, location, error);
        pass_over(response);
        if (err != 0) {
            return err;
        }
    }
}

/** Look at a call before anything is done for it. */
static int
check_call(const struct green_http_call *call, struct green__http_hop *hop,
           struct green_http_error *error)
{
    bool has_body = call->body != NULL || call->source != NULL;
    hop->call = call;
    hop->has_body = has_body;
    hop->method = call->method != NULL ? call->method : has_body ? "POST" : "GET";
    if (call->url == NULL || !green__http_is_token(hop->method, strlen(hop->method)) ||
        strcmp(hop->method, "CONNECT") == 0) {
        return green__http_error(error, -EINVAL, "a method that cannot be sent");
    }
    if (!green__http_sendable(call->headers, call->header_count, ours)) {
        return green__http_error(error, -EINVAL, "a header that cannot be sent");
    }
    return 0;
}

/** What the caller sees of a response. */
static void
show(struct green__http_response *inner)
{
    const struct green__http_head *head = &inner->head;
    struct green_http_response *response = &inner->response;
    response->status = head->code;
    response->reason = head->reason;
    response->version_minor = head->minor;
    response->headers = head->headers;
    response->url = inner->url.data;
    response->body_length = head->framing == GREEN__HTTP_NO_BODY  ? 0
                            : head->framing == GREEN__HTTP_LENGTH ? head->length
                                                                  : GREEN_HTTP_UNKNOWN;
    if (green__http_body_settle(&inner->body, &inner->link->stream)) {
        let_go(inner);
    }
}

int
green_http_request(struct green_http_client *client, const struct green_http_call *call,
                   struct green_http_response **ret_response, struct green_http_error *ret_error)
{
    struct green__http_hop hop = {0};
    int err = check_call(call, &hop, ret_error);
    if (err != 0) {
        return err;
    }
    struct green__http_response *response = green__alloc_zeroed(sizeof *response);
    if (response == NULL) {
        return green__http_error_or(ret_error, -ENOMEM, NULL);
    }
    response->client = client;
    client->responses++;
    /* The same way for the first URL as for a redirect's: without fragment, and encoded. */
    err = green__http_url_resolve("http://", call->url, &response->url);
    if (err == 0) {
        err = green_http_url_parse(response->url.data, &hop.url);
    }
    if (err != 0) {
        green__http_error(ret_error, err,
                          err == -EINVAL            ? "no URL"
                          : err == -EPROTONOSUPPORT ? "the scheme is not http"
                                                    : green_strerror(err));
    } else {
        err = ask(response, &hop, ret_error);
    }
    if (err != 0) {
        green_http_response_close(&response->response);
        return err;
    }
    show(response);
    *ret_response = &response->response;
    return 0;
}

int
green_http_get(struct green_http_client *client, const char *url,
               struct green_http_response **ret_response, struct green_http_error *ret_error)
{
    const struct green_http_call call = {.url = url};
    return green_http_request(client, &call, ret_response, ret_error);
}
