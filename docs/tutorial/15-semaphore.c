/* A semaphore: so many at a time, and no more. */
#include <green.h>
#include <stdatomic.h>
#include <stdio.h>

enum { CARS = 20, PLACES = 5 };

static struct green_semaphore car_park = GREEN_SEMAPHORE_INIT(PLACES);
static atomic_int parked, most;

static intptr_t
car(void *arg)
{
    (void)arg;
    green_semaphore_acquire(&car_park, GREEN_FOREVER);
    int now = atomic_fetch_add(&parked, 1) + 1;
    for (int seen = most; now > seen && !atomic_compare_exchange_weak(&most, &seen, now);) {
    }
    green_sleep(1);
    atomic_fetch_sub(&parked, 1);
    green_semaphore_release(&car_park);
    return 0;
}

int
main(void)
{
    struct green_job *jobs[CARS];
    for (int i = 0; i < CARS; i++) {
        if (green_spawn_as(i % 2 ? GREEN_TASK : GREEN_THREAD, car, NULL, NULL, &jobs[i]) != 0) {
            return 1;
        }
    }
    for (int i = 0; i < CARS; i++) {
        green_job_join(jobs[i], NULL, GREEN_FOREVER);
        green_job_put(jobs[i]);
    }
    printf("%d cars, at most %d at a time: %s\n", CARS, PLACES, most <= PLACES ? "kept" : "broken");
    printf("free places: %d\n", (int)green_semaphore_value(&car_park));

    /* A plain semaphore takes any release as one more place; a bounded one notices the mistake. */
    struct green_semaphore bounded = GREEN_BOUNDED_SEMAPHORE_INIT(PLACES);
    int err = green_semaphore_release(&car_park);
    printf("one too many, plain:   %s, now %d\n", green_strerror(err),
           (int)green_semaphore_value(&car_park));
    err = green_semaphore_release(&bounded);
    printf("one too many, bounded: %s, still %d\n", green_strerror(err),
           (int)green_semaphore_value(&bounded));
    return 0;
}
