/*
 * Waiting for one another: mutex, rwlock, semaphore, event, condition, barrier, once.
 *
 * All of them work between tasks of one thread, tasks of several threads and plain threads of one
 * process, in any mixture. Waiters are served in the order of their coming and what they wait for
 * is handed to them, so that nobody overtakes; a call that need neither wait nor wake anybody takes
 * no lock and makes no system call. A forked process has copies that wake nobody in its parent.
 *
 * They live in the caller's memory: static ones by their GREEN_..._INIT, others by their init
 * function, which cannot fail. All members are the library's. None may be copied or moved. Each is
 * ended by its fini function, which aborts while somebody waits; after that, and for static ones
 * that live as long as the program, there is nothing to free.
 *
 * The semantics are those of Python's threading module where it has the like. What differs: waiting
 * can be cancelled, every wait takes a deadline, order is kept, and errors are values.
 *
 * A wait without a deadline that would be for ever fails with -EDEADLK and is reported: see
 * deadlocks in debug.h.
 */
#ifndef GREEN_SYNC_H
#define GREEN_SYNC_H

#include <stdbool.h>
#include <stdint.h>

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Those who wait for one thing, in the order of their coming. */
struct green_waiters {
    unsigned lock;
    void *first;
    void *last;
};

#define GREEN_WAITERS_INIT \
    {                      \
        0, NULL, NULL      \
    }

/* ---- mutex ---- */

/** A lock that one worker holds at a time. A recursive one may be locked by its holder again. */
struct green_mutex {
    uintptr_t holder;
    unsigned depth;
    bool recursive;
    struct green_waiters waiters;
};

#define GREEN_MUTEX_INIT                \
    {                                   \
        0, 0, false, GREEN_WAITERS_INIT \
    }
#define GREEN_RECURSIVE_MUTEX_INIT     \
    {                                  \
        0, 0, true, GREEN_WAITERS_INIT \
    }

/** Make a mutex, as threading.Lock() does; but only its holder unlocks it. */
GREEN_API void green_mutex_init(struct green_mutex *mutex);

/** Make a recursive mutex, as threading.RLock() does. */
GREEN_API void green_mutex_init_recursive(struct green_mutex *mutex);

/** End it. One that is locked, or that somebody waits for, is misuse and aborts. */
GREEN_API void green_mutex_fini(struct green_mutex *mutex);

/**
 * Lock a mutex, waiting until it is free.
 *
 * Suspends while another worker holds it; waiters get it in FIFO order. A call that fails changes
 * nothing. A recursive mutex is unlocked as often as it was locked.
 *
 * @param mutex     Not NULL.
 * @param deadline  Absolute: see green_after(). GREEN_NOW polls, GREEN_FOREVER never expires.
 * @return 0, or
 *         -ETIMEDOUT  the deadline passed first,
 *         -ECANCELED  the calling worker was cancelled,
 *         -EDEADLK    the caller holds it, and it is not recursive; whatever the deadline. Or its
 *                     holder waits, directly or by way of others, for the caller,
 *         -EAGAIN     it is recursive and the caller has locked it 4294967295 times.
 */
GREEN_API GREEN_SUSPENDS int green_mutex_lock(struct green_mutex *mutex, green_deadline deadline);

/** Lock a mutex if that needs no waiting: green_mutex_lock() with GREEN_NOW. Never suspends. */
GREEN_API int green_mutex_trylock(struct green_mutex *mutex);

/**
 * Unlock a mutex; the worker that has waited longest holds it then. Never suspends.
 *
 * @param mutex  Held by the caller; anything else is misuse and aborts.
 */
GREEN_API void green_mutex_unlock(struct green_mutex *mutex);

/** Whether anybody holds it at this moment. Never suspends. */
GREEN_API bool green_mutex_locked(const struct green_mutex *mutex);

/** Whether the caller holds it. Never suspends. */
GREEN_API bool green_mutex_mine(const struct green_mutex *mutex);

/* ---- rwlock ---- */

/** A lock that many readers or one writer hold. */
struct green_rwlock {
    uintptr_t holders;
    struct green_waiters waiters;
};

#define GREEN_RWLOCK_INIT     \
    {                         \
        0, GREEN_WAITERS_INIT \
    }

/** Make a lock for readers and writers. */
GREEN_API void green_rwlock_init(struct green_rwlock *rwlock);

/** End it. One that is locked, or that somebody waits for, is misuse and aborts. */
GREEN_API void green_rwlock_fini(struct green_rwlock *rwlock);

/**
 * Lock for reading, together with other readers.
 *
 * Suspends while a writer holds the lock, and while a writer waits that came before: neither side
 * can starve the other. So a reader that locks once more may come behind a writer that waits for
 * the reader itself, and is refused then. A call that fails changes nothing.
 *
 * @param rwlock    Not NULL.
 * @param deadline  Absolute: see green_after(). GREEN_NOW polls, GREEN_FOREVER never expires.
 * @return 0, or
 *         -ETIMEDOUT  the deadline passed first,
 *         -ECANCELED  the calling worker was cancelled,
 *         -EDEADLK    the caller holds it as the writer, whatever the deadline; or it would wait
 * for somebody who waits, directly or by way of others, for the caller.
 */
GREEN_API GREEN_SUSPENDS int green_rwlock_lock_read(struct green_rwlock *rwlock,
                                                    green_deadline deadline);

/**
 * Lock for writing, alone.
 *
 * Suspends while anybody holds the lock; waiters are served in FIFO order. A call that fails
 * changes nothing. A reader cannot become the writer: it would wait for itself, and is refused.
 *
 * @param rwlock    Not NULL.
 * @param deadline  Absolute: see green_after(). GREEN_NOW polls, GREEN_FOREVER never expires.
 * @return 0, or
 *         -ETIMEDOUT  the deadline passed first,
 *         -ECANCELED  the calling worker was cancelled,
 *         -EDEADLK    as for green_rwlock_lock_read(), or the caller is a reader.
 */
GREEN_API GREEN_SUSPENDS int green_rwlock_lock_write(struct green_rwlock *rwlock,
                                                     green_deadline deadline);

/**
 * Unlock, for a reader and for the writer. Never suspends.
 *
 * @param rwlock  One that the caller does not hold is misuse and aborts.
 */
GREEN_API void green_rwlock_unlock(struct green_rwlock *rwlock);

/* ---- semaphore ---- */

/** A counting semaphore. */
struct green_semaphore {
    uint64_t units;
    uint64_t bound;
    struct green_waiters waiters;
};

/** The largest count of a semaphore. */
#define GREEN_SEMAPHORE_MAX (UINT64_MAX >> 1)

#define GREEN_SEMAPHORE_INIT(count)                                     \
    {                                                                   \
        (uint64_t)(count) << 1, GREEN_SEMAPHORE_MAX, GREEN_WAITERS_INIT \
    }
#define GREEN_BOUNDED_SEMAPHORE_INIT(count)                 \
    {                                                       \
        (uint64_t)(count) << 1, (count), GREEN_WAITERS_INIT \
    }

/**
 * Make a semaphore, as threading.Semaphore(count) does.
 *
 * @param count  How many acquisitions succeed before one has to wait.
 */
GREEN_API void green_semaphore_init(struct green_semaphore *semaphore, unsigned count);

/** Make a semaphore that never has more units than at first: threading.BoundedSemaphore(count). */
GREEN_API void green_semaphore_init_bounded(struct green_semaphore *semaphore, unsigned count);

/** End it. One that somebody waits for is misuse and aborts. */
GREEN_API void green_semaphore_fini(struct green_semaphore *semaphore);

/**
 * Take one unit, waiting until there is one.
 *
 * Suspends while there is none; waiters are served in FIFO order. A call that fails takes nothing.
 *
 * @param semaphore  Not NULL.
 * @param deadline   Absolute: see green_after(). GREEN_NOW polls, GREEN_FOREVER never expires.
 * @return 0, or
 *         -ETIMEDOUT  the deadline passed first,
 *         -ECANCELED  the calling worker was cancelled,
 *         -EDEADLK    nobody is left to end the wait: see debug.h.
 */
GREEN_API GREEN_SUSPENDS int green_semaphore_acquire(struct green_semaphore *semaphore,
                                                     green_deadline deadline);

/**
 * Give one unit back, to the worker that has waited longest if there is one. Never suspends.
 *
 * Whoever likes may call, whether it took a unit or not.
 *
 * @return 0, or
 *         -EOVERFLOW  a bounded semaphore has all its units already; nothing has changed.
 */
GREEN_API int green_semaphore_release(struct green_semaphore *semaphore);

/** Give several units at once, all or, with -EOVERFLOW, none. Never suspends. */
GREEN_API int green_semaphore_release_many(struct green_semaphore *semaphore, unsigned count);

/** How many units nobody holds at this moment. Never suspends. */
GREEN_API uint64_t green_semaphore_value(const struct green_semaphore *semaphore);

/* ---- event ---- */

/** A flag that workers wait for. */
struct green_event {
    unsigned state;
    struct green_waiters waiters;
};

#define GREEN_EVENT_INIT      \
    {                         \
        0, GREEN_WAITERS_INIT \
    }

/** Make an event that is not set, as threading.Event() does. */
GREEN_API void green_event_init(struct green_event *event);

/** End it. One that somebody waits for is misuse and aborts. */
GREEN_API void green_event_fini(struct green_event *event);

/** Set the flag: all who wait go on, even if it is cleared at once. Never suspends. */
GREEN_API void green_event_set(struct green_event *event);

/** Clear the flag: who waits from now on waits for the next set. Never suspends. */
GREEN_API void green_event_clear(struct green_event *event);

/** Whether the flag is set. Never suspends. */
GREEN_API bool green_event_is_set(const struct green_event *event);

/**
 * Wait until the flag is set.
 *
 * Suspends while it is not.
 *
 * @param event     Not NULL.
 * @param deadline  Absolute: see green_after(). GREEN_NOW polls, GREEN_FOREVER never expires.
 * @return 0, or
 *         -ETIMEDOUT  the deadline passed first,
 *         -ECANCELED  the calling worker was cancelled,
 *         -EDEADLK    nobody is left to end the wait: see debug.h.
 */
GREEN_API GREEN_SUSPENDS int green_event_wait(struct green_event *event, green_deadline deadline);

/* ---- condition ---- */

/** What is announced under a mutex. */
struct green_condition {
    struct green_mutex *mutex;
    unsigned waiting;
    struct green_waiters waiters;
};

#define GREEN_CONDITION_INIT(mutex)    \
    {                                  \
        (mutex), 0, GREEN_WAITERS_INIT \
    }

/**
 * Make a condition, as threading.Condition(lock) does.
 *
 * @param mutex  Its mutex, recursive or not, which several conditions may share; outlives it.
 */
GREEN_API void green_condition_init(struct green_condition *condition, struct green_mutex *mutex);

/** End it. One that somebody waits for is misuse and aborts. */
GREEN_API void green_condition_fini(struct green_condition *condition);

/**
 * Unlock the mutex, wait to be notified, and lock it again.
 *
 * Suspends until notified, and then until the mutex is free. The caller holds the mutex again
 * whatever is returned, as deeply as before: neither the deadline nor a cancellation bounds the
 * wait for it. No notification comes from nowhere, but what was announced may be over again when
 * the mutex is locked: green_condition_wait_for() looks.
 *
 * @param condition  Its mutex is held by the caller; anything else is misuse and aborts.
 * @param deadline   Absolute: see green_after(). GREEN_NOW lets others have the mutex if they wait
 *                   for it, and times out.
 * @return 0, or
 *         -ETIMEDOUT  the deadline passed first,
 *         -ECANCELED  the calling worker was cancelled,
 *         -EDEADLK    nobody is left to end the wait: see debug.h.
 */
GREEN_API GREEN_SUSPENDS int green_condition_wait(struct green_condition *condition,
                                                  green_deadline deadline);

/**
 * Wait until something holds.
 *
 * Suspends as green_condition_wait() does, again and again. The caller holds the mutex before, in
 * each call of the predicate, and afterwards.
 *
 * @param condition  Its mutex is held by the caller; anything else is misuse and aborts.
 * @param predicate  Called with arg: whether what the caller waits for holds. Does not suspend.
 * @param deadline   Absolute, for all waits together.
 * @return 0 when it holds, even if the deadline has passed, or
 *         -ETIMEDOUT  it did not hold when the deadline had passed,
 *         -ECANCELED  it does not hold and the calling worker was cancelled,
 *         -EDEADLK    nobody is left to end the wait: see debug.h.
 */
GREEN_API GREEN_SUSPENDS int green_condition_wait_for(struct green_condition *condition,
                                                      bool (*predicate)(void *arg), void *arg,
                                                      green_deadline deadline);

/**
 * Wake some of those who wait, who has waited longest first. Never suspends.
 *
 * @param condition  Its mutex is held by the caller; anything else is misuse and aborts.
 * @param count      How many; fewer are woken if fewer wait.
 */
GREEN_API void green_condition_notify(struct green_condition *condition, unsigned count);

/** Wake all who wait. As green_condition_notify() otherwise. */
GREEN_API void green_condition_notify_all(struct green_condition *condition);

/* ---- barrier ---- */

/** What the last one to come at a barrier does; a negative errno value breaks the barrier. */
typedef int (*green_barrier_action)(void *arg);

/** A place where a number of workers wait for each other, again and again. */
struct green_barrier {
    unsigned parties;
    unsigned arrived;
    bool broken;
    green_barrier_action action;
    void *arg;
    struct green_waiters waiters;
};

#define GREEN_BARRIER_INIT(parties, action, arg)                 \
    {                                                            \
        (parties), 0, false, (action), (arg), GREEN_WAITERS_INIT \
    }

/**
 * Make a barrier, as threading.Barrier(parties, action) does.
 *
 * @param parties  How many wait for each other; 0 is misuse and aborts.
 * @param action   What the last to come runs before anybody goes on, with arg; may suspend. NULL:
 *                 nothing. More workers than parties can gather for the next time meanwhile.
 */
GREEN_API void green_barrier_init(struct green_barrier *barrier, unsigned parties,
                                  green_barrier_action action, void *arg);

/** End it. One that somebody waits at is misuse and aborts. */
GREEN_API void green_barrier_fini(struct green_barrier *barrier);

/**
 * Wait until all parties have come.
 *
 * Suspends until then. A call that fails with -ETIMEDOUT or -ECANCELED has left the others one
 * short: the barrier is broken, for them and for all who come, until green_barrier_reset(). Once
 * all have come, nothing but the action's failure takes it back.
 *
 * @param barrier    Not NULL.
 * @param ret_index  Set on success to the caller's place in the order of coming, from 0; each value
 *                   below the number of parties is given once. May be NULL.
 * @param deadline   Absolute: see green_after().
 * @return 0, or
 *         -ETIMEDOUT  the deadline passed first,
 *         -ECANCELED  the calling worker was cancelled,
 *         -EDEADLK    nobody is left to end the wait: see debug.h,
 *         -EPIPE      the barrier is broken, was broken or reset meanwhile, or its action failed
 *                     (Python: BrokenBarrierError),
 *         what the action returned, to the one who ran it.
 */
GREEN_API GREEN_SUSPENDS int green_barrier_wait(struct green_barrier *barrier, unsigned *ret_index,
                                                green_deadline deadline);

/** Break the barrier: who waits, and who comes, gets -EPIPE. Never suspends. */
GREEN_API void green_barrier_abort(struct green_barrier *barrier);

/** Make it whole and empty again; who waits gets -EPIPE. Never suspends. */
GREEN_API void green_barrier_reset(struct green_barrier *barrier);

/** Whether it is broken. Never suspends. */
GREEN_API bool green_barrier_broken(const struct green_barrier *barrier);

/** How many wait at it at this moment. Never suspends. */
GREEN_API unsigned green_barrier_waiting(const struct green_barrier *barrier);

/* ---- once ---- */

/** Something that is done once. */
struct green_once {
    unsigned done;
    struct green_mutex mutex;
};

#define GREEN_ONCE_INIT     \
    {                       \
        0, GREEN_MUTEX_INIT \
    }

/** Make a once whose function has not run. */
GREEN_API void green_once_init(struct green_once *once);

/** End it. One whose function runs is misuse and aborts. */
GREEN_API void green_once_fini(struct green_once *once);

/**
 * Run a function unless it has run; when the call returns 0, it has run to its end.
 *
 * Suspends while another worker runs it. If it fails, the worker that has waited longest tries
 * next.
 *
 * @param once      Not NULL.
 * @param function  Called with arg by one worker at a time until it returns 0; may suspend.
 * @param deadline  Absolute, for the wait for another worker.
 * @return 0, or
 *         -ETIMEDOUT  the deadline passed first,
 *         -ECANCELED  the calling worker was cancelled,
 *         -EDEADLK    the function calls for itself,
 *         what the function returned, if that is not 0.
 */
GREEN_API GREEN_SUSPENDS int green_once_run(struct green_once *once, int (*function)(void *arg),
                                            void *arg, green_deadline deadline);

#ifdef __cplusplus
}
#endif

#endif
