/* Two ways to make a worker: a function with its argument, and an object that carries its own. */
#include <green.h>
#include <stdio.h>

/* The first way: any function of this form, and a pointer for it. */
static intptr_t
greet(void *arg)
{
    printf("hello from %s\n", (const char *)arg);
    return 0;
}

/* The second way: a structure that holds what the worker needs and what it finds out. */
struct sum {
    int first, last;
    int result;
};

static intptr_t
sum_run(void *arg)
{
    struct sum *self = arg;
    for (int i = self->first; i <= self->last; i++) {
        self->result += i;
    }
    return 0;
}

int
main(void)
{
    struct green_job *job;
    struct sum sum = {.first = 1, .last = 100};

    /* green_spawn() makes a task. It runs when the caller waits: here, in the join. */
    if (green_spawn(greet, "a task", &job) != 0) {
        return 1;
    }
    printf("spawned, not yet run\n");
    green_job_join(job, NULL, GREEN_FOREVER);
    green_job_put(job);

    /* green_spawn_as() makes any kind, and takes options. */
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    options.name = "adder";
    if (green_spawn_as(GREEN_THREAD, sum_run, &sum, &options, &job) != 0) {
        return 1;
    }
    green_job_join(job, NULL, GREEN_FOREVER);
    printf("%s: the numbers from %d to %d make %d\n", green_job_name(job), sum.first, sum.last,
           sum.result);
    green_job_put(job);
    return 0;
}
