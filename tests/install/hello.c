/*
 * A program of somebody else's, in the common part of C and C++: the same function as a task, a
 * thread and a process.
 */
#include <green.h>
#include <stdio.h>

static intptr_t
work(void *arg)
{
    green_sleep(1);
    return *(int *)arg;
}

int
main(void)
{
    int number = 7;
    const enum green_kind kinds[] = {GREEN_TASK, GREEN_THREAD, GREEN_PROCESS};
    for (int i = 0; i < 3; i++) {
        struct green_job *job;
        intptr_t value = 0;
        if (green_spawn_as(kinds[i], work, &number, NULL, &job) != 0 ||
            green_job_join(job, &value, green_after(10000)) != 0 || value != number) {
            return 1;
        }
        green_job_put(job);
    }
    puts("HELLO from task, thread, process");
    return 0;
}
