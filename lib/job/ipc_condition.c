/*
 * The condition between processes.
 *
 * Invariant: who waits has his place before he lets go of the mutex, so no notification is lost.
 * One that was given to a process that died before it heard of it goes to the next.
 */
#include <errno.h>

#include "base/errors.h"
#include "green/ipc.h"
#include "job/ipc_mutex.h"
#include "job/ipc_object.h"
#include "sched/wait.h"

struct green_ipc_condition {
    struct green__ipc object;
    struct green_ipc_mutex *mutex;
    unsigned unheard; /* notifications that the dead did not hear */
};

static void
drop_place(struct green__ipc *object, const struct green__ipc_place *place)
{
    struct green_ipc_condition *condition = (struct green_ipc_condition *)(void *)object;
    condition->unheard += atomic_load(&place->state) == GREEN__IPC_GRANTED;
}

static void
mend_condition(struct green__ipc *object)
{
    struct green_ipc_condition *condition = (struct green_ipc_condition *)(void *)object;
    while (condition->unheard > 0 && green__ipc_grant(object, 0, 0) != NULL) {
        condition->unheard--;
    }
    condition->unheard = 0;
}

static const struct green__ipc_kind kind = {"a condition between processes", drop_place,
                                            mend_condition};

int
green_ipc_condition_create(struct green_ipc_mutex *mutex,
                           struct green_ipc_condition **ret_condition)
{
    struct green_ipc_condition *condition;
    int err = green__ipc_create(&kind, sizeof *condition, &condition);
    if (err == 0) {
        condition->mutex = mutex;
        *ret_condition = condition;
    }
    return err;
}

void
green_ipc_condition_destroy(struct green_ipc_condition *condition)
{
    green__ipc_check_idle((struct green__ipc *)(void *)condition, "green_ipc_condition_destroy");
    green__ipc_destroy((struct green__ipc *)(void *)condition);
}

static void
check_mutex(const struct green_ipc_condition *condition, const char *function)
{
    if (!green_ipc_mutex_mine(condition->mutex)) {
        green__misuse("%s: the caller does not hold the mutex", function);
    }
}

int
green_ipc_condition_wait(struct green_ipc_condition *condition, green_deadline deadline)
{
    check_mutex(condition, "green_ipc_condition_wait");
    int err = green__wait_check(green__self());
    if (err == 0) {
        err = green__ipc_lock(&condition->object);
    }
    if (err != 0) {
        return err;
    }
    struct green__ipc_place *place;
    err = green__ipc_wait_begin(&condition->object, 0, &place);
    green__ipc_unlock(&condition->object);
    if (err != 0) {
        return err;
    }
    unsigned depth = green__ipc_mutex_release(condition->mutex);
    err = green__ipc_wait_end(&condition->object, place, deadline, NULL);
    green__ipc_unlock(&condition->object);
    int locked = green__ipc_mutex_relock(condition->mutex, depth);
    return locked != 0 ? locked : err;
}

int
green_ipc_condition_wait_for(struct green_ipc_condition *condition, bool (*predicate)(void *arg),
                             void *arg, green_deadline deadline)
{
    check_mutex(condition, "green_ipc_condition_wait_for");
    while (!predicate(arg)) {
        int err = green_ipc_condition_wait(condition, deadline);
        if (err != 0) {
            return err != -EOWNERDEAD && predicate(arg) ? 0 : err;
        }
    }
    return 0;
}

int
green_ipc_condition_notify(struct green_ipc_condition *condition, unsigned count)
{
    check_mutex(condition, "green_ipc_condition_notify");
    int err = green__ipc_lock(&condition->object);
    if (err == 0) {
        while (count-- > 0 && green__ipc_grant(&condition->object, 0, 0) != NULL) {
        }
        green__ipc_unlock(&condition->object);
    }
    return err;
}

int
green_ipc_condition_notify_all(struct green_ipc_condition *condition)
{
    return green_ipc_condition_notify(condition, GREEN__IPC_WAITERS);
}
