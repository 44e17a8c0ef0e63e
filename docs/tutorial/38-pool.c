/* A pool: a group with a limit. Who spawns one more waits until there is room. */
#include <green.h>
#include <stdio.h>

enum { JOBS = 20 };

static int running, most; /* of tasks on one thread: no lock is needed */

static intptr_t
work(void *arg)
{
    (void)arg;
    running++;
    most = running > most ? running : most;
    green_sleep(2);
    running--;
    return 0;
}

static int
run(unsigned limit)
{
    struct green_group pool;
    int err = 0;

    most = 0;
    green_group_init(&pool, limit);
    for (int i = 0; err == 0 && i < JOBS; i++) {
        err = green_group_spawn(&pool, work, NULL); /* waits while the pool is full */
    }
    int failed = green_group_fini(&pool);
    printf("limit %u: %d jobs, at most %d at a time\n", limit, JOBS, most);
    return err != 0 ? err : failed;
}

int
main(void)
{
    return run(0) != 0 || run(4) != 0;
}
