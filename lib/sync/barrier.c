/*
 * A barrier: a number of workers wait for each other, again and again.
 *
 * Invariant: `arrived` is the length of the queue, below `parties`, and 0 while it is broken. The
 * last to come empties the queue; those whom it took out get a result, whatever else happens. Any
 * worker may call.
 *
 * The states and what they do are those of Python's threading.Barrier.
 */
#include "sync/waiters.h"

void
green_barrier_init(struct green_barrier *barrier, unsigned parties, green_barrier_action action,
                   void *arg)
{
    if (parties == 0) {
        green__misuse("green_barrier_init: a barrier without parties");
    }
    *barrier = (struct green_barrier)GREEN_BARRIER_INIT(parties, action, arg);
}

void
green_barrier_fini(struct green_barrier *barrier)
{
    green__waiters_fini(&barrier->waiters, "green_barrier_fini");
}

/** Send all who wait away, and be broken or not; the lock is held. */
static void
dismiss(struct green_barrier *barrier, struct green__list *list, bool broken)
{
    GREEN__STORE(&barrier->arrived, 0);
    GREEN__STORE(&barrier->broken, broken);
    green__waiters_wake_all(list, GREEN__RESULT(-EPIPE));
}

/** All have come: those who wait are out of the queue from now on, though they are not woken yet.
 */
static struct green__waiter *
take_all(struct green_barrier *barrier, struct green__list *list)
{
    struct green__waiter *first = green__waiters_take(list);
    for (struct green__waiter *last = first; last != NULL; last = last->value) {
        last->value = green__waiters_take(list);
    }
    GREEN__STORE(&barrier->arrived, 0);
    return first;
}

static void
wake_chain(struct green__waiter *first, void *value)
{
    while (first != NULL) {
        struct green__waiter *next = first->value;
        first->value = value;
        green__wait_wake(first->job);
        first = next;
    }
}

/** The last to come; the lock is held, and free when the call returns. */
static int
let_go(struct green_barrier *barrier, struct green__list *list)
{
    if (barrier->action == NULL) {
        GREEN__STORE(&barrier->arrived, 0);
        green__waiters_wake_all(list, GREEN__RESULT(0));
        green__waiters_unlock(&barrier->waiters);
        return 0;
    }
    struct green__waiter *chain = take_all(barrier, list);
    green__waiters_unlock(&barrier->waiters);
    int err = barrier->action(barrier->arg);
    green__waiters_lock(&barrier->waiters);
    if (err < 0) {
        dismiss(barrier, list, true);
    }
    wake_chain(chain, GREEN__RESULT(err < 0 ? -EPIPE : 0));
    green__waiters_unlock(&barrier->waiters);
    return err < 0 ? err : 0;
}

/** Wait for the others; the lock is held, and free when the call returns. */
static int
stand(struct green_barrier *barrier, struct green__list *list, struct green_job *self,
      green_deadline deadline)
{
    GREEN__STORE(&barrier->arrived, GREEN__LOAD(&barrier->arrived) + 1);
    int err = green__waiters_wait(&barrier->waiters, self, deadline, "a barrier");
    if (err == 0) {
        return GREEN__RESULT_OF(self->own->waiter.value);
    }
    dismiss(barrier, list, true);
    green__waiters_unlock(&barrier->waiters);
    return err;
}

int
green_barrier_wait(struct green_barrier *barrier, unsigned *ret_index, green_deadline deadline)
{
    struct green_job *self = green__self();
    int err = green__wait_check(self);
    struct green__list *list = green__waiters_lock(&barrier->waiters);
    if (err != 0 || GREEN__LOAD(&barrier->broken)) {
        if (err != 0) {
            dismiss(barrier, list, true);
        }
        green__waiters_unlock(&barrier->waiters);
        return err != 0 ? err : -EPIPE;
    }
    unsigned index = GREEN__LOAD(&barrier->arrived);
    err = index + 1 == barrier->parties ? let_go(barrier, list)
                                        : stand(barrier, list, self, deadline);
    if (err == 0 && ret_index != NULL) {
        *ret_index = index;
    }
    return err;
}

void
green_barrier_abort(struct green_barrier *barrier)
{
    dismiss(barrier, green__waiters_lock(&barrier->waiters), true);
    green__waiters_unlock(&barrier->waiters);
}

void
green_barrier_reset(struct green_barrier *barrier)
{
    dismiss(barrier, green__waiters_lock(&barrier->waiters), false);
    green__waiters_unlock(&barrier->waiters);
}

bool
green_barrier_broken(const struct green_barrier *barrier)
{
    return GREEN__LOAD(&barrier->broken);
}

unsigned
green_barrier_waiting(const struct green_barrier *barrier)
{
    return GREEN__LOAD(&barrier->arrived);
}
