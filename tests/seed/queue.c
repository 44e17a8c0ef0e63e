/*
 * Seeded programs over queues: FIFO, LIFO and priority, bounded or not, with work that is joined,
 * and closed in the middle.
 */
#include "green/queue.h"

#include <stdlib.h>

#include "seed.h"

#define ITEMS_MAX 512

enum order {
    FIFO,
    LIFO,
    PRIORITY,
};

/** Every item is put once; `value` sorts it. */
struct item {
    int value;
    int puts;
    int gets;
};

static struct {
    struct green_queue it;
    enum order order;
    size_t capacity; /* 0: any number */
    bool closed;
    struct item *items[ITEMS_MAX];
    size_t count;
    size_t unfinished;
    struct line getters;
    struct line putters; /* with their item as `value` */
    struct line joiners;
} queue;

static struct item items[ITEMS_MAX];
static int item_count;

static int
by_value(const void *a, const void *b)
{
    return ((const struct item *)a)->value - ((const struct item *)b)->value;
}

/* ---- the model ---- */

static void
model_add(struct item *item)
{
    item->puts++;
    queue.items[queue.count++] = item;
    queue.unfinished++;
}

/** The item that has to come out next. */
static struct item *
model_take(void)
{
    size_t chosen = queue.order == LIFO ? queue.count - 1 : 0;
    for (size_t i = 1; queue.order == PRIORITY && i < queue.count; i++) {
        if (queue.items[i]->value < queue.items[chosen]->value) {
            chosen = i;
        }
    }
    struct item *item = queue.items[chosen];
    for (size_t i = chosen + 1; i < queue.count; i++) {
        queue.items[i - 1] = queue.items[i];
    }
    queue.count--;
    return item;
}

static void
model_finish(size_t count)
{
    queue.unfinished -= count;
    if (queue.unfinished == 0) {
        serve_all(&queue.joiners, 0);
    }
}

/* ---- the calls ---- */

static void
got(struct task *self, struct item *item, const struct item *expected)
{
    CHECK(self, item == expected, "got item %d and not %d", (int)(item - items),
          (int)(expected - items));
    CHECK(self, item->puts == 1 && ++item->gets == 1, "item %d came %d times", (int)(item - items),
          item->gets);
}

static void
put(struct task *self)
{
    if (item_count == ITEMS_MAX) {
        return;
    }
    struct item *item = &items[item_count++];
    *item = (struct item){.value = draw(5)};
    green_deadline deadline = some_deadline();
    if (is_cancelled(self)) {
        AT_ONCE(self, green_queue_put(&queue.it, item, deadline), -ECANCELED);
    } else if (queue.closed) {
        AT_ONCE(self, green_queue_put(&queue.it, item, deadline), -EPIPE);
    } else if (queue.getters.count > 0) {
        queue.getters.tasks[0]->value = item;
        serve_first(&queue.getters, 0);
        item->puts++;
        queue.unfinished++;
        AT_ONCE(self, green_queue_put(&queue.it, item, deadline), 0);
    } else if (queue.capacity == 0 || queue.count < queue.capacity) {
        model_add(item);
        AT_ONCE(self, green_queue_put(&queue.it, item, deadline), 0);
    } else if (deadline == GREEN_NOW) {
        AT_ONCE(self, green_queue_put(&queue.it, item, deadline), -ETIMEDOUT);
    } else {
        self->value = item;
        WAIT_IN(self, &queue.putters, green_queue_put(&queue.it, item, deadline), deadline);
    }
}

/** Say that an item is done, now or after the others had a chance. */
static void
finish_item(struct task *self)
{
    dwell(self);
    size_t unfinished = queue.unfinished;
    if (unfinished > 0) {
        model_finish(1);
    }
    AT_ONCE(self, green_queue_task_done(&queue.it), unfinished > 0 ? 0 : -EINVAL);
}

static void
get(struct task *self)
{
    void *item = NULL;
    green_deadline deadline = some_deadline();
    if (is_cancelled(self)) {
        AT_ONCE(self, green_queue_get(&queue.it, &item, deadline), -ECANCELED);
        return;
    }
    if (queue.count > 0) {
        struct item *expected = model_take();
        if (queue.putters.count > 0) {
            struct task *putter = serve_first(&queue.putters, 0);
            model_add(putter->value);
        }
        AT_ONCE(self, green_queue_get(&queue.it, &item, deadline), 0);
        got(self, item, expected);
    } else if (queue.closed) {
        AT_ONCE(self, green_queue_get(&queue.it, &item, deadline), -EPIPE);
        return;
    } else if (deadline == GREEN_NOW) {
        AT_ONCE(self, green_queue_get(&queue.it, &item, deadline), -ETIMEDOUT);
        return;
    } else {
        int err =
            WAIT_IN(self, &queue.getters, green_queue_get(&queue.it, &item, deadline), deadline);
        if (err != 0) {
            CHECK(self, item == NULL, "a call that failed gave an item");
            return;
        }
        got(self, item, self->value);
    }
    if (chance(90)) {
        finish_item(self);
    }
}

static void
join(struct task *self)
{
    green_deadline deadline = some_deadline();
    if (is_cancelled(self)) {
        AT_ONCE(self, green_queue_join(&queue.it, deadline), -ECANCELED);
    } else if (queue.unfinished == 0) {
        AT_ONCE(self, green_queue_join(&queue.it, deadline), 0);
    } else if (deadline == GREEN_NOW) {
        AT_ONCE(self, green_queue_join(&queue.it, deadline), -ETIMEDOUT);
    } else {
        WAIT_IN(self, &queue.joiners, green_queue_join(&queue.it, deadline), deadline);
    }
}

static void
drop(void *item, void *arg)
{
    got(arg, item, model_take());
}

static void
close_queue(struct task *self)
{
    if (chance(90)) {
        return;
    }
    say(self, "closes");
    queue.closed = true;
    serve_all(&queue.getters, -EPIPE);
    serve_all(&queue.putters, -EPIPE);
    if (chance(50)) {
        green_queue_close(&queue.it);
        return;
    }
    size_t dropped = queue.count;
    size_t undone = dropped < queue.unfinished ? dropped : queue.unfinished;
    green_queue_close_now(&queue.it, drop, self);
    CHECK(self, queue.count == 0, "it has items left");
    if (undone > 0) {
        model_finish(undone);
    }
}

static void
step(struct task *self)
{
    int drawn = draw(20);
    if (drawn < 8) {
        put(self);
    } else if (drawn < 16) {
        get(self);
    } else if (drawn < 19) {
        join(self);
    } else {
        close_queue(self);
    }
    CHECK(self, green_queue_size(&queue.it) == queue.count, "its size is %zu, not %zu",
          green_queue_size(&queue.it), queue.count);
    CHECK(self, green_queue_empty(&queue.it) == (queue.count == 0), "empty() is wrong");
    CHECK(self,
          green_queue_full(&queue.it) == (queue.capacity > 0 && queue.count >= queue.capacity),
          "full() is wrong");
    CHECK(self, green_queue_closed(&queue.it) == queue.closed, "closed() is wrong");
}

static void
body(struct task *self)
{
    for (int i = 3 + draw(16); i > 0 && !(self->cancelled && chance(60)); i--) {
        if (chance(25)) {
            disturb(self, body);
        } else {
            in_some_scope(self, step);
        }
    }
}

static void
program(void)
{
    queue.order = (enum order)draw(3);
    queue.capacity = (size_t)draw(4);
    queue.closed = false;
    queue.count = queue.unfinished = 0;
    item_count = 0;
    if (queue.order == FIFO) {
        green_queue_init(&queue.it, queue.capacity);
    } else if (queue.order == LIFO) {
        green_queue_init_lifo(&queue.it, queue.capacity);
    } else {
        green_queue_init_priority(&queue.it, queue.capacity, by_value);
    }
    for (int i = 2 + draw(7); i > 0; i--) {
        start(body);
    }
    finish_all(40);
    while (queue.count > 0) { /* nothing that was put is lost */
        void *item = NULL;
        const struct item *expected = model_take();
        CHECK(NULL, green_queue_get(&queue.it, &item, GREEN_NOW) == 0, "an item is lost");
        got(NULL, item, expected);
    }
    for (int i = 0; i < item_count; i++) {
        CHECK(NULL, items[i].gets == items[i].puts, "item %d came %d times", i, items[i].gets);
    }
    green_queue_fini(&queue.it);
}

int
main(int argc, char **argv)
{
    return run_seeds(argc, argv, "queue", program);
}
