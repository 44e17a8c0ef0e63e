/* Several processes, each running many tasks: all processors, and cheap workers on each. */
#include <green.h>
#include <stdio.h>

enum { PROCESSES = 3, TASKS = 1000 };

static int done; /* each process has its own */

static intptr_t
small_work(void *arg)
{
    (void)arg;
    green_sleep(10);
    done++; /* the tasks of one thread need no lock for this: nobody else runs in between */
    return 0;
}

static intptr_t
run_tasks(void *arg)
{
    static struct green_job *jobs[TASKS];
    (void)arg;
    for (int i = 0; i < TASKS; i++) {
        int err = green_spawn(small_work, NULL, &jobs[i]);
        if (err != 0) {
            return err;
        }
    }
    for (int i = 0; i < TASKS; i++) {
        green_job_join(jobs[i], NULL, GREEN_FOREVER);
        green_job_put(jobs[i]);
    }
    return done;
}

int
main(void)
{
    struct green_job *jobs[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        int err = green_spawn_as(GREEN_PROCESS, run_tasks, NULL, NULL, &jobs[i]);
        if (err != 0) {
            fprintf(stderr, "cannot spawn: %s\n", green_strerror(err));
            return 1;
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        intptr_t count = 0;
        green_job_join(jobs[i], &count, GREEN_FOREVER);
        printf("process %d: %d tasks done\n", (int)green_job_pid(jobs[i]), (int)count);
        green_job_put(jobs[i]);
    }
    printf("this process: %d\n", done);
    return 0;
}
