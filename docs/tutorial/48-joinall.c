/* Join all, join whoever is first, spawn later, and be told when a job ends. */
#include <green.h>
#include <stdio.h>

static struct green_event go = GREEN_EVENT_INIT;

static intptr_t
slow(void *arg)
{
    green_event_wait(&go, GREEN_FOREVER);
    return *(int *)arg;
}

static intptr_t
quick(void *arg)
{
    return *(int *)arg;
}

static void
ended(struct green_job *job, intptr_t value, int err, void *arg)
{
    (void)arg;
    printf("link: %s ended with %d (%s)\n", green_job_name(job), (int)value, green_strerror(err));
}

int
main(void)
{
    int numbers[] = {1, 2, 3};
    struct green_job *jobs[3];
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    size_t first = 9;

    options.name = "the slow thread";
    if (green_spawn_as(GREEN_THREAD, slow, &numbers[0], &options, &jobs[0]) != 0 ||
        green_spawn(quick, &numbers[1], &jobs[1]) != 0 ||
        green_spawn_later(20, quick, &numbers[2], &jobs[2]) != 0) {
        return 1;
    }
    green_job_on_exit(jobs[0], ended, NULL);

    green_join_any(jobs, 3, &first, GREEN_FOREVER);
    printf("number %d was first\n", (int)first + 1);
    int err = green_joinall(jobs, 3, green_after(50));
    printf("all within 50 ms: %s\n", green_strerror(err));
    green_event_set(&go);
    err = green_joinall(jobs, 3, GREEN_FOREVER);
    printf("all: %s\n", green_strerror(err));
    for (int i = 0; i < 3; i++) {
        green_job_put(jobs[i]);
    }
    return 0;
}
