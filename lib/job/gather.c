/*
 * Waiting for several things: a hook on each of them, all known to one place where the caller
 * waits.
 *
 * Invariant: the place, `gather`, has a reference for the caller and one for each hook that may
 * still be called; so a hook that was already taken to be called when the caller gives up finds it
 * there.
 */
#include <errno.h>

#include "base/alloc.h"
#include "job/hook.h"
#include "sched/wait.h"

struct entry {
    struct green__hook hook;
    struct gather *gather;
};

struct gather {
    struct green__waitq queue; /* its lock guards the rest */
    const struct green__sources *how;
    size_t pending; /* how many have not ended */
    size_t first;   /* the one that ended first; `count` while there is none */
    size_t failed;  /* the one that failed first, likewise */
    size_t count;
    atomic_size_t references;
    struct entry entries[];
};

static void
let_go(struct gather *gather)
{
    if (atomic_fetch_sub_explicit(&gather->references, 1, memory_order_acq_rel) == 1) {
        green__free(gather);
    }
}

/** One of them has ended; the lock is held. */
static void
take_note(struct gather *gather, size_t index, void *source)
{
    gather->pending--;
    if (gather->first == gather->count) {
        gather->first = index;
    }
    if (gather->failed == gather->count && gather->how->failed(source)) {
        gather->failed = index;
    }
}

static void
on_end(struct green__hook *hook, void *source)
{
    struct entry *entry = GREEN__CONTAINER(hook, struct entry, hook);
    struct gather *gather = entry->gather;
    green__waitq_lock(&gather->queue);
    take_note(gather, (size_t)(entry - gather->entries), source);
    green__waitq_wake_one(&gather->queue);
    green__waitq_unlock(&gather->queue);
    let_go(gather);
}

static struct gather *
create(size_t count, const struct green__sources *how)
{
    struct gather *gather;
    if (count > (SIZE_MAX - sizeof *gather) / sizeof(struct entry)) {
        return NULL;
    }
    gather = green__alloc(sizeof *gather + count * sizeof(struct entry));
    if (gather == NULL) {
        return NULL;
    }
    green__waitq_init(&gather->queue);
    gather->how = how;
    gather->pending = 0;
    gather->first = count;
    gather->failed = count;
    gather->count = count;
    atomic_init(&gather->references, 1);
    for (size_t i = 0; i < count; i++) {
        green__list_init(&gather->entries[i].hook.link);
        gather->entries[i].hook.run = on_end;
        gather->entries[i].gather = gather;
    }
    return gather;
}

static bool
is_over(const struct gather *gather, enum green__until until)
{
    return gather->pending == 0 || (until == GREEN__UNTIL_FIRST && gather->first < gather->count) ||
           (until == GREEN__UNTIL_ERROR && gather->failed < gather->count);
}

/** Hang on to all of them; how many entries were gone through is set even on failure. */
static int
attach(struct gather *gather, void *const *sources, size_t *ret_done)
{
    int err = 0;
    size_t i = 0;
    for (; i < gather->count && err >= 0; i++) {
        if (sources[i] == NULL) {
            continue;
        }
        green__waitq_lock(&gather->queue);
        gather->pending++;
        green__waitq_unlock(&gather->queue);
        atomic_fetch_add_explicit(&gather->references, 1, memory_order_relaxed);
        err = gather->how->hook(sources[i], &gather->entries[i].hook);
        if (err != 1) {
            atomic_fetch_sub_explicit(&gather->references, 1, memory_order_relaxed);
        }
        if (err == 0) {
            green__waitq_lock(&gather->queue);
            take_note(gather, i, sources[i]);
            green__waitq_unlock(&gather->queue);
        }
    }
    *ret_done = i;
    return err < 0 ? err : 0;
}

static void
detach(struct gather *gather, void *const *sources, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (sources[i] != NULL && gather->how->unhook(sources[i], &gather->entries[i].hook)) {
            let_go(gather);
        }
    }
}

int
green__gather(void *const *sources, size_t count, const struct green__sources *how,
              enum green__until until, size_t *ret_index, green_deadline deadline)
{
    struct green_job *self = green__self();
    int err = green__wait_check(self);
    if (err != 0) {
        return err;
    }
    struct gather *gather = create(count, how);
    if (gather == NULL) {
        return -ENOMEM;
    }
    size_t attached;
    err = attach(gather, sources, &attached);
    green__waitq_lock(&gather->queue);
    while (err == 0 && !is_over(gather, until)) {
        err = green__waitq_wait(&gather->queue, self, deadline, how->what);
        green__waitq_lock(&gather->queue);
    }
    size_t index = until == GREEN__UNTIL_FIRST ? gather->first : gather->failed;
    green__waitq_unlock(&gather->queue);
    detach(gather, sources, attached);
    let_go(gather);
    if (err == 0 && ret_index != NULL) {
        *ret_index = index;
    }
    return err;
}
