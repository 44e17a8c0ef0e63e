/*
 * The mutex between processes, recursive or not.
 *
 * Invariant: `holder` and `worker` name who holds it, and holder is 0 when nobody does; nobody
 * waits then, so that nobody overtakes. Who waits is named by his place in the same terms: a place
 * that was granted and not taken yet tells one who never came to hold it from one who died of it.
 */
#include "job/ipc_mutex.h"

#include <errno.h>

#include "base/errors.h"
#include "green/ipc.h"
#include "job/ipc_object.h"
#include "sched/wait.h"

struct green_ipc_mutex {
    struct green__ipc object;
    _Atomic(green__ipc_process) holder;
    _Atomic(uint64_t) worker;
    unsigned depth; /* how often it was locked beyond the first time */
    bool recursive;
    bool orphaned; /* its holder died: the next one to hold it is told */
};

static struct green_ipc_mutex *
mutex_of(struct green__ipc *object)
{
    return (struct green_ipc_mutex *)(void *)object;
}

/** Hand it to who has waited longest; nobody holds it. */
static void
hand_over(struct green_ipc_mutex *mutex)
{
    const struct green__ipc_place *place = green__ipc_grant(&mutex->object, 0, 0);
    if (place != NULL) {
        mutex->worker = place->worker;
        atomic_store(&mutex->holder, place->process);
    }
}

static void
drop_place(struct green__ipc *object, const struct green__ipc_place *place)
{
    struct green_ipc_mutex *mutex = mutex_of(object);
    if (atomic_load(&place->state) == GREEN__IPC_GRANTED && mutex->holder == place->process &&
        mutex->worker == place->worker) {
        atomic_store(&mutex->holder, 0); /* he never knew that he held it */
    }
}

static void
mend_mutex(struct green__ipc *object)
{
    struct green_ipc_mutex *mutex = mutex_of(object);
    if (mutex->holder != 0 && green__ipc_dead(mutex->holder)) {
        mutex->orphaned = true;
        mutex->depth = 0;
        atomic_store(&mutex->holder, 0);
    }
    for (unsigned i = 0; i < object->used && mutex->holder == 0; i++) {
        const struct green__ipc_place *place = &object->places[i];
        if (atomic_load(&place->state) == GREEN__IPC_GRANTED) { /* who granted it got no further */
            mutex->worker = place->worker;
            atomic_store(&mutex->holder, place->process);
        }
    }
    if (mutex->holder == 0) {
        hand_over(mutex);
    }
}

static const struct green__ipc_kind mutex_kind = {"a mutex between processes", drop_place,
                                                  mend_mutex};

static int
create_mutex(bool recursive, struct green_ipc_mutex **ret_mutex)
{
    struct green_ipc_mutex *mutex;
    int err = green__ipc_create(&mutex_kind, sizeof *mutex, &mutex);
    if (err == 0) {
        mutex->recursive = recursive;
        *ret_mutex = mutex;
    }
    return err;
}

int
green_ipc_mutex_create(struct green_ipc_mutex **ret_mutex)
{
    return create_mutex(false, ret_mutex);
}

int
green_ipc_mutex_create_recursive(struct green_ipc_mutex **ret_mutex)
{
    return create_mutex(true, ret_mutex);
}

void
green_ipc_mutex_destroy(struct green_ipc_mutex *mutex)
{
    green__ipc_check_idle((struct green__ipc *)(void *)mutex, "green_ipc_mutex_destroy");
    green__ipc_destroy((struct green__ipc *)(void *)mutex);
}

static bool
is_mine(const struct green_ipc_mutex *mutex, const struct green_job *self)
{
    green__ipc_process holder = atomic_load(&mutex->holder);
    return holder != 0 && holder == green__ipc_me() && mutex->worker == self->id;
}

/** The caller holds it: tell him if he has it from a dead one. */
static int
tell(struct green_ipc_mutex *mutex)
{
    int err = mutex->orphaned ? -EOWNERDEAD : 0;
    mutex->orphaned = false;
    return err;
}

/** The inner lock is held. */
static int
lock_inside(struct green_ipc_mutex *mutex, struct green_job *self, green_deadline deadline)
{
    if (mutex->holder == 0) {
        mutex->worker = self->id;
        atomic_store(&mutex->holder, green__ipc_me());
        return tell(mutex);
    }
    if (is_mine(mutex, self)) {
        if (!mutex->recursive || mutex->depth + 1 == 0) {
            return mutex->recursive ? -EOVERFLOW : -EDEADLK;
        }
        mutex->depth++;
        return 0;
    }
    int err = green__ipc_wait(&mutex->object, 0, deadline, NULL);
    return err != 0 ? err : tell(mutex);
}

int
green_ipc_mutex_lock(struct green_ipc_mutex *mutex, green_deadline deadline)
{
    struct green_job *self = green__self();
    int err = green__wait_check(self);
    if (err == 0) {
        err = green__ipc_lock(&mutex->object);
    }
    if (err == 0) {
        err = lock_inside(mutex, self, deadline);
        green__ipc_unlock(&mutex->object);
    }
    return err;
}

void
green_ipc_mutex_unlock(struct green_ipc_mutex *mutex)
{
    if (!is_mine(mutex, green__self())) {
        green__misuse("green_ipc_mutex_unlock: the caller does not hold the mutex");
    }
    green__ipc_lock(&mutex->object);
    if (mutex->depth > 0) {
        mutex->depth--;
    } else {
        atomic_store(&mutex->holder, 0);
        hand_over(mutex);
    }
    green__ipc_unlock(&mutex->object);
}

bool
green_ipc_mutex_mine(const struct green_ipc_mutex *mutex)
{
    return is_mine(mutex, green__self());
}

unsigned
green__ipc_mutex_release(struct green_ipc_mutex *mutex)
{
    green__ipc_lock(&mutex->object);
    unsigned depth = mutex->depth;
    mutex->depth = 0;
    atomic_store(&mutex->holder, 0);
    hand_over(mutex);
    green__ipc_unlock(&mutex->object);
    return depth;
}

int
green__ipc_mutex_relock(struct green_ipc_mutex *mutex, unsigned depth)
{
    struct green_shield shield;
    green_shield_start(&shield);
    int err;
    do { /* without it the caller cannot go on, whatever the system lacks */
        err = green_ipc_mutex_lock(mutex, GREEN_FOREVER);
        if (err != 0 && err != -EOWNERDEAD) {
            green_sleep(1);
        }
    } while (err != 0 && err != -EOWNERDEAD);
    green_shield_stop(&shield);
    mutex->depth = depth;
    return err;
}
