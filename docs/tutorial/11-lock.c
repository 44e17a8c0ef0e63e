/* A mutex: one worker at a time, the others in the order of their coming. */
#include <green.h>
#include <stdio.h>

static struct green_mutex mutex = GREEN_MUTEX_INIT;

static intptr_t
visit(void *arg)
{
    green_mutex_lock(&mutex, GREEN_FOREVER);
    printf("%s comes in\n", (const char *)arg);
    green_sleep(1); /* time enough for the others to try */
    printf("%s goes out\n", (const char *)arg);
    green_mutex_unlock(&mutex);
    return 0;
}

static intptr_t
look(void *arg)
{
    (void)arg;
    printf("locked by %s: %s\n", green_mutex_mine(&mutex) ? "me" : "another",
           green_mutex_locked(&mutex) ? "yes" : "no");
    printf("without waiting: %s\n", green_strerror(green_mutex_trylock(&mutex)));
    printf("after 10 ms:     %s\n", green_strerror(green_mutex_lock(&mutex, green_after(10))));
    return 0;
}

int
main(void)
{
    char *names[] = {"Ann", "Bob", "Cid"};
    struct green_job *jobs[3];
    struct green_job *looker;

    for (int i = 0; i < 3; i++) {
        if (green_spawn(visit, names[i], &jobs[i]) != 0) {
            return 1;
        }
    }
    for (int i = 0; i < 3; i++) {
        green_job_join(jobs[i], NULL, GREEN_FOREVER);
        green_job_put(jobs[i]);
    }

    /* What can be asked of a mutex that somebody else holds; here a thread asks. */
    green_mutex_lock(&mutex, GREEN_FOREVER);
    if (green_spawn_as(GREEN_THREAD, look, NULL, NULL, &looker) != 0) {
        return 1;
    }
    green_job_join(looker, NULL, GREEN_FOREVER);
    green_job_put(looker);
    green_mutex_unlock(&mutex);
    return 0;
}
