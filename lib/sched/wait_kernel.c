/*
 * Threads that block in system calls, and how such a call is cut short.
 *
 * A thread has an alarm: a timer that sends the reserved signal to this thread. The signal has a
 * handler that does next to nothing; what counts is that the call returns EINTR. A signal that
 * lands between the last look and the call would be lost, so the timer goes on ticking until the
 * thread has noticed. A deadline that moves away with every message costs nothing: a timer that is
 * set for sooner is left alone and looked at when it fires.
 *
 * Invariant: while in_kernel is false, a tick unsets the timer. Only the thread itself sets it, its
 * handler included.
 */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "sched/quiet.h"
#include "sched/wait.h"

#define TICK_NS (10 * GREEN__NS_PER_MS)

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

/** The thread's own, and its handler's: no other touches it, so that no order but the compiler's
 * counts, and there is nothing to lock. */
struct green__alarm {
    timer_t timer;
    pid_t thread; /**< This one any thread reads. */
    volatile sig_atomic_t in_kernel;
    volatile sig_atomic_t ticked;
    atomic_uint_fast64_t due; /**< When the timer fires; 0: it is ticking; GREEN_FOREVER: unset. */
};

static __thread struct green__alarm *my_alarm __attribute__((tls_model("initial-exec")));
static pthread_once_t install_once = PTHREAD_ONCE_INIT;

void (*green__kernel_on_foreign)(pid_t sender);

int
green__kernel_signal(void)
{
    return SIGRTMAX - 3;
}

/* Not the alarm's: a tick may be pending where only one signal of a number can be. */
int
green__kernel_foreign_signal(void)
{
    return SIGRTMAX - 5;
}

static green_deadline
due_of(const struct green__alarm *alarm)
{
    return atomic_load_explicit(&alarm->due, memory_order_relaxed);
}

/** Set the timer for an absolute time, ticking from then on; GREEN_FOREVER unsets it. */
static void
set_timer(struct green__alarm *alarm, green_deadline when)
{
    struct itimerspec spec = {{0, 0}, {0, 0}};
    if (when != GREEN_FOREVER) {
        spec.it_value.tv_sec = (time_t)(when / GREEN__NS_PER_S);
        spec.it_value.tv_nsec = (long)(when % GREEN__NS_PER_S) + (when == 0);
        spec.it_interval.tv_nsec = TICK_NS;
    }
    atomic_store_explicit(&alarm->due, when, memory_order_relaxed);
    timer_settime(alarm->timer, TIMER_ABSTIME, &spec, NULL);
}

static void
on_signal(int signo, siginfo_t *info, void *context)
{
    (void)signo;
    (void)context;
    int saved_errno = errno;
    struct green__alarm *alarm = my_alarm;
    if (alarm != NULL) {
        alarm->ticked = true;
        if (!alarm->in_kernel) {
            if (due_of(alarm) != GREEN_FOREVER && info->si_code == SI_TIMER) {
                set_timer(alarm, GREEN_FOREVER);
            }
        } else if (info->si_code != SI_TIMER) {
            set_timer(alarm, 0);
        }
    }
    errno = saved_errno;
}

static void
on_foreign_signal(int signo, siginfo_t *info, void *context)
{
    (void)signo;
    (void)context;
    int saved_errno = errno;
    if (green__kernel_on_foreign != NULL) {
        green__kernel_on_foreign(info->si_pid);
    }
    errno = saved_errno;
}

static void
handle(int signo, void (*handler)(int signo, siginfo_t *info, void *context))
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK; /* no SA_RESTART: the call is to return */
    sigemptyset(&action.sa_mask);
    sigaction(signo, &action, NULL);
    green__quiet_own(signo, handler);
}

static void
install_handlers(void)
{
    handle(green__kernel_signal(), on_signal);
    handle(green__kernel_foreign_signal(), on_foreign_signal);
}

void
green__kernel_listen(void)
{
    pthread_once(&install_once, install_handlers);
}

void
green__kernel_forked(void)
{
    my_alarm = NULL;
}

static struct green__alarm *
create_alarm(struct green_job *self)
{
    green__kernel_listen();
    struct green__alarm *alarm = green__alloc_zeroed(sizeof *alarm);
    if (alarm == NULL) {
        return NULL;
    }
    alarm->thread = (pid_t)syscall(SYS_gettid);
    atomic_init(&alarm->due, GREEN_FOREVER);
    struct sigevent event;
    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = green__kernel_signal();
    event.sigev_notify_thread_id = alarm->thread;
    if (timer_create(CLOCK_MONOTONIC, &event, &alarm->timer) != 0) {
        green__free(alarm);
        return NULL;
    }
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, green__kernel_signal());
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    my_alarm = alarm;
    atomic_store(&green__host_of(self)->alarm, alarm);
    return alarm;
}

int
green__kernel_enter(struct green_job *self, green_deadline deadline)
{
    struct green__alarm *alarm =
        atomic_load_explicit(&green__host_of(self)->alarm, memory_order_relaxed);
    if (alarm == NULL && (alarm = create_alarm(self)) == NULL) {
        return -EAGAIN;
    }
    green_deadline limit = green__wait_limit(self, deadline);
    int err = 0;
    if (limit != GREEN_NOW) {
        green__wait_forbid(self, "a descriptor");
    }
    alarm->in_kernel = true;
    atomic_signal_fence(memory_order_seq_cst);
    /* A tick says that the deadline, or an earlier one, has come: set the timer for ours. */
    if (alarm->ticked || limit < due_of(alarm)) {
        /* Another one comes before the look at the clock, or cuts the call short. */
        alarm->ticked = false;
        if (limit != GREEN_FOREVER && green__clock_now() >= limit) {
            err = -ETIMEDOUT;
        } else {
            set_timer(alarm, limit);
        }
    }
    /* Last: a cancellation that comes after this look makes the timer tick, and nobody but its
     * handler sets the timer until the call. */
    atomic_signal_fence(memory_order_seq_cst);
    int cancelled = green__wait_check(self);
    if (cancelled != 0) {
        err = cancelled;
    }
    if (err != 0) {
        green__kernel_leave(self);
    } else {
        green__wait_note(self, "a descriptor", green__clock_coarse());
    }
    return err;
}

void
green__kernel_leave(struct green_job *self)
{
    struct green__alarm *alarm =
        atomic_load_explicit(&green__host_of(self)->alarm, memory_order_relaxed);
    green__wait_noted(self);
    atomic_signal_fence(memory_order_seq_cst);
    alarm->in_kernel = false;
}

void
green__kernel_interrupt(struct green_job *job)
{
    struct green__alarm *alarm = atomic_load(&green__host_of(job)->alarm);
    if (alarm != NULL) {
        syscall(SYS_tgkill, getpid(), alarm->thread, green__kernel_signal());
    }
}

void
green__kernel_detach(struct green_job *job)
{
    struct green__alarm *alarm = atomic_load(&green__host_of(job)->alarm);
    if (alarm != NULL) {
        my_alarm = NULL;
        timer_delete(alarm->timer);
    }
}
