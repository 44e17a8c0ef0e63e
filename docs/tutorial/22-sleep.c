/* Who sleeps lets the others run: no callback, no await, an ordinary function call. */
#include <green.h>
#include <stdio.h>
#include <time.h>

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
    const char *name = arg;
    printf("%s: one\n", name);
    green_yield(); /* gives way to whoever is ready */
    printf("%s: two\n", name);
    green_sleep(100); /* gives way until the time has come */
    printf("%s: three\n", name);
    return 0;
}

int
main(void)
{
    char *names[] = {"Ann", "Bob", "Cid"};
    struct green_job *jobs[3];
    double start = now_ms();

    for (int i = 0; i < 3; i++) {
        if (green_spawn(count, names[i], &jobs[i]) != 0) {
            return 1;
        }
    }
    for (int i = 0; i < 3; i++) {
        green_job_join(jobs[i], NULL, GREEN_FOREVER);
        green_job_put(jobs[i]);
    }
    printf("three sleeps of 100 ms took %.0f ms together\n", now_ms() - start);
    return 0;
}
