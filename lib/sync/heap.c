/*
 * The heap of a priority queue.
 *
 * Invariant: `room` is 0 or a power of two. An entry carries the number of its put, which decides
 * among equals. Whoever calls holds the queue's lock, as no part of a heap can be used while an
 * item sinks or rises through it.
 */
#include "sync/heap.h"

#include <errno.h>

#include "base/alloc.h"

#define FIRST_ROOM 16

struct entry {
    void *item;
    uint64_t number;
};

/** Double the room. */
static int
grow(struct green_queue *queue)
{
    size_t room = queue->room == 0 ? FIRST_ROOM : queue->room * 2;
    if (room > SIZE_MAX / 2 / sizeof(struct entry)) {
        return -ENOMEM;
    }
    void *items = green__realloc(queue->items, room * sizeof(struct entry));
    if (items == NULL) {
        return -ENOMEM;
    }
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

/** Put an entry in from below, at the end. */
static void
rise(struct green_queue *queue, size_t index, struct entry entry)
{
    struct entry *heap = queue->items;
    while (index > 0 && precedes(queue, &entry, &heap[(index - 1) / 2])) {
        heap[index] = heap[(index - 1) / 2];
        index = (index - 1) / 2;
    }
    heap[index] = entry;
}

/** Put an entry in from above, in place of the root; there are `left` afterwards. */
static void
sink(struct green_queue *queue, size_t left, struct entry entry)
{
    struct entry *heap = queue->items;
    size_t index = 0;
    for (;;) {
        size_t child = index * 2 + 1;
        if (child >= left) {
            break;
        }
        if (child + 1 < left && precedes(queue, &heap[child + 1], &heap[child])) {
            child++;
        }
        if (!precedes(queue, &heap[child], &entry)) {
            break;
        }
        heap[index] = heap[child];
        index = child;
    }
    heap[index] = entry;
}

int
green__heap_add(struct green_queue *queue, size_t count, void *item)
{
    int err = count == queue->room ? grow(queue) : 0;
    if (err == 0) {
        rise(queue, count, (struct entry){item, queue->puts++});
    }
    return err;
}

void *
green__heap_take(struct green_queue *queue, size_t left)
{
    struct entry *heap = queue->items;
    void *item = heap[0].item;
    sink(queue, left, heap[left]);
    return item;
}
