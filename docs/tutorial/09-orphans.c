/* An orphan lives on when its parent is killed; a daemon dies with it. */
#include <green.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static int pipe_ends[2]; /* what the grandchildren say comes out of pipe_ends[0] */

static void
say(const char *name, const char *what)
{
    char text[64];
    int length = snprintf(text, sizeof text, "the %s %s\n", name, what);
    green_writeall(pipe_ends[1], text, (size_t)length);
}

static intptr_t
grandchild(void *arg)
{
    pid_t parent = getppid();
    say(arg, "has a parent");
    while (getppid() == parent && green_sleep(5) == 0) {
    }
    say(arg, "is an orphan");
    return 0;
}

static intptr_t
child(void *arg)
{
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    options.daemon = arg != NULL;
    green_spawn_as(GREEN_PROCESS, grandchild, arg != NULL ? "daemon" : "plain process", &options,
                   NULL);
    return green_sleep(3600 * 1000);
}

int
main(void)
{
    for (int daemon = 0; daemon <= 1; daemon++) {
        struct green_job *job;
        char text[64];
        ssize_t got;
        if (pipe(pipe_ends) != 0 ||
            green_spawn_as(GREEN_PROCESS, child, daemon ? &daemon : NULL, NULL, &job) != 0) {
            return 1;
        }
        close(pipe_ends[1]); /* ours; the end of the stream comes when the last copy is gone */
        while ((got = green_read(pipe_ends[0], text, sizeof text)) > 0) {
            fwrite(text, 1, (size_t)got, stdout);
            green_job_terminate(job, SIGKILL);
        }
        printf("-- everybody is gone\n");
        green_job_join(job, NULL, GREEN_FOREVER);
        green_job_put(job);
        green_close(pipe_ends[0]);
    }
    return 0;
}
