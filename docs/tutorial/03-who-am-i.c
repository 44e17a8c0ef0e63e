/* What a worker can be asked: name, kind, number, process; whether it is alive, and who else is. */
#include <green.h>
#include <stdio.h>
#include <unistd.h>

static const char *const kind_names[] = {"task", "thread", "process"};

static intptr_t
introduce(void *arg)
{
    struct green_job *self = green_self(); /* whoever calls: here it is borrowed, not counted */
    struct green_job *here[8];
    (void)arg;
    printf("I am %s, a %s, number %d, in process %d\n", green_job_name(self),
           kind_names[green_job_kind(self)], (int)green_job_id(self), (int)getpid());
    size_t count = green_enumerate(here, 8); /* these are counted: each is given back */
    printf("  of %d alive here:", (int)green_active_count());
    for (size_t i = 0; i < count; i++) {
        printf(" %s", green_job_name(here[i]));
        green_job_put(here[i]);
    }
    printf("\n");
    return 0;
}

int
main(void)
{
    const char *const names[] = {"Tom", "Theresa", "Peter"};

    introduce(NULL); /* main itself is a worker, too */
    for (int kind = GREEN_TASK; kind <= GREEN_PROCESS; kind++) {
        struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
        struct green_job *job;
        options.name = names[kind];
        if (green_spawn_as((enum green_kind)kind, introduce, NULL, &options, &job) != 0) {
            return 1;
        }
        green_job_join(job, NULL, GREEN_FOREVER);
        printf("  %s ran in %s process and is %s\n", green_job_name(job),
               green_job_pid(job) == getpid() ? "this" : "another",
               green_job_alive(job) ? "alive" : "gone");
        green_job_put(job);
    }
    return 0;
}
