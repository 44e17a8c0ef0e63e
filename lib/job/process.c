/*
 * Processes as jobs.
 *
 * The parent keeps a pidfd, which becomes readable when the child ends, and a pipe on which the
 * child sends the value of its entry. One of those who join waits for the pidfd, the others for
 * him. A daemon child holds the reading end of its parent's lifeline: when the parent is gone,
 * however it went, the kernel kills the child.
 *
 * Invariant: in the child only the forking worker exists; it is the host of the only thread, and
 * all that the library held is closed unless it was handed over.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "green/net.h"
#include "io/held.h"
#include "io/pause.h"
#include "job/children.h"
#include "job/fork_stack.h"
#include "job/job.h"
#include "sched/pidfd.h"
#include "sched/sched.h"
#include "sched/wait.h"

struct process {
    struct green__host host;
    struct green__child *child;
    pid_t pid;
    pid_t parent; /**< Who spawned it: to others its descriptors and its place mean nothing. */
    int pidfd;
    int value_fd;
    bool watched; /**< One of those who join waits for the pidfd; guarded by the end's lock. */
};

/** What a parent and its child are connected by. */
struct pipes {
    int value[2];    /* the child writes the value of its entry */
    int lifeline[2]; /* of a daemon: the parent holds the writing end open */
    int reserve;     /* kept free for the child's pidfd, which must not fail after the fork */
    sigset_t mask;   /* the signals that the forker blocks, and the child will */
};

/** The job that this process is, when it is one. */
static struct green_job *this_process;

/** Held while a process' descriptors are made or closed, so that no other's child inherits them,
 *  and for the stack that a child is to have. */
static struct green__lock spawning;

static struct process *
process_of(const struct green_job *job)
{
    return GREEN__CONTAINER(job, struct process, host.job);
}

/** Whether the calling process is the one that spawned it, and not a later child with a copy. */
static bool
is_ours(const struct process *process)
{
    return process->parent == getpid();
}

static void
process_release(struct green_job *job)
{
    struct process *process = process_of(job);
    if (is_ours(process)) {
        green__lock(&spawning);
        if (process->pidfd >= 0) {
            green_close(process->pidfd);
        }
        if (process->value_fd >= 0) {
            green_close(process->value_fd);
        }
        green__unlock(&spawning);
        if (process->child != NULL) {
            green__child_forget(process->child);
        }
    }
    green__host_fini(&process->host);
    green__free(process);
}

/* ---- the child ---- */

static void
on_foreign(pid_t sender)
{
    if (this_process != NULL && (sender == getppid() || sender == 0)) {
        green__wait_cancel(this_process);
    }
}

/**
 * Have the kernel kill us when the other end of our lifeline is closed: our parent alone has it.
 *
 * The pipe is ours alone too: whom a descriptor signals is a property of the open file, which
 * brothers who inherited one would share.
 */
static void
hold_lifeline(int fd)
{
    fcntl(fd, F_SETOWN, getpid());
    fcntl(fd, F_SETSIG, SIGKILL);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC);
    struct pollfd gone = {.fd = fd, .events = POLLIN};
    if (poll(&gone, 1, 0) != 0) {
        _exit(1); /* the parent ended before we could ask */
    }
}

/** Run the entry, see to what it leaves, and send its value. */
_Noreturn static void
run(const struct pipes *pipes)
{
    struct green_job *self = this_process;
    /* Now that we are where we stay: a handler may be held back where we were. */
    sigprocmask(SIG_SETMASK, &pipes->mask, NULL);
    intptr_t value = self->entry(self->arg);
    green__exit_run();
    green__worker_finish(self);
    green__exit_run(); /* what destructors have spawned */
    green__waitq_lock(&self->end);
    green__worker_announce(self, value);
    green__waitq_unlock(&self->end);
    green__exit_run(); /* a hook may have spawned */
    fflush(stdout);
    fflush(stderr);
    ssize_t ignored = write(pipes->value[1], &value, sizeof value);
    (void)ignored; /* nobody may be interested any more */
    _exit(0);
}

static void
run_entry(void *pipes)
{
    run(pipes);
}

_Noreturn static void
child_main(struct process *process, const struct green_spawn_options *options, struct pipes *pipes)
{
    struct green_job *self = &process->host.job;
    const struct green_job *forker = green__running;
    green__unlock(&spawning);
    __fpurge(stdout); /* what other threads have printed since is our parent's to write */
    __fpurge(stderr);
    close(pipes->value[0]);
    close(pipes->reserve);
    green__sched_fork_child();
    green__attend_fork_child();
    green__exit_fork_child(self);
    green__pause_fork_child();
    green__children_fork_child();
    green__thread_fork_child();
    if (!options->keep_all_fds) {
        green__held_close_all(options->keep_fds, options->keep_fd_count);
    }
    /* These are ours, and no business of children that we may have. */
    green__held_add(pipes->value[1]);
    green__held_add(pipes->lifeline[0]);
    if (options->daemon) {
        hold_lifeline(pipes->lifeline[0]);
    }
    process->pid = getpid();
    self->own->locals = forker != NULL ? forker->own->locals : NULL;
    green__worker_attach(self);
    green__worker_fork_child();
    this_process = self;
    green__kernel_on_foreign = on_foreign;
    green__kernel_forked();
    sigdelset(&pipes->mask, green__kernel_foreign_signal()); /* it is how our parent cancels us */

    green__fork_stack_enter(&process->host.stack);
    run(pipes);
}

/* ---- the parent ---- */

/** The child's pidfd, in the place that was reserved. */
static int
open_pidfd(pid_t pid, struct pipes *pipes)
{
    close(pipes->reserve);
    pipes->reserve = -1;
    return green__held_add(green__pidfd_open(pid));
}

/** Fork with all signals blocked, so that none is handled in a half-made child. */
static int
fork_child(struct process *process, const struct green_spawn_options *options, struct pipes *pipes)
{
    sigset_t all;
    sigfillset(&all);
    fflush(stdout); /* else the child would write it once more */
    fflush(stderr);
    pthread_sigmask(SIG_SETMASK, &all, &pipes->mask);
    green__sched_fork_prepare();
    green__exit_fork_prepare();
    green__attend_fork_prepare();
    green__held_note();
    green__fork_stack_prepare();
    pid_t pid = fork();
    if (pid == 0) {
        child_main(process, options, pipes);
    }
    int err = pid < 0 ? -errno : 0;
    green__attend_fork_parent();
    green__exit_fork_parent();
    green__sched_fork_parent();
    if (pid > 0) {
        green__held_note_fork();
        process->pid = pid;
        process->pidfd = open_pidfd(pid, pipes);
        green__child_start(process->child, pid);
    }
    pthread_sigmask(SIG_SETMASK, &pipes->mask, NULL);
    return err;
}

static void
close_pipe(const int fds[2])
{
    if (fds[0] >= 0) {
        close(fds[0]);
        close(fds[1]);
    }
}

/** Make what parent and child are connected by; there is a descriptor left for the pidfd then. */
static int
open_pipes(struct pipes *pipes, bool daemon)
{
    *pipes = (struct pipes){.value = {-1, -1}, .lifeline = {-1, -1}, .reserve = -1};
    if (pipe2(pipes->value, O_CLOEXEC | O_NONBLOCK) == 0 &&
        (!daemon || pipe2(pipes->lifeline, O_CLOEXEC) == 0)) {
        pipes->reserve = green__pidfd_open(getpid());
    }
    if (pipes->reserve < 0) {
        int err = -errno;
        close_pipe(pipes->value);
        close_pipe(pipes->lifeline);
        return err;
    }
    return 0;
}

/** The lock is held. */
static int
start(struct process *process, const struct green_spawn_options *options)
{
    struct pipes pipes;
    int err = open_pipes(&pipes, options->daemon);
    if (err != 0) {
        return err;
    }
    process->child->lifeline = green__held_add(pipes.lifeline[1]);
    err = green__fork_stack_make(options->stack_size, run_entry, &pipes);
    err = err != 0 ? err : fork_child(process, options, &pipes);
    green__fork_stack_drop();
    if (err != 0) {
        green__held_remove(pipes.lifeline[1]);
        process->child->lifeline = -1;
        close_pipe(pipes.value);
        close_pipe(pipes.lifeline);
        close(pipes.reserve);
        return err;
    }
    close(pipes.value[1]);
    if (options->daemon) {
        close(pipes.lifeline[0]);
    }
    process->value_fd = green__held_add(pipes.value[0]);
    return 0;
}

static int
prepare(struct process *process, const struct green_spawn_options *options)
{
    int err = green__job_set_name(&process->host.job, options);
    if (err == 0 && (process->child = green__child_reserve()) == NULL) {
        err = -ENOMEM;
    }
    return err;
}

int
green__process_spawn(green_entry entry, void *arg, const struct green_spawn_options *options,
                     struct green_job **ret_job)
{
    struct process *process = green__alloc_zeroed(sizeof *process);
    if (process == NULL) {
        return -ENOMEM;
    }
    struct green_job *job = &process->host.job;
    green__host_init(&process->host, GREEN_PROCESS, entry, arg, process_release);
    job->daemon = options->daemon;
    process->parent = getpid();
    process->pidfd = -1;
    process->value_fd = -1;
    green__kernel_listen();
    green__exit_sweep();
    green__thread_settle();
    int err = prepare(process, options);
    if (err == 0) {
        green__lock(&spawning);
        err = start(process, options);
        green__unlock(&spawning);
    }
    if (err != 0) {
        green_job_put(job);
        return err;
    }
    green__exit_add(job);
    *ret_job = job;
    return 0;
}

/** The child has ended: take its value and tell those who join. The end's lock is held, and opened
 *  while its hooks are called. */
static void
settle(struct process *process)
{
    intptr_t value;
    ssize_t got = read(process->value_fd, &value, sizeof value);
    process->host.job.lost = got != (ssize_t)sizeof value;
    green__worker_announce(&process->host.job, process->host.job.lost ? 0 : value);
    process->host.job.ended = true;
    green__waitq_wake_all(&process->host.job.end);
}

/** Whether it has ended, settling it if so. The end's lock is held. */
static bool
has_ended(struct process *process)
{
    if (!process->host.job.announced && is_ours(process) && green__child_ended(process->child)) {
        settle(process);
    }
    return process->host.job.ended;
}

/** Wait for the pidfd. */
static int
watch(const struct process *process, green_deadline deadline)
{
    int events = green_wait_fd(process->pidfd, POLLIN, deadline);
    if (events == -EBUSY) { /* somebody of this thread polls green_job_fd() */
        int copy = fcntl(process->pidfd, F_DUPFD_CLOEXEC, 0);
        if (copy < 0) {
            return -errno;
        }
        events = green_wait_fd(green__held_add(copy), POLLIN, deadline);
        green_close(copy);
    }
    return events;
}

/** Wait until the child ends, the deadline passes, or he who waits for the pidfd gives up. */
static int
wait_end(struct process *process, green_deadline deadline)
{
    struct green__waitq *end = &process->host.job.end;
    if (process->watched || process->host.job.announced) {
        return green__waitq_wait(end, green__self(), deadline, "the end of a process");
    }
    process->watched = true;
    green__waitq_unlock(end);
    int events = watch(process, deadline);
    green__waitq_lock(end);
    process->watched = false;
    if (!has_ended(process)) {
        green__waitq_wake_one(end); /* his turn to watch */
    }
    green__waitq_unlock(end);
    return events < 0 ? events : 0;
}

int
green__process_join(struct green_job *job, green_deadline deadline)
{
    struct process *process = process_of(job);
    if (!is_ours(process)) {
        return -ECHILD;
    }
    for (;;) {
        green__waitq_lock(&job->end);
        if (has_ended(process)) {
            green__waitq_unlock(&job->end);
            green__exit_remove(job);
            return job->lost ? -EOWNERDEAD : 0;
        }
        int err = wait_end(process, deadline);
        if (err != 0) {
            return err;
        }
    }
}

bool
green__process_ours(const struct green_job *job)
{
    return is_ours(process_of(job));
}

bool
green__process_gone(struct green_job *job)
{
    return is_ours(process_of(job)) && green__child_ended(process_of(job)->child);
}

bool
green__process_alive(struct green_job *job)
{
    green__waitq_lock(&job->end);
    bool ended = has_ended(process_of(job));
    green__waitq_unlock(&job->end);
    if (ended && is_ours(process_of(job))) {
        green__exit_remove(job); /* the process' end need not wait for it */
    }
    return !ended;
}

static int
send_signal(struct process *process, int signo)
{
    if (!is_ours(process)) {
        return &process->host.job == this_process && kill(getpid(), signo) == 0 ? 0 : -ESRCH;
    }
    return syscall(SYS_pidfd_send_signal, process->pidfd, signo, NULL, 0) == 0 ? 0 : -errno;
}

void
green__process_cancel(struct green_job *job)
{
    if (job == this_process) { /* by a task or thread of the process itself */
        green__wait_cancel(job);
    } else {
        send_signal(process_of(job), green__kernel_foreign_signal());
    }
}

int
green_job_terminate(struct green_job *job, int signo)
{
    if (job->kind != GREEN_PROCESS) {
        return -EINVAL;
    }
    return send_signal(process_of(job), signo);
}

int
green_job_status(struct green_job *job, int *ret_status)
{
    if (job->kind != GREEN_PROCESS) {
        return -EINVAL;
    }
    if (green__process_alive(job)) {
        return -EAGAIN;
    }
    const struct green__child *child = process_of(job)->child;
    if (!is_ours(process_of(job)) || !child->status_known) {
        return -ECHILD;
    }
    *ret_status = child->status;
    return 0;
}

int
green_job_fd(const struct green_job *job)
{
    return job->kind == GREEN_PROCESS ? process_of(job)->pidfd : -EINVAL;
}

pid_t
green_job_pid(const struct green_job *job)
{
    return job->kind == GREEN_PROCESS ? process_of(job)->pid : getpid();
}
