/* The lost update: a hundred workers each take one away from a hundred. What is left? */
#include <green.h>
#include <stdatomic.h>
#include <stdio.h>

enum { WORKERS = 100 };
static atomic_int number; /* each load and each store is atomic, and that is not enough */
static struct green_barrier everybody_has_read = GREEN_BARRIER_INIT(WORKERS, NULL, NULL);
static struct green_mutex mutex = GREEN_MUTEX_INIT;

static intptr_t
take_without_lock(void *arg)
{
    (void)arg;
    int seen = atomic_load(&number);
    green_barrier_wait(&everybody_has_read, NULL, GREEN_FOREVER); /* the worst moment */
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
left_by(enum green_kind kind, green_entry entry)
{
    struct green_job *jobs[WORKERS];
    number = WORKERS;
    for (int i = 0; i < WORKERS; i++) {
        if (green_spawn_as(kind, entry, NULL, NULL, &jobs[i]) != 0) {
            return -1;
        }
    }
    for (int i = 0; i < WORKERS; i++) {
        green_job_join(jobs[i], NULL, GREEN_FOREVER);
        green_job_put(jobs[i]);
    }
    return atomic_load(&number);
}

int
main(void)
{
    const char *const names[] = {"tasks", "threads"};
    printf("what is left    without a lock   with a lock\n");
    for (enum green_kind kind = GREEN_TASK; kind <= GREEN_THREAD; kind++) {
        printf("%d %-12s %15d", WORKERS, names[kind], left_by(kind, take_without_lock));
        printf(" %13d\n", left_by(kind, take_with_lock));
    }
    return 0;
}
