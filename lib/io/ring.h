/*
 * An io_uring of one thread, and the buffers that the kernel receives into.
 *
 * By system calls alone: the queues are shared memory, and there is one call that submits and
 * waits. Only the thread that opened it may touch a ring; a forked child closes its descriptor and
 * touches nothing else.
 */
#ifndef GREEN_IO_RING_H
#define GREEN_IO_RING_H

#include <linux/io_uring.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** In a completion: the kernel goes on to fill the buffer. */
#define GREEN__CQE_BUFFER_GOES_ON (1u << 4)

struct green__ring {
    int fd; /**< -1: not open. */
    _Atomic(unsigned) *sq_head;
    _Atomic(unsigned) *sq_tail;
    _Atomic(unsigned) *sq_flags;
    _Atomic(unsigned) *cq_head;
    _Atomic(unsigned) *cq_tail;
    unsigned sq_entries;
    unsigned sq_mask;
    unsigned cq_mask;
    unsigned queued; /**< Requests that the kernel has not been told of. */
    bool keeps;      /**< The kernel can keep files: see green__ring_keep(). */
    unsigned places; /**< How many, once there is a table; each file's place is its descriptor. */
    struct io_uring_sqe *sqes;
    struct io_uring_cqe *cqes;
    void *map;
    size_t map_size;
};

/** Open one; 0, or a negative errno where the kernel does not grant all that is needed. */
int green__ring_open(struct green__ring *ring);

void green__ring_close(struct green__ring *ring);

/** The place of a new request, zeroed. It is submitted by the next enter, or when all are taken. */
struct io_uring_sqe *green__ring_request(struct green__ring *ring);

/**
 * Submit what is queued, let the kernel work, and wait for `wanted` completions, for at most
 * timeout_ms (-1: without end). Interrupted waits return.
 */
void green__ring_enter(struct green__ring *ring, unsigned wanted, int timeout_ms);

/**
 * Have the kernel keep the file of a descriptor, so that requests need not look it up: they have
 * IOSQE_FIXED_FILE then. The file stays open, whatever is closed, until the ring drops it. Two
 * calls in all, so for one that will see many requests; false if it cannot be had.
 */
bool green__ring_keep(struct green__ring *ring, int fd);
void green__ring_drop(const struct green__ring *ring, int fd);

/** Whether the kernel has more to say than fits one enter. */
static inline bool
green__ring_has_more(const struct green__ring *ring)
{
    unsigned flags = atomic_load_explicit(ring->sq_flags, memory_order_relaxed);
    return (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

/** How many completions there are to be taken. */
static inline unsigned
green__ring_completed(const struct green__ring *ring)
{
    return atomic_load_explicit(ring->cq_tail, memory_order_acquire) -
           atomic_load_explicit(ring->cq_head, memory_order_relaxed);
}

/** One of those, the oldest first; it stays where it is until it is taken. */
static inline const struct io_uring_cqe *
green__ring_completion(const struct green__ring *ring, unsigned nth)
{
    unsigned head = atomic_load_explicit(ring->cq_head, memory_order_relaxed);
    return &ring->cqes[(head + nth) & ring->cq_mask];
}

/** Take the oldest ones: their places are the kernel's again. */
static inline void
green__ring_take(struct green__ring *ring, unsigned count)
{
    unsigned head = atomic_load_explicit(ring->cq_head, memory_order_relaxed);
    atomic_store_explicit(ring->cq_head, head + count, memory_order_release);
}

/* ---- buffers ---- */

/** A buffer is filled bit by bit: each arrival gets the next bytes of it. */
struct green__ring_buffer {
    uint32_t used;  /**< Bytes that arrivals have got. */
    uint32_t parts; /**< Arrivals that were not given back. */
    bool full;      /**< The kernel has done with it. */
};

#define GREEN__RING_BUFFERS_MAX 40
#define GREEN__RING_BUFFER_SIZE 32768

struct green__ring_buffers {
    struct io_uring_buf *offered; /**< The queue of those that the kernel may fill. */
    unsigned short tail;
    unsigned count;        /**< How many there are. */
    unsigned free;         /**< Of those, how many the kernel has. */
    uint64_t grown;        /**< When there was a lack last. */
    unsigned char *memory; /**< All of them; what was never used takes no memory. */
    struct green__ring_buffer buffers[GREEN__RING_BUFFERS_MAX];
};

/** Make a few and offer them to a ring; 0 or a negative errno. */
int green__ring_buffers_open(struct green__ring_buffers *all, struct green__ring *ring);

/** Once the ring is closed. */
void green__ring_buffers_close(struct green__ring_buffers *all);

/** The place of `length` bytes that have come into buffer `number`; `goes_on`: it is not full. */
unsigned char *green__ring_buffers_got(struct green__ring_buffers *all, unsigned number,
                                       size_t length, bool goes_on);

/** Keep a part of a buffer for one more. */
static inline void
green__ring_buffer_keep(struct green__ring_buffer *buffer)
{
    buffer->parts++;
}

/** Give a part back. `now` is the time, as told by any clock that does not go back. */
void green__ring_buffers_give(struct green__ring_buffers *all, struct green__ring_buffer *buffer,
                              uint64_t now);

/** The kernel ran out of buffers: have more, if that may be. */
void green__ring_buffers_grow(struct green__ring_buffers *all, uint64_t now);

/** Whether this points to one of ours. */
static inline bool
green__ring_buffers_has(const struct green__ring_buffers *all, const void *buffer)
{
    return (uintptr_t)buffer - (uintptr_t)all->buffers < sizeof all->buffers;
}

#endif
