/*
 * Whether all are asleep for ever.
 *
 * The cheap questions come first: a loop that waits for descriptors, and a thread that is not the
 * only one, ask no others. Only the process' single thread gets to the end, so nothing changes
 * meanwhile.
 */
#include "sched/quiet.h"

#include <dirent.h>
#include <stddef.h>

#include "base/alloc.h"
#include "sched/graph.h"
#include "sched/sched.h"
#include "sched/wait.h"

/* ThreadSanitizer has a thread of its own in every process. */
#ifdef GREEN__TSAN
#define THREADS_ALONE 2
#else
#define THREADS_ALONE 1
#endif

#define OWN_MAX 4

struct own {
    int signo;
    void (*handler)(int signo, siginfo_t *info, void *context);
};

static struct own own[OWN_MAX];
static atomic_size_t own_count;

void
green__quiet_own(int signo, void (*handler)(int signo, siginfo_t *info, void *context))
{
    size_t place = atomic_fetch_add(&own_count, 1);
    if (place < OWN_MAX) {
        own[place] = (struct own){signo, handler};
    }
}

static bool
is_own(int signo, const struct sigaction *action)
{
    for (size_t i = 0; i < OWN_MAX; i++) {
        if (own[i].signo == signo && (action->sa_flags & SA_SIGINFO) != 0 &&
            own[i].handler == action->sa_sigaction) {
            return true;
        }
    }
    return false;
}

/** Signals of a fault: what handles those does not go on to wake anybody. */
static bool
is_fault(int signo)
{
    return signo == SIGSEGV || signo == SIGBUS || signo == SIGFPE || signo == SIGILL ||
           signo == SIGTRAP || signo == SIGSYS || signo == SIGABRT;
}

/** Whether the program handles a signal: its handler may cancel who waits. */
static bool
has_handlers(void)
{
    struct sigaction action;
    for (int signo = 1; signo <= SIGRTMAX; signo++) {
        if (is_fault(signo) || sigaction(signo, NULL, &action) != 0) {
            continue;
        }
        /* Whatever the flags say: the two kinds of handlers share their place. */
        bool handled = action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN;
        if (handled && !is_own(signo, &action)) {
            return true;
        }
    }
    return false;
}

/** How many threads the kernel knows of this process; many when it does not say. */
static int
count_threads(void)
{
    DIR *directory = opendir("/proc/self/task");
    if (directory == NULL) {
        return THREADS_ALONE + 1;
    }
    int count = 0;
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) { // NOLINT(concurrency-mt-unsafe): it is ours
        count += entry->d_name[0] != '.';
    }
    closedir(directory);
    return count;
}

/** Whether nothing from outside this thread can end a wait in it. */
static bool
is_cut_off(void)
{
    return green__worker_threads() <= 1 && green__kernel_on_foreign == NULL &&
           count_threads() <= THREADS_ALONE && !has_handlers();
}

/* ---- a thread with tasks ---- */

/** Whether a worker waits for others, and has no deadline. */
static bool
waits_inside(const struct green_job *job)
{
    return job->state == GREEN__PARKED && job->inside && job->deadline == GREEN_FOREVER;
}

/** Those who wait, the one that came last first; how many, 0 when one may go on by itself. */
static size_t
collect(struct green__sched *sched, struct green_job **jobs)
{
    size_t count = 0;
    if (waits_inside(sched->host)) {
        jobs[count++] = sched->host;
    } else if (!sched->ending) {
        return 0;
    }
    struct green_job *job = NULL;
    while ((job = green__sched_next_task(sched, job)) != NULL) {
        if (!waits_inside(job)) {
            return 0;
        }
        jobs[count++] = job;
    }
    return count;
}

/** The wait that began last of those that can fail. */
static struct green_job *
choose(struct green_job *const *jobs, size_t count)
{
    struct green_job *last = NULL;
    for (size_t i = 0; i < count; i++) {
        struct green_job *job = jobs[i];
        if (!job->daemon && job->firm == 0 &&
            (last == NULL || (int32_t)(job->parked - last->parked) > 0)) {
            last = job;
        }
    }
    return last;
}

static void
report(struct green_job *const *jobs, size_t count, struct green_job *victim)
{
    const struct green__finding finding = {false, jobs, count, victim};
    green__deadlock_tell(green__deadlock_describe(&finding));
}

bool
green__quiet_look(struct green__sched *sched)
{
    if (sched->outside > 0 || sched->uv_requests > 0 ||
        atomic_load_explicit(&sched->inbox, memory_order_relaxed) != NULL ||
        (sched->ending && sched->task_count == sched->daemon_count) || !is_cut_off()) {
        return false;
    }
    struct green_job **jobs = green__alloc((sched->task_count + 1) * sizeof *jobs);
    if (jobs == NULL) {
        return false;
    }
    size_t count = collect(sched, jobs);
    struct green_job *victim = choose(jobs, count);
    if (victim != NULL) {
        report(jobs, count, victim);
        victim->doomed = true;
        green__wait_reconsider(victim);
    }
    green__free(jobs);
    return victim != NULL;
}

/* ---- a thread without ---- */

bool
green__quiet_alone(struct green_job *self)
{
    if (self->firm > 0 || !is_cut_off() || atomic_load(&self->attention) != 0) {
        return false;
    }
    report((struct green_job *const[]){self}, 1, self);
    return true;
}
