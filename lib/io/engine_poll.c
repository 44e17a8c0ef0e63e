/*
 * The poll engine: a uv_poll_t a descriptor, for every system that libuv runs on.
 *
 * Level triggered. A handle stays armed for a direction until an event finds nobody waiting for it.
 *
 * Invariant: slot->handle is the open handle of slot->armed's descriptor, and its memory lives
 * until libuv has closed it.
 */
#include <errno.h>
#include <fcntl.h>

#include "base/alloc.h"
#include "io/engine.h"

struct handle {
    uv_poll_t poll; /* first: libuv hands out its address */
    struct green__io *io;
    struct green__slot *slot;
};

static void
on_closed(uv_handle_t *closed)
{
    green__free(closed);
}

static void poll_event(uv_poll_t *poll, int status, int events);

/** Have libuv report these directions from now on. */
static int
arm(struct handle *handle, unsigned events)
{
    int wanted = ((events & GREEN__READABLE) ? UV_READABLE : 0) |
                 ((events & GREEN__WRITABLE) ? UV_WRITABLE : 0);
    handle->slot->armed = (uint8_t)events;
    green__sched_uv(handle->io->sched);
    return wanted == 0 ? uv_poll_stop(&handle->poll)
                       : uv_poll_start(&handle->poll, wanted, poll_event);
}

static void
poll_event(uv_poll_t *poll, int status, int uv_events)
{
    struct handle *handle = (struct handle *)poll;
    struct green__slot *slot = handle->slot;
    unsigned events = ((uv_events & UV_READABLE) ? (unsigned)GREEN__READABLE : 0) |
                      ((uv_events & UV_WRITABLE) ? (unsigned)GREEN__WRITABLE : 0);
    if (status < 0) { /* libuv has stopped it */
        slot->armed = 0;
        events = GREEN__READABLE | GREEN__WRITABLE | GREEN__HUNG_UP;
    }
    unsigned missed = ((events & GREEN__READABLE) && slot->reader == NULL ? GREEN__READABLE : 0u) |
                      ((events & GREEN__WRITABLE) && slot->writer == NULL ? GREEN__WRITABLE : 0u);
    green__slot_report(slot, events);
    if (slot->armed & missed) {
        arm(handle, slot->armed & ~missed);
    }
}

/** uv_poll_init() makes the descriptor non-blocking, which is not ours to decide. */
static int
init_untouched(uv_loop_t *loop, uv_poll_t *poll, int fd)
{
    int flags = fcntl(fd, F_GETFL);
    int err = uv_poll_init(loop, poll, fd);
    if (flags >= 0 && !(flags & O_NONBLOCK)) {
        fcntl(fd, F_SETFL, flags);
    }
    return err;
}

static int
poll_watch(struct green__io *io, int fd, struct green__slot *slot, unsigned events)
{
    struct handle *handle = slot->handle;
    if (handle == NULL) {
        handle = green__alloc_zeroed(sizeof *handle);
        if (handle == NULL) {
            return -ENOMEM;
        }
        int err = init_untouched(green__sched_uv(io->sched), &handle->poll, fd);
        if (err != 0) {
            green__free(handle);
            return err;
        }
        handle->io = io;
        handle->slot = slot;
        slot->handle = handle;
        io->sched->poller->watched++;
    }
    return (slot->armed & events) == events ? 0 : arm(handle, slot->armed | events);
}

static void
poll_forget(struct green__io *io, int fd, struct green__slot *slot)
{
    (void)fd;
    struct handle *handle = slot->handle;
    if (handle != NULL) {
        slot->handle = NULL;
        slot->armed = 0;
        io->sched->poller->watched--;
        green__sched_uv(io->sched);
        uv_close((uv_handle_t *)&handle->poll, on_closed);
    }
}

/** The scheduler's own poller is uv_run(); this one adds what must go with the scheduler. */
struct poll_io {
    struct green__io io;
    struct green__poller poller;
};

static void
poll_wait(struct green__poller *poller, int timeout_ms)
{
    struct green__sched *sched = GREEN__CONTAINER(poller, struct poll_io, poller)->io.sched;
    sched->uv_poller.wait(&sched->uv_poller, timeout_ms);
}

static void
poll_destroy(struct green__poller *poller)
{
    struct poll_io *self = GREEN__CONTAINER(poller, struct poll_io, poller);
    for (size_t chunk = 0; chunk < self->io.chunk_count; chunk++) {
        for (size_t i = 0; self->io.chunks[chunk] != NULL && i < GREEN__SLOTS_PER_CHUNK; i++) {
            poll_forget(&self->io, -1, &self->io.chunks[chunk][i]);
        }
    }
    green__io_fini(&self->io);
    green__free(self);
}

static void
poll_abandon(struct green__poller *poller)
{
    (void)poller; /* all it holds is libuv's */
}

static int
poll_create_io(struct green__sched *sched, struct green__io **ret_io)
{
    struct poll_io *self = green__alloc_zeroed(sizeof *self);
    if (self == NULL) {
        return -ENOMEM;
    }
    green__io_init(&self->io, &green__engine_poll, sched);
    self->poller.wait = poll_wait;
    self->poller.destroy = poll_destroy;
    self->poller.abandon = poll_abandon;
    sched->poller = &self->poller;
    *ret_io = &self->io;
    return 0;
}

const struct green__engine green__engine_poll = {
    .name = "poll",
    .create = poll_create_io,
    .recv = green__readiness_recv,
    .recv_view = green__readiness_recv_view,
    .release = green__readiness_release,
    .send = green__readiness_send,
    .send_view = green__readiness_send_view,
    .answer_view = green__readiness_answer_view,
    .accept = green__readiness_accept,
    .call = green__readiness_call,
    .wait_fd = green__readiness_wait_fd,
    .close = poll_forget,
    .watch = poll_watch,
};
