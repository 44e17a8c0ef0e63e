/*
 * A mutex, recursive or not, that is handed over in FIFO order.
 *
 * Invariant: `holder` names the worker that holds it and is 0 when nobody does; it is never 0 while
 * somebody waits, so that nobody overtakes. `depth` is how often a recursive one was locked beyond
 * the first time; only its holder looks at it. Any worker may call.
 */
#include <limits.h>

#include "sync/waiters.h"

void
green_mutex_init(struct green_mutex *mutex)
{
    *mutex = (struct green_mutex)GREEN_MUTEX_INIT;
}

void
green_mutex_init_recursive(struct green_mutex *mutex)
{
    *mutex = (struct green_mutex)GREEN_RECURSIVE_MUTEX_INIT;
}

void
green_mutex_fini(struct green_mutex *mutex)
{
    green__waiters_fini(&mutex->waiters, "green_mutex_fini");
    if (GREEN__LOAD(&mutex->holder) != 0) {
        green__misuse("green_mutex_fini: it is locked");
    }
}

/** The caller holds the mutex already. */
static int
lock_again(struct green_mutex *mutex, struct green_job *self, green_deadline deadline)
{
    if (!mutex->recursive) {
        green__graph_own(self, &mutex->holder, GREEN__WANT_MUTEX, deadline);
        return -EDEADLK;
    }
    if (mutex->depth == UINT_MAX - 1) {
        return -EAGAIN;
    }
    mutex->depth++;
    return 0;
}

/** Join the queue; the mutex is the caller's when the call returns 0. */
static int
lock_slow(struct green_mutex *mutex, struct green_job *self, green_deadline deadline)
{
    green__waiters_lock(&mutex->waiters);
    uintptr_t word = GREEN__LOAD(&mutex->holder);
    while ((word & GREEN__CROWDED) == 0) {
        uintptr_t to = word == 0 ? (uintptr_t)self : word | GREEN__CROWDED;
        if (GREEN__SWAP(&mutex->holder, &word, to)) {
            if (word == 0) {
                green__waiters_unlock(&mutex->waiters);
                self->own->holds++;
                return 0;
            }
            break;
        }
    }
    int err = green__waiters_wait_owner(&mutex->waiters, &mutex->holder, GREEN__WANT_MUTEX, self,
                                        deadline, "a mutex");
    if (err != 0) {
        green__waiters_unlock(&mutex->waiters);
        return err;
    }
    self->own->holds++;
    return 0;
}

int
green_mutex_lock(struct green_mutex *mutex, green_deadline deadline)
{
    struct green_job *self = green__self();
    int err = green__wait_check(self);
    if (err != 0) {
        return err;
    }
    uintptr_t word = GREEN__LOAD(&mutex->holder);
    if (word == 0 && GREEN__SWAP(&mutex->holder, &word, (uintptr_t)self)) {
        self->own->holds++;
        return 0;
    }
    if (green__word_owner(word) == self) {
        return lock_again(mutex, self, deadline);
    }
    return deadline == GREEN_NOW ? -ETIMEDOUT : lock_slow(mutex, self, deadline);
}

int
green_mutex_trylock(struct green_mutex *mutex)
{
    return green_mutex_lock(mutex, GREEN_NOW);
}

/** Hand it to who has waited longest. */
static void
unlock_slow(struct green_mutex *mutex)
{
    struct green__list *list = green__waiters_lock(&mutex->waiters);
    struct green__waiter *next = green__waiters_take(list);
    if (next == NULL) { /* all have given up */
        GREEN__STORE_RELEASE(&mutex->holder, 0);
    } else {
        uintptr_t crowded = green__list_empty(list) ? 0 : GREEN__CROWDED;
        GREEN__STORE_RELEASE(&mutex->holder, (uintptr_t)next->job | crowded);
        green__wait_wake(next->job);
    }
    green__waiters_unlock(&mutex->waiters);
}

static inline void
unlock(struct green_mutex *mutex, struct green_job *self)
{
    uintptr_t word = GREEN__LOAD(&mutex->holder);
    self->own->holds--;
    if (word != (uintptr_t)self || !GREEN__SWAP(&mutex->holder, &word, 0)) {
        unlock_slow(mutex);
    }
}

void
green_mutex_unlock(struct green_mutex *mutex)
{
    struct green_job *self = green__self();
    if (!green__mutex_held_by(mutex, self)) {
        green__misuse(green_mutex_locked(mutex)
                          ? "green_mutex_unlock: another worker holds the mutex"
                          : "green_mutex_unlock: the mutex is not locked");
    }
    if (mutex->depth > 0) {
        mutex->depth--;
        return;
    }
    unlock(mutex, self);
}

bool
green_mutex_locked(const struct green_mutex *mutex)
{
    return GREEN__LOAD(&mutex->holder) != 0;
}

bool
green_mutex_mine(const struct green_mutex *mutex)
{
    return green__mutex_held_by(mutex, green__self());
}

unsigned
green__mutex_release(struct green_mutex *mutex, struct green_job *self)
{
    unsigned depth = mutex->depth;
    mutex->depth = 0;
    unlock(mutex, self);
    return depth;
}

void
green__mutex_relock(struct green_mutex *mutex, struct green_job *self, unsigned depth)
{
    uintptr_t word = 0;
    if (GREEN__SWAP(&mutex->holder, &word, (uintptr_t)self)) {
        self->own->holds++;
    } else {
        struct green_shield shield;
        green_shield_start(&shield);
        self->firm++;
        lock_slow(mutex, self, GREEN_FOREVER);
        self->firm--;
        green_shield_stop(&shield);
    }
    mutex->depth = depth;
}
