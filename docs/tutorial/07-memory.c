/* Tasks and threads share the memory of their process; a process works on a copy. */
#include <green.h>
#include <stdio.h>

static int number = 3;

static intptr_t
change(void *arg)
{
    number = *(int *)arg;
    return number;
}

int
main(void)
{
    static const char *const kind_names[] = {"task", "thread", "process"};
    int values[3] = {100, 200, 300};

    printf("at first the number is %d\n", number);
    for (int kind = GREEN_TASK; kind <= GREEN_PROCESS; kind++) {
        struct green_job *job;
        intptr_t seen = 0;
        if (green_spawn_as((enum green_kind)kind, change, &values[kind], NULL, &job) != 0) {
            return 1;
        }
        green_job_join(job, &seen, GREEN_FOREVER);
        printf("the %s made it %d; here it is %d\n", kind_names[kind], (int)seen, number);
        green_job_put(job);
    }
    return 0;
}
