/*
 * A condition: waiting for an announcement under a mutex.
 *
 * Invariant: who waits has joined the queue before it let go of the mutex, so that no announcement
 * made under the mutex is missed. `waiting` is the length of the queue. Only workers that hold the
 * mutex call.
 */
#include <limits.h>

#include "sync/waiters.h"

void
green_condition_init(struct green_condition *condition, struct green_mutex *mutex)
{
    *condition = (struct green_condition)GREEN_CONDITION_INIT(mutex);
}

void
green_condition_fini(struct green_condition *condition)
{
    green__waiters_fini(&condition->waiters, "green_condition_fini");
}

static void
check_held(const struct green_condition *condition, const struct green_job *self,
           const char *function)
{
    if (!green__mutex_held_by(condition->mutex, self)) {
        green__misuse("%s: the caller does not hold the condition's mutex", function);
    }
}

/** Change the length of the queue, whose lock is held. */
static void
count(struct green_condition *condition, unsigned change)
{
    GREEN__STORE(&condition->waiting, GREEN__LOAD(&condition->waiting) + change);
}

int
green_condition_wait(struct green_condition *condition, green_deadline deadline)
{
    struct green_job *self = green__self();
    check_held(condition, self, "green_condition_wait");
    int err = green__wait_check(self);
    if (err != 0) {
        return err;
    }
    struct green_mutex *mutex = condition->mutex;
    green__waiters_lock(&condition->waiters);
    count(condition, 1);
    /* Who gets the mutex now cannot notify before we have let go of the queue, and stand in it. */
    unsigned depth = green__mutex_release(mutex, self);
    err = green__waiters_wait(&condition->waiters, self, deadline, "a condition");
    if (err != 0) {
        count(condition, -1u);
        green__waiters_unlock(&condition->waiters);
    }
    green__mutex_relock(mutex, self, depth);
    return err;
}

int
green_condition_wait_for(struct green_condition *condition, bool (*predicate)(void *arg), void *arg,
                         green_deadline deadline)
{
    check_held(condition, green__self(), "green_condition_wait_for");
    while (!predicate(arg)) {
        int err = deadline == GREEN_NOW ? -ETIMEDOUT : green_condition_wait(condition, deadline);
        if (err != 0) {
            return predicate(arg) ? 0 : err;
        }
    }
    return 0;
}

void
green_condition_notify(struct green_condition *condition, unsigned wanted)
{
    check_held(condition, green__self(), "green_condition_notify");
    /* Nobody joins the queue while the caller holds the mutex. */
    if (wanted == 0 || GREEN__LOAD(&condition->waiting) == 0) {
        return;
    }
    struct green__list *list = green__waiters_lock(&condition->waiters);
    struct green__waiter *waiter;
    while (wanted > 0 && (waiter = green__waiters_take(list)) != NULL) {
        wanted--;
        count(condition, -1u);
        green__wait_wake(waiter->job);
    }
    green__waiters_unlock(&condition->waiters);
}

void
green_condition_notify_all(struct green_condition *condition)
{
    green_condition_notify(condition, UINT_MAX);
}
