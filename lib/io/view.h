/*
 * Buffers for received bytes: lent from a small cache of the thread.
 */
#ifndef GREEN_IO_VIEW_H
#define GREEN_IO_VIEW_H

#include "green/net.h"

/** Lend a buffer of GREEN_VIEW_MAX bytes; 0 or -ENOMEM. */
int green__view_take(struct green_view *ret_view);

/** Take it back. An empty view is left alone. */
void green__view_give(struct green_view *view);

/** What was sent of it, if anything, is no longer in it. */
static inline void
green__view_take_off(struct green_view *view, ssize_t sent)
{
    if (sent > 0) {
        view->data += sent;
        view->length -= (size_t)sent;
    }
}

#endif
