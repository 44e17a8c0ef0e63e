/*
 * Who ends the server when this program can not: it was killed, or has crashed.
 *
 * The keeper is a process that reads which group is to be watched from a pipe, whose other end is
 * ours alone; when that closes without a word, the group is killed. A signal at our death would
 * reach the server itself, but not what it has started.
 *
 * Invariant: a server that comes to its end in order is not watched any more, so that nothing is
 * killed that came after it. For the main stack.
 */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "green.h"

static intptr_t
keep(void *arg)
{
    const int *ends = arg;
    pid_t group = 0;
    pid_t next;
    ssize_t got;
    (void)close(ends[1]);
    (void)setsid(); /* Ctrl-C is for the one that reports */
    while ((got = read(ends[0], &next, sizeof next)) == (ssize_t)sizeof next ||
           (got < 0 && errno == EINTR)) {
        group = got > 0 ? next : group;
    }
    if (group > 0) {
        (void)kill(-group, SIGKILL);
    }
    return 0;
}

int
keeper_start(struct keeper *keeper)
{
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    int ends[2];
    *keeper = (struct keeper){.fd = -1};
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return -errno;
    }
    options.name = "keeper";
    int err = green_spawn_as(GREEN_PROCESS, keep, ends, &options, &keeper->job);
    (void)close(ends[0]);
    if (err != 0) {
        (void)close(ends[1]);
        return err;
    }
    keeper->fd = ends[1];
    return 0;
}

void
keeper_watch(const struct keeper *keeper, pid_t group)
{
    if (keeper->fd >= 0) {
        /* So few bytes are written as one, and there is always room. */
        (void)!write(keeper->fd, &group, sizeof group);
    }
}

void
keeper_stop(struct keeper *keeper)
{
    if (keeper->fd < 0) {
        return;
    }
    keeper_watch(keeper, 0);
    (void)close(keeper->fd);
    keeper->fd = -1;
    (void)green_job_join(keeper->job, NULL, GREEN_FOREVER);
    green_job_put(keeper->job);
}
