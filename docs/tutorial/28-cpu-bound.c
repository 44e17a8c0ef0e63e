/* Work for the processor: four counts, by four workers of each kind. */
#include <green.h>
#include <stdio.h>
#include <time.h>

enum { WORKERS = 4, ROUNDS = 50 * 1000 * 1000 };

static double
now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static intptr_t
count(void *arg)
{
    volatile int counter = 0;
    (void)arg;
    while (counter < ROUNDS) {
        counter++;
    }
    return counter;
}

static int
measure(const char *name, enum green_kind kind)
{
    struct green_job *jobs[WORKERS];
    double start = now_ms();
    intptr_t sum = 0;
    for (int i = 0; i < WORKERS; i++) {
        if (green_spawn_as(kind, count, NULL, NULL, &jobs[i]) != 0) {
            return 1;
        }
    }
    for (int i = 0; i < WORKERS; i++) {
        intptr_t value = 0;
        green_job_join(jobs[i], &value, GREEN_FOREVER);
        green_job_put(jobs[i]);
        sum += value;
    }
    printf("%-9s %9.0f   counted %d\n", name, now_ms() - start, (int)sum);
    return 0;
}

int
main(void)
{
    printf("workers    ms for 4\n");
    return measure("tasks", GREEN_TASK) != 0 || measure("threads", GREEN_THREAD) != 0 ||
           measure("processes", GREEN_PROCESS) != 0;
}
