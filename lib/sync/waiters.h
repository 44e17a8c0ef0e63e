/*
 * How the primitives wait, in terms of lib/sched/wait.
 *
 * The public structures keep their waiters as plain members, all zero at first, so that a static
 * initialiser suffices; inside they are a green__waitq. The list becomes one when somebody waits.
 *
 * Words that say who owns a thing are those of sched/graph.h. While GREEN__CROWDED is set, a word
 * changes under the lock of the waiters alone, until the bit is cleared. What nobody waits for
 * changes by one atomic operation.
 */
#ifndef GREEN_SYNC_WAITERS_H
#define GREEN_SYNC_WAITERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errors.h"
#include "green/sync.h"
#include "sched/graph.h"
#include "sched/wait.h"

_Static_assert(sizeof(struct green_waiters) == sizeof(struct green__waitq) &&
                   offsetof(struct green_waiters, first) ==
                       offsetof(struct green__waitq, waiters.next) &&
                   offsetof(struct green_waiters, last) ==
                       offsetof(struct green__waitq, waiters.previous) &&
                   sizeof(atomic_uint) == sizeof(unsigned),
               "the public waiters are a queue of waiters");

/* Memory orders by their purpose; the public members are no _Atomic, for C++'s sake. */
#define GREEN__LOAD(place)              __atomic_load_n(place, __ATOMIC_RELAXED)
#define GREEN__LOAD_ACQUIRE(place)      __atomic_load_n(place, __ATOMIC_ACQUIRE)
#define GREEN__STORE(place, to)         __atomic_store_n(place, to, __ATOMIC_RELAXED)
#define GREEN__STORE_RELEASE(place, to) __atomic_store_n(place, to, __ATOMIC_RELEASE)
/** Change *place from *expected; what is done before and after by others stays in order. */
#define GREEN__SWAP(place, expected, to)                                             \
    (green__alone() && GREEN__LOAD(place) == *(expected)                             \
         ? (GREEN__STORE(place, to), true)                                           \
         : __atomic_compare_exchange_n(place, expected, to, false, __ATOMIC_ACQ_REL, \
                                       __ATOMIC_ACQUIRE))

/** The waiters as a queue, whose lock is held. */
static inline struct green__waitq *
green__waiters_queue(struct green_waiters *waiters)
{
    struct green__waitq *queue = (struct green__waitq *)(void *)waiters;
    if (queue->waiters.next == NULL) {
        green__list_init(&queue->waiters);
    }
    return queue;
}

/** Their list. */
static inline struct green__list *
green__waiters_list(struct green_waiters *waiters)
{
    return &green__waiters_queue(waiters)->waiters;
}

static inline struct green__lock *
green__waiters_guard(struct green_waiters *waiters)
{
    return &((struct green__waitq *)(void *)waiters)->lock;
}

static inline struct green__list *
green__waiters_lock(struct green_waiters *waiters)
{
    green__lock_brief(green__waiters_guard(waiters));
    return green__waiters_list(waiters);
}

/** The last thing that a call does with an object: who was woken may end it as soon as it is free.
 */
static inline void
green__waiters_unlock(struct green_waiters *waiters)
{
    green__unlock_brief(green__waiters_guard(waiters));
}

/** Before an object ends: nobody waits, and who woke the last waiter has let go. */
static inline void
green__waiters_fini(struct green_waiters *waiters, const char *function)
{
    bool waited_for = !green__list_empty(green__waiters_lock(waiters));
    green__waiters_unlock(waiters);
    if (waited_for) {
        green__misuse("%s: somebody waits for it", function);
    }
}

/** Wait in the list; see green__wait_in(). */
static inline int
green__waiters_wait(struct green_waiters *waiters, struct green_job *self, green_deadline deadline,
                    const char *what)
{
    return green__wait_in(green__waiters_guard(waiters), green__waiters_list(waiters), self,
                          deadline, what);
}

/** Who has waited longest; NULL when nobody waits. */
static inline struct green__waiter *
green__waiters_first(struct green__list *list)
{
    return green__list_empty(list) ? NULL
                                   : GREEN__CONTAINER(list->next, struct green__waiter, link);
}

/** Take out who has waited longest; he waits on until he is woken. NULL when nobody waits. */
static inline struct green__waiter *
green__waiters_take(struct green__list *list)
{
    struct green__list *link = green__list_shift(list);
    return link == NULL ? NULL : GREEN__CONTAINER(link, struct green__waiter, link);
}

/** Wake all with the same value. */
static inline void
green__waiters_wake_all(struct green__list *list, void *value)
{
    struct green__waiter *waiter;
    while ((waiter = green__waiters_take(list)) != NULL) {
        waiter->value = value;
        green__wait_wake(waiter->job);
    }
}

/** A result as a waiter's value. */
#define GREEN__RESULT(err)      ((void *)(intptr_t)(err))
#define GREEN__RESULT_OF(value) ((int)(intptr_t)(value))

/** Who owns what a worker waits for: NULL when it waits for nothing that has an owner. Any thread;
 *  the answer may be over when it is given. */
static inline struct green_job *
green__awaited_owner(const struct green_job *job)
{
    const uintptr_t *word =
        atomic_load_explicit(&job->own->waiter.owner_word, memory_order_acquire);
    return word == NULL ? NULL : green__word_owner(GREEN__LOAD_ACQUIRE(word));
}

/** Wait for something that has an owner; see green__wait_for_owner(). */
static inline int
green__waiters_wait_owner(struct green_waiters *waiters, const uintptr_t *owner_word,
                          enum green__want want, struct green_job *self, green_deadline deadline,
                          const char *what)
{
    return green__wait_for_owner(green__waiters_queue(waiters), owner_word, want, self, deadline,
                                 what);
}

/* ---- between the primitives ---- */

/** Unlock a mutex that the caller holds, wholly; returns its depth for green__mutex_relock(). */
unsigned green__mutex_release(struct green_mutex *mutex, struct green_job *self);

/** Lock it again as deeply, whatever deadlines and cancellations there are. */
void green__mutex_relock(struct green_mutex *mutex, struct green_job *self, unsigned depth);

static inline bool
green__mutex_held_by(const struct green_mutex *mutex, const struct green_job *self)
{
    return green__word_owner(GREEN__LOAD(&mutex->holder)) == self;
}

#endif
