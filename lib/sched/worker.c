/*
 * Workers: their control blocks, and how a thread gets and loses its own.
 *
 * Invariant: green__running is the worker whose code the thread executes. A thread that the library
 * did not start gets a worker on its first call, which goes when the thread ends.
 */
#include "sched/worker.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/errors.h"
#include "base/futex.h"
#include "sched/registry.h"
#include "sched/sched.h"
#include "sched/wait.h"

__thread struct green_job *green__running;
__thread const void *green__spawn_site;

/** The main thread's number is kept for it, whoever comes first. */
#define MAIN_ID 1

atomic_uint_fast64_t green__worker_last_id = MAIN_ID;
static atomic_uint thread_count;
static pthread_key_t adopted_key;
static pthread_once_t adopted_once = PTHREAD_ONCE_INIT;

void
green__worker_make(struct green_job *job)
{
    green__list_init(&job->member);
    green__waitq_init(&job->end);
}

void
green__host_init(struct green__host *host, enum green_kind kind, green_entry entry, void *arg,
                 void (*release)(struct green_job *job))
{
    green__worker_make(&host->job);
    green__worker_renew(&host->job, entry, arg, green__spawn_site, 1);
    host->job.kind = (uint8_t)kind;
    host->job.state = GREEN__RUNNING;
    green__own_init(&host->own, &host->job);
    host->job.own = &host->own;
    green__list_init(&host->registered);
    host->release = release;
}

void
green__own_fini_slow(struct green__own *own)
{
    green__free(own->several);
    green__free(own->more_reads);
    green__free(own->locals); /* of what a hook has set after the end */
    if (own->fiber != NULL) {
        green__fiber_end_worker(own);
    }
    green__own_init(own, own->waiter.job);
}

int
green__worker_set_name(struct green_job *job, const char *name)
{
    char *copy = green__alloc(GREEN__NAME_SIZE);
    if (copy == NULL) {
        return -ENOMEM;
    }
    size_t length = strnlen(name, GREEN__NAME_SIZE - 1);
    memcpy(copy, name, length);
    copy[length] = '\0';
    atomic_init(&job->name, copy);
    return 0;
}

void
green__worker_forget_name(struct green_job *job)
{
    green__free(atomic_load(&job->name));
    atomic_init(&job->name, NULL);
}

void
green__host_fini(struct green__host *host)
{
    green__worker_forget_name(&host->job);
    green__registry_remove(host);
    green__free(atomic_load(&host->alarm));
    green__own_fini(&host->own);
}

void
green__worker_attach(struct green_job *job)
{
    green__host_of(job)->thread_id = gettid();
    green__running = job;
}

/** Join the thread's tasks and close its loop. */
static void
end_sched(const struct green_job *job)
{
    if (job->sched != NULL) {
        green__sched_finish(job->sched);
        green__sched_destroy(job->sched);
    }
}

/** What a blocking function uses may be on the stack of the thread, which ends. */
static void
wait_for_errands(struct green__host *host)
{
    unsigned left;
    while ((left = atomic_load(&host->errands)) > 0) {
        green__futex_wait(&host->errands, left, GREEN_FOREVER);
    }
}

void
green__worker_detach(struct green_job *job, intptr_t value)
{
    if (job->sched != NULL) {
        green__sched_finish(job->sched);
    }
    green__worker_finish(job);
    end_sched(job); /* with the tasks that destructors have spawned */
    green__waitq_lock(&job->end);
    green__worker_announce(job, value);
    green__waitq_unlock(&job->end);
    end_sched(job); /* a hook may have spawned */
    wait_for_errands(green__host_of(job));
    green__kernel_detach(job);
}

const char *
green__name_numbered(const char *kind, uint64_t number, char buffer[GREEN__NAME_SIZE])
{
    char digits[24];
    size_t first = sizeof digits;
    do {
        digits[--first] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    digits[--first] = '-';
    size_t length = strlen(kind);
    memcpy(buffer, kind, length);
    memcpy(buffer + length, digits + first, sizeof digits - first);
    buffer[length + sizeof digits - first] = '\0';
    return buffer;
}

const char *
green__worker_name(const struct green_job *job, char buffer[GREEN__NAME_SIZE])
{
    static const char *const kinds[] = {"task", "thread", "process"};
    const char *name = atomic_load(&job->name);
    return name != NULL ? name : green__name_numbered(kinds[job->kind], job->id, buffer);
}

const char *
green_job_name(const struct green_job *job)
{
    char buffer[GREEN__NAME_SIZE];
    const char *name = green__worker_name(job, buffer);
    if (name != buffer) {
        return name;
    }
    /* Asked for the first time: from now on the text has to stay where it is. */
    char *made = green__alloc(GREEN__NAME_SIZE);
    if (made == NULL) {
        return "?";
    }
    strcpy(made, buffer);
    char *expected = NULL;
    _Atomic(char *) *place = &((struct green_job *)job)->name;
    if (!atomic_compare_exchange_strong(place, &expected, made)) {
        green__free(made);
        return expected;
    }
    return made;
}

struct green_job *
green_job_get(struct green_job *job)
{
    atomic_fetch_add_explicit(&job->references, 1, memory_order_relaxed);
    return job;
}

/** Take one of a job's references away; whether it was the last. */
static inline bool
drop_reference(struct green_job *job)
{
    unsigned count = atomic_load_explicit(&job->references, memory_order_acquire);
    if (job->kind == GREEN_TASK && count == 1) {
        return true; /* who has it is alone with the task: it has left its scheduler's list */
    }
    if (green__alone()) {
        atomic_store_explicit(&job->references, count - 1, memory_order_relaxed);
        return count == 1;
    }
    return atomic_fetch_sub_explicit(&job->references, 1, memory_order_acq_rel) == 1;
}

void
green_job_put(struct green_job *job)
{
    if (job == NULL || !drop_reference(job)) {
        return;
    }
    if (job->kind == GREEN_TASK) {
        green__sched_release(job);
    } else {
        green__host_of(job)->release(job);
    }
}

void
green__hook_call(struct green__hook *hook, void *source)
{
    struct green_job *self = green__self();
    self->callbacks++;
    hook->run(hook, source);
    self->callbacks--;
}

void
green__worker_announce(struct green_job *job, intptr_t value)
{
    job->value = value;
    job->announced = true;
    struct green__list *link;
    while ((link = green__ring_shift(&job->hooks)) != NULL) {
        green__waitq_unlock(&job->end);
        green__hook_call(GREEN__CONTAINER(link, struct green__hook, link), job);
        green__waitq_lock(&job->end);
    }
}

bool
green__worker_hook(struct green_job *job, struct green__hook *hook)
{
    green__waitq_lock(&job->end);
    bool taken = !job->announced;
    if (taken) {
        green__ring_append(&job->hooks, &hook->link);
    }
    green__waitq_unlock(&job->end);
    return taken;
}

bool
green__worker_unhook(struct green_job *job, struct green__hook *hook)
{
    green__waitq_lock(&job->end);
    bool found = green__ring_remove(&job->hooks, &hook->link);
    green__waitq_unlock(&job->end);
    return found;
}

void
green__worker_end(struct green_job *job, intptr_t value)
{
    green__waitq_lock(&job->end);
    if (!job->announced && job->hooks != NULL) {
        green__worker_announce(job, value);
    } else if (!job->announced) {
        job->value = value;
        job->announced = true;
    }
    job->ended = true;
    green__waitq_wake_all(&job->end);
    green__waitq_unlock(&job->end);
}

/* ---- how many threads there are ---- */

unsigned
green__worker_threads(void)
{
    return atomic_load(&thread_count);
}

void
green__worker_thread_begins(void)
{
    atomic_fetch_add(&thread_count, 1);
}

void
green__worker_thread_ended(void)
{
    atomic_fetch_sub(&thread_count, 1);
}

void
green__worker_fork_child(void)
{
    atomic_store(&thread_count, 1);
}

/* ---- threads that the library did not start ---- */

static void
adopted_release(struct green_job *job)
{
    green__host_fini(green__host_of(job));
    green__free(green__host_of(job));
}

/** The thread-specific value's destructor: the adopted thread ends. */
static void
adopted_end(void *value)
{
    struct green_job *job = value;
    green__running = job;
    green__worker_detach(job, 0);
    green__registry_remove(green__host_of(job));
    green__worker_end(job, 0);
    green__worker_thread_ended();
    green__running = NULL;
    green_job_put(job);
}

static void
adopted_make_key(void)
{
    if (pthread_key_create(&adopted_key, adopted_end) != 0) {
        green__misuse("no thread-specific key is left for the library");
    }
}

static struct green__host *
allocate_adopted(void)
{
    struct green__host *host = green__alloc_zeroed(sizeof *host);
    if (host != NULL && pthread_setspecific(adopted_key, &host->job) == 0) {
        return host;
    }
    green__misuse("out of memory for the first call on a thread");
}

struct green_job *
green__worker_adopt(void)
{
    pthread_once(&adopted_once, adopted_make_key);
    struct green__host *host = allocate_adopted();
    struct green_job *job = &host->job;
    green__host_init(host, GREEN_THREAD, NULL, NULL, adopted_release);
    green__worker_thread_begins();
    job->spawned_at = NULL; /* the call may be one that spawns another */
    green__worker_attach(job);
    if (host->thread_id == getpid()) {
        job->id = MAIN_ID;
    }
    green__registry_add(host);
    return job;
}
