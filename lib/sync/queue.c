/*
 * A queue between workers.
 *
 * Invariant: who waits for an item waits at an empty queue, who waits for room at a full one: items
 * go from hand to hand, or into room that was made for them, so that nobody overtakes. The lock of
 * the getters guards all members; it is held for a few instructions, and the comparisons of a
 * priority queue. Any worker may call.
 */
#include "green/queue.h"

#include "base/alloc.h"
#include "sync/store.h"
#include "sync/waiters.h"

/** What a getter's value becomes when it gets no item. Others' values are items, NULL included. */
static char no_item;

void
green_queue_init(struct green_queue *queue, size_t capacity)
{
    *queue = (struct green_queue)GREEN_QUEUE_INIT(capacity);
}

void
green_queue_init_lifo(struct green_queue *queue, size_t capacity)
{
    green_queue_init(queue, capacity);
    queue->lifo = true;
}

void
green_queue_init_priority(struct green_queue *queue, size_t capacity, green_queue_order order)
{
    if (order == NULL) {
        green__misuse("green_queue_init_priority: no order");
    }
    green_queue_init(queue, capacity);
    queue->order = order;
}

static void
lock(struct green_queue *queue)
{
    green__waiters_lock(&queue->getters);
}

static void
unlock(struct green_queue *queue)
{
    green__waiters_unlock(&queue->getters);
}

void
green_queue_fini(struct green_queue *queue)
{
    lock(queue);
    bool waited_for = !green__list_empty(green__waiters_list(&queue->getters)) ||
                      !green__list_empty(green__waiters_list(&queue->putters)) ||
                      !green__list_empty(green__waiters_list(&queue->joiners));
    unlock(queue);
    if (waited_for) {
        green__misuse("green_queue_fini: somebody waits for it");
    }
    green__free(queue->items);
    queue->items = NULL;
}

/** Wait in one of the queue's lists, under its one lock. */
static int
wait_in(struct green_queue *queue, struct green_waiters *waiters, struct green_job *self,
        green_deadline deadline, const char *what)
{
    if (deadline == GREEN_NOW) {
        unlock(queue);
        return -ETIMEDOUT;
    }
    int err = green__wait_in(green__waiters_guard(&queue->getters), green__waiters_list(waiters),
                             self, deadline, what);
    if (err != 0) {
        unlock(queue);
    }
    return err;
}

int
green_queue_put(struct green_queue *queue, void *item, green_deadline deadline)
{
    struct green_job *self = green__self();
    int err = green__wait_check(self);
    if (err != 0) {
        return err;
    }
    lock(queue);
    if (queue->closed) {
        unlock(queue);
        return -EPIPE;
    }
    struct green__waiter *getter = green__waiters_take(green__waiters_list(&queue->getters));
    if (getter == NULL && queue->capacity > 0 && queue->count >= queue->capacity) {
        self->waiter.value = item;
        err = wait_in(queue, &queue->putters, self, deadline, "room in a queue");
        return err != 0 ? err : GREEN__RESULT_OF(self->waiter.value);
    }
    if (getter != NULL) {
        queue->unfinished++;
        getter->value = item;
        green__wait_wake(getter->job);
    } else {
        err = green__store_add(queue, item);
        queue->unfinished += err == 0;
    }
    unlock(queue);
    return err;
}

/** An item was taken from a full queue: who has waited longest to put, puts. */
static void
admit_putter(struct green_queue *queue)
{
    struct green__waiter *putter = green__waiters_take(green__waiters_list(&queue->putters));
    if (putter != NULL) {
        green__store_add(queue, putter->value); /* there is room */
        queue->unfinished++;
        putter->value = GREEN__RESULT(0);
        green__wait_wake(putter->job);
    }
}

int
green_queue_get(struct green_queue *queue, void **ret_item, green_deadline deadline)
{
    struct green_job *self = green__self();
    int err = green__wait_check(self);
    if (err != 0) {
        return err;
    }
    lock(queue);
    if (queue->count > 0) {
        *ret_item = green__store_take(queue);
        admit_putter(queue);
        unlock(queue);
        return 0;
    }
    if (queue->closed) {
        unlock(queue);
        return -EPIPE;
    }
    err = wait_in(queue, &queue->getters, self, deadline, "an item of a queue");
    if (err == 0 && self->waiter.value == &no_item) {
        err = -EPIPE;
    }
    if (err == 0) {
        *ret_item = self->waiter.value;
    }
    return err;
}

size_t
green_queue_size(const struct green_queue *queue)
{
    return GREEN__LOAD(&queue->count);
}

bool
green_queue_empty(const struct green_queue *queue)
{
    return green_queue_size(queue) == 0;
}

bool
green_queue_full(const struct green_queue *queue)
{
    return queue->capacity > 0 && green_queue_size(queue) >= queue->capacity;
}

bool
green_queue_closed(const struct green_queue *queue)
{
    return GREEN__LOAD(&queue->closed);
}

/* ---- work ---- */

/** One item less to be done; the lock is held. */
static void
finish_one(struct green_queue *queue)
{
    if (--queue->unfinished == 0) {
        green__waiters_wake_all(green__waiters_list(&queue->joiners), NULL);
    }
}

int
green_queue_task_done(struct green_queue *queue)
{
    lock(queue);
    int err = queue->unfinished == 0 ? -EINVAL : 0;
    if (err == 0) {
        finish_one(queue);
    }
    unlock(queue);
    return err;
}

int
green_queue_join(struct green_queue *queue, green_deadline deadline)
{
    struct green_job *self = green__self();
    int err = green__wait_check(self);
    if (err != 0) {
        return err;
    }
    lock(queue);
    if (queue->unfinished == 0) {
        unlock(queue);
        return 0;
    }
    return wait_in(queue, &queue->joiners, self, deadline, "the work for a queue");
}

/* ---- the end ---- */

void
green_queue_close(struct green_queue *queue)
{
    lock(queue);
    GREEN__STORE(&queue->closed, true);
    green__waiters_wake_all(green__waiters_list(&queue->getters), &no_item);
    green__waiters_wake_all(green__waiters_list(&queue->putters), GREEN__RESULT(-EPIPE));
    unlock(queue);
}

void
green_queue_close_now(struct green_queue *queue, void (*drop)(void *item, void *arg), void *arg)
{
    green_queue_close(queue);
    for (;;) {
        lock(queue);
        if (queue->count == 0) {
            unlock(queue);
            return;
        }
        void *item = green__store_take(queue);
        if (queue->unfinished > 0) {
            finish_one(queue);
        }
        unlock(queue);
        if (drop != NULL) {
            drop(item, arg);
        }
    }
}
