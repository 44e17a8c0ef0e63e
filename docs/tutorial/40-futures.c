/* A future: a result that will be there later, with waiting, errors and callbacks. */
#include <green.h>
#include <errno.h>
#include <stdio.h>

static void
report(struct green_future *future, void *arg)
{
    intptr_t value = 0;
    int err = green_future_result(future, &value, GREEN_NOW);
    printf("  callback: %s: %s, %d\n", (const char *)arg, green_strerror(err), (int)value);
}

static intptr_t
cook(void *arg)
{
    struct green_future **meals = arg;
    green_future_set(meals[1], 12); /* the second is ready first */
    green_sleep(5);
    green_future_set_error(meals[0], -ENOENT);
    return 0;
}

int
main(void)
{
    struct green_future *meals[2];
    struct green_job *job;
    intptr_t value = 0;
    size_t first = 0;

    if (green_future_create(&meals[0]) != 0 || green_future_create(&meals[1]) != 0) {
        return 1;
    }
    green_future_add_done_callback(meals[0], report, "soup");
    green_future_add_done_callback(meals[1], report, "bread");
    printf("done: %s\n", green_future_done(meals[0]) ? "yes" : "no");
    if (green_spawn(cook, meals, &job) != 0) {
        return 1;
    }
    green_futures_wait(meals, 2, GREEN_FIRST_COMPLETED, &first, GREEN_FOREVER);
    printf("first: %s\n", first == 0 ? "the soup" : "the bread");
    green_futures_wait(meals, 2, GREEN_ALL_COMPLETED, NULL, GREEN_FOREVER);
    printf("the soup: %s\n", green_strerror(green_future_result(meals[0], NULL, GREEN_NOW)));
    int err = green_future_result(meals[1], &value, GREEN_NOW);
    printf("the bread: %s, value %d\n", green_strerror(err), (int)value);
    printf("set again: %s\n", green_strerror(green_future_set(meals[1], 13)));
    green_job_join(job, NULL, GREEN_FOREVER);
    green_job_put(job);
    green_future_put(meals[0]);
    green_future_put(meals[1]);
    return 0;
}
