/*
 * The graph of who waits for whom, and the walk through it.
 *
 * Invariant, under the lock: the table has an edge for each enrolled worker, which is inside its
 * wait until it has left. An object that it waits for is alive as long; whoever owns that object is
 * only looked up by address, never followed blindly: a worker may have ended with its locks held.
 * While the lock is held, an object's own lock may be taken, one at a time; never the reverse.
 */
#include "sched/graph.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "green/sync.h"
#include "sched/wait.h"

#define BUCKETS 256

struct green__edge {
    struct green__list link;   /* Of its bucket. */
    struct green__list reader; /* Of `readers`, if it holds locks to read. */
    struct green_job *job;
    bool shielded;            /* A cancellation does not end its wait. */
    bool doomed;              /* Its wait is the one to fail. */
    uint64_t walk;            /* The last one that came here, */
    struct green__edge *from; /* and whence. */
    struct green__edge *next; /* To be looked at in that walk, or spare. */
};

static struct green__lock lock;
static struct green__list table[BUCKETS];
static struct green__list readers = GREEN__LIST(readers);
static struct green__edge *spare;
static uint64_t walks;

/* ---- what a worker reads ---- */

#define FIRST_MORE 8

void
green__graph_reads_more(struct green__own *own, const void *rwlock)
{
    struct green__reads *more = own->more_reads;
    if (more == NULL || more->count == more->capacity) {
        size_t capacity = more == NULL ? FIRST_MORE : 2 * more->capacity;
        struct green__reads *larger =
            green__realloc(more, sizeof *more + capacity * sizeof more->locks[0]);
        if (larger == NULL) {
            own->reads_unnamed++;
            return;
        }
        larger->count = more == NULL ? 0 : larger->count;
        larger->capacity = capacity;
        own->more_reads = more = larger;
    }
    more->locks[more->count++] = rwlock;
}

bool
green__graph_read_of_more(struct green__own *own, const void *rwlock)
{
    struct green__reads *more = own->more_reads;
    for (size_t i = more == NULL ? 0 : more->count; i-- > 0;) {
        if (more->locks[i] == rwlock) {
            more->locks[i] = more->locks[--more->count];
            return true;
        }
    }
    bool unnamed = own->reads_unnamed > 0;
    own->reads_unnamed -= unnamed;
    return unnamed;
}

static bool
reads(const struct green__own *own, const void *rwlock)
{
    for (int i = 0; i < GREEN__READS_MAX; i++) {
        if (own->reads[i] == rwlock) {
            return true;
        }
    }
    for (size_t i = 0; own->more_reads != NULL && i < own->more_reads->count; i++) {
        if (own->more_reads->locks[i] == rwlock) {
            return true;
        }
    }
    return false;
}

static bool
reads_any(const struct green__own *own)
{
    return own->reads[0] != NULL || own->reads[1] != NULL ||
           (own->more_reads != NULL && own->more_reads->count > 0);
}

/* ---- the table ---- */

static struct green__list *
bucket_of(const struct green_job *job)
{
    uint64_t mixed = (uint64_t)(uintptr_t)job * 0x9e3779b97f4a7c15u; /* 2^64 by the golden ratio */
    struct green__list *bucket = &table[mixed >> 56];
    if (bucket->next == NULL) {
        green__list_init(bucket);
    }
    return bucket;
}

static struct green__edge *
find(const struct green_job *job)
{
    struct green__list *bucket = bucket_of(job);
    for (struct green__list *link = bucket->next; link != bucket; link = link->next) {
        struct green__edge *edge = GREEN__CONTAINER(link, struct green__edge, link);
        if (edge->job == job) {
            return edge;
        }
    }
    return NULL;
}

/** Add a worker of the calling thread; NULL without memory: then its cycles are not found. */
static struct green__edge *
enroll(struct green_job *job)
{
    struct green__edge *edge = spare;
    if (edge != NULL) {
        spare = edge->next;
    } else if ((edge = green__alloc(sizeof *edge)) == NULL) {
        return NULL;
    }
    *edge = (struct green__edge){.job = job, .shielded = job->shields > 0};
    green__list_append(bucket_of(job), &edge->link);
    green__list_init(&edge->reader);
    if (reads_any(job->own)) {
        green__list_append(&readers, &edge->reader);
    }
    job->own->edge = edge;
    return edge;
}

/* ---- the walk ---- */

struct walk {
    const struct green__edge *start;
    bool matters; /* There are locks behind it: see green__graph_matters(). */
    struct green__edge *todo;
    struct green__edge *last; /* Whose link leads back to the start; NULL until it is found. */
};

/** Somebody at `from` waits for this worker, which may be one that does not wait itself. */
static void
reach(struct walk *walk, struct green__edge *from, const struct green_job *job)
{
    if (job == walk->start->job) {
        walk->last = walk->last != NULL ? walk->last : from;
        return;
    }
    struct green__edge *edge = find(job);
    if (edge != NULL && edge->walk != walks) {
        edge->walk = walks;
        edge->from = from;
        edge->next = walk->todo;
        walk->todo = edge;
    }
}

/** Whether a waiter's wait has been cancelled. Any thread, while it stands in its list. */
static bool
is_cancelled(const struct green_job *job)
{
    return __atomic_load_n(&job->cancelled, __ATOMIC_RELAXED) ||
           (atomic_load_explicit(&job->attention, memory_order_relaxed) & GREEN__CANCEL) != 0;
}

/** Whether a waiter's wait can only end by what it waits for. */
static bool
stays(const struct green__waiter *waiter)
{
    return waiter->steady && !is_cancelled(waiter->job);
}

/** Whether one who wants to read waits behind one who wants to write and will not give up. */
static bool
is_behind_writer(const struct green__waiter *reader, const struct green__list *list)
{
    const struct green__list *link = list->next;
    for (; link != &reader->link; link = link->next) {
        const struct green__waiter *other = GREEN__CONTAINER(link, struct green__waiter, link);
        if (other->want == GREEN__WANT_WRITE && stays(other)) {
            return true;
        }
    }
    return false;
}

/** The waiters of the object that a word belongs to. */
static struct green_waiters *
waiters_of(const uintptr_t *word, enum green__want want)
{
    return want == GREEN__WANT_MUTEX
               ? &GREEN__CONTAINER(word, struct green_mutex, holder)->waiters
               : &GREEN__CONTAINER(word, struct green_rwlock, holders)->waiters;
}

static void
follow_lock(struct walk *walk, struct green__edge *edge, const uintptr_t *word)
{
    const struct green__waiter *waiter = &edge->job->own->waiter;
    struct green__waitq *queue = (struct green__waitq *)(void *)waiters_of(word, waiter->want);
    green__waitq_lock(queue);
    uintptr_t value = __atomic_load_n(word, __ATOMIC_ACQUIRE);
    bool shared = (value & GREEN__SHARED) != 0;
    /* One who stands there no more has been given it, and is about to go on. */
    bool waits =
        !green__list_empty(&waiter->link) &&
        (!shared || waiter->want == GREEN__WANT_WRITE || is_behind_writer(waiter, &queue->waiters));
    green__waitq_unlock(queue);
    if (!waits) {
        return;
    }
    if (!shared) {
        reach(walk, edge, green__word_owner(value));
        return;
    }
    const void *rwlock = GREEN__CONTAINER(word, struct green_rwlock, holders);
    for (struct green__list *link = readers.next; link != &readers; link = link->next) {
        const struct green_job *job = GREEN__CONTAINER(link, struct green__edge, reader)->job;
        if (reads(job->own, rwlock)) {
            reach(walk, edge, job);
        }
    }
}

/** Whether a worker of the calling thread, not the running one, is parked in a wait that can be
 *  an edge. */
static bool
is_parked(const struct green_job *job)
{
    const struct green__own *own = job->own;
    return job->state == GREEN__PARKED && !job->asleep && !job->woken && !job->doomed &&
           own->edge == NULL &&
           atomic_load_explicit(&own->waiter.owner_word, memory_order_relaxed) != NULL &&
           own->waiter.steady;
}

/**
 * Somebody in the graph waits for the end of a job: from now on what that waits for counts too.
 *
 * One that waits already is enrolled now, by its own thread.
 */
static void
follow_end(struct walk *walk, struct green__edge *edge, struct green_job *job)
{
    green__waitq_lock(&job->end);
    bool waits = !green__list_empty(&edge->job->own->waiter.link);
    if (waits) {
        if (walk->matters) {
            atomic_store_explicit(&job->awaited, true, memory_order_relaxed);
        }
        if (job != green__running && find(job) == NULL) {
            if (!green__wait_local(job)) {
                green__wait_look(job);
            } else if (is_parked(job)) {
                enroll(job);
            }
        }
    }
    green__waitq_unlock(&job->end);
    if (waits) {
        reach(walk, edge, job);
    }
}

static void
follow(struct walk *walk, struct green__edge *edge)
{
    const struct green__waiter *waiter = &edge->job->own->waiter;
    const uintptr_t *word = atomic_load_explicit(&waiter->owner_word, memory_order_relaxed);
    if (!edge->shielded && is_cancelled(edge->job)) {
        return;
    }
    if (waiter->want == GREEN__WANT_END) {
        follow_end(walk, edge, (struct green_job *)(void *)word);
    } else {
        follow_lock(walk, edge, word);
    }
}

/* ---- what comes of it ---- */

/** Let a wait that is not the caller's fail. */
static void
doom(struct green__edge *edge)
{
    edge->doomed = true;
    if (green__wait_local(edge->job)) {
        edge->job->doomed = true;
        green__wait_reconsider(edge->job);
    } else {
        green__wait_look(edge->job);
    }
}

/** Report a cycle that leads from the last back to the start; whose wait fails, the start's if it
 *  can. */
static struct green__edge *
conclude(const struct walk *walk, struct green__edge *start, char **ret_text)
{
    struct green__edge *victim = start->job->firm ? NULL : start;
    size_t count = 1;
    for (struct green__edge *edge = walk->last; edge != start; edge = edge->from) {
        victim = victim == NULL && !edge->job->firm ? edge : victim;
        count++;
    }
    struct green_job **jobs = green__alloc(count * sizeof *jobs);
    if (jobs == NULL) {
        return victim;
    }
    size_t place = count;
    for (struct green__edge *edge = walk->last; place > 0; edge = edge->from) {
        jobs[--place] = edge->job;
    }
    const struct green__finding finding = {true, jobs, count, victim != NULL ? victim->job : NULL};
    *ret_text = green__deadlock_describe(&finding);
    green__free(jobs);
    return victim;
}

/** Enroll a worker of the calling thread and walk from there; whose wait is to fail, if any. */
static struct green__edge *
look_from(struct green_job *job, char **ret_text)
{
    struct green__edge *start = enroll(job);
    if (start == NULL) {
        return NULL;
    }
    struct walk walk = {start, green__graph_matters(job), start, NULL};
    start->walk = ++walks;
    while (walk.todo != NULL && walk.last == NULL) {
        struct green__edge *edge = walk.todo;
        walk.todo = edge->next;
        follow(&walk, edge);
    }
    return walk.last != NULL ? conclude(&walk, start, ret_text) : NULL;
}

bool
green__graph_enter(struct green_job *self)
{
    char *text = NULL;
    green__lock(&lock);
    struct green__edge *victim = look_from(self, &text);
    if (victim != NULL && victim->job != self) {
        doom(victim);
    }
    bool closed = victim != NULL && victim->job == self;
    green__unlock(&lock);
    green__deadlock_tell(text);
    return closed;
}

void
green__graph_own(struct green_job *self, const uintptr_t *owner_word, enum green__want want,
                 green_deadline deadline)
{
    static const char *const words[] = {"a mutex", "a lock, to read", "a lock, to write",
                                        "the end of a job"};
    if (green__wait_limit(self, deadline) != GREEN_FOREVER) {
        return;
    }
    struct green_job *const jobs[] = {self};
    const struct green__finding finding = {true, jobs, 1, self};
    self->own->waiter.want = (uint8_t)want;
    green__wait_on(self, owner_word);
    green__wait_note(self, words[want], green__clock_coarse());
    char *text = green__deadlock_describe(&finding);
    green__wait_noted(self);
    green__deadlock_tell(text);
}

void
green__graph_leave(struct green_job *self)
{
    green__lock(&lock);
    struct green__edge *edge = self->own->edge;
    green__list_remove(&edge->link);
    green__list_remove(&edge->reader);
    edge->next = spare;
    spare = edge;
    self->own->edge = NULL;
    green__unlock(&lock);
}

void
green__graph_heed(struct green_job *job)
{
    const struct green__own *own = job->own;
    if (job->asleep || own == NULL) {
        return; /* it waits for nobody */
    }
    char *text = NULL;
    green__lock(&lock);
    bool waits = job == green__running ? own->edge == NULL && !job->woken && own->waiter.steady &&
                                             atomic_load_explicit(&own->waiter.owner_word,
                                                                  memory_order_relaxed) != NULL
                                       : is_parked(job);
    if (waits) {
        struct green__edge *victim = look_from(job, &text);
        if (victim != NULL) {
            doom(victim);
        }
    }
    if (own->edge != NULL && own->edge->doomed) {
        job->doomed = true;
    }
    green__unlock(&lock);
    green__deadlock_tell(text);
}

/* ---- fork ---- */

void
green__graph_fork_prepare(void)
{
    green__lock(&lock);
}

void
green__graph_fork_parent(void)
{
    green__unlock(&lock);
}

void
green__graph_fork_child(void)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        green__list_init(&table[i]);
    }
    green__list_init(&readers);
    green__unlock(&lock);
}
