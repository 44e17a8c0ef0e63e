/*
 * The items of a queue: a ring, of which one end or the other is taken, or a heap.
 *
 * Invariant: `room` is 0 or a power of two, and `count` never exceeds it. The ring begins at
 * `first`. The heap's entries carry the number of their put, which decides among equals. Whoever
 * calls holds the queue's lock; others may read `count`.
 */
#include "sync/store.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "sync/waiters.h"

#define FIRST_ROOM 16

struct entry {
    void *item;
    uint64_t number;
};

static size_t
entry_size(const struct green_queue *queue)
{
    return queue->order == NULL ? sizeof(void *) : sizeof(struct entry);
}

/** Double the room. */
static int
grow(struct green_queue *queue)
{
    size_t room = queue->room == 0 ? FIRST_ROOM : queue->room * 2;
    size_t size = entry_size(queue);
    if (room > SIZE_MAX / 2 / size) {
        return -ENOMEM;
    }
    char *items = green__realloc(queue->items, room * size);
    if (items == NULL) {
        return -ENOMEM;
    }
    /* A ring that was full and began in the middle: what was before its beginning goes behind. */
    memcpy(items + queue->room * size, items, queue->first * size);
    queue->items = items;
    queue->room = room;
    return 0;
}

/** Whether the first comes out before the second. */
static bool
precedes(const struct green_queue *queue, const struct entry *a, const struct entry *b)
{
    int order = queue->order(a->item, b->item);
    return order != 0 ? order < 0 : a->number < b->number;
}

static void
heap_add(struct green_queue *queue, void *item)
{
    struct entry *heap = queue->items;
    struct entry entry = {item, queue->puts++};
    size_t index = queue->count;
    while (index > 0 && precedes(queue, &entry, &heap[(index - 1) / 2])) {
        heap[index] = heap[(index - 1) / 2];
        index = (index - 1) / 2;
    }
    heap[index] = entry;
}

/** Take the root; `left` entries remain. */
static void *
heap_take(struct green_queue *queue, size_t left)
{
    struct entry *heap = queue->items;
    void *item = heap[0].item;
    const struct entry last = heap[left];
    size_t index = 0;
    for (;;) {
        size_t child = index * 2 + 1;
        if (child >= left) {
            break;
        }
        if (child + 1 < left && precedes(queue, &heap[child + 1], &heap[child])) {
            child++;
        }
        if (!precedes(queue, &heap[child], &last)) {
            break;
        }
        heap[index] = heap[child];
        index = child;
    }
    heap[index] = last;
    return item;
}

int
green__store_add(struct green_queue *queue, void *item)
{
    if (queue->count == queue->room) {
        int err = grow(queue);
        if (err != 0) {
            return err;
        }
    }
    if (queue->order != NULL) {
        heap_add(queue, item);
    } else {
        ((void **)queue->items)[(queue->first + queue->count) & (queue->room - 1)] = item;
    }
    GREEN__STORE(&queue->count, queue->count + 1);
    return 0;
}

void *
green__store_take(struct green_queue *queue)
{
    size_t left = queue->count - 1;
    GREEN__STORE(&queue->count, left);
    if (queue->order != NULL) {
        return heap_take(queue, left);
    }
    size_t index = queue->first;
    if (queue->lifo) {
        index += left;
    } else {
        queue->first = (queue->first + 1) & (queue->room - 1);
    }
    return ((void **)queue->items)[index & (queue->room - 1)];
}
