/*
 * The sockets that echod listens on.
 *
 * Invariant: fds[i] is bound to addresses[i], for i < count. Workers inherit them; the process that
 * opened them removes the UNIX socket's file.
 */
#include "listener.h"

#include <errno.h>
#include <netdb.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "group.h"
#include "upgrade.h"

enum { EXIT_SYSTEM = 1, EXIT_USAGE = 2 };

/** How long somebody who listens on our path may take to show it. */
#define PROBE_MS 1000

static int
add(struct listeners *listeners, const struct green_address *address, const struct options *options)
{
    if (listeners->count == LISTENERS_MAX) {
        return -E2BIG;
    }
    bool group = options->sharing == SHARING_EACH && address->storage.ss_family != AF_UNIX;
    int fd = group ? group_open(address, (int)options->backlog)
                   : green_listen(address, (int)options->backlog);
    if (fd < 0) {
        return fd;
    }
    struct green_address *bound = &listeners->addresses[listeners->count];
    *bound = *address;
    bound->length = sizeof bound->storage;
    getsockname(fd, (struct sockaddr *)&bound->storage, &bound->length);
    listeners->fds[listeners->count++] = fd;
    return 0;
}

/* ---- TCP ---- */

static uint16_t
get_port(const struct green_address *address)
{
    return address->storage.ss_family == AF_INET6
               ? ntohs(((const struct sockaddr_in6 *)&address->storage)->sin6_port)
               : ntohs(((const struct sockaddr_in *)&address->storage)->sin_port);
}

static void
complain_tcp(const struct green_address *address, int err)
{
    char text[GREEN_ADDRESS_TEXT];
    green_address_format(address, text, sizeof text);
    switch (-err) {
    case EADDRINUSE:
        if (get_port(address) == 0) {
            log_write(LOG_ERROR, "--port 0: no port of %.*s is free at the moment; choose one",
                      (int)strlen(text) - 2, text);
            break;
        }
        log_write(LOG_ERROR,
                  "--port: %s is in use by another program; choose another port, or 0 "
                  "for any free one",
                  text);
        break;
    case EADDRNOTAVAIL:
        log_write(LOG_ERROR, "--host: %s is not an address of this machine", text);
        break;
    case EACCES:
        log_write(LOG_ERROR, "--port: %s needs privileges; choose a port above 1023", text);
        break;
    default:
        log_write(LOG_ERROR, "cannot listen on %s: %s", text, green_strerror(err));
    }
}

static void
set_port(struct green_address *address, uint16_t port)
{
    if (address->storage.ss_family == AF_INET6) {
        ((struct sockaddr_in6 *)&address->storage)->sin6_port = htons(port);
    } else {
        ((struct sockaddr_in *)&address->storage)->sin_port = htons(port);
    }
}

/** Listen on every address of a host; with port 0 all get the one that the first was given. */
static int
open_host(struct listeners *listeners, const struct options *options, const char *host)
{
    struct addrinfo hints;
    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE;
    struct addrinfo *list;
    int err = green_resolve(host, NULL, &hints, &list);
    if (err != 0) {
        log_write(LOG_ERROR,
                  "--host %s: this name does not resolve (%s); a host is an address such "
                  "as 127.0.0.1 or ::1, or a name of this machine",
                  host, err == -ENOENT ? "no such host" : green_strerror(err));
        return EXIT_SYSTEM;
    }
    for (const struct addrinfo *entry = list; entry != NULL && err == 0; entry = entry->ai_next) {
        struct green_address address = {.length = entry->ai_addrlen};
        memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
        uint16_t port = (uint16_t)options->port;
        if (port == 0 && listeners->count > 0) {
            port = get_port(&listeners->addresses[0]);
        }
        set_port(&address, port);
        err = add(listeners, &address, options);
        if (err != 0) {
            complain_tcp(&address, err);
        }
    }
    freeaddrinfo(list);
    return err == 0 ? 0 : EXIT_SYSTEM;
}

/* ---- UNIX ---- */

int
listener_clear_path(const char *option, const char *path, const struct green_address *address)
{
    struct stat status;
    if (path[0] == '@' || lstat(path, &status) != 0) {
        return 0;
    }
    if (!S_ISSOCK(status.st_mode)) {
        log_write(LOG_ERROR, "--%s %s: there is a file of another sort; choose a path that is free",
                  option, path);
        return EXIT_SYSTEM;
    }
    struct green_timeout timeout;
    green_timeout_start(&timeout, PROBE_MS); /* one whose queue is full does not answer */
    int fd = green_connect_address(address);
    green_timeout_stop(&timeout);
    if (fd != -ECONNREFUSED) {
        if (fd >= 0) {
            green_close(fd);
        }
        log_write(LOG_ERROR,
                  "--%s %s: another program listens there; end it or choose another path", option,
                  path);
        return EXIT_SYSTEM;
    }
    if (unlink(path) != 0 && errno != ENOENT) {
        log_write(LOG_ERROR, "--%s %s: a stale socket cannot be removed: %s", option, path,
                  strerror(errno));
        return EXIT_SYSTEM;
    }
    return 0;
}

static int
open_unix(struct listeners *listeners, const struct options *options)
{
    const char *path = options->unix_path;
    struct green_address address;
    int err = green_address_unix(path, &address);
    if (err != 0) {
        log_write(LOG_ERROR, "--unix %s: a path has 1 to 107 bytes", path);
        return EXIT_USAGE;
    }
    int code = listener_clear_path("unix", path, &address);
    if (code != 0) {
        return code;
    }
    err = add(listeners, &address, options);
    if (err != 0) {
        log_write(LOG_ERROR,
                  "--unix %s: cannot listen there (%s); the path of a new file in a directory that "
                  "exists and may be written to is wanted",
                  path, green_strerror(err));
        return EXIT_SYSTEM;
    }
    listeners->unix_path = path[0] == '@' ? NULL : path;
    return 0;
}

/* ---- inherited ---- */

enum { FIRST_INHERITED = 3 };

/** What the one who handed over calls its i-th listener is this. */
static bool
is_named(const char *names, size_t i, const char *name)
{
    while (names != NULL && i > 0) {
        names = strchr(names, ':');
        names += names != NULL;
        i--;
    }
    size_t length = strlen(name);
    return names != NULL && strncmp(names, name, length) == 0 &&
           (names[length] == ':' || names[length] == '\0');
}

/** How many listeners this process was started with: by a service manager or by the echod that it
 *  replaces. They are announced for one process; its children are not to take them for theirs. */
static size_t
count_inherited(void)
{
    const char *pid = getenv("LISTEN_PID");
    const char *count = getenv("LISTEN_FDS");
    size_t result = 0;
    if (pid != NULL && count != NULL && atoi(pid) == (int)getpid() && atoi(count) > 0) {
        result = (size_t)atoi(count);
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    return result;
}

static bool
is_listener(int fd)
{
    int value = 0;
    int type = 0;
    socklen_t length = sizeof value;
    bool listens = getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &length) == 0 && value != 0;
    length = sizeof type;
    return listens && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 &&
           type == SOCK_STREAM;
}

/** Take over a listener as it is; the options that say where to listen are not looked at. */
static int
inherit(struct listeners *listeners, int fd, const struct options *options)
{
    if (!is_listener(fd) || listeners->count == LISTENERS_MAX) {
        log_write(LOG_ERROR, "LISTEN_FDS: descriptor %d is no stream socket that listens", fd);
        return EXIT_SYSTEM;
    }
    int on = 1;
    struct green_address *bound = &listeners->addresses[listeners->count];
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    bound->length = sizeof bound->storage;
    getsockname(fd, (struct sockaddr *)&bound->storage, &bound->length);
    if (bound->storage.ss_family != AF_UNIX) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* what is accepted inherits it */
    } else if (upgrade_is_one() && options->unix_path != NULL && options->unix_path[0] != '@') {
        listeners->unix_path = options->unix_path; /* ours to remove now */
    }
    listeners->fds[listeners->count++] = fd;
    return 0;
}

static int
inherit_all(struct listeners *listeners, const struct options *options)
{
    size_t count = count_inherited();
    const char *names = getenv("LISTEN_FDNAMES");
    int code = 0;
    for (size_t i = 0; i < count && code == 0; i++) {
        int fd = FIRST_INHERITED + (int)i;
        if (is_named(names, i, "admin")) {
            fcntl(fd, F_SETFD, FD_CLOEXEC);
            listeners->admin_fd = fd;
        } else {
            code = inherit(listeners, fd, options);
        }
    }
    unsetenv("LISTEN_FDNAMES");
    return code;
}

/* ---- all ---- */

size_t
listeners_rank(const struct listeners *listeners, size_t i, size_t *ret_siblings)
{
    const struct green_address *address = &listeners->addresses[i];
    size_t rank = 0;
    size_t siblings = 0;
    for (size_t k = 0; k < listeners->count; k++) {
        const struct green_address *other = &listeners->addresses[k];
        if (other->length == address->length &&
            memcmp(&other->storage, &address->storage, address->length) == 0) {
            rank += k < i;
            siblings++;
        }
    }
    if (ret_siblings != NULL) {
        *ret_siblings = siblings;
    }
    return rank;
}

bool
listeners_is_of(const struct listeners *listeners, size_t i, size_t worker, size_t workers)
{
    size_t siblings;
    size_t rank = listeners_rank(listeners, i, &siblings);
    return siblings >= workers ? rank % workers == worker : worker % siblings == rank;
}

static int
open_all(struct listeners *listeners, const struct options *options)
{
    int code = 0;
    for (size_t i = 0; i < options->host_count && code == 0; i++) {
        code = open_host(listeners, options, options->hosts[i]);
    }
    if (code == 0 && options->unix_path != NULL) {
        code = open_unix(listeners, options);
    }
    if (code != 0) {
        listeners_close(listeners);
    }
    return code;
}

int
listeners_open(struct listeners *listeners, const struct options *options)
{
    memset(listeners, 0, sizeof *listeners);
    int code = 0;
    listeners->admin_fd = -1;
    code = inherit_all(listeners, options);
    if (code != 0) {
        return code;
    }
    if (listeners->count == 0) {
        code = open_all(listeners, options);
    }
    if (code == 0 && options->sharing == SHARING_EACH) {
        group_complete(listeners, options);
    }
    return code;
}

void
listeners_announce(const struct listeners *listeners, const char *mode, uint64_t workers)
{
    for (size_t i = 0; i < listeners->count; i++) {
        char text[GREEN_ADDRESS_TEXT];
        if (listeners_rank(listeners, i, NULL) > 0) {
            continue; /* said already */
        }
        log_notice("listening on %s (mode %s, %ju worker%s, pid %d)",
                   green_address_format(&listeners->addresses[i], text, sizeof text), mode,
                   (uintmax_t)workers, workers == 1 ? "" : "s", (int)getpid());
    }
}

int
listeners_accept_queued(int fd)
{
    struct green_timeout now;
    green_timeout_start(&now, 0);
    int connection = green_accept(fd, NULL);
    green_timeout_stop(&now);
    return connection;
}

int
listeners_accept(const struct listeners *listeners)
{
    if (listeners->count == 1) {
        return green_accept(listeners->fds[0], NULL);
    }
    for (;;) {
        struct pollfd ready[LISTENERS_MAX];
        for (size_t i = 0; i < listeners->count; i++) {
            ready[i] = (struct pollfd){.fd = listeners->fds[i], .events = POLLIN};
        }
        int count = green_poll(ready, listeners->count, GREEN_FOREVER);
        if (count < 0) {
            return count;
        }
        for (size_t i = 0; i < listeners->count; i++) {
            int connection =
                ready[i].revents == 0 ? -ETIMEDOUT : listeners_accept_queued(listeners->fds[i]);
            if (connection != -ETIMEDOUT) { /* another worker may have been faster */
                return connection;
            }
        }
    }
}

void
listeners_shut_down(const struct listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++) {
        green_shutdown(listeners->fds[i], SHUT_RDWR);
    }
}

void
listeners_close(struct listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++) {
        green_close(listeners->fds[i]);
    }
    listeners->count = 0;
}

void
listeners_remove_files(struct listeners *listeners)
{
    if (listeners->unix_path != NULL) {
        unlink(listeners->unix_path);
        listeners->unix_path = NULL;
    }
}
