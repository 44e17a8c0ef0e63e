/* Map: run a function over an array, several elements at once, and collect the values. */
#include <green.h>
#include <stdio.h>

static intptr_t
square(void *arg)
{
    int number = *(int *)arg;
    green_sleep(20 - 5 * (uint64_t)number); /* the larger, the faster */
    return number * number;
}

int
main(void)
{
    static const char *const kind_names[] = {"tasks", "threads", "processes"};
    int numbers[] = {1, 2, 3, 4};
    void *args[] = {&numbers[0], &numbers[1], &numbers[2], &numbers[3]};
    intptr_t values[4], value;

    /* All at once, the values in the order of the elements. */
    for (int kind = GREEN_TASK; kind <= GREEN_PROCESS; kind++) {
        int err = green_map((enum green_kind)kind, 2, square, args, 4, values, GREEN_FOREVER);
        if (err != 0) {
            fprintf(stderr, "map: %s\n", green_strerror(err));
            return 1;
        }
        printf("%-10s", kind_names[kind]);
        for (int i = 0; i < 4; i++) {
            printf(" %d", (int)values[i]);
        }
        printf("\n");
    }

    /* One by one, as they are asked for; at most two run ahead. */
    struct green_array array = {args, 4, 0};
    struct green_imap *map;
    if (green_imap_create(GREEN_TASK, 2, square, green_items_of_array, &array, &map) != 0) {
        return 1;
    }
    while (green_imap_next(map, &value, NULL, GREEN_FOREVER) == 1) {
        printf("next: %d, elements begun: %d\n", (int)value, (int)array.given);
    }
    green_imap_destroy(map);
    return 0;
}
