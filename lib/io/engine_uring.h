/*
 * The io_uring engine from inside: the loop's part, and the streams'.
 */
#ifndef GREEN_IO_ENGINE_URING_H
#define GREEN_IO_ENGINE_URING_H

#include "io/engine_epoll.h"
#include "io/ring.h"

/** Bytes that came and were not asked for yet. */
struct green__arrival {
    struct green__arrival *next;
    unsigned char *bytes;
    size_t length;
    struct green__ring_buffer *buffer;
};

/** What the ring does for a slot. The kernel holds its address while `armed` or `sending`. */
struct green__stream {
    _Alignas(64) struct green__slot *slot; /* one line of the cache has all of it */
    union {
        struct green__arrival *first;
        struct green__stream *next; /**< In the list of those that are free. */
    };
    struct green__arrival *last;
    void *answer;         /**< The buffer of an answer that is being sent: given back once it is. */
    green_deadline limit; /**< Of the wait for more that has begun, once the answer is sent. */
    uint32_t held;        /**< Bytes in the arrivals. */
    int fd;
    int outcome;     /**< With which receiving has ended: 0 or a negative errno. */
    int sent;        /**< How much is sent; then what became of it. */
    uint8_t sends;   /**< By requests while it receives, as long as those are few. */
    bool kept;       /**< The ring keeps the file, until it has received all that it will. */
    bool ended;      /**< `outcome` stands, and nobody was told. */
    bool torn;       /**< Bytes are missing behind the arrivals: `outcome` stands for good. */
    bool armed;      /**< The kernel receives. */
    bool cancelling; /**< And was told to stop. */
    bool sending;
};

_Static_assert(sizeof(struct green__stream) == 64, "a stream is one line of the cache");

/** Streams are made by the dozen, and stay until the loop ends. */
#define GREEN__STREAMS_PER_BATCH 63

struct green__stream_batch {
    struct green__stream_batch *next;
    unsigned char room[sizeof(struct green__stream) * (GREEN__STREAMS_PER_BATCH + 1)];
};

struct green__uring_io {
    struct green__epoll_io epoll;
    struct green__ring ring; /**< Opened when the first stream needs it. */
    struct green__ring_buffers buffers;
    size_t under_way; /**< Requests of streams that are not completed. */
    bool set_watched; /**< The ring tells when the epoll set has something. */
    bool set_due;     /**< It has. */
    bool unbounded;   /**< The kernel knows no bound of what one stream gets at a time. */
    bool hopeless;    /**< The ring could not be opened. */
    struct green__stream *free_streams;
    struct green__stream_batch *batches;
    struct green__arrival *free_arrivals;
};

static inline struct green__uring_io *
green__uring_of(struct green__io *io)
{
    struct green__epoll_io *epoll = GREEN__CONTAINER(io, struct green__epoll_io, io);
    return GREEN__CONTAINER(epoll, struct green__uring_io, epoll);
}

/** 0 where the kernel grants what the engine needs, else a negative errno. Any thread. */
int green__uring_probe(void);

/** Let the kernel work, for at most timeout_ms, and take note of what is completed. */
void green__uring_work(struct green__uring_io *self, unsigned wanted, int timeout_ms);

/** Take note of what the ring says of a stream: TAG_RECV and TAG_SEND. */
void green__stream_received(struct green__uring_io *self, struct green__stream *stream,
                            const struct io_uring_cqe *cqe);
void green__stream_sent(struct green__uring_io *self, struct green__stream *stream,
                        const struct io_uring_cqe *cqe);

static inline uint64_t
green__stream_tagged(const struct green__stream *stream, unsigned tag)
{
    return (uint64_t)(uintptr_t)stream | tag;
}

/** A request of a stream begins, and is completed. */
static inline void
green__uring_begin(struct green__uring_io *self)
{
    self->under_way++;
    self->epoll.poller.watched++;
}

static inline void
green__uring_end(struct green__uring_io *self)
{
    self->under_way--;
    self->epoll.poller.watched--;
}

/** The slot's stream, NULL where the ring is of no use to it. */
struct green__stream *green__stream_of(struct green__uring_io *self, int fd,
                                       struct green__slot *slot);

/** Whether something has come, or the kernel was asked for it: it has no buffer for all. */
bool green__stream_receives(struct green__uring_io *self, struct green__stream *stream);

/** Have the kernel give up a request. */
void green__stream_cancel(struct green__uring_io *self, const struct green__stream *stream,
                          unsigned tag);
void green__stream_stop_sending(struct green__uring_io *self, struct green__stream *stream);

/** Give back the buffer of the answer, if there is one. */
void green__stream_give_answer(struct green__uring_io *self, struct green__stream *stream);

/* The calls that the ring makes a difference to. */
ssize_t green__uring_recv(struct green__io *io, int fd, void *buf, size_t len, int flags);
ssize_t green__uring_recv_view(struct green__io *io, int fd, struct green_view *ret_view);
void green__uring_release(struct green__io *io, struct green_view *view);
int green__uring_send_view(struct green__io *io, int fd, struct green_view *view);
ssize_t green__uring_answer_view(struct green__io *io, int fd, struct green_view *view,
                                 struct green_timeout *sending, uint64_t ms);
int green__uring_wait_fd(struct green__io *io, struct pollfd *fds, size_t count,
                         green_deadline deadline);
void green__uring_forget(struct green__io *io, int fd, struct green__slot *slot);

/** What a completion is about: in the low bits of the address that it carries. */
enum {
    GREEN__TAG_NOTHING, /**< What was asked on the side. */
    GREEN__TAG_SET,
    GREEN__TAG_RECV,
    GREEN__TAG_SEND,
    GREEN__TAG_MASK = 7,
};

#endif
