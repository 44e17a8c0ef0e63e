/*
 * The life of the admin process.
 *
 * Invariant: it is started by the process that the user started, and dies with it. Its listener is
 * opened once, and handed to the next echod in an upgrade.
 */
#include "admin.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <green.h>

#include "filter.h"
#include "log.h"
#include "stats.h"

#ifdef ECHOD_HTTP

#include "admin_serve.h"

/** One that ends sooner than this has failed at its start, and is not tried again at once. */
#define CRASH_MS 1000

static struct green_job *job;
static green_deadline started;

/* ---- where it listens ---- */

static bool
is_local(const struct green_address *address)
{
    if (address->storage.ss_family == AF_INET) {
        const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)&address->storage;
        return ntohl(ipv4->sin_addr.s_addr) >> 24 == 127;
    }
    const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *)&address->storage;
    return IN6_IS_ADDR_LOOPBACK(&ipv6->sin6_addr);
}

/** "127.0.0.1:9000", "[::1]:9000"; false when it is none. */
static bool
parse(const char *text, struct green_address *ret_address)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    size_t length = colon == NULL ? 0 : (size_t)(colon - text);
    char *end = NULL;
    unsigned long port = colon == NULL ? 0 : strtoul(colon + 1, &end, 10);
    if (length == 0 || length >= sizeof host || end == colon + 1 || *end != '\0' || port > 65535) {
        return false;
    }
    memcpy(host, text, length);
    host[length] = '\0';
    if (host[0] == '[' && host[length - 1] == ']') {
        host[length - 1] = '\0';
        memmove(host, host + 1, length);
    }
    return green_address_parse(strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, (uint16_t)port,
                               ret_address) == 0;
}

static const char *
unix_path(const char *text)
{
    return strncmp(text, "unix:", 5) == 0 ? text + 5 : NULL;
}

static int
open_unix(const char *path, struct green_address *address)
{
    if (green_address_unix(path, address) != 0) {
        log_write(LOG_ERROR, "--admin unix:%s: a path has 1 to 107 bytes", path);
        return 2;
    }
    return listener_clear_path("admin", path, address);
}

static int
open_tcp(const struct options *options, struct green_address *address)
{
    if (!parse(options->admin, address)) {
        log_write(LOG_ERROR,
                  "--admin %s: that should be ADDR:PORT, such as 127.0.0.1:9000, or "
                  "unix:PATH",
                  options->admin);
        return 2;
    }
    if (!is_local(address) && !options->admin_insecure) {
        log_write(LOG_ERROR,
                  "--admin %s: others can reach that address, and there is no password; take "
                  "127.0.0.1 or unix:PATH, or say --admin-insecure",
                  options->admin);
        return 2;
    }
    return 0;
}

int
admin_open(struct server *server)
{
    const struct options *options = &server->options;
    struct green_address address;
    if (options->admin == NULL) {
        if (server->listeners.admin_fd >= 0) {
            close(server->listeners.admin_fd);
            server->listeners.admin_fd = -1;
        }
        return 0;
    }
    stats_timed = true;
    if (server->listeners.admin_fd >= 0) {
        return 0;
    }
    const char *path = unix_path(options->admin);
    int code = path != NULL ? open_unix(path, &address) : open_tcp(options, &address);
    if (code != 0) {
        return code;
    }
    server->listeners.admin_fd = green_listen(&address, 64);
    if (server->listeners.admin_fd < 0) {
        log_write(LOG_ERROR, "--admin %s: cannot listen there: %s", options->admin,
                  green_strerror(server->listeners.admin_fd));
        return 1;
    }
    return 0;
}

void
admin_announce(const struct server *server)
{
    struct green_address address = {.length = sizeof address.storage};
    char text[GREEN_ADDRESS_TEXT];
    if (server->listeners.admin_fd >= 0 &&
        getsockname(server->listeners.admin_fd, (struct sockaddr *)&address.storage,
                    &address.length) == 0) {
        bool web = address.storage.ss_family != AF_UNIX;
        log_notice("admin on %s%s%s", web ? "http://" : "",
                   green_address_format(&address, text, sizeof text), web ? "/" : "");
    }
}

void
admin_remove_files(const struct server *server)
{
    const char *path = server->options.admin == NULL ? NULL : unix_path(server->options.admin);
    if (path != NULL && path[0] != '@') {
        unlink(path);
    }
}

/* ---- its process ---- */

static intptr_t
run(void *arg)
{
    struct server *server = arg;
    close(server->signal_fd);
    filter_tighten();
    _exit(admin_serve(server));
}

/** There is nobody to answer: whoever asks is to be refused, not to wait. */
static void
give_up(struct server *server)
{
    close(server->listeners.admin_fd);
    server->listeners.admin_fd = -1;
    admin_remove_files(server);
}

void
admin_start(struct server *server)
{
    if (server->listeners.admin_fd < 0) {
        return;
    }
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    options.name = "admin";
    options.daemon = true;
    options.keep_fds = &server->listeners.admin_fd;
    options.keep_fd_count = 1;
    int err = green_spawn_as(GREEN_PROCESS, run, server, &options, &job);
    if (err != 0) {
        log_write(LOG_ERROR, "cannot start the admin pages: %s", green_strerror(err));
        job = NULL;
        give_up(server);
    }
    started = green_after(CRASH_MS);
}

int
admin_fd(void)
{
    return job == NULL ? -1 : green_job_fd(job);
}

void
admin_heed(struct server *server)
{
    if (job == NULL || green_job_alive(job)) {
        return;
    }
    bool crashed = green_after(0) < started;
    green_job_join(job, NULL, GREEN_FOREVER);
    green_job_put(job);
    job = NULL;
    log_write(LOG_ERROR, "the admin pages have ended%s",
              crashed ? " at their start, and stay so" : " and are started again");
    if (crashed) {
        give_up(server);
    } else {
        admin_start(server);
    }
}

void
admin_stop(void)
{
    if (job != NULL) {
        green_job_terminate(job, SIGKILL);
        green_job_join(job, NULL, GREEN_FOREVER);
        green_job_put(job);
        job = NULL;
    }
}

#else

int
admin_open(struct server *server)
{
    if (server->options.admin != NULL) {
        log_write(LOG_ERROR, "--admin %s: this echod was built without http-parser",
                  server->options.admin);
        return 2;
    }
    return 0;
}

void
admin_start(struct server *server)
{
    (void)server;
}

int
admin_fd(void)
{
    return -1;
}

void
admin_heed(struct server *server)
{
    (void)server;
}

void
admin_announce(const struct server *server)
{
    (void)server;
}

void
admin_stop(void)
{
}

void
admin_remove_files(const struct server *server)
{
    (void)server;
}

#endif
