/*
 * A counting semaphore.
 *
 * Invariant: `count` is the number of units that nobody holds; it is zero while somebody waits. A
 * unit is handed to the one who has waited longest, so nobody overtakes. Any worker may call.
 */
#include <errno.h>

#include "base/alloc.h"
#include "base/errors.h"
#include "green/sync.h"
#include "sched/wait.h"

struct green_semaphore {
    struct green__waitq queue; /* its lock guards the count */
    unsigned count;
};

int
green_semaphore_create(unsigned count, struct green_semaphore **ret_semaphore)
{
    struct green_semaphore *semaphore = green__alloc_zeroed(sizeof *semaphore);
    if (semaphore == NULL) {
        return -ENOMEM;
    }
    green__waitq_init(&semaphore->queue);
    semaphore->count = count;
    *ret_semaphore = semaphore;
    return 0;
}

void
green_semaphore_destroy(struct green_semaphore *semaphore)
{
    if (semaphore == NULL) {
        return;
    }
    /* Who got the last unit may destroy it while who gave that still holds the lock. */
    green__waitq_lock(&semaphore->queue);
    bool wanted = !green__list_empty(&semaphore->queue.waiters);
    green__waitq_unlock(&semaphore->queue);
    if (wanted) {
        green__misuse("green_semaphore_destroy: somebody waits for it");
    }
    green__free(semaphore);
}

int
green_semaphore_acquire(struct green_semaphore *semaphore, green_deadline deadline)
{
    struct green_job *self = green__self();
    int err = green__wait_check(self);
    if (err != 0) {
        return err;
    }
    green__waitq_lock(&semaphore->queue);
    if (semaphore->count > 0) {
        semaphore->count--;
        green__waitq_unlock(&semaphore->queue);
        return 0;
    }
    return green__waitq_wait(&semaphore->queue, self, deadline, "a semaphore");
}

void
green_semaphore_release(struct green_semaphore *semaphore)
{
    green__waitq_lock(&semaphore->queue);
    if (!green__waitq_wake_one(&semaphore->queue)) {
        semaphore->count++;
    }
    green__waitq_unlock(&semaphore->queue);
}
