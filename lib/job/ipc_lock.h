/*
 * The lock inside an object that processes share: held for a few instructions, and let go of by the
 * kernel when its holder dies.
 *
 * It is a robust mutex of the C library, which is one atomic operation each way when it is free.
 * Never held across a switch or a wait.
 */
#ifndef GREEN_JOB_IPC_LOCK_H
#define GREEN_JOB_IPC_LOCK_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>

/** How often a lock that is held is tried before the thread sleeps for it. */
#define GREEN__IPC_SPINS 50

static inline void
green__ipc_lock_init(pthread_mutex_t *lock)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
}

/** Take the lock; true when its last holder died and what it guards may be half changed. */
static inline bool
green__ipc_lock_take(pthread_mutex_t *lock)
{
    int err = EBUSY;
    for (int i = 0; i < GREEN__IPC_SPINS && err == EBUSY; i++) {
        err = pthread_mutex_trylock(lock);
    }
    if (err == EBUSY) {
        err = pthread_mutex_lock(lock);
    }
    if (err == EOWNERDEAD) {
        pthread_mutex_consistent(lock);
    }
    return err == EOWNERDEAD;
}

#endif
