/*
 * Semaphores, events, conditions, barriers, values and arrays between processes: what they promise
 * while everybody lives.
 */
#include "ipc_crowd.h"

/* ---- semaphore ---- */

struct room {
    struct green_ipc_semaphore *semaphore;
    atomic_int inside;
    atomic_int most;
    int rounds;
};

static intptr_t
enter_room(void *arg)
{
    struct room *room = ((struct member *)arg)->shared;
    for (int i = 0; i < room->rounds; i++) {
        int err = green_ipc_semaphore_acquire(room->semaphore, green_after(LONG_MS));
        if (err != 0) {
            return err;
        }
        int inside = atomic_fetch_add(&room->inside, 1) + 1;
        int most = atomic_load(&room->most);
        while (inside > most && !atomic_compare_exchange_weak(&room->most, &most, inside)) {
        }
        if (i % 8 == 0) {
            green_yield();
        }
        atomic_fetch_sub(&room->inside, 1);
        err = green_ipc_semaphore_release(room->semaphore);
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

START_TEST(semaphore_limits)
{
    struct room *room = shared_memory(sizeof *room);
    ck_assert_int_eq(green_ipc_semaphore_create_bounded(3, &room->semaphore), 0);
    room->rounds = stress(500, 30);
    ck_assert_int_eq(run_crowd(enter_room, room), 0);
    ck_assert_int_le(atomic_load(&room->most), 3);
    ck_assert_uint_eq(green_ipc_semaphore_value(room->semaphore), 3);
    ck_assert_int_eq(green_ipc_semaphore_release(room->semaphore), -EOVERFLOW);
    green_ipc_semaphore_destroy(room->semaphore);
}
END_TEST

static intptr_t
acquire(void *semaphore)
{
    return green_ipc_semaphore_acquire(semaphore, green_after(LONG_MS));
}

START_TEST(semaphore_releases_many)
{
    struct green_ipc_semaphore *semaphore;
    struct green_job *jobs[3];
    ck_assert_int_eq(green_ipc_semaphore_create(0, &semaphore), 0);
    ck_assert_int_eq(green_ipc_semaphore_acquire(semaphore, GREEN_NOW), -ETIMEDOUT);
    for (int i = 0; i < 3; i++) {
        jobs[i] = spawn(GREEN_PROCESS, acquire, semaphore);
    }
    ck_assert_int_eq(green_ipc_semaphore_release_many(semaphore, 5), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(finish(jobs[i]), 0);
    }
    ck_assert_uint_eq(green_ipc_semaphore_value(semaphore), 2);
    green_ipc_semaphore_destroy(semaphore);
}
END_TEST

/* ---- event ---- */

struct race {
    struct green_ipc_event *start;
    atomic_int ready;
    atomic_int early;
    atomic_bool started;
};

static intptr_t
run_race(void *arg)
{
    struct race *race = ((struct member *)arg)->shared;
    if (atomic_fetch_add(&race->ready, 1) + 1 == CROWD) {
        atomic_store(&race->started, true);
        return green_ipc_event_set(race->start);
    }
    int err = green_ipc_event_wait(race->start, green_after(LONG_MS));
    atomic_fetch_add(&race->early, !atomic_load(&race->started));
    return err;
}

START_TEST(event_starts_all)
{
    struct race *race = shared_memory(sizeof *race);
    ck_assert_int_eq(green_ipc_event_create(&race->start), 0);
    ck_assert_int_eq(green_ipc_event_wait(race->start, GREEN_NOW), -ETIMEDOUT);
    ck_assert_int_eq(green_ipc_event_wait(race->start, green_after(5)), -ETIMEDOUT);
    for (int i = 0; i < stress(20, 3); i++) {
        atomic_store(&race->ready, 0);
        atomic_store(&race->started, false);
        ck_assert_int_eq(green_ipc_event_clear(race->start), 0);
        ck_assert(!green_ipc_event_is_set(race->start));
        ck_assert_int_eq(run_crowd(run_race, race), 0);
        ck_assert(green_ipc_event_is_set(race->start));
        ck_assert_int_eq(green_ipc_event_wait(race->start, GREEN_NOW), 0);
    }
    ck_assert_int_eq(atomic_load(&race->early), 0);
    green_ipc_event_destroy(race->start);
}
END_TEST

/* ---- condition ---- */

struct table {
    struct green_ipc_mutex *mutex;
    struct green_ipc_condition *turned;
    int turn;
    int rounds;
};

/** Each in turn, round by round. */
static intptr_t
take_turns(void *arg)
{
    const struct member *me = arg;
    struct table *table = me->shared;
    int err = green_ipc_mutex_lock(table->mutex, green_after(LONG_MS));
    for (int i = 0; i < table->rounds && err == 0; i++) {
        while (table->turn % CROWD != me->index && err == 0) {
            err = green_ipc_condition_wait(table->turned, green_after(2 * LONG_MS));
        }
        table->turn++;
        err = err != 0 ? err : green_ipc_condition_notify_all(table->turned);
    }
    green_ipc_mutex_unlock(table->mutex);
    return err;
}

START_TEST(condition_turns)
{
    struct table *table = shared_memory(sizeof *table);
    ck_assert_int_eq(green_ipc_mutex_create_recursive(&table->mutex), 0);
    ck_assert_int_eq(green_ipc_condition_create(table->mutex, &table->turned), 0);
    table->rounds = stress(5, 1);
    ck_assert_int_eq(run_crowd(take_turns, table), 0);
    ck_assert_int_eq(table->turn, CROWD * table->rounds);
    ck_assert_int_eq(green_ipc_mutex_lock(table->mutex, GREEN_NOW), 0);
    ck_assert_int_eq(green_ipc_mutex_lock(table->mutex, GREEN_NOW), 0);
    ck_assert_int_eq(green_ipc_condition_wait(table->turned, green_after(5)), -ETIMEDOUT);
    ck_assert_int_eq(green_ipc_condition_wait(table->turned, GREEN_NOW), -ETIMEDOUT);
    green_ipc_mutex_unlock(table->mutex);
    ck_assert(green_ipc_mutex_mine(table->mutex));
    green_ipc_mutex_unlock(table->mutex);
    green_ipc_condition_destroy(table->turned);
    green_ipc_mutex_destroy(table->mutex);
}
END_TEST

static bool
is_turn_two(void *table)
{
    return ((struct table *)table)->turn == 2;
}

static intptr_t
wait_for_two(void *arg)
{
    struct table *table = arg;
    int err = green_ipc_mutex_lock(table->mutex, green_after(LONG_MS));
    if (err == 0) {
        err = green_ipc_condition_wait_for(table->turned, is_turn_two, table, green_after(LONG_MS));
        green_ipc_mutex_unlock(table->mutex);
    }
    return err;
}

START_TEST(condition_predicate)
{
    struct table *table = shared_memory(sizeof *table);
    ck_assert_int_eq(green_ipc_mutex_create(&table->mutex), 0);
    ck_assert_int_eq(green_ipc_condition_create(table->mutex, &table->turned), 0);
    struct green_job *job = spawn(GREEN_PROCESS, wait_for_two, table);
    for (int i = 1; i <= 2; i++) {
        ck_assert(until_asleep(job));
        ck_assert_int_eq(green_ipc_mutex_lock(table->mutex, green_after(LONG_MS)), 0);
        table->turn = i;
        ck_assert_int_eq(green_ipc_condition_notify(table->turned, 1), 0);
        green_ipc_mutex_unlock(table->mutex);
    }
    ck_assert_int_eq(finish(job), 0);
    green_ipc_condition_destroy(table->turned);
    green_ipc_mutex_destroy(table->mutex);
}
END_TEST

/* ---- barrier ---- */

struct meeting {
    struct green_ipc_barrier *barrier;
    atomic_int arrived;
    atomic_int indices;
    int rounds;
};

static intptr_t
meet(void *arg)
{
    struct meeting *meeting = ((struct member *)arg)->shared;
    for (int i = 0; i < meeting->rounds; i++) {
        unsigned index = 0;
        atomic_fetch_add(&meeting->arrived, 1);
        int err = green_ipc_barrier_wait(meeting->barrier, &index, green_after(LONG_MS));
        if (err != 0) {
            return err;
        }
        if (atomic_load(&meeting->arrived) < (i + 1) * CROWD) {
            return -EPROTO;
        }
        atomic_fetch_add(&meeting->indices, (int)index);
    }
    return 0;
}

START_TEST(barrier_gathers)
{
    struct meeting *meeting = shared_memory(sizeof *meeting);
    ck_assert_int_eq(green_ipc_barrier_create(0, &meeting->barrier), -EINVAL);
    ck_assert_int_eq(green_ipc_barrier_create(CROWD, &meeting->barrier), 0);
    meeting->rounds = stress(50, 5);
    ck_assert_int_eq(run_crowd(meet, meeting), 0);
    ck_assert_int_eq(atomic_load(&meeting->indices), meeting->rounds * CROWD * (CROWD - 1) / 2);
    ck_assert(!green_ipc_barrier_broken(meeting->barrier));
    ck_assert_int_eq(green_ipc_barrier_wait(meeting->barrier, NULL, green_after(5)), -ETIMEDOUT);
    ck_assert(green_ipc_barrier_broken(meeting->barrier));
    ck_assert_int_eq(green_ipc_barrier_wait(meeting->barrier, NULL, GREEN_FOREVER), -EPIPE);
    ck_assert_int_eq(green_ipc_barrier_reset(meeting->barrier), 0);
    ck_assert(!green_ipc_barrier_broken(meeting->barrier));
    ck_assert_int_eq(green_ipc_barrier_abort(meeting->barrier), 0);
    ck_assert_int_eq(green_ipc_barrier_wait(meeting->barrier, NULL, GREEN_FOREVER), -EPIPE);
    green_ipc_barrier_destroy(meeting->barrier);
}
END_TEST

/* ---- value and array ---- */

struct sums {
    struct green_ipc_value *value;
    struct green_ipc_array *array;
    int rounds;
};

static intptr_t
add_up(void *arg)
{
    struct sums *sums = ((struct member *)arg)->shared;
    for (int i = 0; i < sums->rounds; i++) {
        green_ipc_value_add(sums->value, 2);
        int err = green_ipc_mutex_lock(green_ipc_array_mutex(sums->array), green_after(LONG_MS));
        if (err != 0) {
            return err;
        }
        (*(int *)green_ipc_array_at(sums->array, (size_t)i % 3))++;
        green_ipc_mutex_unlock(green_ipc_array_mutex(sums->array));
    }
    return 0;
}

START_TEST(values_and_arrays)
{
    struct sums *sums = shared_memory(sizeof *sums);
    ck_assert_int_eq(green_ipc_value_create(-7, &sums->value), 0);
    ck_assert_int_eq(green_ipc_array_create(3, sizeof(int), &sums->array), 0);
    sums->rounds = 99;
    ck_assert_int_eq(run_crowd(add_up, sums), 0);
    ck_assert_int_eq(green_ipc_value_get(sums->value), CROWD * 99 * 2 - 7);
    int item = 0;
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(green_ipc_array_get(sums->array, i, &item, GREEN_NOW), 0);
        ck_assert_int_eq(item, CROWD * 33);
    }
    item = 5;
    ck_assert_int_eq(green_ipc_array_set(sums->array, 2, &item, GREEN_NOW), 0);
    ck_assert_int_eq(*(int *)green_ipc_array_at(sums->array, 2), 5);
    ck_assert_int_eq(green_ipc_array_set(sums->array, 3, &item, GREEN_NOW), -ERANGE);
    ck_assert_int_eq(green_ipc_array_get(sums->array, 3, &item, GREEN_NOW), -ERANGE);
    ck_assert_ptr_null(green_ipc_array_at(sums->array, 3));
    ck_assert_uint_eq(green_ipc_array_count(sums->array), 3);
    int64_t expected = 1;
    ck_assert(!green_ipc_value_replace(sums->value, &expected, 3));
    ck_assert(green_ipc_value_replace(sums->value, &expected, 3));
    ck_assert_int_eq(green_ipc_value_get(sums->value), 3);
    green_ipc_value_set(sums->value, 4);
    ck_assert_int_eq(green_ipc_value_get(sums->value), 4);
    green_ipc_value_destroy(sums->value);
    green_ipc_array_destroy(sums->array);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        semaphore_limits,    semaphore_releases_many, event_starts_all,  condition_turns,
        condition_predicate, barrier_gathers,         values_and_arrays,
    };
    return PROCESSES ? RUN_TESTS("ipc sync", tests) : SKIPPED;
}
