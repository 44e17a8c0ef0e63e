/*
 * The buffers behind views.
 *
 * A few stay with the thread, the newest on top, since those are warm; the rest go back to the
 * allocator, so that a burst of messages leaves nothing behind.
 */
#include "io/view.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>

#include "base/alloc.h"

#define KEPT_MAX 8

struct cache {
    void *kept[KEPT_MAX];
    size_t count;
    bool known; /**< Its end is taken care of. */
};

static __thread struct cache cache;
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
empty_cache(void *value)
{
    struct cache *mine = value;
    while (mine->count > 0) {
        green__free(mine->kept[--mine->count]);
    }
    mine->known = false;
}

static void
make_key(void)
{
    pthread_key_create(&key, empty_cache);
}

int
green__view_take(struct green_view *ret_view)
{
    void *buffer = cache.count > 0 ? cache.kept[--cache.count] : green__alloc(GREEN_VIEW_MAX);
    if (buffer == NULL) {
        return -ENOMEM;
    }
    ret_view->buffer = buffer;
    ret_view->data = buffer;
    ret_view->length = 0;
    return 0;
}

void
green__view_give(struct green_view *view)
{
    if (view->buffer == NULL) {
        return;
    }
    if (!cache.known) {
        pthread_once(&once, make_key);
        cache.known = pthread_setspecific(key, &cache) == 0;
    }
    if (cache.known && cache.count < KEPT_MAX) {
        cache.kept[cache.count++] = view->buffer;
    } else {
        green__free(view->buffer);
    }
    view->buffer = NULL;
    view->data = NULL;
    view->length = 0;
}
