/* A generator hands out values one by one, and waits in between until it is asked for more. */
#include <green.h>
#include <stdio.h>

static intptr_t
countdown(struct green_generator *self, void *arg)
{
    for (int i = *(int *)arg; i > 0; i--) {
        if (green_generator_yield(self, i, NULL) != 0) {
            printf("closed early\n");
            return -1;
        }
    }
    return 100; /* what green_generator_result() gives */
}

/* Values come in, too: each yield gives what was sent. */
static intptr_t
averager(struct green_generator *self, void *arg)
{
    intptr_t sum = 0, count = 0, sent = 0;
    (void)arg;
    while (green_generator_yield(self, count > 0 ? sum / count : 0, &sent) == 0) {
        sum += sent;
        count++;
    }
    return count;
}

int
main(void)
{
    struct green_generator *numbers, *average;
    intptr_t value = 0;
    int from = 3;

    if (green_generator_create(countdown, &from, NULL, &numbers) != 0 ||
        green_generator_create(averager, NULL, NULL, &average) != 0) {
        return 1;
    }
    while (green_generator_next(numbers, &value) == 0) {
        printf("next: %d\n", (int)value);
    }
    green_generator_result(numbers, &value);
    printf("result: %d\n", (int)value);
    green_generator_destroy(numbers);

    green_generator_next(average, NULL); /* up to its first yield */
    for (int i = 10; i <= 30; i += 10) {
        green_generator_send(average, i, &value);
        printf("sent %d: the average is %d\n", i, (int)value);
    }
    green_generator_close(average);
    green_generator_result(average, &value);
    printf("closed after %d numbers\n", (int)value);
    green_generator_destroy(average);
    return 0;
}
