/*
 * A slot for every descriptor that a scheduler's workers use, and the choice of the engine.
 *
 * Invariant: slots never move and belong to the thread of their scheduler. A slot whose `armed` is
 * 0 is unknown to the engine.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/errors.h"
#include "io/engine.h"
#include "io/held.h"
#include "sched/wait.h"

/** The best first. */
static const struct green__engine *const engines[] = {
    &green__engine_uring,
    &green__engine_epoll,
    &green__engine_poll,
};

#define ENGINE_COUNT (sizeof engines / sizeof *engines)

/** The engine that GREEN_IO names; NULL when it is not set. */
static const struct green__engine *
forced_engine(void)
{
    const char *name = getenv("GREEN_IO");
    if (name == NULL || *name == '\0') {
        return NULL;
    }
    for (size_t i = 0; i < ENGINE_COUNT; i++) {
        if (strcmp(engines[i]->name, name) == 0) {
            return engines[i];
        }
    }
    green__misuse("GREEN_IO=%s: there is no such engine; take uring, epoll or poll", name);
}

int
green__io_make(struct green__io **ret_io)
{
    struct green__sched *sched;
    int err = green__sched_get(&sched);
    if (err != 0) {
        return err;
    }
    const struct green__engine *forced = forced_engine();
    struct green__io *io = NULL;
    err = -ENOSYS;
    for (size_t i = 0; i < ENGINE_COUNT && err != 0; i++) {
        if (forced == NULL || forced == engines[i]) {
            green__sched_fork_prepare();
            err = engines[i]->create(sched, &io);
            green__sched_fork_parent();
        }
    }
    if (forced == &green__engine_uring && err != 0 && err != -ENOMEM && err != -EMFILE) {
        green__misuse("GREEN_IO=%s: this kernel does not grant it (%s)", forced->name,
                      green_strerror(err));
    }
    if (err == 0) {
        sched->io = io;
        *ret_io = io;
    }
    return err;
}

void
green__io_init(struct green__io *io, const struct green__engine *engine, struct green__sched *sched)
{
    io->engine = engine;
    io->sched = sched;
}

void
green__io_fini(struct green__io *io)
{
    for (size_t i = 0; i < io->chunk_count; i++) {
        green__free(io->chunks[i]);
    }
    green__free(io->chunks);
}

static struct green__slot *
make_slot(struct green__io *io, int fd)
{
    size_t chunk = (size_t)fd / GREEN__SLOTS_PER_CHUNK;
    if (chunk >= io->chunk_count) {
        size_t count = chunk + 1 > 2 * io->chunk_count ? chunk + 1 : 2 * io->chunk_count;
        struct green__slot **chunks = green__realloc(io->chunks, count * sizeof *chunks);
        if (chunks == NULL) {
            return NULL;
        }
        memset(chunks + io->chunk_count, 0, (count - io->chunk_count) * sizeof *chunks);
        io->chunks = chunks;
        io->chunk_count = count;
    }
    struct green__slot *slots = green__alloc_zeroed(GREEN__SLOTS_PER_CHUNK * sizeof *slots);
    if (slots == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < GREEN__SLOTS_PER_CHUNK; i++) {
        slots[i].ready = GREEN__READABLE; /* not known: the first call tries */
    }
    io->chunks[chunk] = slots;
    return &slots[(size_t)fd % GREEN__SLOTS_PER_CHUNK];
}

/** Its waiters see that the place is not theirs any more. */
static void
end_waits(struct green__slot *slot)
{
    struct green_job *reader = slot->reader;
    struct green_job *writer = slot->writer;
    slot->reader = NULL;
    slot->writer = NULL;
    if (reader != NULL) {
        green__wait_wake(reader);
    }
    if (writer != NULL && writer != reader) {
        green__wait_wake(writer);
    }
}

static void
renew(struct green__io *io, int fd, struct green__slot *slot, enum green__sort sort)
{
    end_waits(slot);
    if (slot->armed != 0 || slot->handle != NULL) {
        io->engine->close(io, fd, slot);
    }
    slot->generation++;
    slot->closes = green__held_closes(fd);
    slot->ready = GREEN__READABLE;
    slot->stream = sort != GREEN__OTHER;
    slot->tcp = sort == GREEN__TCP;
    slot->nonblocking = false;
    slot->heat = 0;
    slot->calm = 0;
    slot->standing_back = false;
}

struct green__slot *
green__slot_make(struct green__io *io, int fd)
{
    struct green__slot *slot = green__slot_peek(io, fd);
    if (slot == NULL && fd >= 0) {
        slot = make_slot(io, fd);
    }
    if (slot != NULL && slot->closes != green__held_closes(fd)) {
        renew(io, fd, slot, GREEN__OTHER);
    }
    return slot;
}

void
green__slot_renew(struct green__io *io, int fd, enum green__sort sort)
{
    struct green__slot *slot = green__slot_peek(io, fd);
    if (slot == NULL && fd >= 0) {
        slot = make_slot(io, fd);
    }
    if (slot != NULL) { /* else the first call that needs it fails for want of memory */
        renew(io, fd, slot, sort);
    }
}

void
green__slot_report(struct green__slot *slot, unsigned events)
{
    slot->ready |= (uint8_t)events;
    if (slot->reader != NULL && (events & (GREEN__READABLE | GREEN__HUNG_UP))) {
        green__wait_wake(slot->reader);
    }
    if (slot->writer != NULL && (events & (GREEN__WRITABLE | GREEN__HUNG_UP))) {
        green__wait_wake(slot->writer);
    }
}
