/* Two locks, two workers, crossed order: each holds what the other waits for. */
#include <green.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static struct green_mutex knife = GREEN_MUTEX_INIT, spoon = GREEN_MUTEX_INIT;
static struct green_barrier meet = GREEN_BARRIER_INIT(2, NULL, NULL);

struct person {
    const char *name;
    struct green_mutex *first, *second;
    struct green_barrier *meet; /* makes the bad moment certain; NULL: as it comes */
};

static intptr_t
eat(void *arg)
{
    const struct person *self = arg;
    green_mutex_lock(self->first, GREEN_FOREVER);
    if (self->meet != NULL) {
        green_barrier_wait(self->meet, NULL, GREEN_FOREVER); /* both hold one */
    }
    int err = green_mutex_lock(self->second, GREEN_FOREVER);
    if (err == 0) {
        green_mutex_unlock(self->second);
    }
    green_mutex_unlock(self->first);
    return err;
}

static void
dinner(const char *title, enum green_kind kind, struct person persons[2])
{
    int count[2] = {0, 0};
    struct green_job *jobs[2];
    for (int i = 0; i < 2; i++) {
        struct green_spawn_options options = {.name = persons[i].name};
        green_spawn_as(kind, eat, &persons[i], &options, &jobs[i]);
    }
    for (int i = 0; i < 2; i++) {
        intptr_t err;
        green_job_join(jobs[i], &err, GREEN_FOREVER);
        green_job_put(jobs[i]);
        count[err == -EDEADLK]++;
    }
    fprintf(stderr, "%s: %d have eaten, %d got EDEADLK\n", title, count[0], count[1]);
}

int
main(void)
{
    struct person crossed[] = {{"Ann", &knife, &spoon, &meet}, {"Bob", &spoon, &knife, &meet}};
    struct person ordered[] = {{"Ann", &knife, &spoon, NULL}, {"Bob", &knife, &spoon, NULL}};
    dup2(STDOUT_FILENO, STDERR_FILENO); /* where reports go, and we */
    dinner("crossed, tasks", GREEN_TASK, crossed);
    dinner("crossed, threads", GREEN_THREAD, crossed);
    dinner("ordered, threads", GREEN_THREAD, ordered);
    return 0;
}
