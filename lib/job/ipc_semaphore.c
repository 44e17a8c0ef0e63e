/*
 * The semaphore between processes, bounded or not.
 *
 * Invariant: there are no units while somebody waits. A unit that was granted to a process that
 * died before it took it goes to the next.
 */
#include <errno.h>
#include <limits.h>

#include "green/ipc.h"
#include "job/ipc_object.h"
#include "sched/wait.h"

struct green_ipc_semaphore {
    struct green__ipc object;
    atomic_uint units;
    unsigned bound;
};

static struct green_ipc_semaphore *
semaphore_of(struct green__ipc *object)
{
    return (struct green_ipc_semaphore *)(void *)object;
}

static void
drop_place(struct green__ipc *object, const struct green__ipc_place *place)
{
    semaphore_of(object)->units += atomic_load(&place->state) == GREEN__IPC_GRANTED;
}

static void
mend_semaphore(struct green__ipc *object)
{
    struct green_ipc_semaphore *semaphore = semaphore_of(object);
    while (semaphore->units > 0 && object->waiting[0] > 0) {
        semaphore->units--;
        green__ipc_grant(object, 0, 0);
    }
}

static const struct green__ipc_kind kind = {"a semaphore between processes", drop_place,
                                            mend_semaphore};

static int
create(unsigned count, unsigned bound, struct green_ipc_semaphore **ret_semaphore)
{
    struct green_ipc_semaphore *semaphore;
    int err = green__ipc_create(&kind, sizeof *semaphore, &semaphore);
    if (err == 0) {
        semaphore->units = count;
        semaphore->bound = bound;
        *ret_semaphore = semaphore;
    }
    return err;
}

int
green_ipc_semaphore_create(unsigned count, struct green_ipc_semaphore **ret_semaphore)
{
    return create(count, UINT_MAX, ret_semaphore);
}

int
green_ipc_semaphore_create_bounded(unsigned count, struct green_ipc_semaphore **ret_semaphore)
{
    return create(count, count, ret_semaphore);
}

void
green_ipc_semaphore_destroy(struct green_ipc_semaphore *semaphore)
{
    green__ipc_check_idle((struct green__ipc *)(void *)semaphore, "green_ipc_semaphore_destroy");
    green__ipc_destroy((struct green__ipc *)(void *)semaphore);
}

int
green_ipc_semaphore_acquire(struct green_ipc_semaphore *semaphore, green_deadline deadline)
{
    int err = green__wait_check(green__self());
    if (err == 0) {
        err = green__ipc_lock(&semaphore->object);
    }
    if (err != 0) {
        return err;
    }
    if (semaphore->units > 0) {
        semaphore->units--;
    } else {
        err = green__ipc_wait(&semaphore->object, 0, deadline, NULL);
    }
    green__ipc_unlock(&semaphore->object);
    return err;
}

int
green_ipc_semaphore_release_many(struct green_ipc_semaphore *semaphore, unsigned count)
{
    int err = green__ipc_lock(&semaphore->object);
    if (err != 0) {
        return err;
    }
    if (count > semaphore->bound - semaphore->units) {
        err = -EOVERFLOW;
    } else {
        while (count > 0 && green__ipc_grant(&semaphore->object, 0, 0) != NULL) {
            count--;
        }
        semaphore->units += count;
    }
    green__ipc_unlock(&semaphore->object);
    return err;
}

int
green_ipc_semaphore_release(struct green_ipc_semaphore *semaphore)
{
    return green_ipc_semaphore_release_many(semaphore, 1);
}

unsigned
green_ipc_semaphore_value(const struct green_ipc_semaphore *semaphore)
{
    return atomic_load(&semaphore->units);
}
