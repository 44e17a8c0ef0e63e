/*
 * The lock for readers and writers: who goes together, in what order, and who is left behind by
 * whom.
 */
#include "workers.h"

static struct green_rwlock rwlock = GREEN_RWLOCK_INIT;

/* ---- exclusion ---- */

struct shared {
    struct green_rwlock rwlock;
    atomic_int readers;
    atomic_int together; /* the most readers that were inside at a time */
    int writers;
    int written;
    int rounds;
};

static intptr_t
read_and_write(void *arg)
{
    const struct worker *worker = arg;
    struct shared *shared = worker->shared;
    for (int i = 0; i < shared->rounds; i++) {
        if ((i + worker->index) % 4 == 0) {
            if (green_rwlock_lock_write(&shared->rwlock, green_after(LONG_MS)) != 0 ||
                shared->writers++ != 0 || atomic_load(&shared->readers) != 0) {
                return 1;
            }
            green_yield();
            shared->written++;
            shared->writers--;
        } else {
            if (green_rwlock_lock_read(&shared->rwlock, green_after(LONG_MS)) != 0 ||
                shared->writers != 0) {
                return 2;
            }
            int inside = atomic_fetch_add(&shared->readers, 1) + 1;
            int most = atomic_load(&shared->together);
            while (inside > most &&
                   !atomic_compare_exchange_weak(&shared->together, &most, inside)) {
            }
            green_yield();
            atomic_fetch_sub(&shared->readers, 1);
        }
        green_rwlock_unlock(&shared->rwlock);
    }
    return 0;
}

static void
excludes(enum mixture mixture)
{
    struct shared shared = {.rwlock = GREEN_RWLOCK_INIT, .rounds = stress(400, 40)};
    ck_assert_int_eq(run_workers(mixture, 12, read_and_write, &shared), 0);
    ck_assert_int_eq(shared.written, 12 * shared.rounds / 4);
    if (mixture == TASKS) {
        ck_assert_int_gt(atomic_load(&shared.together), 1);
    }
    ck_assert_uint_eq(shared.rwlock.holders, 0);
    green_rwlock_fini(&shared.rwlock);
}
TEST_EACH_MIXTURE(excludes)

/* ---- order ---- */

static intptr_t
read_and_note(void *label)
{
    int err = green_rwlock_lock_read(&rwlock, green_after(LONG_MS));
    if (err == 0) {
        mark(label);
        green_yield();
        mark(label);
        green_rwlock_unlock(&rwlock);
    }
    return err;
}

static intptr_t
write_and_note(void *label)
{
    int err = green_rwlock_lock_write(&rwlock, green_after(LONG_MS));
    if (err == 0) {
        mark(label);
        green_yield();
        mark(label);
        green_rwlock_unlock(&rwlock);
    }
    return err;
}

START_TEST(readers_go_together_and_writers_alone_in_their_order)
{
    static char labels[7][2] = {"a", "b", "C", "d", "e", "F", "g"};
    struct green_job *jobs[7];
    ck_assert_int_eq(green_rwlock_lock_write(&rwlock, GREEN_FOREVER), 0);
    for (int i = 0; i < 7; i++) {
        jobs[i] = spawn_until_waiting(GREEN_TASK, i % 3 == 2 ? write_and_note : read_and_note,
                                      labels[i], &rwlock.waiters);
    }
    green_rwlock_unlock(&rwlock);
    for (int i = 0; i < 7; i++) {
        ck_assert_int_eq(finish(jobs[i]), 0);
    }
    ck_assert_trace("a b a b C C d e d e F F g g");
    ck_assert_uint_eq(rwlock.holders, 0);
}
END_TEST

START_TEST(writer_waits_for_all_readers_and_stops_those_who_come)
{
    ck_assert_int_eq(green_rwlock_lock_read(&rwlock, GREEN_FOREVER), 0);
    ck_assert_int_eq(green_rwlock_lock_read(&rwlock, GREEN_FOREVER), 0);
    struct green_job *writer =
        spawn_until_waiting(GREEN_THREAD, write_and_note, (void *)"W", &rwlock.waiters);
    ck_assert_int_eq(green_rwlock_lock_read(&rwlock, GREEN_NOW), -ETIMEDOUT);
    struct green_job *reader =
        spawn_until_waiting(GREEN_THREAD, read_and_note, (void *)"r", &rwlock.waiters);
    green_rwlock_unlock(&rwlock);
    ck_assert_int_eq(length_of(&rwlock.waiters, &rwlock.waiters), 2);
    green_rwlock_unlock(&rwlock);
    ck_assert_int_eq(finish(writer), 0);
    ck_assert_int_eq(finish(reader), 0);
    ck_assert_trace("W W r r");
}
END_TEST

/* ---- errors ---- */

static intptr_t
read_now(void *arg)
{
    return green_rwlock_lock_read(arg, GREEN_NOW);
}

static intptr_t
write_now(void *arg)
{
    return green_rwlock_lock_write(arg, GREEN_NOW);
}

static intptr_t
write_for_1_ms(void *arg)
{
    return green_rwlock_lock_write(arg, green_after(1));
}

static intptr_t
read_for_1_ms(void *arg)
{
    return green_rwlock_lock_read(arg, green_after(1));
}

START_TEST(errors_change_nothing)
{
    ck_assert_int_eq(green_rwlock_lock_write(&rwlock, GREEN_FOREVER), 0);
    ck_assert_int_eq(green_rwlock_lock_write(&rwlock, GREEN_FOREVER), -EDEADLK);
    ck_assert_int_eq(green_rwlock_lock_read(&rwlock, GREEN_FOREVER), -EDEADLK);
    static const enum green_kind kinds[] = {GREEN_TASK, GREEN_THREAD};
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(finish(spawn(kinds[i], read_now, &rwlock)), -ETIMEDOUT);
        ck_assert_int_eq(finish(spawn(kinds[i], write_now, &rwlock)), -ETIMEDOUT);
        ck_assert_int_eq(finish(spawn(kinds[i], read_for_1_ms, &rwlock)), -ETIMEDOUT);
        ck_assert_int_eq(finish(spawn(kinds[i], write_for_1_ms, &rwlock)), -ETIMEDOUT);
    }
    green_rwlock_unlock(&rwlock);
    ck_assert_uint_eq(rwlock.holders, 0);
}
END_TEST

/* ---- who gives up ---- */

START_TEST(readers_behind_a_writer_that_gives_up_come_in)
{
    static const enum green_kind kinds[] = {GREEN_TASK, GREEN_THREAD};
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(green_rwlock_lock_read(&rwlock, GREEN_FOREVER), 0);
        struct green_job *writer =
            spawn_until_waiting(kinds[i], write_and_note, (void *)"W", &rwlock.waiters);
        struct green_job *reader =
            spawn_until_waiting(GREEN_TASK, read_and_note, (void *)"r", &rwlock.waiters);
        struct green_job *other =
            spawn_until_waiting(GREEN_THREAD, read_and_note, (void *)"r", &rwlock.waiters);
        green_job_cancel(writer);
        ck_assert_int_eq(finish(writer), -ECANCELED);
        /* The caller reads all the time. */
        ck_assert_int_eq(finish(reader), 0);
        ck_assert_int_eq(finish(other), 0);
        green_rwlock_unlock(&rwlock);
    }
    ck_assert_trace("r r r r r r r r");
    ck_assert_uint_eq(rwlock.holders, 0);
}
END_TEST

START_TEST(what_was_handed_over_is_kept)
{
    for (int cancel_first = 0; cancel_first < 2; cancel_first++) {
        ck_assert_int_eq(green_rwlock_lock_write(&rwlock, GREEN_FOREVER), 0);
        struct green_job *reader =
            spawn_until_waiting(GREEN_TASK, read_and_note, (void *)"r", &rwlock.waiters);
        struct green_job *writer =
            spawn_until_waiting(GREEN_TASK, write_and_note, (void *)"W", &rwlock.waiters);
        if (cancel_first) {
            green_job_cancel(reader);
        }
        green_rwlock_unlock(&rwlock);
        if (!cancel_first) {
            green_job_cancel(reader);
        }
        ck_assert_int_eq(finish(reader), 0);
        ck_assert_int_eq(finish(writer), 0);
    }
    ck_assert_trace("r r W W r r W W");
}
END_TEST

struct hurry {
    struct green_rwlock rwlock;
    long written;
    _Atomic long got;
    int rounds;
};

static intptr_t
lock_in_a_hurry(void *arg)
{
    const struct worker *worker = arg;
    struct hurry *hurry = worker->shared;
    for (int i = 0; i < hurry->rounds; i++) {
        green_deadline deadline =
            green_after(0) + (green_deadline)((i * 7 + worker->index) % 64) * 1000;
        bool writes = (i + worker->index) % 3 == 0;
        int err = writes ? green_rwlock_lock_write(&hurry->rwlock, deadline)
                         : green_rwlock_lock_read(&hurry->rwlock, deadline);
        if (err == 0) {
            if (writes) {
                hurry->written++;
                atomic_fetch_add(&hurry->got, 1);
            }
            if (i % 8 == 0) {
                green_yield();
            }
            green_rwlock_unlock(&hurry->rwlock);
        } else if (err != -ETIMEDOUT) {
            return 1;
        }
    }
    return 0;
}

static void
deadlines_lose_no_hand_over(enum mixture mixture)
{
    struct hurry hurry = {.rwlock = GREEN_RWLOCK_INIT, .rounds = stress(1000, 50)};
    ck_assert_int_eq(run_workers(mixture, 12, lock_in_a_hurry, &hurry), 0);
    ck_assert_int_eq(hurry.written, atomic_load(&hurry.got));
    ck_assert_uint_eq(hurry.rwlock.holders & ~(uintptr_t)GREEN__CROWDED, 0);
    ck_assert_int_eq(green_rwlock_lock_write(&hurry.rwlock, GREEN_NOW), 0);
    green_rwlock_unlock(&hurry.rwlock);
    green_rwlock_fini(&hurry.rwlock);
}
TEST_EACH_MIXTURE(deadlines_lose_no_hand_over)

START_TEST(waiters_name_the_writer)
{
    ck_assert_int_eq(green_rwlock_lock_write(&rwlock, GREEN_FOREVER), 0);
    struct green_job *task =
        spawn_until_waiting(GREEN_TASK, write_and_note, (void *)"", &rwlock.waiters);
    ck_assert_ptr_eq(green__awaited_owner(task), green_self());
    green_rwlock_unlock(&rwlock);
    ck_assert_int_eq(finish(task), 0);
    ck_assert_int_eq(green_rwlock_lock_read(&rwlock, GREEN_FOREVER), 0);
    task = spawn_until_waiting(GREEN_TASK, write_and_note, (void *)"", &rwlock.waiters);
    ck_assert_ptr_null(green__awaited_owner(task));
    green_rwlock_unlock(&rwlock);
    ck_assert_int_eq(finish(task), 0);
}
END_TEST

/* ---- misuse ---- */

static void
unlock_a_free_one(void)
{
    green_rwlock_unlock(&rwlock);
}

static intptr_t
unlock_it(void *arg)
{
    green_rwlock_unlock(arg);
    return 0;
}

static void
unlock_anothers(void)
{
    green_rwlock_lock_write(&rwlock, GREEN_FOREVER);
    finish(spawn(GREEN_TASK, unlock_it, &rwlock));
}

static void
end_a_locked_one(void)
{
    green_rwlock_lock_read(&rwlock, GREEN_FOREVER);
    green_rwlock_fini(&rwlock);
}

static void
end_one_waited_for(void)
{
    green_rwlock_lock_read(&rwlock, GREEN_FOREVER);
    green_spawn(write_and_note, (void *)"", NULL);
    green_yield();
    green_rwlock_fini(&rwlock);
}

START_TEST(misuse_aborts)
{
    ck_assert_misuse(unlock_a_free_one, "green_rwlock_unlock: nobody holds the lock");
    ck_assert_misuse(unlock_anothers,
                     "green_rwlock_unlock: another worker holds the lock to write");
    ck_assert_misuse(end_a_locked_one, "green_rwlock_fini: it is locked");
    ck_assert_misuse(end_one_waited_for, "green_rwlock_fini: somebody waits for it");
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        EACH_MIXTURE(excludes),
        readers_go_together_and_writers_alone_in_their_order,
        writer_waits_for_all_readers_and_stops_those_who_come,
        errors_change_nothing,
        readers_behind_a_writer_that_gives_up_come_in,
        what_was_handed_over_is_kept,
        EACH_MIXTURE(deadlines_lose_no_hand_over),
        waiters_name_the_writer,
        misuse_aborts,
    };
    return RUN_TESTS("rwlock", tests);
}
