/*
 * The queue between processes: a ring of cells, and a promise for each waiter that may go on.
 *
 * Invariant: item number n, counted from 0, is in the cell n modulo the capacity; there are the
 * items from `head` to `tail`. Each of the two is changed last, and by one store, so that a process
 * that dies has put or taken an item wholly or not at all. An item is promised to each getter that
 * was granted one, a free cell to each putter: nobody else touches those. What is there and is not
 * promised has nobody who waits for it.
 */
#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "green/ipc.h"
#include "job/ipc_object.h"
#include "sched/wait.h"

enum {
    GETTERS,
    PUTTERS,
    JOINERS,
};

#define TAKERS GREEN__IPC_PROCESSES

struct cell {
    size_t length;
    unsigned char bytes[];
};

/** A process that has items for which the work is not done. */
struct taker {
    green__ipc_process process;
    unsigned items;
};

struct green_ipc_queue {
    struct green__ipc object;
    uint64_t capacity;
    size_t item_size;
    size_t stride;
    size_t cells_offset;
    _Atomic(uint64_t) head;
    _Atomic(uint64_t) tail;
    uint64_t done; /* items that the work was said to be done for, or that died with who had them */
    uint64_t lost; /* of those, the dead's */
    struct taker takers[TAKERS];
    unsigned promised_items;
    unsigned promised_cells;
    atomic_bool closed;
};

static struct cell *
cell_of(struct green_ipc_queue *queue, uint64_t number)
{
    char *base = (char *)queue + queue->cells_offset;
    return (struct cell *)(void *)(base + number % queue->capacity * queue->stride);
}

/** Promise what is there and free to those who wait for it. */
static void
balance(struct green_ipc_queue *queue)
{
    struct green__ipc *object = &queue->object;
    while (queue->tail - queue->head > queue->promised_items &&
           green__ipc_grant(object, GETTERS, 0) != NULL) {
        queue->promised_items++;
    }
    if (queue->closed) {
        green__ipc_grant_all(object, PUTTERS, -EPIPE);
        green__ipc_grant_all(object, GETTERS, -EPIPE);
        return;
    }
    while (queue->capacity - (queue->tail - queue->head) > queue->promised_cells &&
           green__ipc_grant(object, PUTTERS, 0) != NULL) {
        queue->promised_cells++;
    }
}

static unsigned
promises(const struct green__ipc *object, unsigned list)
{
    unsigned count = 0;
    for (unsigned i = 0; i < object->used; i++) {
        const struct green__ipc_place *place = &object->places[i];
        count += atomic_load(&place->state) == GREEN__IPC_GRANTED && place->list == list &&
                 place->value == 0;
    }
    return count;
}

static struct taker *
taker_of(struct green_ipc_queue *queue, green__ipc_process process)
{
    return &queue->takers[process % TAKERS];
}

/** The work for items that a dead process had is not going to be done by it. */
static void
write_off(struct green_ipc_queue *queue, struct taker *taker)
{
    uint64_t open = queue->head > queue->done ? queue->head - queue->done : 0;
    uint64_t items = taker->items < open ? taker->items : open;
    taker->items = 0;
    queue->lost += items;
    queue->done += items;
}

/** The caller is about to take an item. */
static void
note_taker(struct green_ipc_queue *queue)
{
    struct taker *taker = taker_of(queue, green__ipc_me());
    if (taker->process != green__ipc_me()) {
        write_off(queue, taker); /* the one before us in that record */
        taker->process = green__ipc_me();
    }
    taker->items++;
}

static void
mend_queue(struct green__ipc *object)
{
    struct green_ipc_queue *queue = (struct green_ipc_queue *)(void *)object;
    for (struct taker *taker = queue->takers; taker < queue->takers + TAKERS; taker++) {
        if (taker->items > 0 && green__ipc_dead(taker->process)) {
            write_off(queue, taker);
        }
    }
    queue->promised_items = promises(object, GETTERS);
    queue->promised_cells = promises(object, PUTTERS);
    balance(queue);
    if (queue->done >= queue->tail) {
        green__ipc_grant_all(object, JOINERS, 0);
    }
}

static const struct green__ipc_kind kind = {"a queue between processes", NULL, mend_queue};

int
green_ipc_queue_create(size_t capacity, size_t item_size, struct green_ipc_queue **ret_queue)
{
    size_t header = (sizeof(struct green_ipc_queue) + 63) / 64 * 64;
    size_t cells;
    struct green_ipc_queue *queue;
    if (capacity == 0 || item_size > SIZE_MAX / 4) {
        return -EINVAL;
    }
    size_t stride = (sizeof(struct cell) + item_size + 7) / 8 * 8;
    if (__builtin_mul_overflow(capacity, stride, &cells) || cells > SIZE_MAX / 4) {
        return -ENOMEM;
    }
    int err = green__ipc_create(&kind, header + cells, &queue);
    if (err == 0) {
        queue->capacity = capacity;
        queue->item_size = item_size;
        queue->stride = stride;
        queue->cells_offset = header;
        *ret_queue = queue;
    }
    return err;
}

void
green_ipc_queue_destroy(struct green_ipc_queue *queue)
{
    green__ipc_check_idle((struct green__ipc *)(void *)queue, "green_ipc_queue_destroy");
    green__ipc_destroy((struct green__ipc *)(void *)queue);
}

/** Enter a call that may wait. */
static int
begin(struct green_ipc_queue *queue)
{
    int err = green__wait_check(green__self());
    return err != 0 ? err : green__ipc_lock(&queue->object);
}

/** Have a free cell. */
static int
await_cell(struct green_ipc_queue *queue, green_deadline deadline)
{
    if (queue->closed) {
        return -EPIPE;
    }
    if (queue->capacity - (queue->tail - queue->head) > queue->promised_cells) {
        return 0;
    }
    int value;
    int err = green__ipc_wait(&queue->object, PUTTERS, deadline, &value);
    if (err == 0 && value == 0) {
        queue->promised_cells--;
    }
    if (err == 0 && queue->closed) {
        return -EPIPE;
    }
    return err;
}

int
green_ipc_queue_put(struct green_ipc_queue *queue, const void *item, size_t length,
                    green_deadline deadline)
{
    if (length > queue->item_size) {
        return -EMSGSIZE;
    }
    int err = begin(queue);
    if (err != 0) {
        return err;
    }
    err = await_cell(queue, deadline);
    if (err == 0) {
        struct cell *cell = cell_of(queue, queue->tail);
        cell->length = length;
        if (length > 0) {
            memcpy(cell->bytes, item, length);
        }
        queue->tail++;
        balance(queue);
    }
    green__ipc_unlock(&queue->object);
    return err;
}

/** Have an item. */
static int
await_item(struct green_ipc_queue *queue, green_deadline deadline)
{
    if (queue->tail - queue->head > queue->promised_items) {
        return 0;
    }
    if (queue->closed) {
        return -EPIPE;
    }
    int value;
    int err = green__ipc_wait(&queue->object, GETTERS, deadline, &value);
    if (err == 0) {
        queue->promised_items -= value == 0;
        err = value;
    }
    return err;
}

ssize_t
green_ipc_queue_get(struct green_ipc_queue *queue, void *buffer, size_t size,
                    green_deadline deadline)
{
    int err = begin(queue);
    if (err != 0) {
        return err;
    }
    ssize_t result = await_item(queue, deadline);
    if (result == 0) {
        const struct cell *cell = cell_of(queue, queue->head);
        if (cell->length > size) {
            result = -EMSGSIZE;
        } else {
            result = (ssize_t)cell->length;
            if (result > 0) {
                memcpy(buffer, cell->bytes, cell->length);
            }
            note_taker(queue);
            queue->head++;
        }
        balance(queue);
    }
    green__ipc_unlock(&queue->object);
    return result;
}

size_t
green_ipc_queue_size(const struct green_ipc_queue *queue)
{
    uint64_t head = atomic_load(&queue->head); /* first: it never overtakes the tail */
    uint64_t size = atomic_load(&queue->tail) - head;
    return size < queue->capacity ? size : queue->capacity;
}

bool
green_ipc_queue_closed(const struct green_ipc_queue *queue)
{
    return atomic_load(&queue->closed);
}

int
green_ipc_queue_close(struct green_ipc_queue *queue)
{
    int err = green__ipc_lock(&queue->object);
    if (err == 0) {
        atomic_store(&queue->closed, true);
        balance(queue);
        green__ipc_unlock(&queue->object);
    }
    return err;
}

int
green_ipc_queue_task_done(struct green_ipc_queue *queue)
{
    int err = green__ipc_lock(&queue->object);
    if (err != 0) {
        return err;
    }
    struct taker *taker = taker_of(queue, green__ipc_me());
    if (taker->process == green__ipc_me() && taker->items > 0) {
        taker->items--;
    }
    if (queue->done >= queue->tail) {
        err = -EINVAL;
    } else if (++queue->done == queue->tail) {
        green__ipc_grant_all(&queue->object, JOINERS, 0);
    }
    green__ipc_unlock(&queue->object);
    return err;
}

int
green_ipc_queue_join(struct green_ipc_queue *queue, green_deadline deadline)
{
    int err = begin(queue);
    if (err == 0) {
        if (queue->done < queue->tail) {
            err = green__ipc_wait(&queue->object, JOINERS, deadline, NULL);
        }
        if (err == 0 && queue->lost > 0) {
            queue->lost = 0;
            err = -EOWNERDEAD;
        }
        green__ipc_unlock(&queue->object);
    }
    return err;
}
