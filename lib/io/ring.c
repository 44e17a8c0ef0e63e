/*
 * The ring by itself: setting up, submitting, waiting.
 *
 * Invariant: `queued` requests stand before the submission queue's tail that the kernel was not
 * told of yet. The array of indices is filled once, since each entry stands for itself. Only the
 * thread that opened it calls.
 */
#include "io/ring.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"

#define SQ_ENTRIES 512
#define CQ_ENTRIES 4096

/** One thread that submits, and does the kernel's part of the work when it looks. */
#define SETUP_FLAGS                                                                        \
    (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG | \
     IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_SUBMIT_ALL)

/** Linux 6.14, as told by something that came with it: since 6.13 a file that is dropped does not
 * wait for requests about others. Newer than some headers that we are built with. */
#define FEATURE_OF_6_14 (1u << 16)

/** Eight bytes each of the kernel's memory. */
#define FILES_MAX 32768

#define FEATURES (IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG)

static int
map(struct green__ring *ring, const struct io_uring_params *params)
{
    size_t sq = params->sq_off.array + params->sq_entries * sizeof(unsigned);
    size_t cq = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);
    ring->map_size = sq > cq ? sq : cq;
    ring->map = mmap(NULL, ring->map_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                     ring->fd, IORING_OFF_SQ_RING);
    if (ring->map == MAP_FAILED) {
        return -errno;
    }
    ring->sq_entries = params->sq_entries;
    ring->sqes = mmap(NULL, ring->sq_entries * sizeof *ring->sqes, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_SQES);
    if (ring->sqes == MAP_FAILED) {
        int err = -errno;
        munmap(ring->map, ring->map_size);
        return err;
    }
    char *base = ring->map;
    ring->sq_head = (void *)(base + params->sq_off.head);
    ring->sq_tail = (void *)(base + params->sq_off.tail);
    ring->sq_flags = (void *)(base + params->sq_off.flags);
    ring->sq_mask = *(unsigned *)(void *)(base + params->sq_off.ring_mask);
    ring->cq_head = (void *)(base + params->cq_off.head);
    ring->cq_tail = (void *)(base + params->cq_off.tail);
    ring->cq_mask = *(unsigned *)(void *)(base + params->cq_off.ring_mask);
    ring->cqes = (void *)(base + params->cq_off.cqes);
    unsigned *array = (void *)(base + params->sq_off.array);
    for (unsigned i = 0; i < ring->sq_entries; i++) {
        array[i] = i;
    }
    return 0;
}

int
green__ring_open(struct green__ring *ring)
{
    struct io_uring_params params;
    memset(&params, 0, sizeof params);
    params.flags = SETUP_FLAGS;
    params.cq_entries = CQ_ENTRIES;
    ring->queued = 0;
    ring->places = 0;
    ring->fd = (int)syscall(SYS_io_uring_setup, SQ_ENTRIES, &params);
    if (ring->fd < 0) {
        return -errno;
    }
    ring->keeps = (params.features & FEATURE_OF_6_14) != 0;
    int err = (params.features & FEATURES) == FEATURES ? map(ring, &params) : -ENOSYS;
    if (err != 0) {
        close(ring->fd);
        ring->fd = -1;
    }
    return err;
}

void
green__ring_close(struct green__ring *ring)
{
    munmap(ring->sqes, ring->sq_entries * sizeof *ring->sqes);
    munmap(ring->map, ring->map_size);
    close(ring->fd);
    ring->fd = -1;
}

struct io_uring_sqe *
green__ring_request(struct green__ring *ring)
{
    if (ring->queued == ring->sq_entries) {
        green__ring_enter(ring, 0, 0);
    }
    unsigned tail = atomic_load_explicit(ring->sq_tail, memory_order_relaxed);
    struct io_uring_sqe *request = &ring->sqes[tail & ring->sq_mask];
    memset(request, 0, sizeof *request);
    /* The kernel looks at it in the next enter, by which time it is filled in. */
    atomic_store_explicit(ring->sq_tail, tail + 1, memory_order_release);
    ring->queued++;
    return request;
}

void
green__ring_enter(struct green__ring *ring, unsigned wanted, int timeout_ms)
{
    struct __kernel_timespec timeout = {
        .tv_sec = timeout_ms / 1000,
        .tv_nsec = (long long)(timeout_ms % 1000) * GREEN__NS_PER_MS,
    };
    struct io_uring_getevents_arg arg = {
        .sigmask_sz = _NSIG / 8,
        .ts = timeout_ms > 0 ? (uint64_t)(uintptr_t)&timeout : 0,
    };
    syscall(SYS_io_uring_enter, ring->fd, ring->queued, wanted,
            IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg, sizeof arg);
    ring->queued = atomic_load_explicit(ring->sq_tail, memory_order_relaxed) -
                   atomic_load_explicit(ring->sq_head, memory_order_acquire);
}

/* ---- files ---- */

/** Make the table, with nothing in it. */
static void
make_places(struct green__ring *ring)
{
    struct rlimit limit = {0};
    getrlimit(RLIMIT_NOFILE, &limit); /* the kernel takes no more */
    struct io_uring_rsrc_register table = {
        .nr = limit.rlim_cur < FILES_MAX ? (uint32_t)limit.rlim_cur : FILES_MAX,
        .flags = IORING_RSRC_REGISTER_SPARSE,
    };
    ring->keeps =
        syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_FILES2, &table, sizeof table) == 0;
    ring->places = ring->keeps ? table.nr : 0;
}

/** Put a file into the place of a descriptor, or none (-1). */
static bool
put(const struct green__ring *ring, int place, int fd)
{
    struct io_uring_rsrc_update update = {
        .offset = (uint32_t)place,
        .data = (uint64_t)(uintptr_t)&fd,
    };
    return syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_FILES_UPDATE, &update, 1) == 1;
}

bool
green__ring_keep(struct green__ring *ring, int fd)
{
    if (ring->keeps && ring->places == 0) {
        make_places(ring);
    }
    return (unsigned)fd < ring->places && put(ring, fd, fd);
}

void
green__ring_drop(const struct green__ring *ring, int fd)
{
    put(ring, fd, -1);
}
