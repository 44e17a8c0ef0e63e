/*
 * The io_uring engine: the epoll engine, and a ring for streams of TCP that are received by views.
 *
 * While the kernel has requests of streams, the loop waits in the ring, which watches the epoll set
 * for it; else it waits in the set. So whatever is not a stream behaves as in the epoll engine.
 *
 * Invariant: `under_way` counts the streams that are armed and those that send. The ring belongs to
 * the scheduler's thread, and is opened by the first call that wants it.
 */
#include "io/engine_uring.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

/** A look lets the kernel finish what it has: an enter does some twenty things. */
#define ENTERS_PER_LOOK 2

/** So many completions are looked at together. */
#define BATCH 32

/* ---- completions ---- */

static unsigned
tag_of(const struct io_uring_cqe *cqe)
{
    return cqe->user_data & GREEN__TAG_MASK;
}

static struct green__stream *
stream_of(const struct io_uring_cqe *cqe)
{
    return (void *)(uintptr_t)(cqe->user_data & ~(uint64_t)GREEN__TAG_MASK);
}

static void
complete(struct green__uring_io *self, const struct io_uring_cqe *cqe)
{
    switch (tag_of(cqe)) {
    case GREEN__TAG_SET:
        self->set_watched = false;
        self->set_due = true;
        break;
    case GREEN__TAG_RECV:
        green__stream_received(self, stream_of(cqe), cqe);
        break;
    case GREEN__TAG_SEND:
        green__stream_sent(self, stream_of(cqe), cqe);
        break;
    default:
        break;
    }
}

/**
 * Have the memory brought near that the next completions are about, one step for all of them at a
 * time, so that they wait for it together: stream, slot, worker. Who has sent ran just before.
 */
static void
fetch(const struct green__uring_io *self, unsigned count)
{
    const struct green__stream *streams[BATCH];
    unsigned received = 0;
    for (unsigned i = 0; i < count; i++) {
        const struct io_uring_cqe *cqe = green__ring_completion(&self->ring, i);
        if (tag_of(cqe) == GREEN__TAG_RECV) {
            streams[received] = stream_of(cqe);
            __builtin_prefetch(streams[received++]);
        }
    }
    for (unsigned i = 0; i < received; i++) {
        const struct green__slot *slot = streams[i]->slot;
        __builtin_prefetch(slot);
        __builtin_prefetch((const char *)(slot + 1) - 1);
    }
    for (unsigned i = 0; i < received; i++) {
        green__sched_fetch(streams[i]->slot->reader);
    }
}

void
green__uring_work(struct green__uring_io *self, unsigned wanted, int timeout_ms)
{
    struct green__ring *ring = &self->ring;
    green__ring_enter(ring, wanted, timeout_ms);
    for (unsigned enters = 1;; enters++) {
        unsigned count;
        while ((count = green__ring_completed(ring)) > 0) {
            count = count < BATCH ? count : BATCH;
            if (green__sched_crowded(self->epoll.io.sched)) {
                fetch(self, count);
            }
            for (unsigned i = 0; i < count; i++) {
                complete(self, green__ring_completion(ring, i));
            }
            green__ring_take(ring, count);
        }
        if (enters == ENTERS_PER_LOOK || !green__ring_has_more(ring)) {
            break;
        }
        green__ring_enter(ring, 0, 0);
    }
}

/* ---- the loop ---- */

static struct green__uring_io *
of_poller(struct green__poller *poller)
{
    struct green__epoll_io *epoll = GREEN__CONTAINER(poller, struct green__epoll_io, poller);
    return green__uring_of(&epoll->io);
}

static void
uring_poll(struct green__poller *poller, int timeout_ms)
{
    struct green__uring_io *self = of_poller(poller);
    if (self->under_way == 0) {
        green__epoll_look(&self->epoll, timeout_ms);
        return;
    }
    timeout_ms = green__epoll_bound(&self->epoll, timeout_ms);
    if (!self->set_watched) {
        struct io_uring_sqe *request = green__ring_request(&self->ring);
        request->opcode = IORING_OP_POLL_ADD;
        request->fd = self->epoll.set;
        request->poll32_events = POLLIN;
        request->user_data = GREEN__TAG_SET;
        self->set_watched = true;
    }
    if (timeout_ms != 0 || self->ring.queued > 0 || green__ring_has_more(&self->ring)) {
        green__uring_work(self, timeout_ms == 0 ? 0 : 1, timeout_ms);
    }
    if (self->set_due) {
        self->set_due = false;
        green__epoll_look(&self->epoll, 0);
    }
}

static void
uring_destroy(struct green__poller *poller)
{
    struct green__uring_io *self = of_poller(poller);
    struct green__io *io = &self->epoll.io;
    for (size_t chunk = 0; chunk < io->chunk_count; chunk++) {
        for (size_t i = 0; io->chunks[chunk] != NULL && i < GREEN__SLOTS_PER_CHUNK; i++) {
            green__uring_forget(io, (int)(chunk * GREEN__SLOTS_PER_CHUNK + i),
                                &io->chunks[chunk][i]);
        }
    }
    if (self->ring.fd >= 0) {
        green__ring_close(&self->ring);
        green__ring_buffers_close(&self->buffers);
    }
    while (self->batches != NULL) {
        struct green__stream_batch *next = self->batches->next;
        green__free(self->batches);
        self->batches = next;
    }
    while (self->free_arrivals != NULL) {
        struct green__arrival *next = self->free_arrivals->next;
        green__free(self->free_arrivals);
        self->free_arrivals = next;
    }
    green__epoll_close(&self->epoll);
    green__free(self);
}

static void
uring_abandon(struct green__poller *poller)
{
    struct green__uring_io *self = of_poller(poller);
    close(self->epoll.set);
    if (self->ring.fd >= 0) {
        close(self->ring.fd);
    }
}

/* ---- whether there is one ---- */

static int probed;

/** Open all that is needed once, and close it: a kernel may be too old, or be told not to. */
static void
probe(void)
{
    struct green__ring ring;
    struct green__ring_buffers buffers = {0};
    probed = green__ring_open(&ring);
    if (probed == 0) {
        probed = green__ring_buffers_open(&buffers, &ring);
        green__ring_close(&ring);
        if (probed == 0) {
            green__ring_buffers_close(&buffers);
        }
    }
}

int
green__uring_probe(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, probe);
    return probed;
}

static int
uring_create(struct green__sched *sched, struct green__io **ret_io)
{
    int err = green__uring_probe();
    if (err != 0) {
        return err;
    }
    struct green__uring_io *self = green__alloc_zeroed(sizeof *self);
    if (self == NULL) {
        return -ENOMEM;
    }
    err = green__epoll_open(&self->epoll, &green__engine_uring, sched);
    if (err != 0) {
        green__free(self);
        return err;
    }
    self->ring.fd = -1;
    self->epoll.poller.wait = uring_poll;
    self->epoll.poller.destroy = uring_destroy;
    self->epoll.poller.abandon = uring_abandon;
    sched->poller = &self->epoll.poller;
    *ret_io = &self->epoll.io;
    return 0;
}

const struct green__engine green__engine_uring = {
    .name = "uring",
    .create = uring_create,
    .recv = green__uring_recv,
    .recv_view = green__uring_recv_view,
    .release = green__uring_release,
    .send = green__readiness_send,
    .send_view = green__uring_send_view,
    .answer_view = green__uring_answer_view,
    .accept = green__readiness_accept,
    .call = green__readiness_call,
    .wait_fd = green__uring_wait_fd,
    .close = green__uring_forget,
    .watch = green__epoll_watch,
    .quietens = true,
    .ahead = true,
};
