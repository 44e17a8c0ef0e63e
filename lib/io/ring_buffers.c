/*
 * The buffers that the kernel receives into: one pool for all connections of a loop, so that an
 * idle one holds nothing.
 *
 * Each is filled by one arrival after the other. It goes back to the kernel when that has done with
 * it and all parts of it were given back. There are few at first; when they do not suffice there
 * are twice as many, and after a while without a lack the surplus goes, its pages too.
 *
 * Invariant: a buffer with a number of `count` and above is neither the kernel's nor in use.
 */
#include "io/ring.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"

#define COUNT_MIN 16

/** Places in the queue, as many as there can be buffers and a power of two. */
#define PLACES 64

/** Buffers are filled one arrival after the other: newer than some headers that we are built with.
 */
#define REGISTER_INCREMENTAL 2

/** Without a lack for so long, what was added for one goes. */
#define SURPLUS_NS (10ull * GREEN__NS_PER_S)

/**
 * Buffers begin half a page into one: what the kernel copies them from and to begins where a page
 * does, or a few bytes further, and processors of Zen 3 and 4 are sixteen times as slow to move a
 * string to where it is 1 to 15 bytes further in its page than it was.
 */
#define OFFSET 2048

#define MEMORY_SIZE  ((size_t)GREEN__RING_BUFFERS_MAX * GREEN__RING_BUFFER_SIZE + OFFSET)
#define OFFERED_SIZE (PLACES * sizeof(struct io_uring_buf))

static unsigned char *
place_of(const struct green__ring_buffers *all, unsigned number)
{
    return all->memory + OFFSET + (size_t)number * GREEN__RING_BUFFER_SIZE;
}

static void
offer(struct green__ring_buffers *all, unsigned number)
{
    all->buffers[number] = (struct green__ring_buffer){0};
    struct io_uring_buf *entry = &all->offered[all->tail & (PLACES - 1)];
    entry->addr = (uintptr_t)place_of(all, number);
    entry->len = GREEN__RING_BUFFER_SIZE;
    entry->bid = (unsigned short)number;
    all->tail++;
    /* The queue's tail lies in the last member of its first entry. */
    atomic_store_explicit((_Atomic(unsigned short) *)&all->offered[0].resv, all->tail,
                          memory_order_release);
    all->free++;
}

int
green__ring_buffers_open(struct green__ring_buffers *all, struct green__ring *ring)
{
    int protection = PROT_READ | PROT_WRITE;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    all->offered = mmap(NULL, OFFERED_SIZE, protection, flags, -1, 0);
    all->memory = mmap(NULL, MEMORY_SIZE, protection, flags, -1, 0);
    int err = all->offered == MAP_FAILED || all->memory == MAP_FAILED ? -ENOMEM : 0;
    if (err == 0) {
        madvise(all->memory, MEMORY_SIZE, MADV_NOHUGEPAGE);
        struct io_uring_buf_reg registration = {
            .ring_addr = (uintptr_t)all->offered,
            .ring_entries = PLACES,
            .pad = REGISTER_INCREMENTAL,
        };
        err = syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_PBUF_RING, &registration,
                      1) == 0
                  ? 0
                  : -errno;
    }
    if (err != 0) {
        green__ring_buffers_close(all);
        return err;
    }
    while (all->count < COUNT_MIN) {
        offer(all, all->count++);
    }
    return 0;
}

void
green__ring_buffers_close(struct green__ring_buffers *all)
{
    if (all->offered != MAP_FAILED) {
        munmap(all->offered, OFFERED_SIZE);
    }
    if (all->memory != MAP_FAILED) {
        munmap(all->memory, MEMORY_SIZE);
    }
    all->count = 0;
}

unsigned char *
green__ring_buffers_got(struct green__ring_buffers *all, unsigned number, size_t length,
                        bool goes_on)
{
    struct green__ring_buffer *buffer = &all->buffers[number];
    unsigned char *bytes = place_of(all, number) + buffer->used;
    buffer->used += (uint32_t)length;
    buffer->parts++;
    if (!goes_on) {
        buffer->full = true;
        all->free--;
    }
    return bytes;
}

void
green__ring_buffers_give(struct green__ring_buffers *all, struct green__ring_buffer *buffer,
                         uint64_t now)
{
    if (--buffer->parts > 0 || !buffer->full) {
        return;
    }
    unsigned number = (unsigned)(buffer - all->buffers);
    if (number == all->count - 1 && all->count > COUNT_MIN && now - all->grown > SURPLUS_NS) {
        /* Its first half page is also the one's before it, its last one nobody's any more. */
        madvise(place_of(all, number) + OFFSET, GREEN__RING_BUFFER_SIZE, MADV_DONTNEED);
        all->count--;
        return;
    }
    offer(all, number);
}

void
green__ring_buffers_grow(struct green__ring_buffers *all, uint64_t now)
{
    unsigned count =
        2 * all->count < GREEN__RING_BUFFERS_MAX ? 2 * all->count : GREEN__RING_BUFFERS_MAX;
    all->grown = now;
    while (all->count < count) {
        offer(all, all->count++);
    }
}
