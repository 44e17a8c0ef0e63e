/*
 * The children of a process executor, and the stream to each.
 *
 * The parent sends a work's head and bytes, the child the result's; neither sends before the
 * other's message was read to the end, so that bytes of any length go both ways without a deadlock.
 * The parent waits for the stream and for the child's end at once: a copy of the stream in some
 * grandchild keeps nobody waiting.
 *
 * Invariant: a child that has ended, or that a stream's error tells of, is used no more. The
 * parent's side runs in the task that looks after the child, but for green__child_open().
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "green/net.h"
#include "green/timeout.h"
#include "io/held.h"
#include "job/executor.h"
#include "job/hook.h"

/** How long a child that is not needed any more may take to end by itself. */
#define PATIENCE_MS 10000

/** What precedes the bytes that the child is to work on. */
struct request {
    green_entry entry;
    green_transform transform;
    void *arg; /* as it is, when there are no bytes */
    size_t size;
};

/** What precedes the bytes of a result. */
struct reply {
    intptr_t value;
    size_t size;
};

/* ---- in the child ---- */

/** False when the parent is gone, or wants nothing more. */
static bool
read_all(int fd, void *into, size_t size)
{
    char *place = into;
    while (size > 0) {
        ssize_t got = green_recv(fd, place, size, 0);
        if (got <= 0) {
            return false;
        }
        place += got;
        size -= (size_t)got;
    }
    return true;
}

/** Read what cannot be kept. */
static bool
skip_all(int fd, size_t size)
{
    char waste[4096];
    while (size > 0) {
        size_t part = size < sizeof waste ? size : sizeof waste;
        if (!read_all(fd, waste, part)) {
            return false;
        }
        size -= part;
    }
    return true;
}

int
green_result_write(struct green_result *result, const void *data, size_t size)
{
    if (size > result->room - result->size) {
        size_t room = result->room > SIZE_MAX / 2 ? SIZE_MAX : result->room * 2;
        if (size > SIZE_MAX - result->size) {
            return -ENOMEM;
        }
        room = room < result->size + size ? result->size + size : room;
        char *bytes = green__realloc(result->bytes, room);
        if (bytes == NULL) {
            return -ENOMEM;
        }
        result->bytes = bytes;
        result->room = room;
    }
    if (size > 0) {
        memcpy(result->bytes + result->size, data, size);
    }
    result->size += size;
    return 0;
}

/** Do what was asked for; false when the parent is gone. */
static bool
serve_request(int fd, const struct request *request)
{
    bool has_bytes = request->size > 0 || request->transform != NULL;
    void *bytes = has_bytes ? green__alloc(request->size > 0 ? request->size : 1) : NULL;
    struct reply reply = {-ENOMEM, 0};
    struct green_result result = {NULL, 0, 0};
    if (has_bytes && bytes == NULL) {
        if (!skip_all(fd, request->size)) {
            return false;
        }
    } else {
        if (has_bytes && !read_all(fd, bytes, request->size)) {
            green__free(bytes);
            return false;
        }
        reply.value = request->transform != NULL ? request->transform(bytes, request->size, &result)
                                                 : request->entry(has_bytes ? bytes : request->arg);
    }
    green__free(bytes);
    fflush(stdout);
    fflush(stderr);
    reply.size = green__is_error(reply.value) ? 0 : result.size;
    int err = green_sendall(fd, &reply, sizeof reply, 0);
    if (err == 0 && reply.size > 0) {
        err = green_sendall(fd, result.bytes, reply.size, 0);
    }
    green__free(result.bytes);
    return err == 0;
}

/** What a child is started with. */
struct start {
    int fd;
    green_executor_initializer initializer;
    void *arg;
};

/** Run the initializer and tell what came of it; false when the child is of no use. */
static bool
initialize(const struct start *start)
{
    struct reply reply = {start->initializer(start->arg), 0};
    fflush(stdout);
    fflush(stderr);
    return green_sendall(start->fd, &reply, sizeof reply, 0) == 0 && reply.value >= 0;
}

static intptr_t
child_main(void *arg)
{
    const struct start *start = arg;
    int fd = start->fd;
    struct request request;
    if (start->initializer != NULL && !initialize(start)) {
        return 0;
    }
    while (read_all(fd, &request, sizeof request) && serve_request(fd, &request)) {
    }
    return 0;
}

/* ---- in the parent ---- */

int
green__child_open(struct green_executor *executor, struct green__child_link *ret_child)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        return -errno;
    }
    green__held_add(ends[0]);
    green__held_add(ends[1]);
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    executor->keep_fds[executor->keep_fd_count] = ends[1];
    options.name = executor->name;
    options.daemon = true;
    options.stack_size = executor->stack_size;
    options.keep_fds = executor->keep_fds;
    options.keep_fd_count = executor->keep_fd_count + 1;
    struct start start = {ends[1], executor->initializer, executor->initializer_arg};
    struct green_job *job;
    int err = green_spawn_as(GREEN_PROCESS, child_main, &start, &options, &job);
    green_close(ends[1]);
    if (err != 0) {
        green_close(ends[0]);
        return err;
    }
    *ret_child = (struct green__child_link){job, ends[0]};
    return 0;
}

void
green__child_close(struct green__child_link *child)
{
    struct green_shield shield;
    green_shield_start(&shield);
    green_close(child->fd);
    if (green_job_join(child->job, NULL, green_after(PATIENCE_MS)) == -ETIMEDOUT) {
        green_job_terminate(child->job, SIGKILL);
        green_job_join(child->job, NULL, GREEN_FOREVER);
    }
    green_shield_stop(&shield);
    green_job_put(child->job);
}

/** Wait until the stream is ready, or the child has ended: then what is in the stream is all. */
static int
await(const struct green__child_link *child, short events, bool *ended)
{
    struct pollfd fds[2] = {{child->fd, events, 0}, {green_job_fd(child->job), POLLIN, 0}};
    if (*ended) {
        return -EOWNERDEAD;
    }
    int ready = green_poll(fds, 2, GREEN_FOREVER);
    if (ready < 0) {
        return ready;
    }
    *ended = fds[1].revents != 0;
    return 0;
}

static int
send_all(const struct green__child_link *child, const void *bytes, size_t size)
{
    const char *from = bytes;
    bool ended = false;
    while (size > 0) {
        ssize_t sent = send(child->fd, from, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0) {
            int err = errno == EAGAIN  ? await(child, POLLOUT, &ended)
                      : errno == EINTR ? 0
                                       : -EOWNERDEAD;
            if (err != 0) {
                return err;
            }
            continue;
        }
        from += sent;
        size -= (size_t)sent;
    }
    return 0;
}

/** Receive so many bytes, into nowhere if `bytes` is NULL. */
static int
recv_all(const struct green__child_link *child, void *bytes, size_t size)
{
    char waste[4096] = {0};
    char *into = bytes;
    bool ended = false;
    while (size > 0) {
        size_t part = into != NULL || size < sizeof waste ? size : sizeof waste;
        ssize_t got = recv(child->fd, into != NULL ? into : waste, part, MSG_DONTWAIT);
        if (got < 0) {
            int err = errno == EAGAIN  ? await(child, POLLIN, &ended)
                      : errno == EINTR ? 0
                                       : -EOWNERDEAD;
            if (err != 0) {
                return err;
            }
            continue;
        }
        if (got == 0) {
            return -EOWNERDEAD;
        }
        into += into != NULL ? got : 0;
        size -= (size_t)got;
    }
    return 0;
}

int
green__child_initialize(const struct green__child_link *child)
{
    struct reply reply;
    int err = recv_all(child, &reply, sizeof reply);
    return err != 0 ? err : (int)reply.value;
}

static int
exchange(const struct green__child_link *child, const struct green__work *work,
         struct green__outcome *outcome)
{
    struct request request = {work->entry, work->transform, work->arg, work->size};
    struct reply reply;
    void *bytes = NULL;
    int err = send_all(child, &request, sizeof request);
    if (err == 0) {
        err = send_all(child, work->copy, work->size);
    }
    if (err == 0) {
        err = recv_all(child, &reply, sizeof reply);
    }
    if (err != 0) {
        return err;
    }
    if (reply.size > 0) {
        bytes = green__alloc(reply.size);
        err = recv_all(child, bytes, reply.size);
        if (err != 0) {
            green__free(bytes);
            return err;
        }
    }
    bool kept = reply.size == 0 || bytes != NULL;
    green__outcome_set(outcome, kept ? reply.value : -ENOMEM, bytes, kept ? reply.size : 0);
    return 0;
}

/** How the child died; if it lives, its stream is of no use, and it is killed. */
static void
find_death(struct green_job *job, struct green__outcome *outcome)
{
    struct green_shield shield;
    green_shield_start(&shield);
    /* Who exits closes the stream a moment before it ends. */
    if (green_job_join(job, NULL, green_after(PATIENCE_MS)) == -ETIMEDOUT) {
        green_job_terminate(job, SIGKILL);
        green_job_join(job, NULL, GREEN_FOREVER);
    }
    green_shield_stop(&shield);
    *outcome = (struct green__outcome){.err = -EOWNERDEAD};
    outcome->died = green_job_status(job, &outcome->status) == 0;
}

bool
green__child_run(struct green__crewman *crewman, struct green__work *work,
                 struct green__outcome *outcome)
{
    struct green_executor *executor = crewman->executor;
    int err = exchange(&crewman->child, work, outcome);
    if (err == 0) {
        return true;
    }
    green__lock(&executor->lock);
    bool cancelled = crewman->cancelled || err == -ECANCELED;
    green__unlock(&executor->lock);
    if (err != -EOWNERDEAD) {
        green_job_terminate(crewman->child.job, SIGKILL);
    }
    find_death(crewman->child.job, outcome);
    if (cancelled) {
        *outcome = (struct green__outcome){.err = -ECANCELED};
    } else if (err != -EOWNERDEAD) {
        *outcome = (struct green__outcome){.err = err};
    }
    return false;
}
