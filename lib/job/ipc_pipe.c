/*
 * Duplex pipes of messages: a length, eight bytes in the machine's order, and so many bytes, on a
 * pair of UNIX sockets.
 *
 * One of the workers that wait at an end pumps: it waits for the descriptor, and takes in what
 * comes, for all of them; the others wait for it. Who has to wait to send has the pump wait for
 * that too, and rings it if it does not yet.
 *
 * Invariant: what is half received belongs to who pumps; all else is guarded by the lock of those
 * who wait. Any worker of the process that the end was made in, or handed to, may call.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/errors.h"
#include "green/net.h"
#include "green/pipe.h"
#include "green/sync.h"
#include "io/held.h"
#include "sched/wait.h"

/** A message that was received. */
struct message {
    struct message *next;
    size_t length;
    unsigned char bytes[];
};

struct green_pipe {
    int fd;
    ino_t inode; /* of the socket: in another process the number may be somebody else's */
    _Atomic(pid_t) pid;
    bool ours;
    bool cut; /* a part of a message was sent, and the rest never will be */
    struct green_mutex sending;
    struct green__waitq moved; /* who waits for the pump */
    bool pumping;
    bool pump_sends; /* it waits for room to send, too */
    bool send_waits;
    atomic_int end; /* why nothing more comes: 0, -EPIPE or -ECONNRESET */
    int bell;
    struct message *first;
    struct message **last;
    uint64_t header;
    size_t got; /* bytes of the header and the message */
    struct message *incoming;
};

static struct green__lock adopting;

/* ---- ends ---- */

/** What an end of this process has in memory. */
static void
init_end(struct green_pipe *end)
{
    end->bell = -1;
    green_mutex_init(&end->sending);
    green__waitq_init(&end->moved);
    end->pumping = end->send_waits = false;
    end->first = NULL;
    end->last = &end->first;
    end->incoming = NULL;
    end->got = 0;
}

static struct green_pipe *
make_end(int fd)
{
    struct stat status;
    struct green_pipe *end = green__alloc_zeroed(sizeof *end);
    if (end != NULL) {
        init_end(end);
        end->pid = getpid();
        end->ours = true;
        end->fd = fd;
        end->inode = fstat(fd, &status) == 0 ? status.st_ino : 0;
    }
    return end;
}

int
green_pipe_create(struct green_pipe **ret_one, struct green_pipe **ret_other)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
        return -errno;
    }
    struct green_pipe *one = make_end(fds[0]);
    struct green_pipe *other = make_end(fds[1]);
    if (one == NULL || other == NULL) {
        green__free(one);
        green__free(other);
        close(fds[0]);
        close(fds[1]);
        return -ENOMEM;
    }
    green__held_add(fds[0]);
    green__held_add(fds[1]);
    *ret_one = one;
    *ret_other = other;
    return 0;
}

static void
free_messages(struct green_pipe *end)
{
    while (end->first != NULL) {
        struct message *message = end->first;
        end->first = message->next;
        green__free(message);
    }
    green__free(end->incoming);
}

/** Whether the end is the calling process'. In a child, see what was handed over. */
static bool
is_ours(struct green_pipe *end)
{
    if (end->pid != getpid()) {
        struct stat status;
        green__lock(&adopting);
        if (end->pid != getpid()) {
            free_messages(end); /* they are the parent's */
            init_end(end);
            end->ours = fstat(end->fd, &status) == 0 && status.st_ino == end->inode;
            atomic_store(&end->pid, getpid());
        }
        green__unlock(&adopting);
    }
    return end->ours;
}

void
green_pipe_close(struct green_pipe *end)
{
    if (end == NULL) {
        return;
    }
    if (is_ours(end)) {
        if (end->pumping || green_mutex_locked(&end->sending)) {
            green__misuse("green_pipe_close: somebody uses it");
        }
        green_mutex_fini(&end->sending);
        if (end->bell >= 0) {
            green_close(end->bell);
        }
        green_close(end->fd);
    }
    free_messages(end);
    green__free(end);
}

int
green_pipe_fd(const struct green_pipe *end)
{
    return end->fd;
}

size_t
green_pipe_fds(struct green_pipe *const *ends, size_t count, int *ret_fds)
{
    size_t filled = 0;
    for (size_t i = 0; i < count; i++) {
        if (ends[i] != NULL) {
            ret_fds[filled++] = ends[i]->fd;
        }
    }
    return filled;
}

/* ---- the pump ---- */

/** Receive into place what is there; as recv(), with -EAGAIN when there is nothing. */
static ssize_t
recv_some(int fd, void *place, size_t room)
{
    ssize_t got;
    do {
        got = recv(fd, place, room, MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

/** Whether a message is there as a whole. */
static bool
is_whole(const struct green_pipe *end)
{
    return end->got >= sizeof end->header && end->incoming != NULL &&
           end->got - sizeof end->header == end->incoming->length;
}

/** Make room for the message whose header is there. */
static int
make_room(struct green_pipe *end)
{
    if (end->header > SIZE_MAX / 2) {
        return -ENOMEM;
    }
    struct message *message = green__alloc(sizeof *message + (size_t)end->header);
    if (message == NULL) {
        return -ENOMEM;
    }
    message->next = NULL;
    message->length = (size_t)end->header;
    end->incoming = message;
    return 0;
}

/** Take in what there is, up to the end of a message: 0 then, or at the end of the stream; -EAGAIN
 *  when neither has come yet, -ENOMEM. */
static int
take_in(struct green_pipe *end)
{
    while (!is_whole(end)) {
        ssize_t got;
        if (end->got < sizeof end->header) {
            char *place = (char *)&end->header + end->got;
            got = recv_some(end->fd, place, sizeof end->header - end->got);
        } else if (end->incoming != NULL) {
            size_t done = end->got - sizeof end->header;
            got = recv_some(end->fd, end->incoming->bytes + done, end->incoming->length - done);
        } else {
            int err = make_room(end);
            if (err != 0) {
                return err;
            }
            continue;
        }
        if (got == 0 || got == -ECONNRESET) {
            atomic_store(&end->end, end->got == 0 ? -EPIPE : -ECONNRESET);
            return 0;
        }
        if (got < 0) {
            return (int)got;
        }
        end->got += (size_t)got;
    }
    return 0;
}

/** Wait for the descriptor until a message has come in, or the end, or there is room for who sends,
 *  or somebody rings. */
static int
pump(struct green_pipe *end, bool sends, green_deadline deadline)
{
    if (atomic_load(&end->end) != 0) { /* nothing comes any more */
        int ready = green_wait_fd(end->fd, POLLOUT, deadline);
        return ready < 0 ? ready : 0;
    }
    for (;;) {
        int err = take_in(end);
        if (err != -EAGAIN) {
            return err;
        }
        short events = sends ? POLLIN | POLLOUT : POLLIN;
        struct pollfd fds[2] = {{.fd = end->fd, .events = events},
                                {.fd = end->bell, .events = POLLIN}};
        int ready = green_poll(fds, 2, deadline);
        if (ready < 0) {
            return ready;
        }
        if (fds[1].revents != 0) {
            uint64_t count;
            ssize_t ignored = read(end->bell, &count, sizeof count);
            (void)ignored;
            return 0;
        }
        if (fds[0].revents & POLLOUT) {
            return 0;
        }
    }
}

/** Have the pump wait for room to send, too. */
static void
ring(struct green_pipe *end)
{
    uint64_t one = 1;
    ssize_t ignored = write(end->bell, &one, sizeof one);
    (void)ignored;
}

/**
 * Wait until something has moved: pump, or wait for who pumps.
 *
 * The lock is held before and afterwards. Any number of calls may be needed.
 */
static int
await_move(struct green_pipe *end, green_deadline deadline)
{
    if (end->pumping) {
        if (end->send_waits && !end->pump_sends) {
            ring(end);
        }
        int err = green__waitq_wait(&end->moved, green__self(), deadline, "a pipe of messages");
        green__waitq_lock(&end->moved);
        return err;
    }
    if (end->bell < 0) {
        end->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (end->bell < 0) {
            return -errno;
        }
        green__held_add(end->bell);
    }
    end->pumping = true;
    end->pump_sends = end->send_waits;
    green__waitq_unlock(&end->moved);
    int err = pump(end, end->pump_sends, deadline);
    green__waitq_lock(&end->moved);
    end->pumping = false;
    if (is_whole(end)) {
        *end->last = end->incoming;
        end->last = &end->incoming->next;
        end->incoming = NULL;
        end->got = 0;
    }
    green__waitq_wake_all(&end->moved);
    return err;
}

/* ---- sending ---- */

/** Send what there is room for, from the `sent`th byte on; a count, or a negative errno value. */
static ssize_t
send_some(const struct green_pipe *end, uint64_t header, const void *message, size_t sent)
{
    struct iovec parts[2];
    int count = 0;
    size_t done = sent < sizeof header ? 0 : sent - sizeof header;
    if (sent < sizeof header) {
        parts[count++] = (struct iovec){(char *)&header + sent, sizeof header - sent};
    }
    if (header > done) {
        parts[count++] = (struct iovec){(char *)(uintptr_t)message + done, (size_t)header - done};
    }
    struct msghdr batch = {.msg_iov = parts, .msg_iovlen = (size_t)count};
    ssize_t result;
    do {
        result = sendmsg(end->fd, &batch, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (result < 0 && errno == EINTR);
    if (result >= 0) {
        return result;
    }
    return errno == ECONNRESET ? -EPIPE : -errno;
}

static int
await_room(struct green_pipe *end)
{
    green__waitq_lock(&end->moved);
    end->send_waits = true;
    int err = await_move(end, GREEN_FOREVER);
    end->send_waits = false;
    green__waitq_unlock(&end->moved);
    return err;
}

int
green_pipe_send(struct green_pipe *end, const void *message, size_t length)
{
    int err = is_ours(end) ? green_mutex_lock(&end->sending, GREEN_FOREVER) : -EBADF;
    if (err != 0) {
        return err;
    }
    size_t total = sizeof(uint64_t) + length;
    size_t sent = 0;
    err = end->cut ? -EPIPE : 0;
    while (err == 0 && sent < total) {
        ssize_t result = send_some(end, length, message, sent);
        if (result >= 0) {
            sent += (size_t)result;
        } else {
            err = result == -EAGAIN ? await_room(end) : (int)result;
        }
    }
    if (err != 0 && sent > 0 && !end->cut) {
        end->cut = true;
        shutdown(end->fd, SHUT_WR);
    }
    green_mutex_unlock(&end->sending);
    return err;
}

/* ---- receiving ---- */

/** Until there is a message: 0 then, with the lock held. */
static int
await_message(struct green_pipe *end, green_deadline deadline)
{
    int err = is_ours(end) ? green__wait_check(green__self()) : -EBADF;
    if (err != 0) {
        return err;
    }
    green__waitq_lock(&end->moved);
    while (end->first == NULL && err == 0) {
        err = atomic_load(&end->end);
        if (err == 0) {
            err = await_move(end, deadline);
        }
    }
    if (end->first != NULL) {
        return 0;
    }
    green__waitq_unlock(&end->moved);
    return err;
}

/** Take the first message out; the lock is free then. */
static struct message *
shift(struct green_pipe *end)
{
    struct message *message = end->first;
    end->first = message->next;
    if (end->first == NULL) {
        end->last = &end->first;
    }
    green__waitq_unlock(&end->moved);
    return message;
}

ssize_t
green_pipe_recv(struct green_pipe *end, void *buffer, size_t size)
{
    int err = await_message(end, GREEN_FOREVER);
    if (err != 0) {
        return err;
    }
    if (end->first->length > size) {
        green__waitq_unlock(&end->moved);
        return -EMSGSIZE;
    }
    struct message *message = shift(end);
    ssize_t length = (ssize_t)message->length;
    if (length > 0) {
        memcpy(buffer, message->bytes, message->length);
    }
    green__free(message);
    return length;
}

ssize_t
green_pipe_take(struct green_pipe *end, void **ret_message)
{
    int err = await_message(end, GREEN_FOREVER);
    if (err != 0) {
        return err;
    }
    struct message *message = shift(end);
    *ret_message = message->bytes;
    return (ssize_t)message->length;
}

void
green_pipe_free(void *message)
{
    if (message != NULL) {
        green__free((char *)message - offsetof(struct message, bytes));
    }
}

int
green_pipe_poll(struct green_pipe *end, green_deadline deadline)
{
    int err = await_message(end, deadline);
    if (err == 0) {
        green__waitq_unlock(&end->moved);
    }
    return err == -EPIPE || err == -ECONNRESET ? 0 : err;
}
