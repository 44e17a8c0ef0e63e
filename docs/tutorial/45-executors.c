/* An executor: workers that are used again and again. The kind is one word. */
#include <green.h>
#include <stdio.h>

enum { WORKERS = 3, JOBS = 10 };

static intptr_t
square(void *arg)
{
    int number = *(int *)arg;
    green_sleep(2);
    return number * number;
}

static int
run(const char *name, enum green_kind kind)
{
    struct green_executor *executor;
    struct green_future *futures[JOBS];
    int numbers[JOBS];
    intptr_t values[JOBS];

    if (green_executor_create(kind, WORKERS, NULL, &executor) != 0) {
        return 1;
    }
    /* submit: returns at once with a future; the argument is copied, so the loop may go on. */
    for (int i = 0; i < JOBS; i++) {
        numbers[i] = i;
        green_executor_submit(executor, square, &i, sizeof i, &futures[i]);
    }
    printf("%-9s submit:", name);
    for (int i = 0; i < JOBS; i++) {
        intptr_t value = 0;
        green_future_result(futures[i], &value, GREEN_FOREVER); /* waits for this one */
        green_future_put(futures[i]);
        printf(" %d", (int)value);
    }
    /* map: the same for a whole array. */
    green_executor_map(executor, square, numbers, sizeof *numbers, JOBS, values, GREEN_FOREVER);
    printf("\n%-9s map:   ", "");
    for (int i = 0; i < JOBS; i++) {
        printf(" %d", (int)values[i]);
    }
    green_executor_shutdown(executor, false, GREEN_FOREVER); /* waits until all is done */
    int err = green_executor_submit(executor, square, numbers, sizeof *numbers, NULL);
    printf("\n%-9s after shutdown: %s\n", "", green_strerror(err));
    green_executor_destroy(executor);
    return 0;
}

int
main(void)
{
    return run("tasks", GREEN_TASK) != 0 || run("threads", GREEN_THREAD) != 0 ||
           run("processes", GREEN_PROCESS) != 0;
}
