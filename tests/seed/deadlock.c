/*
 * Seeded programs over locks and joins that deadlock, or nearly do.
 *
 * The model knows who holds and who waits, so it knows of every wait whether it would close a
 * cycle. That call has to fail at once with -EDEADLK, and no other: what is reported is a deadlock,
 * and each deadlock is reported, once.
 */
#include <string.h>

#include "green/debug.h"
#include "green/sync.h"

#include "seed.h"

#define LOCKS 5
#define DEEP  4

enum kind {
    PLAIN,
    RECURSIVE,
    SHARED,
};

enum want {
    WRITE,
    READ,
    END,
};

/** A mutex, which is held as if to write, or a lock for reading and writing. */
struct lock {
    struct task *writer;
    struct green_rwlock rwlock;
    struct green_mutex mutex;
    struct line line;
    enum kind kind;
    int depth;
    int reads[TASKS_MAX];
};

/** What a task waits for, beside what the harness knows. */
static struct wait {
    struct lock *lock;  /* NULL: none */
    struct task *ended; /* whose end */
    enum want want;
    bool steady; /* without a deadline: only then it is a link of a cycle */
    bool shielded;
} waits[TASKS_MAX];

static struct lock locks[LOCKS];
static struct task *tasks[TASKS_MAX];
static struct line joiners[TASKS_MAX];
static int held[TASKS_MAX];
static int reports;
static int expected_reports;
static bool ordered; /* the program locks in one order, so nothing may ever be reported */

/* ---- the model ---- */

static bool
is_read(const struct lock *lock)
{
    for (int i = 0; i < TASKS_MAX; i++) {
        if (lock->reads[i] > 0) {
            return true;
        }
    }
    return false;
}

static bool
may_enter(const struct lock *lock, enum want want)
{
    return lock->writer == NULL && (want == READ || !is_read(lock));
}

static void
enter(struct lock *lock, struct task *task, enum want want)
{
    if (want == READ) {
        lock->reads[task->index]++;
    } else {
        lock->writer = task;
    }
    held[task->index]++;
}

/** Let in whoever goes together with those inside, in order. */
static void
admit(struct lock *lock)
{
    while (lock->line.count > 0) {
        struct task *first = lock->line.tasks[0];
        enum want want = waits[first->index].want;
        if (!may_enter(lock, want)) {
            return;
        }
        serve_first(&lock->line, 0);
        enter(lock, first, want);
    }
}

/** Whether a wait can end only by what it waits for. */
static bool
stays(const struct task *task)
{
    const struct wait *wait = &waits[task->index];
    return wait->steady && (!task->cancelled || wait->shielded);
}

/** Whether a reader in line is kept by a writer before it who stays. */
static bool
is_behind_writer(const struct task *task, const struct lock *lock)
{
    for (int i = 0; i < lock->line.count && lock->line.tasks[i] != task; i++) {
        const struct task *other = lock->line.tasks[i];
        if (waits[other->index].want == WRITE && stays(other)) {
            return true;
        }
    }
    return false;
}

static bool leads_to(const struct task *task, const struct task *goal, bool *seen);

static bool
goes_by(const struct task *next, const struct task *goal, bool *seen)
{
    return next != NULL && (next == goal || leads_to(next, goal, seen));
}

/** Whether a task waits, by whatever ways, for another one. */
static bool
leads_to(const struct task *task, const struct task *goal, bool *seen)
{
    const struct wait *wait = &waits[task->index];
    if (seen[task->index] || task->waits_for == NULL || task->served || !stays(task)) {
        return false;
    }
    seen[task->index] = true;
    if (wait->want == END) {
        return !wait->ended->ended && goes_by(wait->ended, goal, seen);
    }
    const struct lock *lock = wait->lock;
    if (lock->writer != NULL) {
        return goes_by(lock->writer, goal, seen);
    }
    if (wait->want == READ && !is_behind_writer(task, lock)) {
        return false;
    }
    for (int i = 0; i < TASKS_MAX; i++) {
        if (lock->reads[i] > 0 && goes_by(tasks[i], goal, seen)) {
            return true;
        }
    }
    return false;
}

/** Whether the wait that a task is about to begin would be for ever. */
static bool
closes_cycle(struct task *self, struct line *line)
{
    bool seen[TASKS_MAX] = {false};
    bool served = self->served;
    self->waits_for = "a look";
    self->served = false;
    line_add(line, self);
    bool found = leads_to(self, self, seen);
    line_remove(line, self);
    self->waits_for = NULL;
    self->served = served;
    return found;
}

/* ---- the calls ---- */

static void
count_report(const char *report, void *arg)
{
    (void)arg;
    reports++;
    CHECK(running, strstr(report, "green: deadlock: the call of ") == report, "%s", report);
}

static int
call_lock(struct lock *lock, enum want want, green_deadline deadline)
{
    return lock->kind != SHARED ? green_mutex_lock(&lock->mutex, deadline)
           : want == READ       ? green_rwlock_lock_read(&lock->rwlock, deadline)
                                : green_rwlock_lock_write(&lock->rwlock, deadline);
}

static void
note_wait(struct task *self, struct wait wait, green_deadline deadline)
{
    wait.steady = deadline == GREEN_FOREVER && self->bound == GREEN_FOREVER;
    wait.shielded = self->shields > 0;
    waits[self->index] = wait;
}

/** The caller holds it to write already. */
static void
lock_again(struct task *self, struct lock *lock, enum want want, green_deadline deadline)
{
    if (lock->kind == RECURSIVE) {
        AT_ONCE(self, call_lock(lock, want, deadline), 0);
        lock->depth++;
        held[self->index]++;
        return;
    }
    expected_reports += deadline == GREEN_FOREVER && self->bound == GREEN_FOREVER;
    AT_ONCE(self, call_lock(lock, want, deadline), -EDEADLK);
}

static void
take_lock(struct task *self, struct lock *lock)
{
    enum want want = lock->kind == SHARED && chance(60) ? READ : WRITE;
    green_deadline deadline = some_deadline();
    if (is_cancelled(self)) {
        AT_ONCE(self, call_lock(lock, want, deadline), -ECANCELED);
    } else if (lock->writer == self) {
        lock_again(self, lock, want, deadline);
    } else if (lock->line.count == 0 && may_enter(lock, want)) {
        AT_ONCE(self, call_lock(lock, want, deadline), 0);
        enter(lock, self, want);
    } else if (deadline == GREEN_NOW) {
        AT_ONCE(self, call_lock(lock, want, deadline), -ETIMEDOUT);
    } else {
        note_wait(self, (struct wait){.want = want, .lock = lock}, deadline);
        if (closes_cycle(self, &lock->line)) {
            expected_reports++;
            AT_ONCE(self, call_lock(lock, want, deadline), -EDEADLK);
        } else if (WAIT_IN(self, &lock->line, call_lock(lock, want, deadline), deadline) != 0) {
            admit(lock); /* those behind may have waited for nobody else */
        }
    }
}

static void
give_lock(struct task *self, struct lock *lock)
{
    if (lock->writer == self && lock->depth > 0) {
        lock->depth--;
    } else if (lock->writer == self) {
        lock->writer = NULL;
        admit(lock);
    } else {
        lock->reads[self->index]--;
        admit(lock);
    }
    held[self->index]--;
    if (lock->kind == SHARED) {
        green_rwlock_unlock(&lock->rwlock);
    } else {
        green_mutex_unlock(&lock->mutex);
    }
}

static bool
holds(const struct task *self, const struct lock *lock)
{
    return lock->writer == self || lock->reads[self->index] > 0;
}

/** Let go of one of the locks, or of all. */
static void
give_some(struct task *self, bool all)
{
    int first = draw(LOCKS);
    for (int i = 0; i < LOCKS; i++) {
        struct lock *lock = &locks[(first + i) % LOCKS];
        while (holds(self, lock)) {
            give_lock(self, lock);
            if (!all) {
                return;
            }
        }
    }
}

static void
join_some(struct task *self)
{
    struct task *other = tasks[draw(TASKS_MAX)];
    green_deadline deadline = some_deadline();
    if (other == NULL || other == self || (ordered && held[self->index] > 0)) {
        return;
    }
    if (is_cancelled(self)) {
        AT_ONCE(self, green_job_join(other->job, NULL, deadline), -ECANCELED);
    } else if (other->ended) {
        AT_ONCE(self, green_job_join(other->job, NULL, deadline), 0);
    } else if (deadline == GREEN_NOW) {
        AT_ONCE(self, green_job_join(other->job, NULL, deadline), -ETIMEDOUT);
    } else {
        struct line *line = &joiners[other->index];
        note_wait(self, (struct wait){.want = END, .ended = other}, deadline);
        if (closes_cycle(self, line)) {
            expected_reports++;
            AT_ONCE(self, green_job_join(other->job, NULL, deadline), -EDEADLK);
        } else {
            WAIT_IN(self, line, green_job_join(other->job, NULL, deadline), deadline);
        }
    }
}

/** In a program that locks in order: one above all that it holds. */
static struct lock *
next_lock(const struct task *self)
{
    int lowest = 0;
    for (int i = 0; ordered && i < LOCKS; i++) {
        lowest = holds(self, &locks[i]) ? i + 1 : lowest;
    }
    return lowest < LOCKS ? &locks[lowest + draw(LOCKS - lowest)] : NULL;
}

static void
step(struct task *self)
{
    int drawn = draw(20);
    struct lock *lock = next_lock(self);
    if (drawn < 11 && held[self->index] < DEEP && lock != NULL) {
        take_lock(self, lock);
    } else if (drawn < 14 && !ordered) {
        join_some(self);
    } else {
        give_some(self, false);
    }
    CHECK(self, reports == expected_reports, "%d reports, not %d", reports, expected_reports);
}

static void
body(struct task *self)
{
    tasks[self->index] = self;
    for (int i = 4 + draw(16); i > 0 && !(self->cancelled && chance(60)); i--) {
        if (chance(20)) {
            disturb(self, body);
        } else {
            in_some_scope(self, step);
        }
    }
    give_some(self, true);
    serve_all(&joiners[self->index], 0);
    self->ended = true;
}

static void
program(void)
{
    ordered = chance(30);
    reports = expected_reports = 0;
    memset(waits, 0, sizeof waits);
    memset(tasks, 0, sizeof tasks);
    memset(joiners, 0, sizeof joiners);
    memset(held, 0, sizeof held);
    green_deadlock_set_hook(count_report, NULL);
    for (int i = 0; i < LOCKS; i++) {
        locks[i] = (struct lock){.kind = (enum kind)draw(3)};
        green_rwlock_init(&locks[i].rwlock);
        if (locks[i].kind == RECURSIVE) {
            green_mutex_init_recursive(&locks[i].mutex);
        } else {
            green_mutex_init(&locks[i].mutex);
        }
    }
    for (int i = 2 + draw(7); i > 0; i--) {
        start(body);
    }
    finish_all(60);
    CHECK(NULL, reports == expected_reports, "%d reports, not %d", reports, expected_reports);
    CHECK(NULL, !ordered || reports == 0, "locks that are taken in order were reported");
    for (int i = 0; i < LOCKS; i++) {
        CHECK(NULL, locks[i].line.count == 0 && locks[i].writer == NULL, "a lock is left held");
        green_mutex_fini(&locks[i].mutex);
        green_rwlock_fini(&locks[i].rwlock);
    }
}

int
main(int argc, char **argv)
{
    return run_seeds(argc, argv, "deadlock", program);
}
