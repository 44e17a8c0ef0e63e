/*
 * The manager's process: a task for each connection, one store for all.
 *
 * Invariant: requests are carried out between two suspensions, so each as a whole. A connection
 * that ends, fails or sends nonsense ends its task and nothing else.
 */
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "green/job.h"
#include "green/timeout.h"
#include "job/manager.h"
#include "job/manager_store.h"

/** How long a name or a key may be. */
#define STRING_LIMIT (1u << 24)

/** The process has one manager in it. */
static struct green__store store;

int
green__manager_recv(int fd, void *buffer, size_t length)
{
    char *next = buffer;
    while (length > 0) {
        ssize_t got = green_recv(fd, next, length, 0);
        if (got <= 0) {
            return got == 0 ? -ECONNRESET : (int)got;
        }
        next += got;
        length -= (size_t)got;
    }
    return 0;
}

bool
green__manager_trusts(int fd, pid_t pid)
{
    struct ucred peer;
    socklen_t length = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 && peer.uid == geteuid() &&
           (pid == 0 || peer.pid == pid);
}

/** A string of the request; NULL when it is none. */
static const char *
string_at(const char *bytes, size_t size)
{
    return size > 0 && bytes[size - 1] == '\0' ? bytes : NULL;
}

static int
send_reply(int fd, const struct green__reply *reply)
{
    int err =
        green_sendall(fd, &reply->head, sizeof reply->head, reply->head.length > 0 ? MSG_MORE : 0);
    if (err == 0 && reply->head.length > 0) {
        err = green_sendall(fd, reply->bytes, reply->head.length, 0);
    }
    return err;
}

/** Receive a request and answer it; 0 when there may be another one. */
static int
serve_one(int fd)
{
    struct green__request_head head;
    int err = green__manager_recv(fd, &head, sizeof head);
    if (err != 0) {
        return err;
    }
    if (head.name_size > STRING_LIMIT || head.key_size > STRING_LIMIT ||
        head.value_length > SIZE_MAX / 2) {
        return -EPROTO;
    }
    size_t strings = (size_t)head.name_size + head.key_size;
    size_t length = (size_t)head.value_length;
    char *bytes = green__alloc(strings + length + 1);
    if (bytes == NULL) {
        return -ENOMEM;
    }
    err = green__manager_recv(fd, bytes, strings + length);
    if (err == 0) {
        const struct green__request request = {
            .call = head.call,
            .name = string_at(bytes, head.name_size),
            .key = string_at(bytes + head.name_size, head.key_size),
            .number = head.number,
            .value = bytes + strings,
            .value_length = length,
        };
        struct green__reply reply;
        green__store_answer(&store, &request, &reply);
        green__free(bytes);
        err = send_reply(fd, &reply);
        green__free(reply.bytes);
    } else {
        green__free(bytes);
    }
    return err;
}

static intptr_t
serve_client(void *arg)
{
    int fd = (int)(intptr_t)arg;
    if (green__manager_trusts(fd, 0)) {
        while (serve_one(fd) == 0) {
        }
    }
    green_close(fd);
    return 0;
}

static int
accept_clients(int listener)
{
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    unsigned pause_ms = 0;
    options.daemon = true; /* it does not keep the manager */
    for (;;) {
        int fd = green_accept(listener, NULL);
        if (fd == -EMFILE || fd == -ENFILE || fd == -ENOBUFS || fd == -ENOMEM) {
            fd = green_accept_pause(&pause_ms);
            if (fd == 0) {
                continue;
            }
        }
        if (fd < 0) {
            return fd;
        }
        pause_ms = 0;
        if (green_spawn_as(GREEN_TASK, serve_client, (void *)(intptr_t)fd, &options, NULL) != 0) {
            green_close(fd);
        }
    }
}

intptr_t
green__manager_serve(void *arg)
{
    const struct green__manager_place *place = arg;
    struct green_shield shield;
    signal(SIGINT, SIG_IGN); /* typed at the terminal of its creator, who will end it */
    int listener = green_listen(&place->address, SOMAXCONN);
    if (listener < 0) {
        return listener;
    }
    ssize_t told = write(place->ready, "", 1);
    close(place->ready);
    int err = told == 1 ? accept_clients(listener) : -ECONNRESET;
    green_shield_start(&shield);
    green_close(listener);
    green_shield_stop(&shield);
    return err;
}
