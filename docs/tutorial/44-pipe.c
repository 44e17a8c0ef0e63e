/* A pipe between processes: whole messages, in both directions. */
#include <green.h>
#include <stdio.h>
#include <string.h>

struct ends {
    struct green_pipe *ours, *theirs;
};

static intptr_t
child(void *arg)
{
    struct ends *pipe = arg;
    char order[64];
    ssize_t length;

    green_pipe_close(pipe->ours); /* this copy is the parent's business */
    while ((length = green_pipe_recv(pipe->theirs, order, sizeof order)) >= 0) {
        char reply[96];
        int size = snprintf(reply, sizeof reply, "one %.*s, please wait", (int)length, order);
        green_pipe_send(pipe->theirs, reply, (size_t)size);
    }
    return length; /* why it ended */
}

int
main(void)
{
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    const char *orders[] = {"coffee", "cake"};
    struct green_job *job;
    struct ends pipe;
    intptr_t why = 0;
    char reply[96];
    int keep;

    if (green_pipe_create(&pipe.ours, &pipe.theirs) != 0) {
        return 1;
    }
    options.keep_fd_count = green_pipe_fds(&pipe.theirs, 1, &keep);
    options.keep_fds = &keep; /* a child has no descriptors but those that it is handed */
    if (green_spawn_as(GREEN_PROCESS, child, &pipe, &options, &job) != 0) {
        return 1;
    }
    green_pipe_close(pipe.theirs);
    for (int i = 0; i < 2; i++) {
        green_pipe_send(pipe.ours, orders[i], strlen(orders[i]));
        ssize_t length = green_pipe_recv(pipe.ours, reply, sizeof reply);
        printf("%s: %.*s\n", orders[i], (int)length, reply);
    }
    green_pipe_close(pipe.ours); /* the child's next receive says so */
    green_job_join(job, &why, GREEN_FOREVER);
    printf("the child ended: %s\n", green_strerror((int)why));
    green_job_put(job);
    return 0;
}
