/* Producers and consumers know the queue between them and nothing of each other. */
#include <green.h>
#include <stdio.h>

enum { PRODUCERS = 3, CONSUMERS = 2, EACH = 1000 };

static struct green_queue counter = GREEN_QUEUE_INIT(10); /* a full one slows the producers */
static int buns[PRODUCERS][EACH];

static intptr_t
bake(void *arg)
{
    int *tray = arg;
    intptr_t weight = 0;
    for (int i = 0; i < EACH; i++) {
        tray[i] = i + 1;
        weight += tray[i];
        green_queue_put(&counter, &tray[i], GREEN_FOREVER);
    }
    return weight;
}

static intptr_t
eat(void *arg)
{
    void *bun = NULL;
    intptr_t weight = 0;
    (void)arg;
    while (green_queue_get(&counter, &bun, GREEN_FOREVER) == 0) {
        weight += *(int *)bun;
    }
    return weight;
}

int
main(void)
{
    struct green_job *jobs[PRODUCERS + CONSUMERS];
    intptr_t baked = 0, eaten = 0;

    for (int i = 0; i < PRODUCERS + CONSUMERS; i++) {
        int err = i < PRODUCERS ? green_spawn_as(GREEN_THREAD, bake, buns[i], NULL, &jobs[i])
                                : green_spawn(eat, NULL, &jobs[i]);
        if (err != 0) {
            return 1;
        }
    }
    for (int i = 0; i < PRODUCERS + CONSUMERS; i++) {
        intptr_t weight = 0;
        if (i == PRODUCERS) {
            green_queue_close(&counter); /* all is baked; the guests eat up what is there */
        }
        green_job_join(jobs[i], &weight, GREEN_FOREVER);
        green_job_put(jobs[i]);
        *(i < PRODUCERS ? &baked : &eaten) += weight;
    }
    printf("baked %d grams, eaten %d grams\n", (int)baked, (int)eaten);
    green_queue_fini(&counter);
    return 0;
}
