/*
 * Clients of a manager: a connection for each call under way, kept for the next.
 *
 * Invariant: a connection that is idle has no request under way; one whose call was cut short is
 * closed, since its reply may still come. A forked child has connections of its own.
 */
#include "green/manager.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/lock.h"
#include "green/job.h"
#include "green/timeout.h"
#include "job/manager.h"

#define IDLE_MAX 16

/** How long a manager has to end by itself, in milliseconds. */
#define END_MS 2000

struct green_manager {
    struct green_address address;
    pid_t pid;
    pid_t creator;
    struct green_job *job; /* the creator's */
    struct green__lock lock;
    _Atomic(pid_t) user; /* whose the idle connections are */
    int idle[IDLE_MAX];
    int idle_count;
};

/* ---- the manager's life ---- */

/** Wait until the manager serves, or is gone. */
static int
await_start(const struct green_manager *manager, int ready)
{
    struct pollfd fds[2] = {{.fd = ready, .events = POLLIN},
                            {.fd = green_job_fd(manager->job), .events = POLLIN}};
    int err = green_poll(fds, 2, GREEN_FOREVER);
    if (err < 0) {
        return err;
    }
    char byte;
    return read(ready, &byte, 1) == 1 ? 0 : -ECONNRESET;
}

static int
start(struct green_manager *manager)
{
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    struct green__manager_place place = {manager->address, -1};
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        return -errno;
    }
    place.ready = ends[1];
    options.name = "manager";
    options.daemon = true;
    int err = green_spawn_as(GREEN_PROCESS, green__manager_serve, &place, &options, &manager->job);
    close(ends[1]);
    if (err == 0) {
        manager->pid = green_job_pid(manager->job);
        err = await_start(manager, ends[0]);
    }
    green_close(ends[0]);
    return err;
}

/** A name that nobody has had. */
static int
choose_address(struct green_manager *manager)
{
    uint64_t random[2];
    char name[80];
    if (getrandom(random, sizeof random, 0) != sizeof random) {
        return -errno;
    }
    snprintf(name, sizeof name, "@green-manager-%d-%016llx%016llx", (int)getpid(),
             (unsigned long long)random[0], (unsigned long long)random[1]);
    return green_address_unix(name, &manager->address);
}

int
green_manager_create(struct green_manager **ret_manager)
{
    struct green_manager *manager = green__alloc_zeroed(sizeof *manager);
    if (manager == NULL) {
        return -ENOMEM;
    }
    manager->creator = getpid();
    manager->user = manager->creator;
    int err = choose_address(manager);
    if (err == 0) {
        err = start(manager);
    }
    if (err != 0) {
        green_manager_destroy(manager);
        return err;
    }
    *ret_manager = manager;
    return 0;
}

/** Have it end, by force if need be. */
static void
end_process(struct green_job *job)
{
    struct green_shield shield;
    green_shield_start(&shield);
    green_job_cancel(job);
    if (green_job_join(job, NULL, green_after(END_MS)) == -ETIMEDOUT) {
        green_job_terminate(job, SIGKILL);
        green_job_join(job, NULL, GREEN_FOREVER);
    }
    green_shield_stop(&shield);
}

void
green_manager_destroy(struct green_manager *manager)
{
    if (manager == NULL) {
        return;
    }
    if (manager->user == getpid()) {
        while (manager->idle_count > 0) {
            green_close(manager->idle[--manager->idle_count]);
        }
    }
    if (manager->job != NULL) {
        if (manager->creator == getpid()) {
            end_process(manager->job);
        }
        green_job_put(manager->job);
    }
    green__free(manager);
}

pid_t
green_manager_pid(const struct green_manager *manager)
{
    return manager->pid;
}

void
green_manager_free(void *memory)
{
    green__free(memory);
}

/* ---- connections ---- */

/** The manager is gone, in all the ways that shows. */
static int
gone(int err)
{
    return err == -ECONNREFUSED || err == -EPIPE || err == -ENOENT ? -ECONNRESET : err;
}

static int
take_connection(struct green_manager *manager)
{
    int fd = -1;
    green__lock(&manager->lock);
    if (manager->user != getpid()) { /* a child: these are its parent's, and closed here */
        manager->idle_count = 0;
        manager->user = getpid();
    }
    if (manager->idle_count > 0) {
        fd = manager->idle[--manager->idle_count];
    }
    green__unlock(&manager->lock);
    if (fd >= 0) {
        return fd;
    }
    while ((fd = green_connect_address(&manager->address)) == -EAGAIN) {
        int err = green_sleep(1); /* very many connect at this moment */
        if (err != 0) {
            return err;
        }
    }
    if (fd >= 0 && !green__manager_trusts(fd, manager->pid)) {
        green_close(fd);
        return -ECONNRESET;
    }
    return gone(fd);
}

static void
keep_connection(struct green_manager *manager, int fd)
{
    green__lock(&manager->lock);
    bool kept = manager->idle_count < IDLE_MAX;
    if (kept) {
        manager->idle[manager->idle_count++] = fd;
    }
    green__unlock(&manager->lock);
    if (!kept) {
        green_close(fd);
    }
}

/* ---- calls ---- */

static int
send_request(int fd, const struct green__request *request)
{
    const struct green__request_head head = {
        .call = request->call,
        .name_size = (uint32_t)strlen(request->name) + 1,
        .key_size = (uint32_t)strlen(request->key) + 1,
        .number = request->number,
        .value_length = request->value_length,
    };
    int err = green_sendall(fd, &head, sizeof head, MSG_MORE);
    if (err == 0) {
        err = green_sendall(fd, request->name, head.name_size, MSG_MORE);
    }
    if (err == 0) {
        err = green_sendall(fd, request->key, head.key_size, MSG_MORE);
    }
    return err != 0 ? err : green_sendall(fd, request->value, request->value_length, 0);
}

static int
recv_reply(int fd, struct green__reply *reply)
{
    int err = green__manager_recv(fd, &reply->head, sizeof reply->head);
    if (err != 0 || reply->head.length == 0) {
        return err;
    }
    reply->bytes = green__alloc((size_t)reply->head.length + 1);
    return reply->bytes == NULL ? -ENOMEM
                                : green__manager_recv(fd, reply->bytes, (size_t)reply->head.length);
}

/** Make a call; the reply's bytes are the caller's. */
static int64_t
call(struct green_manager *manager, const struct green__request *request,
     struct green__reply *reply)
{
    int fd = take_connection(manager);
    if (fd < 0) {
        return fd;
    }
    *reply = (struct green__reply){{0, 0, 0}, NULL};
    int err = send_request(fd, request);
    if (err == 0) {
        err = recv_reply(fd, reply);
    }
    if (err != 0) {
        green__free(reply->bytes);
        green_close(fd);
        return gone(err);
    }
    keep_connection(manager, fd);
    return reply->head.result;
}

int64_t
green__manager_number(struct green_manager *manager, const struct green__request *request,
                      int64_t *ret_number)
{
    struct green__reply reply;
    int64_t result = call(manager, request, &reply);
    if (result >= 0) {
        green__free(reply.bytes);
        if (ret_number != NULL) {
            *ret_number = reply.head.number;
        }
    }
    return result;
}

ssize_t
green__manager_bytes(struct green_manager *manager, const struct green__request *request,
                     void **ret_bytes)
{
    struct green__reply reply;
    int64_t result = call(manager, request, &reply);
    if (result < 0) {
        return (ssize_t)result;
    }
    if (ret_bytes == NULL) {
        green__free(reply.bytes);
        return (ssize_t)result;
    }
    if (reply.bytes == NULL && (reply.bytes = green__alloc(1)) == NULL) {
        return -ENOMEM;
    }
    reply.bytes[reply.head.length] = '\0';
    *ret_bytes = reply.bytes;
    return (ssize_t)result;
}

ssize_t
green__manager_items(struct green_manager *manager, const struct green__request *request,
                     struct green_manager_item **ret_items)
{
    struct green__reply reply;
    int64_t count = call(manager, request, &reply);
    if (count < 0) {
        return (ssize_t)count;
    }
    /* Each length makes room for a zero byte, and for more than it needs. */
    struct green_manager_item *items =
        green__alloc(((size_t)count + 1) * sizeof *items + (size_t)reply.head.length);
    if (items != NULL) {
        char *place = (char *)(items + count + 1);
        const unsigned char *next = reply.bytes;
        for (int64_t i = 0; i < count; i++) {
            uint64_t length;
            /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): it has bytes */
            memcpy(&length, next, sizeof length);
            memcpy(place, next + sizeof length, (size_t)length);
            place[length] = '\0';
            items[i] = (struct green_manager_item){place, (size_t)length};
            place += length + 1;
            next += sizeof length + length;
        }
        *ret_items = items;
    }
    green__free(reply.bytes);
    return items == NULL ? -ENOMEM : (ssize_t)count;
}
