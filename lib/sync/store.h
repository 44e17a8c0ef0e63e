/*
 * The items of a queue, in its order. Whoever calls holds the queue's lock.
 */
#ifndef GREEN_SYNC_STORE_H
#define GREEN_SYNC_STORE_H

#include "green/queue.h"

/** Add an item; 0 or -ENOMEM. There is room if an item was taken since the last one was added. */
int green__store_add(struct green_queue *queue, void *item);

/** Take the item that comes first; there is one. */
void *green__store_take(struct green_queue *queue);

#endif
