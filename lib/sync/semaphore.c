/*
 * A counting semaphore, bounded or not.
 *
 * Invariant: `units` is twice the number of units that nobody holds, plus GREEN__CROWDED while
 * somebody may wait: then there are none. A unit is handed to the one who has waited longest, so
 * nobody overtakes. Any worker may call.
 */
#include "sync/waiters.h"

#define ONE_UNIT ((uint64_t)2)

void
green_semaphore_init(struct green_semaphore *semaphore, unsigned count)
{
    *semaphore = (struct green_semaphore)GREEN_SEMAPHORE_INIT(count);
}

void
green_semaphore_init_bounded(struct green_semaphore *semaphore, unsigned count)
{
    *semaphore = (struct green_semaphore)GREEN_BOUNDED_SEMAPHORE_INIT(count);
}

void
green_semaphore_fini(struct green_semaphore *semaphore)
{
    green__waiters_fini(&semaphore->waiters, "green_semaphore_fini");
}

/** Join the queue; a unit is the caller's when the call returns 0. */
static int
acquire_slow(struct green_semaphore *semaphore, struct green_job *self, green_deadline deadline)
{
    green__waiters_lock(&semaphore->waiters);
    uint64_t units = GREEN__LOAD(&semaphore->units);
    while ((units & GREEN__CROWDED) == 0) {
        bool taken = units >= ONE_UNIT;
        uint64_t to = taken ? units - ONE_UNIT : units | GREEN__CROWDED;
        if (GREEN__SWAP(&semaphore->units, &units, to)) {
            if (taken) {
                green__waiters_unlock(&semaphore->waiters);
                return 0;
            }
            break;
        }
    }
    int err = green__waiters_wait(&semaphore->waiters, self, deadline, "a semaphore");
    if (err != 0) {
        green__waiters_unlock(&semaphore->waiters);
    }
    return err;
}

int
green_semaphore_acquire(struct green_semaphore *semaphore, green_deadline deadline)
{
    struct green_job *self = green__self();
    int err = green__wait_check(self);
    if (err != 0) {
        return err;
    }
    uint64_t units = GREEN__LOAD(&semaphore->units);
    while (units >= ONE_UNIT) {
        if (GREEN__SWAP(&semaphore->units, &units, units - ONE_UNIT)) {
            return 0;
        }
    }
    return deadline == GREEN_NOW ? -ETIMEDOUT : acquire_slow(semaphore, self, deadline);
}

/** Hand one unit, and there is no other, to who has waited longest; false when nobody does. */
static bool
hand_over(struct green_semaphore *semaphore, struct green__list *list)
{
    struct green__waiter *first = green__waiters_take(list);
    if (first == NULL) {
        return false;
    }
    GREEN__STORE_RELEASE(&semaphore->units, green__list_empty(list) ? 0 : GREEN__CROWDED);
    green__wait_wake(first->job);
    return true;
}

/** Hand units to those who wait, and keep the rest; false when nobody can wait any more. */
static bool
release_slow(struct green_semaphore *semaphore, unsigned count)
{
    struct green__list *list = green__waiters_lock(&semaphore->waiters);
    bool crowded = (GREEN__LOAD(&semaphore->units) & GREEN__CROWDED) != 0;
    if (crowded && (count != 1 || !hand_over(semaphore, list))) {
        struct green__list served = GREEN__LIST(served);
        struct green__waiter *first;
        while (count > 0 && (first = green__waiters_take(list)) != NULL) {
            green__list_append(&served, &first->link);
            count--;
        }
        uint64_t bit = green__list_empty(list) ? 0 : GREEN__CROWDED;
        GREEN__STORE_RELEASE(&semaphore->units, count * ONE_UNIT | bit);
        green__waiters_wake_all(&served, NULL);
    }
    green__waiters_unlock(&semaphore->waiters);
    return crowded;
}

int
green_semaphore_release_many(struct green_semaphore *semaphore, unsigned count)
{
    uint64_t units = GREEN__LOAD(&semaphore->units);
    for (;;) {
        if (count > semaphore->bound - units / ONE_UNIT) {
            return -EOVERFLOW;
        }
        if ((units & GREEN__CROWDED) == 0) {
            if (GREEN__SWAP(&semaphore->units, &units, units + count * ONE_UNIT)) {
                return 0;
            }
        } else {
            if (release_slow(semaphore, count)) {
                return 0;
            }
            units = GREEN__LOAD(&semaphore->units);
        }
    }
}

int
green_semaphore_release(struct green_semaphore *semaphore)
{
    return green_semaphore_release_many(semaphore, 1);
}

uint64_t
green_semaphore_value(const struct green_semaphore *semaphore)
{
    return GREEN__LOAD(&semaphore->units) / ONE_UNIT;
}
