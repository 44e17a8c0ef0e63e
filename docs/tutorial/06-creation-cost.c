/* What it costs to make a worker of each kind, run it and join it. */
#include <green.h>
#include <stdio.h>
#include <time.h>

static intptr_t
nothing(void *arg)
{
    (void)arg;
    return 0;
}

static double
now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int
measure(const char *name, enum green_kind kind, int count)
{
    double start = now_us();
    for (int i = 0; i < count; i++) {
        struct green_job *job;
        int err = green_spawn_as(kind, nothing, NULL, NULL, &job);
        if (err != 0) {
            fprintf(stderr, "cannot spawn: %s\n", green_strerror(err));
            return err;
        }
        green_job_join(job, NULL, GREEN_FOREVER);
        green_job_put(job);
    }
    printf("%-8s %7d %12.2f\n", name, count, (now_us() - start) / count);
    return 0;
}

int
main(void)
{
    printf("kind       count      us each\n");
    return measure("process", GREEN_PROCESS, 100) != 0 ||
           measure("thread", GREEN_THREAD, 1000) != 0 || measure("task", GREEN_TASK, 10000) != 0;
}
