/* An event: some wait for a flag, another sets it, and all go on. */
#include <green.h>
#include <stdio.h>

static struct green_event evening = GREEN_EVENT_INIT;
static struct green_event ten_o_clock = GREEN_EVENT_INIT;
static struct green_queue said = GREEN_QUEUE_INIT(0);

static intptr_t
worker(void *arg)
{
    (void)arg;
    green_event_wait(&evening, GREEN_FOREVER);
    green_queue_put(&said, "worker: what a life!", GREEN_FOREVER);
    green_event_wait(&ten_o_clock, GREEN_FOREVER);
    green_queue_put(&said, "worker: at last!", GREEN_FOREVER);
    return 0;
}

static void
hear(int count)
{
    void *text = NULL;
    for (int i = 0; i < count; i++) {
        green_queue_get(&said, &text, GREEN_FOREVER);
        printf("%s\n", (const char *)text);
    }
}

int
main(void)
{
    /* Two tasks and a thread: it makes no difference who waits. */
    struct green_job *jobs[3];
    for (int i = 0; i < 3; i++) {
        if (green_spawn_as(i < 2 ? GREEN_TASK : GREEN_THREAD, worker, NULL, NULL, &jobs[i]) != 0) {
            return 1;
        }
    }
    printf("set: %s\n", green_event_is_set(&evening) ? "yes" : "no");
    printf("wait 10 ms: %s\n", green_strerror(green_event_wait(&evening, green_after(10))));
    printf("boss: tonight we all work until ten\n");
    green_event_set(&evening);
    hear(3);
    printf("boss: it is ten, go home\n");
    green_event_set(&ten_o_clock);
    hear(3);
    for (int i = 0; i < 3; i++) {
        green_job_join(jobs[i], NULL, GREEN_FOREVER);
        green_job_put(jobs[i]);
    }
    green_event_clear(&evening); /* who waits from now on waits for the next evening */
    printf("set: %s\n", green_event_is_set(&evening) ? "yes" : "no");
    green_queue_fini(&said);
    return 0;
}
