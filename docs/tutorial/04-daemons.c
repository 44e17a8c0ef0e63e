/* Daemons do not keep their owner alive; all other workers are joined first. */
#include <green.h>
#include <stdio.h>

static intptr_t
worker(void *arg)
{
    (void)arg;
    green_sleep(20);
    printf("the worker finishes its work\n");
    return 0;
}

static intptr_t
watcher(void *arg)
{
    (void)arg;
    for (int i = 1; green_sleep(60000) == 0; i++) {
        printf("a minute has passed: never printed\n");
    }
    printf("the daemon is told to go\n");
    return 0;
}

/* A thread with two tasks of its own: it ends when the plain one has ended. */
static intptr_t
owner(void *arg)
{
    (void)arg;
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    options.daemon = true;
    if (green_spawn_as(GREEN_TASK, watcher, NULL, &options, NULL) != 0 ||
        green_spawn(worker, NULL, NULL) != 0) {
        return 1;
    }
    printf("the owner returns\n");
    return 0;
}

int
main(void)
{
    struct green_job *job;
    if (green_spawn_as(GREEN_THREAD, owner, NULL, NULL, &job) != 0) {
        return 1;
    }
    green_job_join(job, NULL, GREEN_FOREVER);
    printf("all over\n");
    green_job_put(job);
    return 0;
}
