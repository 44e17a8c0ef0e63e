/*
 * An object in memory that processes share: what all kinds of them are built on.
 *
 * It lives in a mapping of its own, made before the fork, at the same address in every descendant.
 * It has a lock, and places for those who wait for it, in the order of their coming. A kind of
 * object adds its state, and a function that mends it.
 *
 * A wait goes: lock, green__ipc_wait(), which gives the lock away meanwhile, unlock. Whoever has
 * the lock grants by green__ipc_grant(), which chooses who has waited longest. What was granted is
 * taken under the lock: until then it is in a place that names its process, so that it is not lost
 * when that dies.
 *
 * Robustness. When somebody has died, the next one to lock an object frees the places of the dead
 * and calls the kind's `mend`, which derives what it can derive anew and grants what can be
 * granted. Changes under the lock are such that this is right after each instruction of them. Those
 * who wait watch the pidfds of all who take part, and lock the object when one has died.
 */
#ifndef GREEN_JOB_IPC_OBJECT_H
#define GREEN_JOB_IPC_OBJECT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "green/base.h"
#include "job/ipc_domain.h"

#define GREEN__IPC_WAITERS 1024
#define GREEN__IPC_LISTS   3

struct green__ipc;

enum green__ipc_state {
    GREEN__IPC_FREE,
    GREEN__IPC_WAITING,
    GREEN__IPC_GRANTED,
};

/** A place for one who waits. */
struct green__ipc_place {
    atomic_uint state;
    green__ipc_process process;
    uint64_t ticket; /**< The order of coming. */
    uint64_t worker; /**< The job's number in its process. */
    int32_t value;   /**< What the grant brings. */
    uint16_t bell;
    uint8_t list;
};

/** A kind of objects. The functions are called with the lock held. */
struct green__ipc_kind {
    const char *waits_for;
    /** The place of a dead process is about to be freed. May be NULL. */
    void (*drop)(struct green__ipc *object, const struct green__ipc_place *place);
    /** Put right what a death has left. */
    void (*mend)(struct green__ipc *object);
};

struct green__ipc {
    pthread_mutex_t lock;
    const struct green__ipc_kind *kind;
    size_t size;                        /**< Of the mapping. */
    struct green__ipc_place *places;    /**< At its end. */
    unsigned used;                      /**< Places from here on are free. */
    unsigned waiting[GREEN__IPC_LISTS]; /**< How many wait in each list and were granted nothing. */
    uint64_t next_ticket;
    atomic_uint deaths; /**< What green__ipc_deaths() was when it was mended last. */
};

/**
 * Make an object of zeros.
 *
 * @param size  Bytes of the structure that begins with a struct green__ipc.
 * @return 0, or -ENOMEM, -EMFILE, -ENFILE.
 */
int green__ipc_create(const struct green__ipc_kind *kind, size_t size, void *ret_object);

/** Unmap it in this process; NULL is taken. */
void green__ipc_destroy(struct green__ipc *object);

/** Lock the object, and mend it if somebody has died; 0, or -EAGAIN when too many take part. */
int green__ipc_lock(struct green__ipc *object);

/** Unlock it, and ring for those who were granted something. */
void green__ipc_unlock(struct green__ipc *object);

/**
 * Wait until something is granted.
 *
 * @param object     Its lock is held, at the end too.
 * @param ret_value  Set on success to what the grant brings; may be NULL.
 * @return 0, or
 *         -ETIMEDOUT, -ECANCELED,
 *         -EAGAIN  too many wait,
 *         -EMFILE, -ENFILE, -ENOMEM  the deaths of others cannot be watched.
 */
int green__ipc_wait(struct green__ipc *object, unsigned list, green_deadline deadline,
                    int *ret_value);

/* The same in two steps, for those who have to let go of something else between them. */
int green__ipc_wait_begin(struct green__ipc *object, unsigned list,
                          struct green__ipc_place **ret_place);
/** The lock is not held at the start, and is at the end. */
int green__ipc_wait_end(struct green__ipc *object, struct green__ipc_place *place,
                        green_deadline deadline, int *ret_value);

/** Grant `value` to who has waited longest in the list; NULL when nobody waits there. */
struct green__ipc_place *green__ipc_grant(struct green__ipc *object, unsigned list, int value);

/** Grant it to all of them. */
void green__ipc_grant_all(struct green__ipc *object, unsigned list, int value);

/** How many places of the list were granted something that is not taken yet. */
unsigned green__ipc_granted(const struct green__ipc *object, unsigned list);

/** Before an object is destroyed: nobody of this process waits for it. */
void green__ipc_check_idle(struct green__ipc *object, const char *function);

#endif
