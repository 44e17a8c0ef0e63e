/*
 * Who waits for whom: the cycles that waits for locks and for ends of jobs can make.
 *
 * A worker that holds nothing keeps nobody waiting and closes no cycle, so most waits never come
 * here. One that holds something and is about to wait without a deadline is enrolled as an edge of
 * the graph, which is walked at once from there. Whoever closes a cycle is the last of it to be
 * enrolled, and finds all the others.
 *
 * Everybody holds his own end. So that this does not enroll all who are ever joined, a join counts
 * only where the walk comes to it: who is joined then is enrolled if he waits, and takes note if he
 * does not, that his waits count from now on.
 *
 * An enrolled worker does not return from its wait before it has left the graph, which takes the
 * graph's lock. So while that is held, what it waits for lives, and what it holds it goes on to
 * hold: links that were looked at one after the other held all at once, and no report is false.
 */
#ifndef GREEN_SCHED_GRAPH_H
#define GREEN_SCHED_GRAPH_H

#include "sched/worker.h"

/*
 * A word that says who owns a thing names a worker, or has GREEN__SHARED and counts. GREEN__CROWDED
 * is set while somebody may wait.
 */
enum {
    GREEN__CROWDED = 1,
    GREEN__SHARED = 2,
    GREEN__OWNER_BITS = 3,
};

_Static_assert(_Alignof(struct green_job) > GREEN__OWNER_BITS, "the bits below a worker are free");

/** The owner that a word names; NULL when it is free or shared. */
static inline struct green_job *
green__word_owner(uintptr_t word)
{
    return (word & GREEN__SHARED) != 0
               ? NULL
               : (struct green_job *)(word & ~(uintptr_t)GREEN__OWNER_BITS); // NOLINT
}

/* ---- what a worker holds; on its own thread ---- */

/** Whether a lock can be waited for that the worker, by whatever ways, keeps from others: it holds
 *  one, or its end is awaited by such a worker. */
static inline bool
green__graph_matters(const struct green_job *self)
{
    return self->own->holds > 0 || atomic_load_explicit(&self->awaited, memory_order_relaxed);
}

/**
 * Whether the calling worker, about to wait for a job's end, can close a cycle: also one of joins
 * alone.
 *
 * Of those who join each other at the same moment, the last to come here is seen to be joined.
 */
static inline bool
green__graph_joins(const struct green_job *self, struct green_job *job)
{
    if (!atomic_load(&job->has_joiners)) {
        atomic_store_explicit(&job->has_joiners, true,
                              green__alone() ? memory_order_relaxed : memory_order_seq_cst);
    }
    return green__graph_matters(self) || atomic_load(&self->has_joiners);
}

/** Note one more, of more than GREEN__READS_MAX; without memory it is counted, and cycles through
 *  it are not found. */
void green__graph_reads_more(struct green__own *own, const void *rwlock);

/** Forget such a one; false when it was not noted. */
bool green__graph_read_of_more(struct green__own *own, const void *rwlock);

/** It holds a lock to read, together with others. */
static inline void
green__graph_reads(struct green_job *self, const void *rwlock)
{
    struct green__own *own = self->own;
    own->holds++;
    for (int i = 0; i < GREEN__READS_MAX; i++) {
        if (own->reads[i] == NULL) {
            own->reads[i] = rwlock;
            return;
        }
    }
    green__graph_reads_more(own, rwlock);
}

/** It has left such a lock; false when it never held it. */
static inline bool
green__graph_read(struct green_job *self, const void *rwlock)
{
    struct green__own *own = self->own;
    for (int i = 0; i < GREEN__READS_MAX; i++) {
        if (own->reads[i] == rwlock) {
            own->reads[i] = NULL;
            own->holds--;
            return true;
        }
    }
    if (!green__graph_read_of_more(own, rwlock)) {
        return false;
    }
    own->holds--;
    return true;
}

/* ---- waits ---- */

/**
 * The calling worker is about to park without a deadline; its waiter says for what, and is known.
 *
 * @return Whether that would be for ever. It is reported then.
 */
bool green__graph_enter(struct green_job *self);

/** The calling worker would wait for itself: report it, unless it would not for ever. */
void green__graph_own(struct green_job *self, const uintptr_t *owner_word, enum green__want want,
                      green_deadline deadline);

/** Its wait is over: to be called if it has an edge. */
void green__graph_leave(struct green_job *self);

/** Another worker thinks that this one, of the calling thread, is part of a cycle. */
void green__graph_heed(struct green_job *job);

/** Around a fork. In the child nobody waits. */
void green__graph_fork_prepare(void);
void green__graph_fork_parent(void);
void green__graph_fork_child(void);

/* ---- reports ---- */

/** What was found. */
struct green__finding {
    bool cycle; /**< Each waits for the next, the last for the first; else nobody is left to wake
                     them. */
    struct green_job *const *jobs;
    size_t count;
    const struct green_job *victim; /**< Whose call fails; NULL when none of them can. */
};

/* Of lib/debug, which is above: includes point down, and findings are told upwards. */

/** A finding in words, while those whom it names stay; NULL without memory. */
char *green__deadlock_describe(const struct green__finding *finding);

/** Tell it to who wants to know, and free it. NULL is taken. No lock is held. */
void green__deadlock_tell(char *text);

#endif
