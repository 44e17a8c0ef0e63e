/*
 * An event: a flag that workers wait for.
 *
 * Invariant: `state` is SET, or GREEN__CROWDED while somebody may wait, or 0; never both, since
 * who sets the flag takes everybody out of the queue. Any worker may call.
 */
#include "sync/waiters.h"

#define SET 2u

void
green_event_init(struct green_event *event)
{
    *event = (struct green_event)GREEN_EVENT_INIT;
}

void
green_event_fini(struct green_event *event)
{
    green__waiters_fini(&event->waiters, "green_event_fini");
}

bool
green_event_is_set(const struct green_event *event)
{
    return GREEN__LOAD_ACQUIRE(&event->state) == SET;
}

void
green_event_set(struct green_event *event)
{
    unsigned state = GREEN__LOAD(&event->state);
    while (state != GREEN__CROWDED) {
        /* Set already, it is set again: who sees it sees what this caller did before. */
        if (GREEN__SWAP(&event->state, &state, SET)) {
            return;
        }
    }
    struct green__list *list = green__waiters_lock(&event->waiters);
    __atomic_exchange_n(&event->state, SET, __ATOMIC_ACQ_REL);
    green__waiters_wake_all(list, NULL);
    green__waiters_unlock(&event->waiters);
}

void
green_event_clear(struct green_event *event)
{
    unsigned state = SET;
    GREEN__SWAP(&event->state, &state, 0);
}

static int
wait_slow(struct green_event *event, struct green_job *self, green_deadline deadline)
{
    green__waiters_lock(&event->waiters);
    unsigned state = 0;
    if (!GREEN__SWAP(&event->state, &state, GREEN__CROWDED) && state == SET) {
        green__waiters_unlock(&event->waiters);
        return 0;
    }
    int err = green__waiters_wait(&event->waiters, self, deadline, "an event");
    if (err != 0) {
        green__waiters_unlock(&event->waiters);
    }
    return err;
}

int
green_event_wait(struct green_event *event, green_deadline deadline)
{
    struct green_job *self = green__self();
    int err = green__wait_check(self);
    if (err != 0 || green_event_is_set(event)) {
        return err;
    }
    return deadline == GREEN_NOW ? -ETIMEDOUT : wait_slow(event, self, deadline);
}
