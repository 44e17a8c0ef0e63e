/*
 * Reaping.
 *
 * Invariant: a pid is waited for only by whoever moved its place from LIVE to REAPING, and a place
 * that is not LIVE or REAPING names no process: so a pid that the kernel has given to somebody else
 * is never touched. Whoever finds a place REAPING marks it, and the reaper looks once more. All of
 * it is lock-free and async-signal-safe, but for green__child_reserve().
 */
#include "job/children.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/held.h"
#include "sched/quiet.h"

enum {
    FREE,
    RESERVED,
    LIVE,
    REAPING,
    REAPING_AGAIN, /* somebody else wanted to, meanwhile */
    REAPED,
    FORGOTTEN = 16, /* a flag: the place is free once the child is reaped */
};

static _Atomic(struct green__child *) children;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct sigaction previous;

/** One try to reap; the caller has made the place REAPING. False when the child still runs. */
static bool
reap(struct green__child *child)
{
    int status = 0;
    pid_t pid;
    do {
        pid = waitpid(child->pid, &status, WNOHANG);
    } while (pid < 0 && errno == EINTR);
    if (pid == 0) {
        return false;
    }
    child->status = status;
    child->status_known = pid > 0;
    if (child->lifeline >= 0) {
        green__held_remove(child->lifeline);
        close(child->lifeline);
        child->lifeline = -1;
    }
    return true;
}

/** Reap the child if it has ended, or see to it that whoever is at it looks again. */
static void
look(struct green__child *child)
{
    int state = atomic_load(&child->state);
    for (;;) {
        int flag = state & FORGOTTEN;
        if ((state & ~FORGOTTEN) == REAPING) {
            if (atomic_compare_exchange_weak(&child->state, &state, REAPING_AGAIN | flag)) {
                return;
            }
            continue;
        }
        if ((state & ~FORGOTTEN) != LIVE) {
            return;
        }
        if (!atomic_compare_exchange_weak(&child->state, &state, REAPING | flag)) {
            continue;
        }
        bool ended = reap(child);
        /* Nobody but us moves it on from here; the flags may come meanwhile. */
        state = atomic_load(&child->state);
        int next;
        do {
            flag = state & FORGOTTEN;
            next = ended ? (flag ? FREE : REAPED) : (LIVE | flag);
        } while (!atomic_compare_exchange_weak(&child->state, &state, next));
        if (ended || (state & ~FORGOTTEN) != REAPING_AGAIN) {
            return;
        }
        state = next;
    }
}

static void
on_sigchld(int signo, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    for (struct green__child *child = atomic_load(&children); child != NULL; child = child->next) {
        look(child);
    }
    if (previous.sa_flags & SA_SIGINFO) {
        previous.sa_sigaction(signo, info, context);
    } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
        previous.sa_handler(signo);
    }
    errno = saved_errno;
}

static void
install_handler(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_sigchld;
    action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    sigaction(SIGCHLD, NULL, &previous);
    /* What the program asked of the kernel goes on: that its children are not to be waited for, and
     * whether its handler wants to hear of those that stop. */
    bool handled = (previous.sa_flags & SA_SIGINFO) ||
                   (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN);
    if (!handled || (previous.sa_flags & SA_NOCLDSTOP)) {
        action.sa_flags |= SA_NOCLDSTOP;
    }
    if ((previous.sa_flags & SA_NOCLDWAIT) || (!handled && previous.sa_handler == SIG_IGN)) {
        action.sa_flags |= SA_NOCLDWAIT;
    }
    sigaction(SIGCHLD, &action, NULL);
    if (!handled) {
        green__quiet_own(SIGCHLD, on_sigchld);
    }
}

struct green__child *
green__child_reserve(void)
{
    pthread_once(&once, install_handler);
    struct green__child *child = atomic_load(&children);
    for (; child != NULL; child = child->next) {
        int expected = FREE;
        if (atomic_compare_exchange_strong(&child->state, &expected, RESERVED)) {
            child->lifeline = -1;
            return child;
        }
    }
    child = green__alloc_zeroed(sizeof *child);
    if (child != NULL) {
        atomic_init(&child->state, RESERVED);
        child->lifeline = -1;
        child->next = atomic_load(&children);
        while (!atomic_compare_exchange_weak(&children, &child->next, child)) {
        }
    }
    return child;
}

void
green__child_start(struct green__child *child, pid_t pid)
{
    child->pid = pid;
    atomic_store(&child->state, LIVE);
    look(child); /* it may have ended, and its SIGCHLD come, before it had a place */
}

bool
green__child_ended(struct green__child *child)
{
    look(child);
    int state;
    while ((state = atomic_load(&child->state)) == REAPING || state == REAPING_AGAIN) {
        sched_yield(); /* another thread is at it; it does not wait */
    }
    return state == REAPED;
}

void
green__child_forget(struct green__child *child)
{
    int state = atomic_load(&child->state);
    int next;
    do {
        next = state == REAPED || state == RESERVED ? FREE : state | FORGOTTEN;
    } while (!atomic_compare_exchange_weak(&child->state, &state, next));
}

void
green__children_fork_child(void)
{
    for (struct green__child *child = atomic_load(&children); child != NULL; child = child->next) {
        if (child->lifeline >= 0) {
            green__held_remove(child->lifeline);
            close(child->lifeline);
            child->lifeline = -1;
        }
        atomic_store(&child->state, FREE);
    }
}
