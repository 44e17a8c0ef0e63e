/*
 * The epoll engine from inside, for the engine that adds a ring to it.
 */
#ifndef GREEN_IO_ENGINE_EPOLL_H
#define GREEN_IO_ENGINE_EPOLL_H

#include <sys/epoll.h>

#include "io/engine.h"

#define GREEN__EVENTS_PER_BATCH 512

struct green__epoll_io {
    struct green__io io;
    struct green__poller poller;
    int set;
    struct epoll_event events[GREEN__EVENTS_PER_BATCH];
};

/** Make the set, and libuv's loop a member of it; 0 or a negative errno. */
int green__epoll_open(struct green__epoll_io *self, const struct green__engine *engine,
                      struct green__sched *sched);

/** Close the set and forget all slots. */
void green__epoll_close(struct green__epoll_io *self);

/** Look for reports, libuv's included, and wait for them for at most timeout_ms. */
void green__epoll_look(struct green__epoll_io *self, int timeout_ms);

/** What libuv has to do before a wait is done, and the wait's bound: 0 if there is no waiting. */
int green__epoll_bound(struct green__epoll_io *self, int timeout_ms);

int green__epoll_watch(struct green__io *io, int fd, struct green__slot *slot, unsigned events);
void green__epoll_forget(struct green__io *io, int fd, struct green__slot *slot);

#endif
