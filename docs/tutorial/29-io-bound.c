/* Waiting: fifty workers of each kind that sleep a tenth of a second. */
#include <green.h>
#include <stdio.h>
#include <time.h>

enum { WORKERS = 50, WAIT_MS = 100 };

static double
now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static intptr_t
wait_a_while(void *arg)
{
    (void)arg;
    return green_sleep(WAIT_MS) == 0 ? WAIT_MS : 0;
}

static int
measure(const char *name, enum green_kind kind)
{
    struct green_job *jobs[WORKERS];
    double start = now_ms();
    intptr_t sum = 0;
    for (int i = 0; i < WORKERS; i++) {
        if (green_spawn_as(kind, wait_a_while, NULL, NULL, &jobs[i]) != 0) {
            return 1;
        }
    }
    for (int i = 0; i < WORKERS; i++) {
        intptr_t value = 0;
        green_job_join(jobs[i], &value, GREEN_FOREVER);
        green_job_put(jobs[i]);
        sum += value;
    }
    printf("%-9s %10.0f   waited %d ms in all\n", name, now_ms() - start, (int)sum);
    return 0;
}

int
main(void)
{
    printf("workers    ms for 50\n");
    return measure("tasks", GREEN_TASK) != 0 || measure("threads", GREEN_THREAD) != 0 ||
           measure("processes", GREEN_PROCESS) != 0;
}
