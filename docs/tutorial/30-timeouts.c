/* A timeout scope bounds every blocking call between its start and its stop. */
#include <green.h>
#include <stdio.h>

/* Some work that knows nothing of timeouts. */
static int
three_steps(void)
{
    int steps = 0;
    while (steps < 3 && green_sleep(steps == 2 ? 60000 : 1) == 0) {
        steps++;
    }
    return steps;
}

static const char *
yes(bool value)
{
    return value ? "yes" : "no";
}

static intptr_t
try(void *arg)
{
    struct green_timeout whole, part;

    green_timeout_start(&whole, 500);
    printf("%s: steps done: %d, ", (const char *)arg, three_steps());
    green_timeout_stop(&whole);
    printf("timed out: %s\n", yes(green_timeout_fired(&whole)));

    /* Scopes nest; each knows whether it was the one. */
    green_timeout_start(&whole, 60000);
    green_timeout_start(&part, 20);
    int err = green_sleep(60000);
    green_timeout_stop(&part);
    green_timeout_stop(&whole);
    printf("%s: %s; the inner: %s, the outer: %s\n", (const char *)arg, green_strerror(err),
           yes(green_timeout_fired(&part)), yes(green_timeout_fired(&whole)));
    return 0;
}

int
main(void)
{
    char *names[] = {"task", "thread"};
    for (int kind = GREEN_TASK; kind <= GREEN_THREAD; kind++) {
        struct green_job *job;
        if (green_spawn_as((enum green_kind)kind, try, names[kind], NULL, &job) != 0) {
            return 1;
        }
        green_job_join(job, NULL, GREEN_FOREVER);
        green_job_put(job);
    }
    return 0;
}
