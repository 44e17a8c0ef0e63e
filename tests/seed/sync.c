/*
 * Seeded programs over mutexes, rwlocks, semaphores, events, conditions, barriers and onces.
 */
#include "green/sync.h"

#include "seed.h"

/* ---- mutexes ---- */

struct mutex {
    struct green_mutex it;
    struct task *owner;
    int depth;
    struct line line;
};

static struct mutex mutexes[2]; /* the second is recursive */

static bool
lock(struct task *self, struct mutex *mutex)
{
    green_deadline deadline = some_deadline();
    if (is_cancelled(self)) {
        AT_ONCE(self, green_mutex_lock(&mutex->it, deadline), -ECANCELED);
        return false;
    }
    if (mutex->owner == self) {
        AT_ONCE(self, green_mutex_lock(&mutex->it, deadline), mutex == mutexes ? -EDEADLK : 0);
        mutex->depth += mutex != mutexes;
        return mutex != mutexes;
    }
    if (mutex->owner != NULL && deadline == GREEN_NOW) {
        AT_ONCE(self, green_mutex_trylock(&mutex->it), -ETIMEDOUT);
        return false;
    }
    if (mutex->owner != NULL) {
        int err = WAIT_IN(self, &mutex->line, green_mutex_lock(&mutex->it, deadline), deadline);
        CHECK(self, err != 0 || mutex->owner == self, "two hold a mutex");
        return err == 0;
    }
    AT_ONCE(self, green_mutex_lock(&mutex->it, deadline), 0);
    mutex->owner = self;
    mutex->depth = 1;
    return true;
}

static void
unlock(struct task *self, struct mutex *mutex)
{
    CHECK(self, mutex->owner == self && green_mutex_mine(&mutex->it), "a mutex has gone away");
    if (--mutex->depth == 0) {
        mutex->owner = serve_first(&mutex->line, 0);
        mutex->depth = mutex->owner != NULL;
    }
    say(self, "unlocks");
    green_mutex_unlock(&mutex->it);
}

static void
use_mutexes(struct task *self)
{
    if (!lock(self, &mutexes[0])) {
        return;
    }
    dwell(self);
    for (int i = draw(3); i > 0; i--) {
        if (lock(self, &mutexes[1])) {
            dwell(self);
            if (lock(self, &mutexes[1])) {
                unlock(self, &mutexes[1]);
            }
            unlock(self, &mutexes[1]);
        }
    }
    unlock(self, &mutexes[0]);
}

/* ---- rwlock ---- */

static struct {
    struct green_rwlock it;
    struct task *writer;
    int readers;
    struct line line; /* `extra` of each: whether it wants to write */
} rwlock;

static bool
may_enter(bool writes)
{
    return rwlock.writer == NULL && (!writes || rwlock.readers == 0);
}

static void
enter(struct task *self, bool writes)
{
    rwlock.writer = writes ? self : NULL;
    rwlock.readers += !writes;
}

static void
admit(void)
{
    while (rwlock.line.count > 0 && may_enter(rwlock.line.tasks[0]->extra)) {
        struct task *first = serve_first(&rwlock.line, 0);
        enter(first, first->extra);
    }
}

static int
lock_rwlock(bool writes, green_deadline deadline)
{
    return writes ? green_rwlock_lock_write(&rwlock.it, deadline)
                  : green_rwlock_lock_read(&rwlock.it, deadline);
}

static void
use_rwlock(struct task *self)
{
    green_deadline deadline = some_deadline();
    bool writes = chance(40);
    if (is_cancelled(self)) {
        AT_ONCE(self, lock_rwlock(writes, deadline), -ECANCELED);
        return;
    }
    if (rwlock.line.count == 0 && may_enter(writes)) {
        AT_ONCE(self, lock_rwlock(writes, deadline), 0);
        enter(self, writes);
    } else if (deadline == GREEN_NOW) {
        AT_ONCE(self, lock_rwlock(writes, deadline), -ETIMEDOUT);
        return;
    } else {
        self->extra = writes;
        int err = WAIT_IN(self, &rwlock.line, lock_rwlock(writes, deadline), deadline);
        if (err != 0) {
            admit(); /* those behind may have waited for nobody else */
            return;
        }
    }
    dwell(self);
    CHECK(self,
          writes ? rwlock.writer == self && rwlock.readers == 0
                 : rwlock.writer == NULL && rwlock.readers > 0,
          "a writer is not alone");
    rwlock.writer = NULL;
    rwlock.readers -= !writes;
    admit();
    green_rwlock_unlock(&rwlock.it);
}

/* ---- semaphore ---- */

static struct {
    struct green_semaphore it;
    uint64_t units;
    uint64_t bound;
    struct line line;
} semaphore;

static void
release(struct task *self, unsigned count)
{
    bool fits = count <= semaphore.bound - semaphore.units;
    for (unsigned i = 0; fits && i < count; i++) {
        semaphore.units += serve_first(&semaphore.line, 0) == NULL;
    }
    AT_ONCE(self, green_semaphore_release_many(&semaphore.it, count), fits ? 0 : -EOVERFLOW);
    CHECK(self, green_semaphore_value(&semaphore.it) == semaphore.units, "a unit is lost");
}

static void
use_semaphore(struct task *self)
{
    green_deadline deadline = some_deadline();
    if (chance(15)) {
        release(self, (unsigned)draw(3)); /* one that was not taken: a bounded one minds */
        return;
    }
    if (is_cancelled(self)) {
        AT_ONCE(self, green_semaphore_acquire(&semaphore.it, deadline), -ECANCELED);
        return;
    }
    if (semaphore.units > 0) {
        AT_ONCE(self, green_semaphore_acquire(&semaphore.it, deadline), 0);
        semaphore.units--;
    } else if (deadline == GREEN_NOW) {
        AT_ONCE(self, green_semaphore_acquire(&semaphore.it, deadline), -ETIMEDOUT);
        return;
    } else if (WAIT_IN(self, &semaphore.line, green_semaphore_acquire(&semaphore.it, deadline),
                       deadline) != 0) {
        return;
    }
    dwell(self);
    release(self, 1);
}

/* ---- event ---- */

static struct {
    struct green_event it;
    bool set;
    struct line line;
} event;

static void
use_event(struct task *self)
{
    green_deadline deadline = some_deadline();
    int drawn = draw(5);
    if (drawn == 0) {
        say(self, "clears the event");
        event.set = false;
        green_event_clear(&event.it);
    } else if (drawn < 3) {
        say(self, "sets the event");
        event.set = true;
        serve_all(&event.line, 0);
        green_event_set(&event.it);
    } else if (is_cancelled(self)) {
        AT_ONCE(self, green_event_wait(&event.it, deadline), -ECANCELED);
    } else if (event.set) {
        AT_ONCE(self, green_event_wait(&event.it, deadline), 0);
    } else if (deadline == GREEN_NOW) {
        AT_ONCE(self, green_event_wait(&event.it, deadline), -ETIMEDOUT);
    } else {
        WAIT_IN(self, &event.line, green_event_wait(&event.it, deadline), deadline);
    }
    CHECK(self, green_event_is_set(&event.it) == event.set, "the flag is not as it was left");
}

/* ---- condition ---- */

static struct {
    struct green_mutex mutex;
    struct green_condition it;
    struct task *inside;
    int tokens;
    struct line line;
} condition;

static bool
has_token(void *arg)
{
    const struct task *self = arg;
    CHECK(self, condition.inside == NULL || condition.inside == self, "two hold the mutex");
    return condition.tokens > 0;
}

static void
wait_for_notice(struct task *self, green_deadline deadline)
{
    condition.inside = NULL;
    WAIT_IN(self, &condition.line, green_condition_wait(&condition.it, deadline), deadline);
    CHECK(self, condition.inside == NULL, "two hold the mutex");
    condition.inside = self;
}

static void
wait_for_token(struct task *self, green_deadline deadline)
{
    if (has_token(self)) {
        AT_ONCE(self, green_condition_wait_for(&condition.it, has_token, self, deadline), 0);
    } else {
        /* It stands in the line again and again: what is known is the outcome. */
        condition.inside = NULL;
        int err = green_condition_wait_for(&condition.it, has_token, self, deadline);
        running = self;
        CHECK(self, condition.inside == NULL, "two hold the mutex");
        condition.inside = self;
        CHECK(self, err == 0 ? has_token(self) : may_fail(self, err, deadline),
              "wait_for = %d, without a reason", err);
        if (err != 0) {
            return;
        }
    }
    condition.tokens--;
}

static void
notify(struct task *self)
{
    unsigned count = chance(20) ? UINT32_MAX : (unsigned)draw(3);
    say(self, "notifies %u", count);
    for (unsigned i = 0; i < count && serve_first(&condition.line, 0) != NULL; i++) {
    }
    green_condition_notify(&condition.it, count);
}

/* Two kinds of programs. In the one, waiters look for a token, and who holds the mutex may let
 * others run. In the other, waiters are counted one by one: for that the mutex has to be free
 * whenever one of them wakes up, else it leaves the line and shows it only when it has the mutex.
 */
static bool with_tokens;

static void
use_condition(struct task *self)
{
    int err = green_mutex_lock(&condition.mutex, GREEN_FOREVER);
    running = self;
    if (err != 0) {
        CHECK(self, may_fail(self, err, GREEN_FOREVER), "the lock = %d, without a reason", err);
        return;
    }
    CHECK(self, condition.inside == NULL, "two hold the mutex");
    condition.inside = self;
    green_deadline deadline = some_deadline();
    if (chance(50)) {
        condition.tokens += with_tokens;
        notify(self);
    } else if (with_tokens) {
        wait_for_token(self, deadline);
    } else if (is_cancelled(self)) {
        AT_ONCE(self, green_condition_wait(&condition.it, deadline), -ECANCELED);
    } else {
        wait_for_notice(self, deadline);
    }
    if (with_tokens) {
        dwell(self);
    }
    condition.inside = NULL;
    green_mutex_unlock(&condition.mutex);
}

/* ---- barrier ---- */

static struct {
    struct green_barrier it;
    int parties;
    bool broken;
    int fails; /* in percent, of the action */
    struct line line;
} barrier;

static void
break_barrier(bool broken)
{
    barrier.broken = broken;
    serve_all(&barrier.line, -EPIPE);
}

static int
act(void *arg)
{
    (void)arg;
    struct task *self = running;
    struct line chain = barrier.line;
    barrier.line.count = 0;
    say(self, "acts for all at the barrier");
    dwell(self);
    int err = chance(barrier.fails) ? -EIO : 0;
    if (err != 0) {
        break_barrier(true);
    }
    for (int i = 0; i < chain.count; i++) {
        serve(chain.tasks[i], err != 0 ? -EPIPE : 0);
    }
    return err;
}

static void
complete(struct task *self, unsigned *ret_index)
{
    bool acts = barrier.it.action != NULL;
    if (!acts) {
        serve_all(&barrier.line, 0);
        AT_ONCE(self, green_barrier_wait(&barrier.it, ret_index, GREEN_FOREVER), 0);
        return;
    }
    int err = green_barrier_wait(&barrier.it, ret_index, GREEN_FOREVER);
    running = self;
    CHECK(self, err == 0 || err == -EIO, "the action failed with %d", err);
}

static void
stand_at_barrier(struct task *self, unsigned index)
{
    green_deadline deadline = chance(50) ? GREEN_FOREVER : green_after((uint64_t)draw(9));
    unsigned got = index;
    if (WAIT_IN(self, &barrier.line, green_barrier_wait(&barrier.it, &got, deadline), deadline) !=
            0 &&
        !self->served) {
        break_barrier(true);
    }
    CHECK(self, got == index, "index %u, not %u", got, index);
}

static void
use_barrier(struct task *self)
{
    unsigned index = (unsigned)barrier.line.count;
    unsigned got = index;
    int drawn = draw(20);
    if (drawn == 0) {
        say(self, "aborts the barrier");
        break_barrier(true);
        green_barrier_abort(&barrier.it);
    } else if (drawn < 3 || (barrier.broken && drawn < 8)) {
        say(self, "resets the barrier");
        break_barrier(false);
        green_barrier_reset(&barrier.it);
    } else if (is_cancelled(self)) {
        break_barrier(true);
        AT_ONCE(self, green_barrier_wait(&barrier.it, NULL, GREEN_FOREVER), -ECANCELED);
    } else if (barrier.broken) {
        AT_ONCE(self, green_barrier_wait(&barrier.it, NULL, GREEN_FOREVER), -EPIPE);
    } else if ((int)index + 1 == barrier.parties) {
        complete(self, &got);
        CHECK(self, got == index, "index %u, not %u", got, index);
    } else {
        stand_at_barrier(self, index);
    }
}

/* ---- once ---- */

static struct {
    struct green_once it;
    struct task *inside;
    bool done;
} once;

static int
do_once(void *arg)
{
    struct task *self = arg;
    CHECK(self, once.inside == NULL && !once.done, "once is twice");
    once.inside = self;
    dwell(self);
    once.inside = NULL;
    once.done = chance(60);
    return once.done ? 0 : -EIO;
}

static void
use_once(struct task *self)
{
    green_deadline deadline = some_deadline();
    if (once.done) {
        AT_ONCE(self, green_once_run(&once.it, do_once, self, deadline), 0);
        return;
    }
    int err = green_once_run(&once.it, do_once, self, deadline);
    running = self;
    say(self, "once = %d", err);
    CHECK(self, err == 0 ? once.done : err == -EIO || may_fail(self, err, deadline),
          "once = %d, without a reason", err);
}

/* ---- the program ---- */

static void (*const uses[])(struct task *self) = {
    use_mutexes, use_rwlock, use_semaphore, use_event, use_condition, use_barrier, use_once};

#define USE_COUNT ((int)(sizeof uses / sizeof *uses))

static unsigned used; /* a bit for each of those that this program uses */

static void
step(struct task *self)
{
    int i = draw(USE_COUNT);
    while ((used & 1u << i) == 0) {
        i = (i + 1) % USE_COUNT;
    }
    uses[i](self);
}

static void
body(struct task *self)
{
    for (int i = 3 + draw(12); i > 0 && !(self->cancelled && chance(60)); i--) {
        if (chance(25)) {
            disturb(self, body);
        } else {
            in_some_scope(self, step);
        }
    }
}

static void
make_all(void)
{
    for (int i = 0; i < 2; i++) {
        mutexes[i] = (struct mutex){.owner = NULL};
    }
    green_mutex_init(&mutexes[0].it);
    green_mutex_init_recursive(&mutexes[1].it);
    green_rwlock_init(&rwlock.it);
    unsigned units = (unsigned)draw(3);
    semaphore.units = units;
    semaphore.bound = chance(50) ? units : GREEN_SEMAPHORE_MAX;
    if (semaphore.bound == units) {
        green_semaphore_init_bounded(&semaphore.it, units);
    } else {
        green_semaphore_init(&semaphore.it, units);
    }
    green_event_init(&event.it);
    event.set = false;
    green_mutex_init(&condition.mutex);
    green_condition_init(&condition.it, &condition.mutex);
    condition.tokens = 0;
    with_tokens = chance(50);
    barrier.parties = 1 + draw(4);
    barrier.broken = false;
    barrier.fails = draw(2) * 20;
    green_barrier_init(&barrier.it, (unsigned)barrier.parties, chance(50) ? act : NULL, NULL);
    green_once_init(&once.it);
    once.done = false;
}

/** It aborts where somebody still waits. */
static void
end_all(void)
{
    green_mutex_fini(&mutexes[0].it);
    green_mutex_fini(&mutexes[1].it);
    green_rwlock_fini(&rwlock.it);
    green_semaphore_fini(&semaphore.it);
    green_event_fini(&event.it);
    green_condition_fini(&condition.it);
    green_mutex_fini(&condition.mutex);
    green_barrier_fini(&barrier.it);
    green_once_fini(&once.it);
}

static void
program(void)
{
    make_all();
    used = chance(30) ? (1u << USE_COUNT) - 1 : 1u << draw(USE_COUNT);
    used |= 1u << draw(USE_COUNT);
    for (int i = 2 + draw(7); i > 0; i--) {
        start(body);
    }
    finish_all(40);
    end_all();
}

int
main(int argc, char **argv)
{
    return run_seeds(argc, argv, "sync", program);
}
