/*
 * What locks.sh runs: tasks that do and do not give up the processor with a pthread mutex held.
 */
#include <pthread.h>
#include <stdio.h>

#include <green.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t other = PTHREAD_MUTEX_INITIALIZER;

static __attribute__((noinline)) void
sleep_with_it(void)
{
    pthread_mutex_lock(&mutex);
    green_sleep(1);
    pthread_mutex_unlock(&mutex);
}

static __attribute__((noinline)) void
yield_with_it(void)
{
    if (pthread_mutex_trylock(&mutex) == 0) {
        green_yield();
        pthread_mutex_unlock(&mutex);
    }
}

static __attribute__((noinline)) void
unlock_in_time(void)
{
    pthread_mutex_lock(&mutex);
    pthread_mutex_lock(&other);
    pthread_mutex_unlock(&mutex);
    pthread_mutex_unlock(&other);
    green_sleep(1);
}

static intptr_t
run(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        unlock_in_time();
        sleep_with_it();
        yield_with_it();
    }
    return 0;
}

int
main(void)
{
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    struct green_job *job;
    options.name = "holder";
    if (green_spawn_as(GREEN_TASK, run, NULL, &options, &job) != 0) {
        return 1;
    }
    green_job_join(job, NULL, GREEN_FOREVER);
    green_job_put(job);
    puts("done");
    return 0;
}
