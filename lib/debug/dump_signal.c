/*
 * Dumps that a signal asks for: by a thread that waits for it, or in its handler.
 *
 * Invariant: a process has one of the two, which is set up once.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "debug/dump.h"
#include "green/debug.h"
#include "sched/quiet.h"

static struct {
    atomic_int process; /* which has set it up */
    int signo;
    int (*where)(void *arg);
    void *arg;
} watched;

static int
say_where(void)
{
    return watched.where != NULL ? watched.where(watched.arg) : STDERR_FILENO;
}

/** Take the one place there is in a process; -EBUSY when it is taken. */
static int
take_place(int signo, int (*where)(void *arg), void *arg)
{
    int own = getpid();
    if (atomic_exchange(&watched.process, own) == own) {
        return -EBUSY;
    }
    watched.signo = signo;
    watched.where = where;
    watched.arg = arg;
    return 0;
}

static void *
watch(void *arg)
{
    sigset_t set;
    int got;
    (void)arg;
    pthread_setname_np(pthread_self(), "green-dump");
    sigemptyset(&set);
    sigaddset(&set, watched.signo);
    for (;;) {
        if (sigwait(&set, &got) == 0) {
            green_dump(say_where());
        }
    }
    return NULL;
}

int
green_dump_on_signal(int signo, int (*where)(void *arg), void *arg)
{
    sigset_t set;
    sigset_t all;
    sigset_t before;
    pthread_t thread;
    pthread_attr_t attributes;
    sigemptyset(&set);
    if (sigaddset(&set, signo) != 0) {
        return -EINVAL;
    }
    int err = take_place(signo, where, arg);
    if (err != 0) {
        return err;
    }
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    err = pthread_create(&thread, &attributes, watch, NULL);
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (err != 0) {
        atomic_store(&watched.process, 0);
    }
    return -err;
}

static void
on_signal(int signo, siginfo_t *info, void *machine)
{
    (void)signo;
    (void)info;
    int saved_errno = errno;
    green__dump_interrupted(say_where(), machine);
    errno = saved_errno;
}

int
green_dump_here_on_signal(int signo, int (*where)(void *arg), void *arg)
{
    struct sigaction action;
    sigset_t set;
    sigemptyset(&set);
    if (sigaddset(&set, signo) != 0 || signo == SIGKILL || signo == SIGSTOP) {
        return -EINVAL;
    }
    int err = take_place(signo, where, arg);
    if (err != 0) {
        return err;
    }
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | GREEN__SA_RESTART | SA_ONSTACK;
    sigfillset(&action.sa_mask);
    sigaction(signo, &action, NULL);
    green__quiet_own(signo, on_signal);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    return 0;
}
