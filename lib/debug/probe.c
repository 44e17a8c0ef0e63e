/*
 * Threads that look at themselves in a signal handler.
 *
 * Invariant: one probe at a time; its place is static, so a handler that comes late finds it, sees
 * that it is not asked, and leaves it alone. The handler takes no lock and allocates nothing; the
 * tables that it reads were looked up before.
 */
#include "debug/probe.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/futex.h"
#include "base/lock.h"
#include "context/context.h"
#include "sched/sched.h"
#include "sched/quiet.h"

enum {
    IDLE,
    ASKED,
    LOOKING,
    SEEN,
};

static struct {
    struct green__lock lock;
    atomic_uint state;
    atomic_int thread;
    const struct green__modules *modules;
    struct green__sight sight;
} probe;

static pthread_once_t installed = PTHREAD_ONCE_INIT;

int
green__probe_signal(void)
{
    return SIGRTMAX - 4;
}

static void
look(const struct green__modules *modules, const ucontext_t *machine, bool interrupted,
     struct green__sight *ret_sight)
{
    struct green__registers registers;
    const struct green_job *self = green__running;
    ret_sight->worker = self != NULL;
    if (self != NULL) {
        green__describe(self, &ret_sight->who);
        ret_sight->switches =
            self->sched == NULL
                ? 0
                : atomic_load_explicit(&self->sched->counts.switches, memory_order_relaxed);
    }
    ret_sight->walk.depth = 0;
    if (green__machine_registers(machine, &registers)) {
        /* Where this thread's stack ends is not known here: have the kernel read it. */
        struct green__memory unknown = {0, 0};
        green__unwind(modules, NULL, unknown, &registers, interrupted, &ret_sight->walk);
    }
}

static void
on_signal(int signo, siginfo_t *info, void *machine)
{
    (void)signo;
    (void)info;
    int saved_errno = errno;
    unsigned asked = ASKED;
    if (atomic_load(&probe.thread) == gettid() &&
        atomic_compare_exchange_strong(&probe.state, &asked, LOOKING)) {
        look(probe.modules, machine, true, &probe.sight);
        atomic_store(&probe.state, SEEN);
        green__futex_wake(&probe.state, 1);
    }
    errno = saved_errno;
}

static void
install(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | GREEN__SA_RESTART | SA_ONSTACK;
    sigfillset(&action.sa_mask);
    sigaction(green__probe_signal(), &action, NULL);
    green__quiet_own(green__probe_signal(), on_signal);
}

/** Wait for the answer; false when none has begun by the deadline. */
static bool
wait_for_answer(uint64_t until)
{
    unsigned state;
    while ((state = atomic_load(&probe.state)) != SEEN) {
        if (state == ASKED && green__clock_real() >= until) {
            if (atomic_compare_exchange_strong(&probe.state, &state, IDLE)) {
                return false;
            }
            continue;
        }
        green__futex_wait(&probe.state, state, state == ASKED ? until : GREEN_FOREVER);
    }
    return true;
}

bool
green__probe(pid_t thread, const struct green__modules *modules, unsigned timeout_ms,
             struct green__sight *ret_sight)
{
    pthread_once(&installed, install);
    green__lock(&probe.lock);
    probe.modules = modules;
    atomic_store(&probe.thread, thread);
    atomic_store(&probe.state, ASKED);
    bool seen = false;
    if (syscall(SYS_tgkill, getpid(), thread, green__probe_signal()) == 0) {
        seen = wait_for_answer(green__clock_real() + (uint64_t)timeout_ms * GREEN__NS_PER_MS);
    }
    if (seen) {
        *ret_sight = probe.sight;
    }
    atomic_store(&probe.state, IDLE);
    green__unlock(&probe.lock);
    return seen;
}

void
green__probe_interrupted(const struct green__modules *modules, const ucontext_t *machine,
                         struct green__sight *ret_sight)
{
    look(modules, machine, true, ret_sight);
}

__attribute__((noinline)) void
green__probe_here(const struct green__modules *modules, struct green__sight *ret_sight)
{
    ucontext_t machine;
    getcontext(&machine);
    look(modules, &machine, false, ret_sight);
    /* From our caller on. */
    struct green__walk *walk = &ret_sight->walk;
    if (walk->depth > 1) {
        walk->depth--;
        memmove(walk->places, walk->places + 1, walk->depth * sizeof *walk->places);
    }
}
