/* A shield protects a clean-up that has to wait from the cancellation that made it necessary. */
#include <green.h>
#include <stdio.h>

static struct green_event begun = GREEN_EVENT_INIT;

static void
say_goodbye(void *arg)
{
    int err = green_sleep(10); /* such as sending the last bytes */
    printf("%s: shielded clean-up: %s\n", (const char *)arg, green_strerror(err));
}

static intptr_t
work(void *arg)
{
    green_event_set(&begun);
    int err = green_sleep(3600 * 1000);
    printf("%s: the work: %s\n", (const char *)arg, green_strerror(err));
    err = green_sleep(10);
    printf("%s: a clean-up without shield: %s\n", (const char *)arg, green_strerror(err));
    green_shield(say_goodbye, arg);
    return 0;
}

int
main(void)
{
    char *names[] = {"task", "thread"};
    for (int kind = GREEN_TASK; kind <= GREEN_THREAD; kind++) {
        struct green_job *job;
        if (green_spawn_as((enum green_kind)kind, work, names[kind], NULL, &job) != 0) {
            return 1;
        }
        green_event_wait(&begun, GREEN_FOREVER); /* who is cancelled before never runs */
        green_event_clear(&begun);
        green_job_cancel(job);
        green_job_join(job, NULL, GREEN_FOREVER);
        green_job_put(job);
    }

    /* The same against a timeout scope, with start and stop instead of a function. */
    struct green_timeout timeout;
    struct green_shield shield;
    green_timeout_start(&timeout, 0);
    green_shield_start(&shield);
    printf("main: inside the shield: %s\n", green_strerror(green_sleep(10)));
    green_shield_stop(&shield);
    printf("main: behind the shield: %s\n", green_strerror(green_sleep(10)));
    green_timeout_stop(&timeout);
    return 0;
}
