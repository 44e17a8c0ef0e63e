/*
 * Threads as jobs. Their end is told by the job, after their tasks were joined.
 *
 * What is left of a thread then, such as destructors of libraries, may hold locks, which a child
 * that is forked would have for ever. So it counts as leaving until the system's thread has ended;
 * whoever leaves next waits for that, and so does who forks.
 *
 * Invariant: `leaving` is the last of those who leave, 0 if somebody has taken it to wait for it.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "job/job.h"
#include "sched/wait.h"

static _Atomic(pthread_t) leaving;

static void
wait_for(pthread_t thread)
{
    if (thread != 0) {
        pthread_join(thread, NULL);
    }
}

void
green__thread_settle(void)
{
    wait_for(atomic_exchange(&leaving, 0));
}

void
green__thread_fork_child(void)
{
    atomic_store(&leaving, 0);
}

static void
thread_release(struct green_job *job)
{
    green__worker_fini(job);
    green__free(job);
}

static void *
thread_main(void *arg)
{
    struct green_job *self = arg;
    green__worker_attach(self);
    char name[GREEN__NAME_SIZE];
    char short_name[16]; /* all that the kernel takes */
    snprintf(short_name, sizeof short_name, "%s", green__worker_name(self, name));
    pthread_setname_np(pthread_self(), short_name);
    green__wait_heed(self);
    intptr_t value = self->cancelled ? -ECANCELED : self->entry(self->arg);
    green__worker_detach(self, value);
    green__exit_remove(self);
    pthread_t before = atomic_exchange(&leaving, pthread_self());
    green__worker_end(self, value);
    green__worker_thread_ended(); /* once those who join it have been woken */
    green__running = NULL;
    green_job_put(self);
    wait_for(before);
    return NULL;
}

/** Start the thread; the job has a reference for it. */
static int
start(struct green_job *job, size_t stack_size)
{
    pthread_attr_t attributes;
    pthread_t thread;
    int err = pthread_attr_init(&attributes);
    if (err != 0) {
        return -err;
    }
    if (stack_size > 0) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        size_t least = (size_t)PTHREAD_STACK_MIN > GREEN__STACK_MIN ? (size_t)PTHREAD_STACK_MIN
                                                                    : GREEN__STACK_MIN;
        size_t size = (stack_size + page - 1) / page * page;
        err = size < stack_size
                  ? ENOMEM
                  : pthread_attr_setstacksize(&attributes, size < least ? least : size);
    }
    if (err == 0) {
        err = pthread_create(&thread, &attributes, thread_main, job);
    }
    pthread_attr_destroy(&attributes);
    return -err;
}

int
green__thread_spawn(green_entry entry, void *arg, const struct green_spawn_options *options,
                    struct green_job **ret_job)
{
    struct green_job *job = green__alloc_zeroed(sizeof *job);
    if (job == NULL) {
        return -ENOMEM;
    }
    green__worker_init(job, GREEN_THREAD, entry, arg);
    job->release = thread_release;
    job->daemon = options->daemon;
    int err = green__job_set_name(job, options);
    if (err == 0) {
        green_job_get(job); /* the thread's own */
        green__exit_watch();
        green__exit_add(job);
        green__worker_thread_begins();
        err = start(job, options->stack_size);
        if (err != 0) {
            green__worker_thread_ended();
            green__exit_remove(job);
            green_job_put(job);
        }
    }
    if (err != 0) {
        green_job_put(job);
        return err;
    }
    *ret_job = job;
    return 0;
}
