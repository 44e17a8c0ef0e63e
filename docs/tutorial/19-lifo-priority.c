/* Three orders: first in first out, last in first out, and the most urgent first. */
#include <green.h>
#include <stdio.h>

struct letter {
    int urgency; /* 1 is the most urgent */
    const char *text;
};

static int
by_urgency(const void *a, const void *b)
{
    const struct letter *one = a;
    const struct letter *other = b;
    return one->urgency - other->urgency;
}

static struct letter letters[] = {
    {3, "a postcard"}, {1, "a telegram"}, {2, "a bill"}, {1, "a summons"}};

static void
put_and_get(const char *title, struct green_queue *queue)
{
    void *item = NULL;
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++) {
        green_queue_put(queue, &letters[i], GREEN_FOREVER);
    }
    printf("%s:", title);
    while (green_queue_get(queue, &item, GREEN_NOW) == 0) {
        const struct letter *letter = item;
        printf(" %s;", letter->text);
    }
    printf("\n");
    green_queue_fini(queue);
}

int
main(void)
{
    struct green_queue queue;
    green_queue_init(&queue, 0);
    put_and_get("fifo    ", &queue);
    green_queue_init_lifo(&queue, 0);
    put_and_get("lifo    ", &queue);
    green_queue_init_priority(&queue, 0, by_urgency);
    put_and_get("priority", &queue);
    return 0;
}
