/*
 * Threads as jobs. The thread is detached: its end is told by the job, after its tasks were joined.
 *
 * What is left of a thread then, the destructors of libraries, may hold locks, which a child that
 * is forked would have for ever. So it counts as leaving until they have run, and who forks waits
 * for that. POSIX runs destructors in rounds, as long as there are values: a value of ours that
 * sets itself again until one of the last is destroyed after all others.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/futex.h"
#include "job/job.h"
#include "sched/wait.h"

/** The last round is the sanitizers', which do the same, and after which nobody else may run. */
#define ROUNDS ((uintptr_t)PTHREAD_DESTRUCTOR_ITERATIONS - 1)

static atomic_uint leaving;
static __thread bool leaves; /* this one */
static pthread_key_t key;    /* its value: how many rounds there are still to be */
static bool has_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
destroy(void *value)
{
    uintptr_t left = (uintptr_t)value - 1;
    if (left > 0 && pthread_setspecific(key, (void *)left) == 0) {
        return;
    }
    if (atomic_fetch_sub(&leaving, 1) == 1) {
        green__futex_wake(&leaving, INT_MAX);
    }
}

static void
make_key(void)
{
    has_key = pthread_key_create(&key, destroy) == 0;
}

/** Count as leaving, before anybody is told of our end. */
static void
leave(void)
{
    pthread_once(&once, make_key);
    leaves = has_key && pthread_setspecific(key, (void *)ROUNDS) == 0;
    if (leaves) {
        atomic_fetch_add(&leaving, 1);
    }
}

void
green__thread_settle(void)
{
    unsigned left;
    while (!leaves && (left = atomic_load(&leaving)) > 0) {
        green__futex_wait(&leaving, left, GREEN_FOREVER);
    }
}

void
green__thread_fork_child(void)
{
    atomic_store(&leaving, 0);
}

static void
thread_release(struct green_job *job)
{
    green__host_fini(green__host_of(job));
    green__free(green__host_of(job));
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
    leave();
    green__worker_end(self, value);
    green__worker_thread_ended(); /* once those who join it have been woken */
    green__running = NULL;
    green_job_put(self);
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
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
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
    struct green__host *host = green__alloc_zeroed(sizeof *host);
    if (host == NULL) {
        return -ENOMEM;
    }
    struct green_job *job = &host->job;
    green__host_init(host, GREEN_THREAD, entry, arg, thread_release);
    job->daemon = options->daemon;
    int err = green__job_set_name(job, options);
    if (err == 0) {
        green_job_get(job); /* the thread's own */
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
