/*
 * A queue between workers.
 *
 * Invariant: who waits for an item waits at an empty queue, who waits for room at a full one: items
 * go from hand to hand, or into room that was made for them, so that nobody overtakes. `word` is a
 * ring's: while nobody waits, it alone decides; its bit GREEN__CROWDED sends all to the lock of the
 * getters while anybody does, and always in a priority queue, whose heap the lock guards. `done`
 * is twice the number of items whose work is done, plus JOINED while somebody may wait for the
 * rest: then it changes under the lock. Any worker may call.
 */
#include "green/queue.h"

#include "base/alloc.h"
#include "sync/heap.h"
#include "sync/slots.h"

#define JOINED   1u
#define ONE_DONE 2u

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
    queue->word = GREEN__CROWDED;
}

/* ---- the items ---- */

static const struct green__slots_form fifo = {sizeof(void *), false};
static const struct green__slots_form lifo = {sizeof(void *), true};

static size_t
limit(const struct green_queue *queue)
{
    return queue->capacity > 0 ? queue->capacity : SIZE_MAX;
}

static inline bool
put_freely(struct green_queue *queue, void *const *item)
{
    return queue->lifo ? green__slots_put(&queue->word, &queue->items, lifo, limit(queue), item)
                       : green__slots_put(&queue->word, &queue->items, fifo, limit(queue), item);
}

static inline bool
get_freely(struct green_queue *queue, void **ret_item)
{
    return queue->lifo ? green__slots_get(&queue->word, &queue->items, lifo, ret_item)
                       : green__slots_get(&queue->word, &queue->items, fifo, ret_item);
}

/** Add an item; 0 or -ENOMEM. There is room if one was taken since the last was added. The word is
 *  seized, here and below. */
static int
add(struct green_queue *queue, void *item)
{
    uint32_t count = green__slots_count(GREEN__LOAD(&queue->word));
    const struct green__slots_form form = queue->lifo ? lifo : fifo;
    int err = 0;
    if (queue->order != NULL) {
        err = count < GREEN__ITEMS_MAX ? green__heap_add(queue, count, item) : -ENOMEM;
        if (err == 0) {
            GREEN__STORE(&queue->word, GREEN__LOAD(&queue->word) + GREEN__ONE_ITEM);
        }
        return err;
    }
    const struct green__slots *ring = queue->items;
    if (ring == NULL || count > ring->mask) {
        err = green__slots_grow(&queue->word, &queue->items, form);
    }
    if (err == 0) {
        green__slots_add(&queue->word, queue->items, form, &item);
    }
    return err;
}

static void *
take(struct green_queue *queue)
{
    void *item = NULL;
    if (queue->order != NULL) {
        item = green__heap_take(queue, green__slots_count(GREEN__LOAD(&queue->word)) - 1);
        GREEN__STORE(&queue->word, GREEN__LOAD(&queue->word) - GREEN__ONE_ITEM + GREEN__ONE_MORE);
    } else {
        green__slots_take(&queue->word, queue->items, queue->lifo ? lifo : fifo, &item);
    }
    return item;
}

/** Count an item that a getter is given at once. */
static void
pass(struct green_queue *queue)
{
    struct green__slots *ring = queue->order != NULL ? NULL : queue->items;
    green__slots_pass(&queue->word, ring, queue->lifo ? lifo : fifo);
}

/* ---- the lock ---- */

static void
seize(struct green_queue *queue)
{
    green__waiters_lock(&queue->getters);
    green__slots_seize(&queue->word);
}

static void
release(struct green_queue *queue)
{
    bool crowded = queue->order != NULL ||
                   !green__list_empty(green__waiters_list(&queue->getters)) ||
                   !green__list_empty(green__waiters_list(&queue->putters));
    green__slots_release(&queue->word, crowded);
    green__waiters_unlock(&queue->getters);
}

void
green_queue_fini(struct green_queue *queue)
{
    green__waiters_lock(&queue->getters);
    bool waited_for = !green__list_empty(green__waiters_list(&queue->getters)) ||
                      !green__list_empty(green__waiters_list(&queue->putters)) ||
                      !green__list_empty(green__waiters_list(&queue->joiners));
    green__waiters_unlock(&queue->getters);
    if (waited_for) {
        green__misuse("green_queue_fini: somebody waits for it");
    }
    if (queue->order != NULL) {
        green__free(queue->items);
    } else {
        green__slots_destroy(queue->items);
    }
    queue->items = NULL;
}

/** Wait in one of the queue's lists, under its one lock, which is held again after a failure. */
static int
wait_in(struct green_queue *queue, struct green_waiters *waiters, struct green_job *self,
        green_deadline deadline, const char *what)
{
    return deadline == GREEN_NOW
               ? -ETIMEDOUT
               : green__wait_in(green__waiters_guard(&queue->getters), green__waiters_list(waiters),
                                self, deadline, what);
}

/* ---- put and get ---- */

static int
put_slowly(struct green_queue *queue, void *item, struct green_job *self, green_deadline deadline)
{
    int err = 0;
    seize(queue);
    struct green__waiter *getter = green__waiters_take(green__waiters_list(&queue->getters));
    if ((GREEN__LOAD(&queue->word) & GREEN__CLOSED) != 0) {
        err = -EPIPE;
    } else if (getter != NULL) {
        pass(queue);
        getter->value = item;
        green__wait_wake(getter->job);
    } else if (green__slots_count(GREEN__LOAD(&queue->word)) < limit(queue)) {
        err = add(queue, item);
    } else {
        self->own->waiter.value = item;
        err = wait_in(queue, &queue->putters, self, deadline, "room in a queue");
        if (err == 0) {
            return GREEN__RESULT_OF(self->own->waiter.value);
        }
    }
    release(queue);
    return err;
}

int
green_queue_put(struct green_queue *queue, void *item, green_deadline deadline)
{
    struct green_job *self = green__self();
    int err = green__wait_check(self);
    if (err != 0 || put_freely(queue, &item)) {
        return err;
    }
    uint64_t word = GREEN__LOAD_ACQUIRE(&queue->word);
    if ((word & GREEN__CLOSED) != 0) {
        return -EPIPE;
    }
    if (deadline == GREEN_NOW && (word & GREEN__CROWDED) == 0 &&
        green__slots_count(word) >= limit(queue)) {
        return -ETIMEDOUT;
    }
    return put_slowly(queue, item, self, deadline);
}

/** An item was taken from a full queue: who has waited longest to put, puts. */
static void
admit_putter(struct green_queue *queue)
{
    struct green__waiter *putter = green__waiters_take(green__waiters_list(&queue->putters));
    if (putter != NULL) {
        add(queue, putter->value); /* there is room */
        putter->value = GREEN__RESULT(0);
        green__wait_wake(putter->job);
    }
}

static int
get_slowly(struct green_queue *queue, void **ret_item, struct green_job *self,
           green_deadline deadline)
{
    int err = 0;
    seize(queue);
    if (green__slots_count(GREEN__LOAD(&queue->word)) > 0) {
        *ret_item = take(queue);
        admit_putter(queue);
    } else if ((GREEN__LOAD(&queue->word) & GREEN__CLOSED) != 0) {
        err = -EPIPE;
    } else {
        err = wait_in(queue, &queue->getters, self, deadline, "an item of a queue");
        if (err == 0) {
            if (self->own->waiter.value == &no_item) {
                return -EPIPE;
            }
            *ret_item = self->own->waiter.value;
            return 0;
        }
    }
    release(queue);
    return err;
}

int
green_queue_get(struct green_queue *queue, void **ret_item, green_deadline deadline)
{
    struct green_job *self = green__self();
    int err = green__wait_check(self);
    if (err != 0 || get_freely(queue, ret_item)) {
        return err;
    }
    uint64_t word = GREEN__LOAD_ACQUIRE(&queue->word);
    if ((word & GREEN__CROWDED) == 0 && green__slots_count(word) == 0) {
        if ((word & GREEN__CLOSED) != 0) {
            return -EPIPE;
        }
        if (deadline == GREEN_NOW) {
            return -ETIMEDOUT;
        }
    }
    return get_slowly(queue, ret_item, self, deadline);
}

size_t
green_queue_size(const struct green_queue *queue)
{
    return green__slots_count(GREEN__LOAD(&queue->word));
}

bool
green_queue_empty(const struct green_queue *queue)
{
    return green_queue_size(queue) == 0;
}

bool
green_queue_full(const struct green_queue *queue)
{
    return green_queue_size(queue) >= limit(queue);
}

bool
green_queue_closed(const struct green_queue *queue)
{
    return (GREEN__LOAD(&queue->word) & GREEN__CLOSED) != 0;
}

/* ---- work ---- */

/** Whether as many items are done as were put. */
static bool
all_done(const struct green_queue *queue, uint64_t done)
{
    return (uint32_t)(done / ONE_DONE) == green__slots_puts(GREEN__LOAD_ACQUIRE(&queue->word));
}

/** Nobody joins any more; the lock is held. */
static void
forget_joiners(struct green_queue *queue)
{
    __atomic_fetch_and(&queue->done, ~(uint64_t)JOINED, __ATOMIC_ACQ_REL);
}

/** One item less to be done, unless all are; the lock is held. */
static bool
finish_one(struct green_queue *queue)
{
    uint64_t done = GREEN__LOAD_ACQUIRE(&queue->done);
    do {
        if (all_done(queue, done)) {
            return false;
        }
    } while (!GREEN__SWAP(&queue->done, &done, done + ONE_DONE));
    if ((done & JOINED) != 0 && all_done(queue, done + ONE_DONE)) {
        forget_joiners(queue);
        green__waiters_wake_all(green__waiters_list(&queue->joiners), NULL);
    }
    return true;
}

int
green_queue_task_done(struct green_queue *queue)
{
    uint64_t done = GREEN__LOAD_ACQUIRE(&queue->done);
    while ((done & JOINED) == 0) {
        if (all_done(queue, done)) {
            return -EINVAL;
        }
        if (GREEN__SWAP(&queue->done, &done, done + ONE_DONE)) {
            return 0;
        }
    }
    green__waiters_lock(&queue->getters);
    bool finished = finish_one(queue);
    green__waiters_unlock(&queue->getters);
    return finished ? 0 : -EINVAL;
}

int
green_queue_join(struct green_queue *queue, green_deadline deadline)
{
    struct green_job *self = green__self();
    int err = green__wait_check(self);
    if (err != 0 || all_done(queue, GREEN__LOAD_ACQUIRE(&queue->done))) {
        return err;
    }
    if (deadline == GREEN_NOW) {
        return -ETIMEDOUT;
    }
    green__waiters_lock(&queue->getters);
    uint64_t done = __atomic_fetch_or(&queue->done, JOINED, __ATOMIC_ACQ_REL);
    if (!all_done(queue, done)) {
        err = wait_in(queue, &queue->joiners, self, deadline, "the work for a queue");
        if (err == 0) {
            return 0;
        }
    }
    if (green__list_empty(green__waiters_list(&queue->joiners))) {
        forget_joiners(queue);
    }
    green__waiters_unlock(&queue->getters);
    return err;
}

/* ---- the end ---- */

void
green_queue_close(struct green_queue *queue)
{
    seize(queue);
    GREEN__STORE(&queue->word, GREEN__LOAD(&queue->word) | GREEN__CLOSED);
    green__waiters_wake_all(green__waiters_list(&queue->getters), &no_item);
    green__waiters_wake_all(green__waiters_list(&queue->putters), GREEN__RESULT(-EPIPE));
    release(queue);
}

void
green_queue_close_now(struct green_queue *queue, void (*drop)(void *item, void *arg), void *arg)
{
    green_queue_close(queue);
    for (;;) {
        seize(queue);
        bool more = green__slots_count(GREEN__LOAD(&queue->word)) > 0;
        void *item = NULL;
        if (more) {
            item = take(queue);
            finish_one(queue);
        }
        release(queue);
        if (!more) {
            return;
        }
        if (drop != NULL) {
            drop(item, arg);
        }
    }
}
