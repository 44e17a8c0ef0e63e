/*
 * The barrier between processes.
 *
 * Invariant: fewer than `parties` wait, unless it is opening. One that loses somebody who waited,
 * by a deadline, a cancellation or death, is broken: the others would wait in vain.
 */
#include <errno.h>

#include "base/errors.h"
#include "green/ipc.h"
#include "job/ipc_object.h"
#include "sched/wait.h"

struct green_ipc_barrier {
    struct green__ipc object;
    unsigned parties;
    bool opening; /* the last one has come and lets the others go */
    atomic_bool broken;
};

static struct green_ipc_barrier *
barrier_of(struct green__ipc *object)
{
    return (struct green_ipc_barrier *)(void *)object;
}

static void
break_it(struct green_ipc_barrier *barrier)
{
    atomic_store(&barrier->broken, true);
    green__ipc_grant_all(&barrier->object, 0, -EPIPE);
}

/** Let those who wait go, in the order of their coming. */
static void
open_it(struct green_ipc_barrier *barrier)
{
    barrier->opening = true;
    int index = (int)barrier->parties - 1 - (int)barrier->object.waiting[0];
    while (green__ipc_grant(&barrier->object, 0, index) != NULL) {
        index++;
    }
    barrier->opening = false;
}

static void
drop_place(struct green__ipc *object, const struct green__ipc_place *place)
{
    struct green_ipc_barrier *barrier = barrier_of(object);
    if (atomic_load(&place->state) == GREEN__IPC_WAITING && !barrier->opening) {
        atomic_store(&barrier->broken, true);
    }
}

static void
mend_barrier(struct green__ipc *object)
{
    struct green_ipc_barrier *barrier = barrier_of(object);
    if (barrier->opening) {
        open_it(barrier);
    } else if (barrier->broken) {
        break_it(barrier);
    }
}

static const struct green__ipc_kind kind = {"a barrier between processes", drop_place,
                                            mend_barrier};

int
green_ipc_barrier_create(unsigned parties, struct green_ipc_barrier **ret_barrier)
{
    struct green_ipc_barrier *barrier;
    if (parties == 0 || parties > GREEN__IPC_WAITERS) {
        return -EINVAL;
    }
    int err = green__ipc_create(&kind, sizeof *barrier, &barrier);
    if (err == 0) {
        barrier->parties = parties;
        *ret_barrier = barrier;
    }
    return err;
}

void
green_ipc_barrier_destroy(struct green_ipc_barrier *barrier)
{
    green__ipc_check_idle((struct green__ipc *)(void *)barrier, "green_ipc_barrier_destroy");
    green__ipc_destroy((struct green__ipc *)(void *)barrier);
}

/** The lock is held. */
static int
arrive(struct green_ipc_barrier *barrier, unsigned *ret_index, green_deadline deadline)
{
    if (barrier->broken) {
        return -EPIPE;
    }
    int value = (int)barrier->parties - 1;
    if (barrier->object.waiting[0] + 1 == barrier->parties) {
        open_it(barrier);
    } else {
        int err = green__ipc_wait(&barrier->object, 0, deadline, &value);
        if (err != 0 && !barrier->broken) {
            break_it(barrier);
        }
        if (err != 0 || value < 0) {
            return err != 0 ? err : value;
        }
    }
    if (ret_index != NULL) {
        *ret_index = (unsigned)value;
    }
    return 0;
}

int
green_ipc_barrier_wait(struct green_ipc_barrier *barrier, unsigned *ret_index,
                       green_deadline deadline)
{
    int err = green__wait_check(green__self());
    if (err == 0) {
        err = green__ipc_lock(&barrier->object);
    }
    if (err == 0) {
        err = arrive(barrier, ret_index, deadline);
        green__ipc_unlock(&barrier->object);
    }
    return err;
}

int
green_ipc_barrier_abort(struct green_ipc_barrier *barrier)
{
    int err = green__ipc_lock(&barrier->object);
    if (err == 0) {
        break_it(barrier);
        green__ipc_unlock(&barrier->object);
    }
    return err;
}

int
green_ipc_barrier_reset(struct green_ipc_barrier *barrier)
{
    int err = green__ipc_lock(&barrier->object);
    if (err == 0) {
        break_it(barrier);
        atomic_store(&barrier->broken, false);
        green__ipc_unlock(&barrier->object);
    }
    return err;
}

bool
green_ipc_barrier_broken(const struct green_ipc_barrier *barrier)
{
    return atomic_load(&barrier->broken);
}
