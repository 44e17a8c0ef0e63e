/*
 * Streams on the ring, how they send.
 *
 * A small view is sent by a request, if there is other work; those that a turn has queued are
 * submitted together. Who sends an answer and then waits for more waits once: its buffer is given
 * back when it was sent, and it is woken by what comes.
 *
 * Invariant: the buffer of an answer that is not sent yet is the stream's, and the worker whose
 * answer it is has both places of the slot.
 */
#include <errno.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "io/engine_uring.h"
#include "io/view.h"
#include "sched/hibernate.h"
#include "sched/wait.h"

/** Longer views are sent by a call first, which has no less to do for them. */
#define SMALL 4096

/** From the so many-th request on the ring keeps the file: that pays when there are many more. */
#define MANY 64

void
green__stream_cancel(struct green__uring_io *self, const struct green__stream *stream, unsigned tag)
{
    struct io_uring_sqe *request = green__ring_request(&self->ring);
    request->opcode = IORING_OP_ASYNC_CANCEL;
    request->addr = green__stream_tagged(stream, tag);
    request->flags = IOSQE_CQE_SKIP_SUCCESS;
}

void
green__stream_stop_sending(struct green__uring_io *self, struct green__stream *stream)
{
    while (stream->sending) {
        green__stream_cancel(self, stream, GREEN__TAG_SEND);
        green__uring_work(self, 0, 0);
    }
}

void
green__stream_give_answer(struct green__uring_io *self, struct green__stream *stream)
{
    struct green_view view = {.buffer = stream->answer};
    stream->answer = NULL;
    green__uring_release(&self->epoll.io, &view);
}

void
green__stream_sent(struct green__uring_io *self, struct green__stream *stream,
                   const struct io_uring_cqe *cqe)
{
    bool whole = cqe->res == stream->sent;
    stream->sending = false;
    stream->sent = cqe->res;
    green__uring_end(self);
    if (whole && stream->answer != NULL) {
        green__stream_give_answer(self, stream);
        struct green_job *job = stream->slot->reader;
        if (job != NULL && stream->armed && stream->first == NULL && !stream->ended) {
            green__wait_prolong(job, stream->limit); /* whose answer it was waits for what comes */
            return;
        }
    }
    if (stream->slot->writer != NULL) {
        green__wait_wake(stream->slot->writer);
    }
}

static void
request_send(struct green__uring_io *self, struct green__stream *stream,
             const struct green_view *view)
{
    if (stream->armed && stream->sends < MANY && ++stream->sends == MANY) {
        stream->kept = green__ring_keep(&self->ring, stream->fd);
    }
    struct io_uring_sqe *request = green__ring_request(&self->ring);
    request->opcode = IORING_OP_SEND;
    request->fd = stream->fd;
    request->addr = (uintptr_t)view->data;
    request->len = (uint32_t)view->length;
    request->flags = stream->kept ? IOSQE_FIXED_FILE : 0;
    request->msg_flags = MSG_NOSIGNAL | MSG_WAITALL;
    request->user_data = green__stream_tagged(stream, GREEN__TAG_SEND);
    stream->sending = true;
    stream->sent = (int)view->length;
    green__uring_begin(self);
}

/** The slot's stream, if its view is to be sent by a request; else NULL. */
static struct green__stream *
stream_for(struct green__uring_io *self, int fd, struct green__slot *slot,
           const struct green_view *view)
{
    /* One that would be submitted alone costs more than a call of its own. */
    bool alone = self->ring.queued == 0 && self->epoll.io.sched->ready_first == NULL;
    return slot == NULL || slot->writer != NULL || view->length == 0 || view->length > SMALL ||
                   alone
               ? NULL
               : green__stream_of(self, fd, slot);
}

/** Wait until the request is done; what became of it, in bytes or as a negative errno. */
static int
await_sent(struct green__uring_io *self, struct green__slot *slot, struct green__stream *stream)
{
    struct green__io *io = &self->epoll.io;
    struct green_job *job = green__running;
    int err;
    slot->writer = job;
    do {
        green__wait_begin(job);
        err = green__io_park(io, job, GREEN_FOREVER, "a descriptor to write");
        if (slot->writer != job) {
            return -EBADF;
        }
    } while (err == 0 && stream->sending);
    green__stream_stop_sending(self, stream);
    slot->writer = NULL;
    return stream->sent == -ECANCELED ? err : stream->sent;
}

int
green__uring_send_view(struct green__io *io, int fd, struct green_view *view)
{
    struct green__uring_io *self = green__uring_of(io);
    struct green__slot *slot = green__slot_get(io, fd);
    struct green__stream *stream = stream_for(self, fd, slot, view);
    if (stream == NULL) {
        return green__readiness_send_view(io, fd, view);
    }
    request_send(self, stream, view);
    int sent = await_sent(self, slot, stream);
    green__view_take_off(view, sent);
    if (sent >= 0 && view->length > 0) {
        return green__readiness_send_view(io, fd, view);
    }
    green__uring_release(io, view);
    return sent < 0 ? sent : 0;
}

/**
 * All was sent, and the scope for that ends; what the wait for more has come to. That scope may
 * have ended it a moment later, and those around it, for which it was prolonged, may have.
 */
static int
sent_in_time(struct green_timeout *sending, const struct green__stream *stream, int err)
{
    sending->fired = false;
    if (err != -ETIMEDOUT) {
        return err;
    }
    if (green__clock_now() < stream->limit) {
        return 0;
    }
    green__wait_timed_out(green__running, GREEN_FOREVER);
    return -ETIMEDOUT;
}

/** Wait until the answer is sent and there is more; 0, or with what the wait was cut short. */
static int
await_more(struct green__uring_io *self, struct green__slot *slot, struct green__stream *stream,
           struct green_timeout *sending, uint64_t ms)
{
    struct green__io *io = &self->epoll.io;
    struct green_job *job = green__running;
    int err;
    slot->reader = job;
    slot->writer = job;
    stream->limit = green__wait_limit(job, GREEN_FOREVER);
    green_timeout_start(sending, ms);
    do {
        green__wait_begin(job);
        green__hibernate_allow(job); /* the kernel has pointers to buffers of the loop's alone */
        err = green__io_park(io, job, GREEN_FOREVER, "a descriptor to read");
        if (slot->reader != job || slot->writer != job) {
            green_timeout_stop(sending);
            return -EBADF;
        }
    } while (err == 0 && stream->sending);
    green__stream_stop_sending(self, stream);
    slot->reader = NULL;
    slot->writer = NULL;
    green_timeout_stop(sending);
    return stream->answer == NULL ? sent_in_time(sending, stream, err) : err;
}

ssize_t
green__uring_answer_view(struct green__io *io, int fd, struct green_view *view,
                         struct green_timeout *sending, uint64_t ms)
{
    struct green__uring_io *self = green__uring_of(io);
    struct green__slot *slot = green__slot_get(io, fd);
    struct green__stream *stream =
        slot == NULL || slot->reader != NULL ? NULL : stream_for(self, fd, slot, view);
    if (stream == NULL || !green__stream_receives(self, stream)) {
        return green__readiness_answer_view(io, fd, view, sending, ms);
    }
    request_send(self, stream, view);
    stream->answer = view->buffer;
    int err = await_more(self, slot, stream, sending, ms);
    if (err == -EBADF || stream->answer == NULL) {
        *view = (struct green_view){NULL, 0, NULL};
        return err != 0 ? err : green__uring_recv_view(io, fd, view);
    }
    stream->answer = NULL;
    green__view_take_off(view, stream->sent);
    if (stream->sent >= 0 || stream->sent == -ECANCELED) {
        return err != 0 ? err : green__readiness_answer_view(io, fd, view, sending, ms);
    }
    green__uring_release(io, view);
    return stream->sent;
}
