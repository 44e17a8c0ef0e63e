/*
 * A client's connections: made, kept, and looked at before they are used again.
 *
 * Invariant: a kept connection has no request under way and nothing was received behind the last
 * response, else it is closed: what comes unasked could be taken for an answer. All on the client's
 * thread; nothing here suspends between looking at the list and changing it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "green/net.h"
#include "green/timeout.h"
#include "http/client.h"

void
green__http_link_close(struct green__http_link *link)
{
    if (link != NULL) {
        green_close(link->stream.fd);
        green__free(link);
    }
}

static void
take_out(struct green_http_client *client, struct green__http_link *link)
{
    green__list_remove(&link->member);
    client->idle_count--;
}

/** Whether a kept connection is quiet: neither ended nor sent anything. */
static bool
is_quiet(const struct green__http_link *link)
{
    char byte;
    return green_recv(link->stream.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == -EAGAIN;
}

static struct green__http_link *
oldest(struct green_http_client *client)
{
    return GREEN__CONTAINER(client->idle.next, struct green__http_link, member);
}

void
green__http_links_prune(struct green_http_client *client, bool all)
{
    uint64_t now = green__clock_now();
    while (!green__list_empty(&client->idle)) {
        struct green__http_link *link = oldest(client);
        uint64_t idle_ms = (now - link->idle_since) / GREEN__NS_PER_MS;
        if (!all && idle_ms < client->options.idle_timeout_ms) {
            break;
        }
        take_out(client, link);
        green__http_link_close(link);
    }
}

/** The kept connection to a host that was used last, taken out; NULL when there is none. */
static struct green__http_link *
reuse(struct green_http_client *client, const struct green_http_url *url)
{
    green__http_links_prune(client, false);
    struct green__list *at = client->idle.previous;
    while (at != &client->idle) {
        struct green__http_link *link = GREEN__CONTAINER(at, struct green__http_link, member);
        at = at->previous;
        if (green__http_url_same_host(&link->url, url)) {
            take_out(client, link);
            if (is_quiet(link)) {
                return link;
            }
            green__http_link_close(link);
        }
    }
    return NULL;
}

int
green__http_link_get(struct green_http_client *client, const struct green_http_url *url, bool fresh,
                     struct green__http_link **ret_link)
{
    struct green__http_link *link = fresh ? NULL : reuse(client, url);
    if (link != NULL) {
        link->kept = true;
        *ret_link = link;
        return 0;
    }
    link = green__alloc(sizeof *link);
    if (link == NULL) {
        return -ENOMEM;
    }
    char service[6];
    snprintf(service, sizeof service, "%u", (unsigned)url->port);
    struct green_timeout limit;
    green_timeout_start(&limit, client->options.connect_timeout_ms);
    int fd = green_connect_host(url->host, service);
    green_timeout_stop(&limit);
    if (fd < 0) {
        green__free(link);
        return fd;
    }
    green__list_init(&link->member);
    link->url = *url;
    link->url.target = NULL;
    link->kept = false;
    green__http_stream_init(&link->stream, fd);
    *ret_link = link;
    return 0;
}

void
green__http_link_keep(struct green_http_client *client, struct green__http_link *link)
{
    if (client->options.max_idle == 0 || green__http_stream_held(&link->stream) > 0) {
        green__http_link_close(link);
        return;
    }
    while (client->idle_count >= client->options.max_idle) {
        struct green__http_link *old = oldest(client);
        take_out(client, old);
        green__http_link_close(old);
    }
    link->idle_since = green__clock_now();
    green__list_append(&client->idle, &link->member);
    client->idle_count++;
}
