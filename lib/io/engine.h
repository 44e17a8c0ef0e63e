/*
 * The contract between the socket calls and what waits for sockets.
 *
 * Every scheduler whose tasks use descriptors has one `struct green__io`, made by one engine: the
 * best that the kernel grants, or the one that GREEN_IO names. An engine offers ten calls, and
 * whoever makes them never sees which engine runs. All of them are made by a worker of the
 * scheduler's thread that can be parked: a task, or the thread's own stack while it has tasks.
 *
 *   recv, send, accept   as POSIX, a negative errno on failure; park instead of blocking;
 *   recv_view, release   the received bytes in a buffer that the engine owns: no buffer is bound
 *                        while nothing comes;
 *   send_view            sends a view's bytes and takes its buffer back, so that an engine may do
 *                        both with one request;
 *   answer_view          send_view and recv_view in one, so that an engine may wait for both at
 * once; call                 any other call that knows MSG_DONTWAIT, made until it need not wait;
 *   wait_fd              parks until a descriptor of any sort is ready;
 *   close                ends the waits and forgets the descriptor, before it is closed.
 *
 * Engines that report readiness share all calls but two, `watch` and `close`: see readiness.c. The
 * bookkeeping is a slot a descriptor. Slots have generations: a report about a descriptor that was
 * closed, and whose number is in use again, is recognised and dropped.
 */
#ifndef GREEN_IO_ENGINE_H
#define GREEN_IO_ENGINE_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "green/net.h"
#include "io/held.h"
#include "sched/sched.h"
#include "sched/wait.h"

struct green__call;

/** What a slot may be ready for. */
enum {
    GREEN__READABLE = 1,
    GREEN__WRITABLE = 2,
    GREEN__HUNG_UP = 4, /**< The end of the stream, or an error: it stays. */
};

/** What is known of a descriptor that begins its life. */
enum green__sort {
    GREEN__OTHER,
    GREEN__STREAM,
    GREEN__TCP, /**< A stream too. */
};

static inline enum green__sort
green__sort_of(int family)
{
    return family == AF_INET || family == AF_INET6 ? GREEN__TCP : GREEN__STREAM;
}

struct green__slot {
    struct green_job *reader; /**< Who waits, NULL when nobody does. */
    struct green_job *writer;
    void *handle;        /**< The engine's own. */
    uint32_t generation; /**< Counts the closes of this number. */
    uint32_t
        closes;    /**< What green__held_closes() said: when it grows, another thread closed it. */
    uint8_t ready; /**< Reported, or not known: trying is worth while. */
    uint8_t armed; /**< What the engine watches, and what else it notes here. */
    uint8_t heat;  /**< How often trying without a report has paid: see readiness.c. */
    uint8_t calm;  /**< Of a listener: accepts since the last pace. */
    bool standing_back; /**< Its reader stands in the run queue, to try without a report. */
    bool stream;        /**< A byte stream of ours: a short read means that it is empty. */
    bool nonblocking;   /**< A listener that was made so. */
    bool tcp;           /**< A stream of TCP, or a listener of such. */
};

#define GREEN__SLOTS_PER_CHUNK 128

struct green__io {
    const struct green__engine *engine;
    struct green__sched *sched;
    struct green__slot **chunks; /**< Slots never move. */
    size_t chunk_count;
    uint8_t patience; /**< One in so many waits is a try without a report, when those fail. */
    uint8_t calm;     /**< Waits since the last one. */
};

struct green__engine {
    const char *name;

    /** Make it for a scheduler, its poller included; 0 or a negative errno. */
    int (*create)(struct green__sched *sched, struct green__io **ret_io);

    ssize_t (*recv)(struct green__io *io, int fd, void *buf, size_t len, int flags);
    ssize_t (*recv_view)(struct green__io *io, int fd, struct green_view *ret_view);
    void (*release)(struct green__io *io, struct green_view *view);
    ssize_t (*send)(struct green__io *io, int fd, const void *buf, size_t len, int flags);
    int (*send_view)(struct green__io *io, int fd, struct green_view *view);
    ssize_t (*answer_view)(struct green__io *io, int fd, struct green_view *view,
                           struct green_timeout *sending, uint64_t ms);
    int (*accept)(struct green__io *io, int fd, struct sockaddr *peer, socklen_t *length);
    ssize_t (*call)(struct green__io *io, const struct green__call *call);
    int (*wait_fd)(struct green__io *io, struct pollfd *fds, size_t count, green_deadline deadline);
    void (*close)(struct green__io *io, int fd, struct green__slot *slot);

    /**
     * Of engines that report readiness: see to it that green__slot_report() is called once the
     * descriptor is ready for the events. 0, -EPERM when it always is, -EBADF, -ENOMEM.
     */
    int (*watch)(struct green__io *io, int fd, struct green__slot *slot, unsigned events);

    /** Of engines that can stop to watch a descriptor that is tried without a report. */
    bool quietens;

    /** It receives ahead of the calls for descriptors whose slot has a handle. */
    bool ahead;
};

extern const struct green__engine green__engine_uring;
extern const struct green__engine green__engine_epoll;
extern const struct green__engine green__engine_poll;

/** Make the calling thread's. */
int green__io_make(struct green__io **ret_io);

/** The calling thread's, NULL when it has none. */
static inline struct green__io *
green__io_peek(void)
{
    const struct green_job *self = green__running;
    return self != NULL && self->sched != NULL ? self->sched->io : NULL;
}

/** The calling thread's, made on first use; 0 or a negative errno. */
static inline int
green__io_get(struct green__io **ret_io)
{
    *ret_io = green__io_peek();
    return *ret_io != NULL ? 0 : green__io_make(ret_io);
}

/** Set the base members. For engines. */
void green__io_init(struct green__io *io, const struct green__engine *engine,
                    struct green__sched *sched);

/** Free the slots. For engines. */
void green__io_fini(struct green__io *io);

/** A descriptor's slot if it ever had one. */
static inline struct green__slot *
green__slot_peek(struct green__io *io, int fd)
{
    size_t chunk = (size_t)(unsigned)fd / GREEN__SLOTS_PER_CHUNK;
    if (fd < 0 || chunk >= io->chunk_count || io->chunks[chunk] == NULL) {
        return NULL;
    }
    return &io->chunks[chunk][(unsigned)fd % GREEN__SLOTS_PER_CHUNK];
}

/** Make the slot of a descriptor, or bring up to date what it says; NULL without memory. */
struct green__slot *green__slot_make(struct green__io *io, int fd);

/** A descriptor's slot; NULL without memory. */
static inline struct green__slot *
green__slot_get(struct green__io *io, int fd)
{
    struct green__slot *slot = green__slot_peek(io, fd);
    return slot != NULL && slot->closes == green__held_closes(fd) ? slot : green__slot_make(io, fd);
}

/** The number was closed, or a descriptor made under it: whatever the slot says is about an older
 *  one, and who still waits for that gets -EBADF. */
void green__slot_renew(struct green__io *io, int fd, enum green__sort sort);

/** Whether the engine may hold bytes that came by the descriptor: the system's own calls would miss
 *  them. */
static inline bool
green__io_holds(struct green__io *io, int fd)
{
    const struct green__slot *slot =
        io == NULL || !io->engine->ahead ? NULL : green__slot_peek(io, fd);
    return slot != NULL && slot->handle != NULL;
}

/** Park until the engine wakes us, which the thread's own stack can wait for in its loop alone. */
static inline int
green__io_park(struct green__io *io, struct green_job *self, green_deadline deadline,
               const char *what)
{
    bool host = self->kind != GREEN_TASK;
    io->sched->uv_requests += host; /* the last task may end meanwhile */
    int err = green__wait_park(self, deadline, what);
    io->sched->uv_requests -= host;
    return err;
}

/** The engine's report: note it, and wake those it concerns. */
void green__slot_report(struct green__slot *slot, unsigned events);

/** The calls that all engines share which report readiness. */
ssize_t green__readiness_recv(struct green__io *io, int fd, void *buf, size_t len, int flags);
ssize_t green__readiness_recv_view(struct green__io *io, int fd, struct green_view *ret_view);
void green__readiness_release(struct green__io *io, struct green_view *view);
ssize_t green__readiness_send(struct green__io *io, int fd, const void *buf, size_t len, int flags);
int green__readiness_send_view(struct green__io *io, int fd, struct green_view *view);
ssize_t green__readiness_answer_view(struct green__io *io, int fd, struct green_view *view,
                                     struct green_timeout *sending, uint64_t ms);
int green__readiness_accept(struct green__io *io, int fd, struct sockaddr *peer, socklen_t *length);
ssize_t green__readiness_call(struct green__io *io, const struct green__call *call);
int green__readiness_wait_fd(struct green__io *io, struct pollfd *fds, size_t count,
                             green_deadline deadline);

#endif
