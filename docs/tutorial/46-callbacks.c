/* A callback is called when a result is there; by whom depends on the kind of executor. */
#include <green.h>
#include <stdio.h>
#include <unistd.h>

static struct green_ipc_event *go;
static pid_t main_process;

static intptr_t
work(void *arg)
{
    (void)arg;
    green_ipc_event_wait(go, GREEN_FOREVER);
    printf("  the work is done in %s process\n", getpid() == main_process ? "the main" : "another");
    return (intptr_t)green_job_id(green_self());
}

/* Gets the future, which is done. It must not wait. */
static void
parse(struct green_future *future, void *arg)
{
    intptr_t worker = 0;
    (void)arg;
    green_future_result(future, &worker, GREEN_NOW);
    printf("  the callback runs in %s process, on the worker that did the work: %s\n",
           getpid() == main_process ? "the main" : "another",
           (intptr_t)green_job_id(green_self()) == worker ? "yes" : "no");
}

static int
run(const char *name, enum green_kind kind)
{
    struct green_executor *executor;
    struct green_future *future;

    printf("%s:\n", name);
    green_ipc_event_clear(go);
    if (green_executor_create(kind, 1, NULL, &executor) != 0 ||
        green_executor_submit(executor, work, NULL, 0, &future) != 0) {
        return 1;
    }
    green_future_add_done_callback(future, parse, NULL);
    green_future_put(future);
    green_ipc_event_set(go);
    green_executor_destroy(executor); /* waits until all is done, the callbacks too */
    return 0;
}

int
main(void)
{
    main_process = getpid();
    if (green_ipc_event_create(&go) != 0) {
        return 1;
    }
    return run("tasks", GREEN_TASK) != 0 || run("threads", GREEN_THREAD) != 0 ||
           run("processes", GREEN_PROCESS) != 0;
}
