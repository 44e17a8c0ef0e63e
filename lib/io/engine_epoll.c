/*
 * The epoll engine: a set of its own, in which libuv's loop is one member.
 *
 * A descriptor is added when it is first waited for, edge triggered, and stays in the set until it
 * is closed: a message costs no epoll_ctl. What an edge said is kept in the slot until a try finds
 * the descriptor empty. One whose reader tries without a report (see readiness.c) is not watched
 * until a try has failed.
 *
 * Invariant: slot->armed says whether the descriptor is in the set, and for what. An event carries
 * the generation of its slot.
 */
#include <errno.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/direct.h"
#include "io/engine_epoll.h"
#include "io/held.h"

/** A look takes all that has come, however much: who is left out would be served after others who
 *  came later. The bound is for a set that fills as fast as it is emptied. */
#define BATCHES_PER_LOOK 64

/** In slot->armed: the descriptor is in the set. */
#define MEMBER 0x80

/** The member that is libuv's loop: no descriptor has this number. */
#define UV_MEMBER UINT64_MAX

static struct green__epoll_io *
of(struct green__io *io)
{
    return GREEN__CONTAINER(io, struct green__epoll_io, io);
}

/** Add the descriptor to the set, or change what the set watches it for. */
static int
tell_set(struct green__io *io, int fd, struct green__slot *slot, unsigned armed)
{
    struct epoll_event event = {
        .events = EPOLLET | ((armed & GREEN__READABLE) ? EPOLLIN | EPOLLPRI | EPOLLRDHUP : 0u) |
                  ((armed & GREEN__WRITABLE) ? EPOLLOUT : 0u),
        .data.u64 = (uint64_t)slot->generation << 32 | (uint32_t)fd,
    };
    bool add = !(slot->armed & MEMBER);
    if (epoll_ctl(of(io)->set, add ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event) != 0) {
        /* A copy of an older one with this number may be open somewhere: take its place over. */
        if (!add || errno != EEXIST || epoll_ctl(of(io)->set, EPOLL_CTL_MOD, fd, &event) != 0) {
            return -errno;
        }
    }
    of(io)->poller.watched += add;
    slot->armed = (uint8_t)(MEMBER | armed);
    return 0;
}

int
green__epoll_watch(struct green__io *io, int fd, struct green__slot *slot, unsigned events)
{
    if ((slot->armed & events) == events) {
        return 0;
    }
    return tell_set(io, fd, slot, (slot->armed & ~(unsigned)MEMBER) | events);
}

void
green__epoll_forget(struct green__io *io, int fd, struct green__slot *slot)
{
    if (slot->armed == 0) {
        return;
    }
    if (green__held_forked()) {
        /* A child may have a copy, which would keep the member alive beyond our close(). */
        epoll_ctl(of(io)->set, EPOLL_CTL_DEL, fd, NULL);
    }
    slot->armed = 0;
    of(io)->poller.watched--;
}

static void
report(struct green__io *io, const struct epoll_event *event)
{
    struct green__slot *slot = green__slot_peek(io, (int)(uint32_t)event->data.u64);
    if (slot == NULL || slot->generation != (uint32_t)(event->data.u64 >> 32)) {
        return;
    }
    unsigned events = 0;
    if (event->events & EPOLLIN) {
        events |= GREEN__READABLE;
    }
    if (event->events & EPOLLPRI) {
        slot->stream = false; /* recv() stops at urgent data: a short read does not mean empty */
    }
    if (event->events & EPOLLOUT) {
        events |= GREEN__WRITABLE;
    }
    if (event->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        events |= GREEN__HUNG_UP;
    }
    if (slot->standing_back && slot->writer == NULL) {
        /* Its reader comes by itself, and does so again if that pays: no more reports till then. */
        tell_set(io, (int)(uint32_t)event->data.u64, slot, 0);
    }
    green__slot_report(slot, events);
}

/** Take note of a batch of events; true when libuv's loop is among them. */
static bool
take_batch(struct green__epoll_io *self, int count)
{
    bool uv_due = false;
    for (int i = 0; i < count; i++) {
        if (i + 2 < count) {
            __builtin_prefetch(green__slot_peek(&self->io, (int)self->events[i + 2].data.u64));
        }
        if (self->events[i].data.u64 == UV_MEMBER) {
            uv_due = true;
        } else {
            report(&self->io, &self->events[i]);
        }
    }
    return uv_due;
}

int
green__epoll_bound(struct green__epoll_io *self, int timeout_ms)
{
    struct green__sched *sched = self->io.sched;
    if (sched->uv_touched) {
        green__sched_uv_run(sched);
        return 0; /* that may have heard the bell of who wants us: look before we wait */
    }
    return timeout_ms != 0 && sched->uv_requests > 0 ? green__sched_uv_timeout(sched, timeout_ms)
                                                     : timeout_ms;
}

void
green__epoll_look(struct green__epoll_io *self, int timeout_ms)
{
    timeout_ms = green__epoll_bound(self, timeout_ms);
    bool uv_due = false;
    for (unsigned batch = 0; batch < BATCHES_PER_LOOK; batch++) {
        int count =
            green__direct_epoll(self->set, self->events, GREEN__EVENTS_PER_BATCH, timeout_ms);
        uv_due |= take_batch(self, count);
        if (count < GREEN__EVENTS_PER_BATCH) {
            break;
        }
        timeout_ms = 0;
    }
    if (uv_due) {
        green__sched_uv_run(self->io.sched);
    }
}

static struct green__epoll_io *
of_poller(struct green__poller *poller)
{
    return GREEN__CONTAINER(poller, struct green__epoll_io, poller);
}

static void
epoll_poll(struct green__poller *poller, int timeout_ms)
{
    green__epoll_look(of_poller(poller), timeout_ms);
}

static void
epoll_destroy(struct green__poller *poller)
{
    green__epoll_close(of_poller(poller));
    green__free(of_poller(poller));
}

static void
epoll_abandon(struct green__poller *poller)
{
    close(of_poller(poller)->set);
}

void
green__epoll_close(struct green__epoll_io *self)
{
    close(self->set);
    green__io_fini(&self->io);
}

int
green__epoll_open(struct green__epoll_io *self, const struct green__engine *engine,
                  struct green__sched *sched)
{
    self->set = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = UV_MEMBER};
    if (self->set < 0 ||
        epoll_ctl(self->set, EPOLL_CTL_ADD, uv_backend_fd(&sched->loop), &event) != 0) {
        int err = -errno;
        if (self->set >= 0) {
            close(self->set);
        }
        return err;
    }
    green__io_init(&self->io, engine, sched);
    self->poller.wait = epoll_poll;
    self->poller.destroy = epoll_destroy;
    self->poller.abandon = epoll_abandon;
    return 0;
}

static int
epoll_create_io(struct green__sched *sched, struct green__io **ret_io)
{
    struct green__epoll_io *self = green__alloc_zeroed(sizeof *self);
    if (self == NULL) {
        return -ENOMEM;
    }
    int err = green__epoll_open(self, &green__engine_epoll, sched);
    if (err != 0) {
        green__free(self);
        return err;
    }
    sched->poller = &self->poller;
    *ret_io = &self->io;
    return 0;
}

const struct green__engine green__engine_epoll = {
    .name = "epoll",
    .create = epoll_create_io,
    .recv = green__readiness_recv,
    .recv_view = green__readiness_recv_view,
    .release = green__readiness_release,
    .send = green__readiness_send,
    .send_view = green__readiness_send_view,
    .answer_view = green__readiness_answer_view,
    .accept = green__readiness_accept,
    .call = green__readiness_call,
    .wait_fd = green__readiness_wait_fd,
    .close = green__epoll_forget,
    .watch = green__epoll_watch,
    .quietens = true,
};
