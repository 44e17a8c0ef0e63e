/* Wait until the work is done, and not only taken: task_done and join of a queue. */
#include <green.h>
#include <stdatomic.h>
#include <stdio.h>

enum { WORKERS = 3, PIECES = 12 };

static struct green_queue work = GREEN_QUEUE_INIT(0);
static atomic_int done;

static intptr_t
worker(void *arg)
{
    void *item = NULL;
    (void)arg;
    while (green_queue_get(&work, &item, GREEN_FOREVER) == 0) {
        green_sleep(1); /* the work */
        atomic_fetch_add(&done, *(int *)item);
        green_queue_task_done(&work);
    }
    return 0;
}

int
main(void)
{
    struct green_job *jobs[WORKERS];
    int one = 1;

    for (int i = 0; i < WORKERS; i++) {
        if (green_spawn_as(GREEN_THREAD, worker, NULL, NULL, &jobs[i]) != 0) {
            return 1;
        }
    }
    for (int i = 0; i < PIECES; i++) {
        green_queue_put(&work, &one, GREEN_FOREVER);
    }
    green_queue_join(&work, GREEN_FOREVER);
    printf("%d pieces put, %d done\n", PIECES, done);
    printf("one task_done too many: %s\n", green_strerror(green_queue_task_done(&work)));

    green_queue_close(&work); /* the workers' next get says so, and they return */
    for (int i = 0; i < WORKERS; i++) {
        green_job_join(jobs[i], NULL, GREEN_FOREVER);
        green_job_put(jobs[i]);
    }
    green_queue_fini(&work);
    printf("the workers have gone home\n");
    return 0;
}
