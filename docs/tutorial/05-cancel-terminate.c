/* Two ways to end a worker: ask it, which works for all kinds, or kill it, if it is a process. */
#include <green.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static intptr_t
sleeper(void *arg)
{
    (void)arg;
    return green_sleep(3600 * 1000); /* an hour, or what interrupts it */
}

int
main(void)
{
    static const char *const kind_names[] = {"task", "thread", "process"};
    struct green_job *job;
    intptr_t value = 0;
    int status = 0;

    /* Cancel: the call that the worker is blocked in returns -ECANCELED; it can clean up. */
    for (int kind = GREEN_TASK; kind <= GREEN_PROCESS; kind++) {
        if (green_spawn_as((enum green_kind)kind, sleeper, NULL, NULL, &job) != 0) {
            return 1;
        }
        green_yield(); /* a task begins to sleep now */
        green_job_cancel(job);
        green_job_join(job, &value, GREEN_FOREVER);
        printf("cancelled %s: its sleep says \"%s\"\n", kind_names[kind],
               green_strerror((int)value));
        green_job_put(job);
    }

    /* Terminate: the process is gone, whatever it was doing. */
    if (green_spawn_as(GREEN_PROCESS, sleeper, NULL, NULL, &job) != 0) {
        return 1;
    }
    printf("alive before: %s\n", green_job_alive(job) ? "yes" : "no");
    green_job_terminate(job, SIGTERM);
    int err = green_job_join(job, NULL, GREEN_FOREVER);
    green_job_status(job, &status);
    printf("terminated process: join says \"%s\", it died of signal %d (%s)\n", green_strerror(err),
           WTERMSIG(status), strsignal(WTERMSIG(status)));
    printf("alive after: %s\n", green_job_alive(job) ? "yes" : "no");
    green_job_put(job);
    return 0;
}
