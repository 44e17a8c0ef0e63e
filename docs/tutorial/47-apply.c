/* apply waits for the value; apply_async goes on, and a callback gets the value or the error. */
#include <green.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>

static intptr_t
divide(void *arg)
{
    int number = *(int *)arg;
    if (number == 0) {
        return -EDOM; /* an error, by convention */
    }
    if (number < 0) {
        raise(SIGKILL); /* the process dies; the pool goes on */
    }
    return 100 / number;
}

static void
got_value(intptr_t value, void *arg)
{
    *(int *)arg = (int)value;
}

static void
got_error(int err, void *arg)
{
    *(int *)arg = err;
}

int
main(void)
{
    struct green_executor *pool;
    int numbers[] = {5, 0, -1, 4};
    int answers[4] = {0};
    intptr_t value = 0;

    if (green_executor_create(GREEN_PROCESS, 2, NULL, &pool) != 0) {
        return 1;
    }
    int err = green_executor_apply(pool, divide, &numbers[0], sizeof(int), &value, GREEN_FOREVER);
    printf("apply: %s, value %d\n", green_strerror(err), (int)value);

    for (int i = 0; i < 4; i++) {
        green_executor_apply_async(pool, divide, &numbers[i], sizeof(int), got_value, got_error,
                                   &answers[i], NULL);
    }
    printf("apply_async: main goes on at once\n");
    green_executor_destroy(pool); /* close and join, in one */
    for (int i = 0; i < 4; i++) {
        printf("  100 / %d: %d, %s\n", numbers[i], answers[i] < 0 ? 0 : answers[i],
               green_strerror(answers[i]));
    }
    return 0;
}
