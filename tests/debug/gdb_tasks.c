/*
 * What gdb_tasks.sh looks at: tasks that wait deep inside, one that hibernates, one that runs, and
 * a thread with a task of its own. With an argument it ends with a core.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <sys/socket.h>

#include <green.h>

#include "sched/hibernate.h"

static struct green_event event = GREEN_EVENT_INIT;
static volatile int depth_reached;
static atomic_int waiting;
static bool dump_core;

void stop_here(void);

__attribute__((noinline)) void
stop_here(void)
{
    depth_reached++;
}

__attribute__((noinline)) static void
wait_deep_inside(int depth)
{
    if (depth > 0) {
        wait_deep_inside(depth - 1);
    } else {
        atomic_fetch_add(&waiting, 1);
        green_event_wait(&event, GREEN_FOREVER);
    }
    depth_reached++;
}

static intptr_t
sleeper(void *arg)
{
    wait_deep_inside((int)(intptr_t)arg);
    return 0;
}

static intptr_t
stopper(void *arg)
{
    (void)arg;
    stop_here();
    if (dump_core) {
        abort();
    }
    green_event_set(&event);
    return 0;
}

/** Hibernates until it is cancelled. */
static intptr_t
hibernator(void *arg)
{
    char byte;
    return (intptr_t)green_recv(*(const int *)arg, &byte, 1, 0);
}

static void
spawn_hibernator(const int *fd)
{
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    size_t bytes;
    options.name = "dozer";
    options.daemon = true;
    options.hibernate_ms = 1;
    if (green_spawn_as(GREEN_TASK, hibernator, (void *)fd, &options, NULL) != 0) {
        puts("cannot spawn");
    }
    while (GREEN__HIBERNATES && green__hibernate_count(green_self()->sched, &bytes) == 0) {
        green_sleep(1);
    }
}

static void
spawn_task(const char *name, green_entry entry)
{
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    options.name = name;
    if (green_spawn_as(GREEN_TASK, entry, (void *)2, &options, NULL) != 0) {
        puts("cannot spawn");
    }
}

static intptr_t
host(void *arg)
{
    (void)arg;
    spawn_task("guest", sleeper);
    green_event_wait(&event, GREEN_FOREVER);
    return 0;
}

int
main(int argc, char **argv)
{
    (void)argv;
    dump_core = argc > 1;
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    struct green_job *thread;
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) {
        return 1;
    }
    spawn_task("first", sleeper);
    spawn_task("second", sleeper);
    options.name = "host";
    if (green_spawn_as(GREEN_THREAD, host, NULL, &options, &thread) != 0) {
        return 1;
    }
    while (atomic_load(&waiting) < 3) {
        green_sleep(1);
    }
    spawn_hibernator(ends);
    spawn_task("stopper", stopper);
    green_job_join(thread, NULL, GREEN_FOREVER);
    green_job_put(thread);
    return 0;
}
