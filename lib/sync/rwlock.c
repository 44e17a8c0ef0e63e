/*
 * A lock for many readers or one writer, in FIFO order.
 *
 * Invariant: `holders` names the writer, or has GREEN__SHARED and the number of readers above the
 * bits, or is 0. Who comes while somebody waits waits behind him, a reader too, so that neither
 * side starves; all readers up to the first writer in the queue go together. Any worker may call.
 */
#include "sync/waiters.h"

#define ONE_READER ((uintptr_t)4)

/* What a waiter wants, as its value. */
static char reading;
static char writing;

void
green_rwlock_init(struct green_rwlock *rwlock)
{
    *rwlock = (struct green_rwlock)GREEN_RWLOCK_INIT;
}

void
green_rwlock_fini(struct green_rwlock *rwlock)
{
    green__waiters_fini(&rwlock->waiters, "green_rwlock_fini");
    if (GREEN__LOAD(&rwlock->holders) != 0) {
        green__misuse("green_rwlock_fini: it is locked");
    }
}

/** The word with one reader more. */
static uintptr_t
add_reader(uintptr_t word)
{
    return (word | GREEN__SHARED) + ONE_READER;
}

/** Whether a waiter goes together with those who hold the lock. */
static bool
may_enter(const struct green__waiter *waiter, uintptr_t word)
{
    return word == 0 || (waiter->value == &reading && (word & GREEN__SHARED) != 0);
}

/**
 * Let in those at the head of the queue who go together with the holders, and set the word.
 *
 * The word was crowded and the lock is held. It is set before anybody is woken: who is woken may
 * unlock at once.
 */
static void
admit(struct green_rwlock *rwlock, struct green__list *list, uintptr_t word)
{
    struct green__list admitted = GREEN__LIST(admitted);
    struct green__waiter *first;
    word &= ~(uintptr_t)GREEN__CROWDED;
    while ((first = green__waiters_first(list)) != NULL && may_enter(first, word)) {
        word = first->value == &writing ? (uintptr_t)first->job : add_reader(word);
        green__list_remove(&first->link);
        green__list_append(&admitted, &first->link);
    }
    uintptr_t crowded = green__list_empty(list) ? 0 : GREEN__CROWDED;
    GREEN__STORE_RELEASE(&rwlock->holders, word | crowded);
    green__waiters_wake_all(&admitted, NULL);
}

/** What the word becomes when the caller comes in at once; 0 when it has to wait. */
static uintptr_t
enter(uintptr_t word, struct green_job *self, const char *want)
{
    if (word == 0) {
        return want == &writing ? (uintptr_t)self : add_reader(word);
    }
    return want == &reading && (word & GREEN__OWNER_BITS) == GREEN__SHARED ? add_reader(word) : 0;
}

/** Join the queue; the caller has the lock when the call returns 0. */
static int
lock_slow(struct green_rwlock *rwlock, struct green_job *self, green_deadline deadline, char *want)
{
    struct green__list *list = green__waiters_lock(&rwlock->waiters);
    uintptr_t word = GREEN__LOAD(&rwlock->holders);
    while ((word & GREEN__CROWDED) == 0) {
        uintptr_t to = enter(word, self, want);
        bool entered = to != 0;
        if (GREEN__SWAP(&rwlock->holders, &word, entered ? to : word | GREEN__CROWDED)) {
            if (entered) {
                green__waiters_unlock(&rwlock->waiters);
                return 0;
            }
            break;
        }
    }
    self->own->waiter.value = want;
    bool reads = want == &reading;
    int err = green__waiters_wait_owner(&rwlock->waiters, &rwlock->holders,
                                        reads ? GREEN__WANT_READ : GREEN__WANT_WRITE, self,
                                        deadline, reads ? "a lock, to read" : "a lock, to write");
    if (err != 0) {
        /* Those behind the one who gives up may have waited for nobody else. */
        admit(rwlock, list, GREEN__LOAD(&rwlock->holders));
        green__waiters_unlock(&rwlock->waiters);
    }
    return err;
}

/** The caller has come in. */
static inline void
note_entry(const struct green_rwlock *rwlock, struct green_job *self, const char *want)
{
    if (want == &writing) {
        self->own->holds++;
    } else {
        green__graph_reads(self, rwlock);
    }
}

static inline int
lock(struct green_rwlock *rwlock, green_deadline deadline, char *want)
{
    struct green_job *self = green__self();
    int err = green__wait_check(self);
    if (err != 0) {
        return err;
    }
    uintptr_t word = GREEN__LOAD(&rwlock->holders);
    uintptr_t to;
    while ((to = enter(word, self, want)) != 0) {
        if (GREEN__SWAP(&rwlock->holders, &word, to)) {
            note_entry(rwlock, self, want);
            return 0;
        }
    }
    if (green__word_owner(word) == self) {
        green__graph_own(self, &rwlock->holders,
                         want == &reading ? GREEN__WANT_READ : GREEN__WANT_WRITE, deadline);
        return -EDEADLK;
    }
    err = deadline == GREEN_NOW ? -ETIMEDOUT : lock_slow(rwlock, self, deadline, want);
    if (err == 0) {
        note_entry(rwlock, self, want);
    }
    return err;
}

int
green_rwlock_lock_read(struct green_rwlock *rwlock, green_deadline deadline)
{
    return lock(rwlock, deadline, &reading);
}

int
green_rwlock_lock_write(struct green_rwlock *rwlock, green_deadline deadline)
{
    return lock(rwlock, deadline, &writing);
}

/** The word when one who held the lock has left it. */
static uintptr_t
leave(uintptr_t word)
{
    if ((word & GREEN__SHARED) != 0) {
        word -= ONE_READER;
        return (word & ~(uintptr_t)GREEN__CROWDED) == GREEN__SHARED ? word & GREEN__CROWDED : word;
    }
    return word & GREEN__CROWDED;
}

/** The caller holds the lock no longer; aborts if it did not. */
static void
note_leave(const struct green_rwlock *rwlock, uintptr_t word, struct green_job *self)
{
    if ((word & GREEN__SHARED) != 0) {
        if (!green__graph_read(self, rwlock)) {
            green__misuse("green_rwlock_unlock: other workers hold the lock to read");
        }
    } else if (green__word_owner(word) == self) {
        self->own->holds--;
    } else {
        green__misuse(word == 0 ? "green_rwlock_unlock: nobody holds the lock"
                                : "green_rwlock_unlock: another worker holds the lock to write");
    }
}

/** Leave under the lock of the waiters; false when it is not crowded any more. */
static bool
unlock_slow(struct green_rwlock *rwlock)
{
    struct green__list *list = green__waiters_lock(&rwlock->waiters);
    uintptr_t word = GREEN__LOAD(&rwlock->holders);
    bool crowded = (word & GREEN__CROWDED) != 0;
    if (crowded) {
        admit(rwlock, list, leave(word));
    }
    green__waiters_unlock(&rwlock->waiters);
    return crowded;
}

void
green_rwlock_unlock(struct green_rwlock *rwlock)
{
    uintptr_t word = GREEN__LOAD(&rwlock->holders);
    note_leave(rwlock, word, green__self());
    for (;;) {
        uintptr_t to = leave(word);
        if ((word & GREEN__CROWDED) == 0) {
            if (GREEN__SWAP(&rwlock->holders, &word, to)) {
                return;
            }
        } else {
            if (unlock_slow(rwlock)) {
                return;
            }
            word = GREEN__LOAD(&rwlock->holders);
        }
    }
}
