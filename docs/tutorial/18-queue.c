/* A queue: what is put first is taken first; with a bound, a put waits for room. */
#include <green.h>
#include <stdio.h>

static void
show(const struct green_queue *queue)
{
    printf("size %d, empty %s, full %s\n", (int)green_queue_size(queue),
           green_queue_empty(queue) ? "yes" : "no", green_queue_full(queue) ? "yes" : "no");
}

static intptr_t
eat_one(void *arg)
{
    void *item = NULL;
    green_queue_get(arg, &item, GREEN_FOREVER);
    printf("a task takes the %s\n", (const char *)item);
    return 0;
}

int
main(void)
{
    struct green_queue queue;
    void *item = NULL;

    green_queue_init(&queue, 3);
    show(&queue);
    green_queue_put(&queue, "apple", GREEN_FOREVER);
    green_queue_put(&queue, "bun", GREEN_FOREVER);
    green_queue_put(&queue, "carrot", GREEN_FOREVER);
    show(&queue);
    printf("a fourth, without waiting: %s\n",
           green_strerror(green_queue_put(&queue, "date", GREEN_NOW)));

    /* This put waits until the task has made room. */
    if (green_spawn(eat_one, &queue, NULL) != 0) {
        return 1;
    }
    green_queue_put(&queue, "date", GREEN_FOREVER);
    printf("the date is in\n");

    green_queue_close(&queue); /* no more is put; what is in it can be taken */
    int err;
    while ((err = green_queue_get(&queue, &item, GREEN_FOREVER)) == 0) {
        printf("main takes the %s\n", (const char *)item);
    }
    printf("closed and empty: %s\n", green_strerror(err));
    green_queue_fini(&queue);
    return 0;
}
