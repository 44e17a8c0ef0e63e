/*
 * Cycles through locks to read and through the ends of jobs, where what there is to know is
 * scattered; and two who close one at the same moment.
 */
#include <errno.h>
#include <sched.h>

#include "findings.h"

static const enum green_kind kinds[] = {GREEN_TASK, GREEN_THREAD};

static struct green_rwlock rwlock = GREEN_RWLOCK_INIT;
static struct green_mutex mutex = GREEN_MUTEX_INIT;

/* ---- locks to read ---- */

START_TEST(a_reader_cannot_become_the_writer)
{
    watch();
    ck_assert_int_eq(green_rwlock_lock_read(&rwlock, GREEN_FOREVER), 0);
    ck_assert_int_eq(green_rwlock_lock_write(&rwlock, GREEN_NOW), -ETIMEDOUT);
    ck_assert_int_eq(green_rwlock_lock_write(&rwlock, green_after(5)), -ETIMEDOUT);
    ck_assert_int_eq(finding_count(), 0);
    ck_assert_int_eq(green_rwlock_lock_write(&rwlock, GREEN_FOREVER), -EDEADLK);
    ck_assert_int_eq(finding_count(), 1);
    ck_assert_int_eq(times_said(" waits for a lock, to write at 0x"), 1);
    green_rwlock_unlock(&rwlock);
    ck_assert_int_eq(green_rwlock_lock_write(&rwlock, GREEN_FOREVER), 0);
    ck_assert_int_eq(green_rwlock_lock_write(&rwlock, GREEN_FOREVER), -EDEADLK);
    ck_assert_int_eq(green_rwlock_lock_read(&rwlock, GREEN_FOREVER), -EDEADLK);
    ck_assert_int_eq(finding_count(), 3);
    green_rwlock_unlock(&rwlock);
}
END_TEST

static struct green_barrier both_read;

static intptr_t
upgrade(void *arg)
{
    (void)arg;
    green_rwlock_lock_read(&rwlock, GREEN_FOREVER);
    green_barrier_wait(&both_read, NULL, green_after(LONG_MS));
    int err = green_rwlock_lock_write(&rwlock, GREEN_FOREVER);
    green_rwlock_unlock(&rwlock);
    return err;
}

START_TEST(two_readers_become_the_writer)
{
    watch();
    green_barrier_init(&both_read, 2, NULL, NULL);
    struct green_job *jobs[2];
    for (int i = 0; i < 2; i++) {
        jobs[i] = spawn(kinds[_i], upgrade, NULL);
    }
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(finish(jobs[i]), -EDEADLK);
    }
    ck_assert_int_eq(finding_count(), 2);
}
END_TEST

static green_deadline writer_deadline;

static intptr_t
write_once(void *arg)
{
    (void)arg;
    int err = green_rwlock_lock_write(&rwlock, writer_deadline);
    if (err == 0) {
        green_rwlock_unlock(&rwlock);
    }
    return err;
}

static void
read_behind_writer(enum green_kind kind, green_deadline deadline, int expected, int writers)
{
    writer_deadline = deadline;
    ck_assert_int_eq(green_rwlock_lock_read(&rwlock, GREEN_FOREVER), 0);
    struct green_job *job = spawn(kind, write_once, NULL);
    ck_assert(until_waiting(&rwlock.waiters, 1));
    ck_assert_int_eq(green_rwlock_lock_read(&rwlock, GREEN_FOREVER), expected);
    if (expected == 0) {
        green_rwlock_unlock(&rwlock);
    }
    green_rwlock_unlock(&rwlock);
    ck_assert_int_eq(finish(job), writers);
}

START_TEST(a_reader_behind_a_writer_behind_the_reader)
{
    watch();
    read_behind_writer(kinds[_i], GREEN_FOREVER, -EDEADLK, 0);
    ck_assert_int_eq(finding_count(), 1);
    read_behind_writer(kinds[_i], green_after(200), 0, -ETIMEDOUT);
    ck_assert_int_eq(finding_count(), 1);
}
END_TEST

/** Read, and then want the mutex. */
static intptr_t
read_and_lock(void *arg)
{
    struct green_rwlock *others = arg;
    green_rwlock_lock_read(&others[0], GREEN_FOREVER);
    green_rwlock_lock_read(&rwlock, GREEN_FOREVER);
    int err = green_mutex_lock(&mutex, GREEN_FOREVER);
    if (err == 0) {
        green_mutex_unlock(&mutex);
    }
    green_rwlock_unlock(&others[0]);
    green_rwlock_unlock(&rwlock);
    return err;
}

START_TEST(a_reader_in_a_longer_cycle)
{
    static struct green_rwlock other = GREEN_RWLOCK_INIT;
    watch();
    ck_assert_int_eq(green_mutex_lock(&mutex, GREEN_FOREVER), 0);
    struct green_job *jobs[2];
    for (int i = 0; i < 2; i++) {
        jobs[i] = spawn(kinds[(_i + i) % 2], read_and_lock, &other);
        ck_assert(until_owner_awaited(jobs[i]));
    }
    ck_assert_int_eq(green_rwlock_lock_write(&rwlock, GREEN_FOREVER), -EDEADLK);
    ck_assert_int_eq(green_rwlock_lock_write(&other, GREEN_FOREVER), -EDEADLK);
    ck_assert_int_eq(finding_count(), 2);
    ck_assert_int_eq(times_said("; held by "), 2);
    green_mutex_unlock(&mutex);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(finish(jobs[i]), 0);
    }
    ck_assert_int_eq(green_rwlock_lock_write(&rwlock, GREEN_NOW), 0);
    green_rwlock_unlock(&rwlock);
}
END_TEST

static intptr_t
unlock_it(void *arg)
{
    green_rwlock_unlock(arg);
    return 0;
}

static void
unlock_anothers(void)
{
    green_rwlock_lock_read(&rwlock, GREEN_FOREVER);
    finish(spawn(GREEN_TASK, unlock_it, &rwlock));
}

enum { MANY = GREEN__READS_MAX + 20 };

START_TEST(every_lock_that_is_read_is_known)
{
    struct green_rwlock many[MANY];
    watch();
    for (int i = 0; i < MANY; i++) {
        green_rwlock_init(&many[i]);
        ck_assert_int_eq(green_rwlock_lock_read(&many[i], GREEN_FOREVER), 0);
    }
    ck_assert_uint_eq(green_self()->own->holds, MANY);
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(green_rwlock_lock_write(&many[i], GREEN_FOREVER), -EDEADLK);
        ck_assert_int_eq(finding_count(), i + 1);
    }
    for (int i = 0; i < MANY; i++) {
        green_rwlock_unlock(&many[i]);
        green_rwlock_fini(&many[i]);
    }
    ck_assert_uint_eq(green_self()->own->holds, 0);
    ck_assert_uint_eq(green_self()->own->reads_unnamed, 0);
    ck_assert_misuse(unlock_anothers, "green_rwlock_unlock: other workers hold the lock to read");
}
END_TEST

/* ---- the ends of jobs ---- */

START_TEST(ones_own_end)
{
    watch();
    ck_assert_int_eq(green_job_join(green_self(), NULL, GREEN_NOW), -EDEADLK);
    ck_assert_int_eq(finding_count(), 0);
    ck_assert_int_eq(green_job_join(green_self(), NULL, GREEN_FOREVER), -EDEADLK);
    ck_assert_int_eq(times_said(" waits for the end of a job at 0x"), 1);
    ck_assert_int_eq(times_said("; that is thread 1 "), 1);
}
END_TEST

#define CHAIN_MAX 20

static struct chain {
    int size;
    struct green_job *jobs[CHAIN_MAX];
    struct green_event complete;
} chain;

/** Join the next, the last the first. */
static intptr_t
join_next(void *arg)
{
    const struct worker *worker = arg;
    green_event_wait(&chain.complete, GREEN_FOREVER);
    return green_job_join(chain.jobs[(worker->index + 1) % chain.size], NULL, GREEN_FOREVER);
}

/** Whether a job of kind `_i`, or one of both by turns, is the next in a chain. */
static enum green_kind
kind_in_chain(int mixture, int place)
{
    return mixture < 2 ? kinds[mixture] : kinds[place % 2];
}

static void
try_chain(int mixture, int size)
{
    struct worker workers[CHAIN_MAX];
    int before = finding_count();
    int refused = 0;
    chain.size = size;
    green_event_init(&chain.complete);
    for (int i = 0; i < size; i++) {
        workers[i].index = i;
        chain.jobs[i] = spawn(kind_in_chain(mixture, i), join_next, &workers[i]);
    }
    green_event_set(&chain.complete);
    for (int i = 0; i < size; i++) {
        intptr_t value = 1;
        ck_assert_int_eq(green_job_join(chain.jobs[i], &value, green_after(LONG_MS)), 0);
        ck_assert(value == 0 || value == -EDEADLK);
        refused += value != 0;
    }
    for (int i = 0; i < size; i++) {
        green_job_put(chain.jobs[i]);
    }
    ck_assert_int_eq(refused, 1);
    ck_assert_int_eq(finding_count() - before, 1);
    ck_assert_int_eq(times_said("; that is "), size);
}

START_TEST(who_join_each_other)
{
    watch();
    try_chain(_i, 2);
    try_chain(_i, 3);
    try_chain(_i, CHAIN_MAX);
}
END_TEST

static atomic_bool may_lock;

static intptr_t
lock_when_told(void *arg)
{
    (void)arg;
    while (!atomic_load(&may_lock)) {
        green_sleep(1);
    }
    int err = green_mutex_lock(&mutex, GREEN_FOREVER);
    if (err == 0) {
        green_mutex_unlock(&mutex);
    }
    return err;
}

/** Join, holding the mutex that the other waits for, or will wait for. */
static void
join_who_wants_the_mutex(enum green_kind kind, bool waits_before)
{
    int before = finding_count();
    atomic_store(&may_lock, waits_before);
    ck_assert_int_eq(green_mutex_lock(&mutex, GREEN_FOREVER), 0);
    struct green_job *job = spawn(kind, lock_when_told, NULL);
    ck_assert(!waits_before || until_owner_awaited(job));
    atomic_store(&may_lock, true);
    intptr_t value = 0;
    int err = green_job_join(job, &value, GREEN_FOREVER);
    green_mutex_unlock(&mutex);
    ck_assert_int_eq(green_job_join(job, &value, green_after(LONG_MS)), 0);
    green_job_put(job);
    ck_assert_msg((err == -EDEADLK) != (value == -EDEADLK), "%d, %d", err, (int)value);
    ck_assert_int_eq(finding_count() - before, 1);
    ck_assert_int_eq(times_said("; that is "), 1);
    ck_assert_int_eq(times_said("; held by "), 1);
}

START_TEST(who_joins_one_that_wants_what_he_holds)
{
    watch();
    join_who_wants_the_mutex(kinds[_i], true);
    join_who_wants_the_mutex(kinds[_i], false);
}
END_TEST

/* ---- at the same moment ---- */

static struct meeting {
    struct green_mutex mutexes[2];
    atomic_int there[2];
    int rounds;
    atomic_int refused;
} meeting;

/** Round after round: have one, wait in a circle until the other has his, and want that. */
static intptr_t
collide(void *arg)
{
    const int me = NUMBER(arg);
    for (int round = 1; round <= meeting.rounds; round++) {
        if (green_mutex_lock(&meeting.mutexes[me], GREEN_FOREVER) != 0) {
            return 1;
        }
        atomic_store(&meeting.there[me], round);
        while (atomic_load(&meeting.there[1 - me]) < round) {
            sched_yield();
        }
        int err = green_mutex_lock(&meeting.mutexes[1 - me], GREEN_FOREVER);
        if (err == 0) {
            green_mutex_unlock(&meeting.mutexes[1 - me]);
        } else if (err == -EDEADLK) {
            atomic_fetch_add(&meeting.refused, 1);
        } else {
            return 1;
        }
        green_mutex_unlock(&meeting.mutexes[me]);
        while (atomic_load(&meeting.there[1 - me]) < round) {
            sched_yield();
        }
    }
    return 0;
}

static intptr_t
collide_in_a_task(void *arg)
{
    return finish(spawn(GREEN_TASK, collide, arg));
}

START_TEST(two_close_a_cycle_at_the_same_moment)
{
    green_deadlock_set_hook(NULL, NULL);
    meeting.rounds = stress(20000, 500);
    for (int i = 0; i < 2; i++) {
        green_mutex_init(&meeting.mutexes[i]);
    }
    struct green_job *first = spawn(GREEN_THREAD, _i == 0 ? collide : collide_in_a_task, NULL);
    struct green_job *second =
        spawn(GREEN_THREAD, _i == 2 ? collide_in_a_task : collide, POINTER(1));
    ck_assert_int_eq(finish(first), 0);
    ck_assert_int_eq(finish(second), 0);
    /* Who comes to the second lock when the other has been refused, and has let go, closes none. */
    ck_assert_int_eq(atomic_load(&meeting.refused), meeting.rounds);
}
END_TEST

int
main(void)
{
    const TTest *const once[] = {a_reader_cannot_become_the_writer,
                                 every_lock_that_is_read_is_known, ones_own_end};
    const TTest *const of_each_kind[] = {
        two_readers_become_the_writer,
        a_reader_behind_a_writer_behind_the_reader,
        a_reader_in_a_longer_cycle,
        who_joins_one_that_wants_what_he_holds,
    };
    TCase *tests = make_case("cycles");
    for (size_t i = 0; i < sizeof once / sizeof *once; i++) {
        tcase_add_test(tests, once[i]);
    }
    for (size_t i = 0; i < sizeof of_each_kind / sizeof *of_each_kind; i++) {
        tcase_add_loop_test(tests, of_each_kind[i], 0, 2);
    }
    tcase_add_loop_test(tests, who_join_each_other, 0, 3);
    tcase_add_loop_test(tests, two_close_a_cycle_at_the_same_moment, 0, 3);
    return run_case_of("cycles", tests);
}
