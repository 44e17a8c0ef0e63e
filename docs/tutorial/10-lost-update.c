/* The lost update: a hundred threads each take one away from a hundred. What is left? */
#include <green.h>
#include <stdatomic.h>
#include <stdio.h>

enum { THREADS = 100 };

static atomic_int number; /* each load and each store is atomic, and that is not enough */
static struct green_barrier everybody_has_read = GREEN_BARRIER_INIT(THREADS, NULL, NULL);
static struct green_mutex mutex = GREEN_MUTEX_INIT;

static intptr_t
take_without_lock(void *arg)
{
    (void)arg;
    int seen = atomic_load(&number);
    /* The worst moment to be interrupted: all read before anybody writes. */
    green_barrier_wait(&everybody_has_read, NULL, GREEN_FOREVER);
    atomic_store(&number, seen - 1);
    return 0;
}

static intptr_t
take_with_lock(void *arg)
{
    (void)arg;
    green_mutex_lock(&mutex, GREEN_FOREVER);
    int seen = atomic_load(&number);
    green_sleep(1); /* interrupted here, too, but nobody else can come in */
    atomic_store(&number, seen - 1);
    green_mutex_unlock(&mutex);
    return 0;
}

static int
run(const char *title, green_entry entry)
{
    struct green_job *jobs[THREADS];
    number = THREADS;
    for (int i = 0; i < THREADS; i++) {
        if (green_spawn_as(GREEN_THREAD, entry, NULL, NULL, &jobs[i]) != 0) {
            return 1;
        }
    }
    for (int i = 0; i < THREADS; i++) {
        green_job_join(jobs[i], NULL, GREEN_FOREVER);
        green_job_put(jobs[i]);
    }
    printf("%s: %d left\n", title, atomic_load(&number));
    return 0;
}

int
main(void)
{
    return run("without a lock", take_without_lock) != 0 || run("with a lock", take_with_lock) != 0;
}
