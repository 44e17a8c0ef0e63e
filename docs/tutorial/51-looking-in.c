/* Looking into a program that runs: who is there, what does everybody wait for, who is in the way?
 */
#include <green.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static struct green_event never = GREEN_EVENT_INIT;

static intptr_t
read_socket(void *fd)
{
    char byte;
    return (intptr_t)green_recv((int)(intptr_t)fd, &byte, 1, 0);
}

static intptr_t
wait_event(void *event)
{
    return green_event_wait(event, GREEN_FOREVER);
}

/* The lines of a dump that are about tasks; the backtraces stand further in. */
static void
print_tasks(FILE *dump)
{
    char line[512];
    rewind(dump);
    while (fgets(line, sizeof line, dump) != NULL) {
        if (strncmp(line, "  task ", 7) == 0 || strncmp(line, "  ... ", 6) == 0) {
            fputs(line, stdout);
        }
    }
}

int
main(void)
{
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    int ends[2];
    options.daemon = true; /* they never end by themselves */
    options.name = "reader";
    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    green_spawn_as(GREEN_TASK, read_socket, (void *)(intptr_t)ends[0], &options, NULL);
    options.name = "idler";
    for (int i = 0; i < 1000; i++) {
        green_spawn_as(GREEN_TASK, wait_event, &never, &options, NULL);
    }
    green_yield(); /* now they all wait */
    FILE *file = tmpfile();
    green_dump(fileno(file));
    print_tasks(file);
    struct green_counters counters;
    green_counters_get_own(&counters);
    printf("%d tasks, %d spawned, %d ready, stacks of %d MiB in %d mappings\n", (int)counters.tasks,
           (int)counters.spawns, (int)counters.ready, (int)(counters.stack_bytes >> 20),
           (int)counters.stack_slabs);
    return 0;
}
