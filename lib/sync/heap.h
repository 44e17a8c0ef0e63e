/*
 * The items of a priority queue: a heap. Whoever calls holds the queue's lock.
 */
#ifndef GREEN_SYNC_HEAP_H
#define GREEN_SYNC_HEAP_H

#include "green/queue.h"

/** Add an item to `count`; 0 or -ENOMEM. There is room if one was taken since the last was added.
 */
int green__heap_add(struct green_queue *queue, size_t count, void *item);

/** Take the item that comes first; there is one, and `left` others. */
void *green__heap_take(struct green_queue *queue, size_t left);

#endif
