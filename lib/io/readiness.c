/*
 * The calls of engines that report readiness: try, and if it would block wait and try again.
 *
 * Invariant: a slot's READABLE bit is cleared only when the descriptor was seen empty and the
 * engine will report the next arrival. A worker's place in a slot is its own from before it parks
 * until it runs again, unless the descriptor is closed meanwhile: then the place is empty, or
 * another's.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/direct.h"
#include "io/engine.h"
#include "io/kernel.h"
#include "io/view.h"
#include "sched/hibernate.h"
#include "sched/wait.h"

static struct green_job **
place_for(struct green__slot *slot, unsigned event)
{
    return event == GREEN__READABLE ? &slot->reader : &slot->writer;
}

/** Park until the descriptor is ready; 0 when it may be. */
static int
await(struct green__io *io, int fd, struct green__slot *slot, unsigned event)
{
    struct green_job *self = green__running;
    struct green_job **place = place_for(slot, event);
    if (*place != NULL) {
        return -EBUSY;
    }
    int err = io->engine->watch(io, fd, slot, event);
    if (err != 0) {
        return err;
    }
    green__wait_begin(self);
    green__wait_on_fd(self, fd);
    if (event == GREEN__READABLE) {
        green__hibernate_allow(self); /* the kernel has no pointers of ours meanwhile */
    }
    *place = self;
    err =
        green__io_park(io, self, GREEN_FOREVER,
                       event == GREEN__READABLE ? "a descriptor to read" : "a descriptor to write");
    if (*place != self) {
        return -EBADF;
    }
    *place = NULL;
    return err;
}

/** One try to receive; the bit is cleared when the descriptor was seen empty. */
static ssize_t
try_recv(int fd, struct green__slot *slot, void *buf, size_t len, int flags)
{
    ssize_t got;
    do {
        got = green__direct_recv(fd, buf, len, flags | MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got > 0 && (size_t)got < len && slot->stream && flags == 0) {
        slot->ready &= (uint8_t)~GREEN__READABLE;
    } else if (got < 0 && errno == EAGAIN) {
        slot->ready &= (uint8_t) ~(GREEN__READABLE | GREEN__HUNG_UP);
    }
    return got < 0 ? -errno : got;
}

/* ---- trying without a report ----
 *
 * Under load the next message is often there by the time that everybody else has had a turn. So a
 * reader stands back instead of parking: it goes to the end of the run queue, and then tries. What
 * that saves is the report, which costs more than a try that fails. `heat` is how far recent tries
 * of a slot outweigh its failures; of the waits for cold slots one in `patience` is a try,
 * whichever it is, which shrinks while tries succeed: so a loop with many connections finds out as
 * soon.
 *
 * Nobody is served twice for it while another waits: those who stand back go behind all who are in
 * the queue, and the loop looks for reports before the first of them has its turn again.
 */

/** With fewer workers ready than this, a round is too short for a message to come. */
#define ROUND_MIN 4

#define HEAT_MAX     8
#define HEAT_MISS    3 /* below three hits in four it does not pay */
#define PATIENCE_MAX 64

static bool
may_try_unreported(struct green__io *io, struct green__slot *slot, const struct green_job *self)
{
    if (!io->engine->quietens || !slot->stream || slot->reader != NULL || self->callbacks > 0 ||
        green__sched_ready_count(io->sched) < ROUND_MIN) {
        return false;
    }
    if (slot->heat > 0) {
        return true;
    }
    if (++io->calm < io->patience) {
        return false;
    }
    io->calm = 0;
    return true;
}

static void
note_try(struct green__io *io, struct green__slot *slot, bool hit)
{
    if (hit) {
        slot->heat = (uint8_t)(slot->heat + (slot->heat < HEAT_MAX));
        io->patience = (uint8_t)(io->patience / 2);
    } else {
        slot->heat = slot->heat > HEAT_MISS ? (uint8_t)(slot->heat - HEAT_MISS) : 0;
        io->patience = io->patience < PATIENCE_MAX / 2 ? (uint8_t)(2 * io->patience + 1)
                                                       : (uint8_t)PATIENCE_MAX;
    }
}

/** Let the others have their turn; 0, or -EBADF when the descriptor was closed meanwhile. */
static int
stand_back(struct green__slot *slot, struct green_job *self)
{
    slot->reader = self;
    slot->standing_back = true;
    green__sched_stand_back(self);
    if (slot->reader != self) {
        return -EBADF;
    }
    slot->reader = NULL;
    slot->standing_back = false;
    return 0;
}

/** A try to receive has come to something. */
static void
received(struct green__io *io, struct green__slot *slot, bool stood_back)
{
    if (stood_back) {
        note_try(io, slot, true);
    } else {
        green__sched_pace(green__running);
    }
}

/** Wait until a try to receive is worth while; `stood_back` says whether we did so for it. */
static int
await_bytes(struct green__io *io, int fd, struct green__slot *slot, bool *stood_back)
{
    struct green_job *self = green__running;
    int err;
    if (*stood_back) {
        *stood_back = false;
        note_try(io, slot, false);
        err = await(io, fd, slot, GREEN__READABLE);
    } else if (may_try_unreported(io, slot, self)) {
        err = stand_back(slot, self);
        *stood_back = err == 0;
    } else {
        err = await(io, fd, slot, GREEN__READABLE);
    }
    if (err == 0) {
        slot->ready |= GREEN__READABLE;
    }
    return err;
}

ssize_t
green__readiness_recv(struct green__io *io, int fd, void *buf, size_t len, int flags)
{
    struct green__slot *slot = green__slot_get(io, fd);
    if (slot == NULL) {
        return fd < 0 ? -EBADF : -ENOMEM;
    }
    bool stood_back = false;
    for (;;) {
        if ((slot->ready & (GREEN__READABLE | GREEN__HUNG_UP)) || (flags & MSG_DONTWAIT)) {
            ssize_t got = try_recv(fd, slot, buf, len, flags);
            if (got != -EAGAIN || (flags & MSG_DONTWAIT)) {
                received(io, slot, stood_back);
                return got;
            }
        }
        int err = await_bytes(io, fd, slot, &stood_back);
        if (err != 0) {
            return err;
        }
    }
}

ssize_t
green__readiness_recv_view(struct green__io *io, int fd, struct green_view *ret_view)
{
    struct green__slot *slot = green__slot_get(io, fd);
    if (slot == NULL) {
        return fd < 0 ? -EBADF : -ENOMEM;
    }
    bool stood_back = false;
    for (;;) {
        /* No buffer while nothing comes: it is taken for the try, and kept if there is something.
         */
        if (slot->ready & (GREEN__READABLE | GREEN__HUNG_UP)) {
            struct green_view view;
            int err = green__view_take(&view);
            if (err != 0) {
                return err;
            }
            ssize_t got = try_recv(fd, slot, view.data, GREEN_VIEW_MAX, 0);
            if (got > 0) {
                view.length = (size_t)got;
                *ret_view = view;
            } else {
                green_view_release(&view);
            }
            if (got != -EAGAIN) {
                received(io, slot, stood_back);
                return got;
            }
        }
        int err = await_bytes(io, fd, slot, &stood_back);
        if (err != 0) {
            return err;
        }
    }
}

void
green__readiness_release(struct green__io *io, struct green_view *view)
{
    (void)io;
    green__view_give(view);
}

ssize_t
green__readiness_send(struct green__io *io, int fd, const void *buf, size_t len, int flags)
{
    for (;;) {
        ssize_t sent = green__direct_send(fd, buf, len, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0) {
            green__sched_pace(green__running);
            return sent;
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno != EAGAIN || (flags & MSG_DONTWAIT)) {
            return -errno;
        }
        struct green__slot *slot = green__slot_get(io, fd);
        int err = slot == NULL ? -ENOMEM : await(io, fd, slot, GREEN__WRITABLE);
        if (err != 0) {
            return err;
        }
    }
}

/** Send what a view has; what is left when that fails stays in it. */
static int
send_out(struct green__io *io, int fd, struct green_view *view, int flags)
{
    while (view->length > 0) {
        ssize_t sent = green__readiness_send(io, fd, view->data, view->length, flags);
        if (sent < 0) {
            return (int)sent;
        }
        green__view_take_off(view, sent);
    }
    return 0;
}

int
green__readiness_send_view(struct green__io *io, int fd, struct green_view *view)
{
    int err = send_out(io, fd, view, 0);
    io->engine->release(io, view);
    return err;
}

ssize_t
green__readiness_answer_view(struct green__io *io, int fd, struct green_view *view,
                             struct green_timeout *sending, uint64_t ms)
{
    int err = send_out(io, fd, view, MSG_DONTWAIT);
    if (err == -EAGAIN) {
        green_timeout_start(sending, ms);
        err = send_out(io, fd, view, 0);
        green_timeout_stop(sending);
    }
    if (err == -ETIMEDOUT || err == -ECANCELED) {
        return err;
    }
    io->engine->release(io, view);
    return err != 0 ? err : io->engine->recv_view(io, fd, view);
}

/** Whether what the listener accepts is TCP. */
static bool
is_tcp(int fd)
{
    int domain = 0;
    socklen_t size = sizeof domain;
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
           (domain == AF_INET || domain == AF_INET6);
}

/** Connections that are taken for one call of a worker's streak: each is another client's, who has
 * waited for his turn like everybody else. */
#define ACCEPTS_PER_CALL 16

static void
accepted(struct green__slot *slot)
{
    if (++slot->calm >= ACCEPTS_PER_CALL) {
        slot->calm = 0;
        green__sched_pace(green__running);
    }
}

/** Whether somebody stands in the listener's queue. To look costs the kernel a tenth of what an
 * accept in vain does, which makes a socket and its file before it looks. */
static bool
has_queue(int fd)
{
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    return poll(&entry, 1, 0) != 0; /* who finds out why it failed is the accept */
}

int
green__readiness_accept(struct green__io *io, int fd, struct sockaddr *peer, socklen_t *length)
{
    struct green__slot *slot = green__slot_get(io, fd);
    if (slot == NULL) {
        return fd < 0 ? -EBADF : -ENOMEM;
    }
    bool due = !slot->nonblocking; /* it may be no listener at all: the accept says so */
    if (due) {
        green__listener_unblock(fd);
        slot->nonblocking = true;
        slot->tcp = is_tcp(fd);
    } else if (slot->ready & (GREEN__READABLE | GREEN__HUNG_UP)) {
        due = has_queue(fd);
    }
    for (;; due = true) {
        int connection = -1;
        while (due && (connection = green__direct_accept(fd, peer, length, SOCK_CLOEXEC)) < 0 &&
               errno == EINTR) {
        }
        if (connection >= 0) {
            accepted(slot);
            return connection;
        }
        if (due && errno != EAGAIN) {
            return -errno;
        }
        slot->ready &= (uint8_t) ~(GREEN__READABLE | GREEN__HUNG_UP);
        int err = await(io, fd, slot, GREEN__READABLE);
        if (err != 0) {
            return err;
        }
        slot->ready |= GREEN__READABLE;
    }
}

ssize_t
green__readiness_call(struct green__io *io, const struct green__call *call)
{
    unsigned event = call->event == POLLIN ? GREEN__READABLE : GREEN__WRITABLE;
    for (;;) {
        ssize_t result = call->attempt(call, true);
        if (result >= 0) {
            green__sched_pace(green__running);
            return result;
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno != EAGAIN || (call->flags & MSG_DONTWAIT)) {
            return -errno;
        }
        struct green__slot *slot = green__slot_get(io, call->fd);
        int err = slot == NULL ? -ENOMEM : await(io, call->fd, slot, event);
        if (err != 0) {
            return err;
        }
        slot->ready |= (uint8_t)(event & GREEN__READABLE); /* recv() is to look for itself */
    }
}

/* ---- any descriptors ---- */

/** Mark the entries whose descriptors were closed meanwhile: how many they are. */
static int
mark_closed(struct green__io *io, struct pollfd *fds, size_t count, const struct green_job *self)
{
    int closed = 0;
    for (size_t i = 0; i < count; i++) {
        const struct green__slot *slot = green__slot_peek(io, fds[i].fd);
        if (slot != NULL && (((fds[i].events & POLLIN) && slot->reader != self) ||
                             ((fds[i].events & POLLOUT) && slot->writer != self))) {
            fds[i].revents = POLLNVAL;
            closed++;
        }
    }
    return closed;
}

/** Leave the places of the first entries again. */
static void
vacate(struct green__io *io, const struct pollfd *fds, size_t count, const struct green_job *self)
{
    for (size_t i = 0; i < count; i++) {
        struct green__slot *slot = green__slot_peek(io, fds[i].fd);
        if (slot == NULL) {
            continue;
        }
        if ((fds[i].events & POLLIN) && slot->reader == self) {
            slot->reader = NULL;
        }
        if ((fds[i].events & POLLOUT) && slot->writer == self) {
            slot->writer = NULL;
        }
    }
}

/** Take the places that one entry wants; another entry of ours may have them already. */
static int
occupy_one(struct green__io *io, const struct pollfd *entry, struct green_job *self)
{
    struct green__slot *slot = green__slot_get(io, entry->fd);
    if (slot == NULL) {
        return -ENOMEM;
    }
    unsigned events = ((entry->events & POLLIN) ? (unsigned)GREEN__READABLE : 0) |
                      ((entry->events & POLLOUT) ? (unsigned)GREEN__WRITABLE : 0);
    if (((events & GREEN__READABLE) && slot->reader != NULL && slot->reader != self) ||
        ((events & GREEN__WRITABLE) && slot->writer != NULL && slot->writer != self)) {
        return -EBUSY;
    }
    int err = io->engine->watch(io, entry->fd, slot, events);
    if (err == 0) {
        if (events & GREEN__READABLE) {
            slot->reader = self;
        }
        if (events & GREEN__WRITABLE) {
            slot->writer = self;
        }
    }
    return err;
}

int
green__readiness_wait_fd(struct green__io *io, struct pollfd *fds, size_t count,
                         green_deadline deadline)
{
    struct green_job *self = green__running;
    for (;;) {
        int ready = poll(fds, (nfds_t)count, 0);
        if (ready > 0 || (ready < 0 && errno != EINTR)) {
            int result = ready > 0 ? ready : -errno;
            green__sched_pace(self); /* who polls in a loop may wait for what others here do */
            return result;
        }
        green__wait_begin(self);
        int err = 0;
        size_t taken = 0;
        while (taken < count && err == 0) {
            if (fds[taken].fd >= 0) {
                err = occupy_one(io, &fds[taken], self);
            }
            taken += err == 0;
        }
        int closed = 0;
        if (err == 0) {
            err = green__io_park(io, self, deadline, "descriptors");
            closed = err == 0 ? mark_closed(io, fds, count, self) : 0;
        }
        vacate(io, fds, taken, self);
        if (err != 0 || closed > 0) {
            return err != 0 ? err : closed;
        }
    }
}
