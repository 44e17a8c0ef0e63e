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

/** Take a unit that nobody holds; false when there is none. */
static inline bool
take(struct green_semaphore *semaphore)
{
    uint64_t units = GREEN__LOAD(&semaphore->units);
    while (units >= ONE_UNIT) {
        if (GREEN__SWAP(&semaphore->units, &units, units - ONE_UNIT)) {
            return true;
        }
    }
    return false;
}

/** Join the queue if need be; a unit is the caller's when the call returns 0. */
__attribute__((noinline)) static int
acquire_slow(struct green_semaphore *semaphore, green_deadline deadline)
{
    struct green_job *self = green__self();
    int err = green__wait_check(self);
    if (err != 0 || take(semaphore)) {
        return err;
    }
    if (deadline == GREEN_NOW) {
        return -ETIMEDOUT;
    }
    green__waiters_lock(&semaphore->waiters);
    uint64_t units = GREEN__LOAD(&semaphore->units);
    while (units == 0 && !GREEN__SWAP(&semaphore->units, &units, GREEN__CROWDED)) {
    }
    if (units >= ONE_UNIT) { /* one has just been given back */
        green__waiters_unlock(&semaphore->waiters);
        return green_semaphore_acquire(semaphore, deadline);
    }
    err = green__waiters_wait(&semaphore->waiters, self, deadline, "a semaphore");
    if (err != 0) {
        green__waiters_unlock(&semaphore->waiters);
    }
    return err;
}

int
green_semaphore_acquire(struct green_semaphore *semaphore, green_deadline deadline)
{
    bool likely = GREEN__LOAD(&semaphore->units) >= ONE_UNIT;
    return likely && green__wait_is_clear() && take(semaphore) ? 0
                                                               : acquire_slow(semaphore, deadline);
}

/** Hand one unit to who has waited longest; false when nobody does. */
static inline bool
hand_over(struct green_semaphore *semaphore)
{
    if ((GREEN__LOAD(&semaphore->units) & GREEN__CROWDED) == 0) {
        return false;
    }
    struct green__list *list = green__waiters_lock(&semaphore->waiters);
    struct green__waiter *first = green__waiters_take(list);
    if (first != NULL) { /* nobody else has a unit to hand, so the bit is set */
        GREEN__STORE_RELEASE(&semaphore->units, green__list_empty(list) ? 0 : GREEN__CROWDED);
        green__wait_wake(first->job);
    }
    green__waiters_unlock(&semaphore->waiters);
    return first != NULL;
}

/** Hand units to those who wait, and keep the rest; false when nobody can wait any more. */
__attribute__((noinline)) static bool
release_slow(struct green_semaphore *semaphore, unsigned count)
{
    struct green__list *list = green__waiters_lock(&semaphore->waiters);
    bool crowded = (GREEN__LOAD(&semaphore->units) & GREEN__CROWDED) != 0;
    if (crowded) {
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
    return hand_over(semaphore) ? 0 : green_semaphore_release_many(semaphore, 1);
}

uint64_t
green_semaphore_value(const struct green_semaphore *semaphore)
{
    return GREEN__LOAD(&semaphore->units) / ONE_UNIT;
}
