/*
 * Streams on the ring.
 *
 * The first view that is asked for arms a request by which the kernel receives again and again,
 * into buffers of the loop. What comes while nobody asks stands in the stream's arrivals, up to a
 * bound; then the kernel is told to stop until they are used up. How they send is uring_send.c's.
 *
 * Whoever is to see the descriptor itself (other calls that receive, wait_fd, close) first has the
 * kernel stop, which is done when green__uring_work() returns: nobody parks for it.
 *
 * Invariant: a slot's handle is its stream, which has the slot's place of the reader or writer for
 * who waits for it. A stream whose slot is renewed has no request left.
 */
#include "io/engine_uring.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "io/view.h"
#include "sched/hibernate.h"
#include "sched/wait.h"

/** What a reader that is busy elsewhere may have waiting here, in bytes. */
#define HELD_MAX GREEN_VIEW_MAX

/* ---- streams ---- */

static bool
open_ring(struct green__uring_io *self)
{
    if (self->ring.fd >= 0) {
        return true;
    }
    if (self->hopeless || green__ring_open(&self->ring) != 0) {
        self->hopeless = true;
        return false;
    }
    if (green__ring_buffers_open(&self->buffers, &self->ring) != 0) {
        green__ring_close(&self->ring);
        self->hopeless = true;
        return false;
    }
    return true;
}

static void
free_stream(struct green__uring_io *self, struct green__stream *stream)
{
    stream->next = self->free_streams;
    self->free_streams = stream;
}

static void
make_streams(struct green__uring_io *self)
{
    struct green__stream_batch *batch = green__alloc(sizeof *batch);
    if (batch == NULL) {
        return;
    }
    batch->next = self->batches;
    self->batches = batch;
    uintptr_t size = sizeof(struct green__stream);
    struct green__stream *streams = (void *)(((uintptr_t)batch->room + size - 1) / size * size);
    for (size_t i = 0; i < GREEN__STREAMS_PER_BATCH; i++) {
        free_stream(self, &streams[i]);
    }
}

struct green__stream *
green__stream_of(struct green__uring_io *self, int fd, struct green__slot *slot)
{
    if (slot->handle != NULL || !slot->tcp || !open_ring(self)) {
        return slot->handle;
    }
    if (self->free_streams == NULL) {
        make_streams(self);
    }
    struct green__stream *stream = self->free_streams;
    if (stream != NULL) {
        self->free_streams = stream->next;
        *stream = (struct green__stream){.slot = slot, .fd = fd};
        slot->handle = stream;
    }
    return stream;
}

static bool
arm(struct green__uring_io *self, struct green__stream *stream)
{
    if (self->buffers.free == 0) {
        return false; /* others keep them all */
    }
    struct io_uring_sqe *request = green__ring_request(&self->ring);
    request->opcode = IORING_OP_RECV;
    request->fd = stream->fd;
    request->ioprio = IORING_RECV_MULTISHOT;
    request->len = self->unbounded ? 0 : GREEN_VIEW_MAX; /* at a time, before others have a turn */
    request->flags = IOSQE_BUFFER_SELECT;
    request->user_data = green__stream_tagged(stream, GREEN__TAG_RECV);
    stream->armed = true;
    stream->cancelling = false;
    green__uring_begin(self);
    return true;
}

bool
green__stream_receives(struct green__uring_io *self, struct green__stream *stream)
{
    return stream->armed || stream->first != NULL || stream->ended || arm(self, stream);
}

/** The ring has nothing more to do for the stream: any thread's close closes it from now on. */
static void
drop_file(struct green__uring_io *self, struct green__stream *stream)
{
    if (stream->kept) {
        stream->kept = false;
        if (stream->sending) { /* its request may be queued, and names the file */
            green__ring_enter(&self->ring, 0, 0);
        }
        green__ring_drop(&self->ring, stream->fd);
    }
}

/** Have the kernel receive no more. What it has received meanwhile stands in the arrivals. */
static void
stop_receiving(struct green__uring_io *self, struct green__stream *stream)
{
    while (stream->armed) {
        green__stream_cancel(self, stream, GREEN__TAG_RECV);
        green__uring_work(self, 0, 0);
    }
    drop_file(self, stream);
}

/* ---- arrivals ---- */

static void
give_part(struct green__uring_io *self, struct green__ring_buffer *buffer)
{
    green__ring_buffers_give(&self->buffers, buffer, self->epoll.io.sched->stamp);
}

static bool
append(struct green__uring_io *self, struct green__stream *stream, unsigned char *bytes,
       size_t length, struct green__ring_buffer *buffer)
{
    struct green__arrival *arrival = self->free_arrivals;
    if (arrival != NULL) {
        self->free_arrivals = arrival->next;
    } else {
        arrival = green__alloc(sizeof *arrival);
        if (arrival == NULL) {
            return false;
        }
    }
    *arrival = (struct green__arrival){NULL, bytes, length, buffer};
    if (stream->first == NULL) {
        stream->first = arrival;
    } else {
        stream->last->next = arrival;
    }
    stream->last = arrival;
    stream->held += (uint32_t)length;
    return true;
}

/** The first arrival is used up; its part of the buffer is somebody else's, or given back. */
static void
drop_first(struct green__uring_io *self, struct green__stream *stream)
{
    struct green__arrival *arrival = stream->first;
    stream->first = arrival->next;
    arrival->next = self->free_arrivals;
    self->free_arrivals = arrival;
}

/** Bytes that came are lost: who reads is told so, and never gets those behind them. */
static void
tear(struct green__stream *stream)
{
    stream->outcome = -ENOMEM;
    stream->ended = true;
    stream->torn = true;
}

void
green__stream_received(struct green__uring_io *self, struct green__stream *stream,
                       const struct io_uring_cqe *cqe)
{
    if (!(cqe->flags & IORING_CQE_F_MORE)) {
        stream->armed = false;
        green__uring_end(self);
    }
    if (cqe->res > 0) {
        unsigned number = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
        size_t length = (size_t)cqe->res;
        unsigned char *bytes = green__ring_buffers_got(
            &self->buffers, number, length, (cqe->flags & GREEN__CQE_BUFFER_GOES_ON) != 0);
        if (stream->torn || !append(self, stream, bytes, length, &self->buffers.buffers[number])) {
            give_part(self, &self->buffers.buffers[number]);
            tear(stream);
        }
    } else if (cqe->res == -ENOBUFS) {
        green__ring_buffers_grow(&self->buffers, self->epoll.io.sched->stamp);
    } else if (cqe->res == -EINVAL && !self->unbounded) {
        self->unbounded = true; /* a kernel before 6.15: the reader asks again */
    } else if (cqe->res != -ECANCELED && !stream->torn) {
        stream->outcome = cqe->res;
        stream->ended = true;
        drop_file(self, stream);
    }
    if (stream->armed && !stream->cancelling && (stream->held > HELD_MAX || stream->torn)) {
        stream->cancelling = true;
        green__stream_cancel(self, stream, GREEN__TAG_RECV);
    }
    if (stream->slot->reader != NULL && stream->answer == NULL) {
        green__wait_wake(stream->slot->reader);
    }
}

/* ---- receiving ---- */

/** Lend the first arrival's bytes, as many as a view has. */
static ssize_t
lend(struct green__uring_io *self, struct green__stream *stream, struct green_view *ret_view)
{
    struct green__arrival *arrival = stream->first;
    size_t length = arrival->length < GREEN_VIEW_MAX ? arrival->length : GREEN_VIEW_MAX;
    *ret_view = (struct green_view){arrival->bytes, length, arrival->buffer};
    stream->held -= (uint32_t)length;
    if (length == arrival->length) {
        drop_first(self, stream);
    } else {
        green__ring_buffer_keep(arrival->buffer);
        arrival->bytes += length;
        arrival->length -= length;
    }
    return (ssize_t)length;
}

/** How receiving has ended. Whoever asks again asks the kernel, unless there is a gap. */
static ssize_t
told(struct green__stream *stream)
{
    stream->ended = stream->torn;
    return stream->outcome;
}

/** Copy what has come, over the borders of arrivals. */
static ssize_t
copy(struct green__uring_io *self, struct green__stream *stream, void *buf, size_t len, bool peek)
{
    size_t done = 0;
    struct green__arrival *arrival = stream->first;
    while (arrival != NULL && done < len) {
        struct green__arrival *next = arrival->next;
        size_t length = arrival->length < len - done ? arrival->length : len - done;
        memcpy((char *)buf + done, arrival->bytes, length);
        done += length;
        if (!peek) {
            stream->held -= (uint32_t)length;
            arrival->bytes += length;
            arrival->length -= length;
            if (arrival->length == 0) {
                give_part(self, arrival->buffer);
                drop_first(self, stream);
            }
        }
        arrival = next;
    }
    return (ssize_t)done;
}

/** What has come, all of it if that fits: a copy costs less than to answer piece by piece. */
static ssize_t
give_out(struct green__uring_io *self, struct green__stream *stream, struct green_view *ret_view)
{
    struct green_view view;
    if (stream->first->next == NULL || stream->held > GREEN_VIEW_MAX ||
        green__view_take(&view) != 0) {
        return lend(self, stream, ret_view);
    }
    view.length = (size_t)copy(self, stream, view.data, GREEN_VIEW_MAX, false);
    *ret_view = view;
    return (ssize_t)view.length;
}

ssize_t
green__uring_recv(struct green__io *io, int fd, void *buf, size_t len, int flags)
{
    struct green__uring_io *self = green__uring_of(io);
    struct green__slot *slot = green__slot_get(io, fd);
    struct green__stream *stream = slot == NULL ? NULL : slot->handle;
    if (stream == NULL || (flags & (MSG_OOB | MSG_ERRQUEUE))) {
        return green__readiness_recv(io, fd, buf, len, flags);
    }
    if (slot->reader != NULL && !(flags & MSG_DONTWAIT)) {
        return -EBUSY;
    }
    if (stream->first == NULL && !stream->ended) {
        stop_receiving(self, stream);
    }
    if (stream->first != NULL) {
        ssize_t got = copy(self, stream, buf, len, (flags & MSG_PEEK) != 0);
        green__sched_pace(green__running);
        return got;
    }
    if (stream->ended) {
        return told(stream);
    }
    slot->ready |= GREEN__READABLE;
    return green__readiness_recv(io, fd, buf, len, flags);
}

ssize_t
green__uring_recv_view(struct green__io *io, int fd, struct green_view *ret_view)
{
    struct green__uring_io *self = green__uring_of(io);
    struct green_job *job = green__running;
    for (bool waited = false;; waited = true) {
        struct green__slot *slot = green__slot_get(io, fd);
        struct green__stream *stream = slot == NULL ? NULL : green__stream_of(self, fd, slot);
        if (stream == NULL) {
            return green__readiness_recv_view(io, fd, ret_view);
        }
        if (stream->first != NULL || stream->ended) {
            ssize_t got = stream->first != NULL ? give_out(self, stream, ret_view) : told(stream);
            if (!waited) {
                green__sched_pace(job);
            }
            return got;
        }
        if (slot->reader != NULL) {
            return -EBUSY;
        }
        if (!green__stream_receives(self, stream)) {
            slot->ready |= GREEN__READABLE;
            return green__readiness_recv_view(io, fd, ret_view);
        }
        green__wait_begin(job);
        green__hibernate_allow(job); /* what comes goes into the loop's buffers */
        slot->reader = job;
        int err = green__io_park(io, job, GREEN_FOREVER, "a descriptor to read");
        if (slot->reader != job) {
            return -EBADF;
        }
        slot->reader = NULL;
        if (err != 0) {
            return err;
        }
    }
}

void
green__uring_release(struct green__io *io, struct green_view *view)
{
    struct green__uring_io *self = green__uring_of(io);
    if (!green__ring_buffers_has(&self->buffers, view->buffer)) {
        green__view_give(view);
        return;
    }
    give_part(self, view->buffer);
    *view = (struct green_view){NULL, 0, NULL};
}

/* ---- others ---- */

int
green__uring_wait_fd(struct green__io *io, struct pollfd *fds, size_t count,
                     green_deadline deadline)
{
    struct green__uring_io *self = green__uring_of(io);
    int held = 0;
    for (size_t i = 0; i < count; i++) {
        if ((fds[i].events & POLLIN) && green__io_holds(io, fds[i].fd)) {
            struct green__stream *stream = green__slot_get(io, fds[i].fd)->handle;
            if (stream == NULL) {
                continue; /* another thread has closed it */
            }
            if (stream->slot->reader == NULL) {
                stop_receiving(self, stream);
            }
            held += stream->first != NULL || stream->ended;
        }
    }
    if (held == 0) {
        return green__readiness_wait_fd(io, fds, count, deadline);
    }
    poll(fds, (nfds_t)count, 0);
    int ready = 0;
    for (size_t i = 0; i < count; i++) {
        const struct green__slot *slot = green__slot_peek(io, fds[i].fd);
        const struct green__stream *stream = slot == NULL ? NULL : slot->handle;
        if ((fds[i].events & POLLIN) && stream != NULL &&
            (stream->first != NULL || stream->ended)) {
            fds[i].revents |= POLLIN;
        }
        ready += fds[i].revents != 0;
    }
    green__sched_pace(green__running);
    return ready;
}

void
green__uring_forget(struct green__io *io, int fd, struct green__slot *slot)
{
    struct green__uring_io *self = green__uring_of(io);
    struct green__stream *stream = slot->handle;
    if (stream != NULL) {
        stop_receiving(self, stream);
        green__stream_stop_sending(self, stream);
        green__stream_give_answer(self, stream);
        while (stream->first != NULL) {
            give_part(self, stream->first->buffer);
            drop_first(self, stream);
        }
        slot->handle = NULL;
        free_stream(self, stream);
    }
    green__epoll_forget(io, fd, slot);
}
