/* One function, three kinds of worker; join hands out what it returned. */
#include <green.h>
#include <stdio.h>

static const char *const kind_names[] = {"task", "thread", "process"};

static intptr_t
square(void *arg)
{
    int number = *(int *)arg;
    green_sleep(10); /* a task is parked, a thread or process sleeps in the kernel */
    return number * number;
}

int
main(void)
{
    struct green_job *jobs[3];
    int numbers[3] = {2, 3, 4};

    /* Start all of them, then wait for all of them: they run at the same time. */
    for (int kind = GREEN_TASK; kind <= GREEN_PROCESS; kind++) {
        int err = green_spawn_as((enum green_kind)kind, square, &numbers[kind], NULL, &jobs[kind]);
        if (err != 0) {
            fprintf(stderr, "cannot spawn: %s\n", green_strerror(err));
            return 1;
        }
    }
    for (int kind = GREEN_TASK; kind <= GREEN_PROCESS; kind++) {
        intptr_t value = 0;
        green_job_join(jobs[kind], &value, GREEN_FOREVER);
        printf("%-7s: %d * %d = %d\n", kind_names[kind], numbers[kind], numbers[kind], (int)value);
        green_job_put(jobs[kind]);
    }
    return 0;
}
