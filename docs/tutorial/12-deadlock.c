/* Two locks, two threads, crossed order: each holds what the other waits for. */
#include <green.h>
#include <stdio.h>

static struct green_mutex knife = GREEN_MUTEX_INIT;
static struct green_mutex spoon = GREEN_MUTEX_INIT;

struct person {
    struct green_mutex *first, *second;
    struct green_barrier *meet; /* makes the bad moment certain; NULL: as it comes */
    int err;
};

static intptr_t
eat(void *arg)
{
    struct person *self = arg;
    green_mutex_lock(self->first, GREEN_FOREVER);
    if (self->meet != NULL) {
        green_barrier_wait(self->meet, NULL, GREEN_FOREVER); /* both hold one */
    }
    self->err = green_mutex_lock(self->second, green_after(self->meet != NULL ? 50 : 10000));
    if (self->meet != NULL) {
        green_barrier_wait(self->meet, NULL, GREEN_FOREVER); /* both have tried */
    }
    if (self->err == 0) {
        green_mutex_unlock(self->second);
    }
    green_mutex_unlock(self->first);
    return 0;
}

static void
dinner(const char *title, struct person *ann, struct person *bob)
{
    struct person *persons[] = {ann, bob};
    struct green_job *jobs[2];
    for (int i = 0; i < 2; i++) {
        if (green_spawn_as(GREEN_THREAD, eat, persons[i], NULL, &jobs[i]) != 0) {
            return;
        }
    }
    for (int i = 0; i < 2; i++) {
        green_job_join(jobs[i], NULL, GREEN_FOREVER);
        green_job_put(jobs[i]);
    }
    printf("%s: Ann: %s, Bob: %s\n", title, green_strerror(ann->err), green_strerror(bob->err));
}

int
main(void)
{
    struct green_barrier meet = GREEN_BARRIER_INIT(2, NULL, NULL);
    dinner("crossed", &(struct person){&knife, &spoon, &meet, 0},
           &(struct person){&spoon, &knife, &meet, 0});
    dinner("ordered", &(struct person){&knife, &spoon, NULL, 0},
           &(struct person){&knife, &spoon, NULL, 0});
    return 0;
}
