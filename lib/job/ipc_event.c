/*
 * The event between processes.
 *
 * Invariant: nobody waits while the flag is set; who set it and died before all were told is
 * finished by whoever mends the event.
 */
#include <errno.h>

#include "green/ipc.h"
#include "job/ipc_object.h"
#include "sched/wait.h"

struct green_ipc_event {
    struct green__ipc object;
    atomic_bool set;
};

static void
mend_event(struct green__ipc *object)
{
    if (atomic_load(&((struct green_ipc_event *)(void *)object)->set)) {
        green__ipc_grant_all(object, 0, 0);
    }
}

static const struct green__ipc_kind kind = {"an event between processes", NULL, mend_event};

int
green_ipc_event_create(struct green_ipc_event **ret_event)
{
    return green__ipc_create(&kind, sizeof(struct green_ipc_event), ret_event);
}

void
green_ipc_event_destroy(struct green_ipc_event *event)
{
    green__ipc_check_idle((struct green__ipc *)(void *)event, "green_ipc_event_destroy");
    green__ipc_destroy((struct green__ipc *)(void *)event);
}

int
green_ipc_event_set(struct green_ipc_event *event)
{
    int err = green__ipc_lock(&event->object);
    if (err == 0) {
        atomic_store(&event->set, true);
        green__ipc_grant_all(&event->object, 0, 0);
        green__ipc_unlock(&event->object);
    }
    return err;
}

int
green_ipc_event_clear(struct green_ipc_event *event)
{
    int err = green__ipc_lock(&event->object);
    if (err == 0) {
        atomic_store(&event->set, false);
        green__ipc_unlock(&event->object);
    }
    return err;
}

bool
green_ipc_event_is_set(const struct green_ipc_event *event)
{
    return atomic_load(&event->set);
}

int
green_ipc_event_wait(struct green_ipc_event *event, green_deadline deadline)
{
    int err = green__wait_check(green__self());
    if (err != 0 || atomic_load(&event->set)) {
        return err;
    }
    err = green__ipc_lock(&event->object);
    if (err == 0) {
        if (!atomic_load(&event->set)) {
            err = green__ipc_wait(&event->object, 0, deadline, NULL);
        }
        green__ipc_unlock(&event->object);
    }
    return err;
}
