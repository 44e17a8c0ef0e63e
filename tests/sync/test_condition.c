/*
 * Conditions: no announcement is missed or made up, in order, and the mutex is held afterwards
 * whatever happens.
 */
#include "workers.h"

static struct green_mutex mutex = GREEN_MUTEX_INIT;
static struct green_condition condition = GREEN_CONDITION_INIT(&mutex);

static void
lock(void)
{
    ck_assert_int_eq(green_mutex_lock(&mutex, green_after(LONG_MS)), 0);
}

/* ---- order ---- */

static intptr_t
wait_and_note(void *label)
{
    int err = green_mutex_lock(&mutex, green_after(LONG_MS));
    if (err != 0) {
        return 1;
    }
    err = green_condition_wait(&condition, green_after(LONG_MS));
    if (!green_mutex_mine(&mutex)) {
        return 2;
    }
    if (err == 0) {
        note(label);
    }
    green_mutex_unlock(&mutex);
    return err;
}

static struct green_job *
spawn_waiter(enum green_kind kind, const char *label)
{
    return spawn_until_waiting(kind, wait_and_note, (void *)(uintptr_t)label, &condition.waiters);
}

START_TEST(who_has_waited_longest_is_notified_first)
{
    static const char *const labels[] = {"a", "b", "c", "d", "e"};
    struct green_job *jobs[5];
    for (int i = 0; i < 5; i++) {
        jobs[i] = spawn_waiter(GREEN_TASK, labels[i]);
    }
    lock();
    green_condition_notify(&condition, 2);
    green_condition_notify(&condition, 0);
    note("notified");
    ck_assert_int_eq(length_of(&condition.waiters, &condition.waiters), 3);
    green_mutex_unlock(&mutex);
    ck_assert_int_eq(finish(jobs[0]), 0);
    ck_assert_int_eq(finish(jobs[1]), 0);
    lock();
    green_condition_notify(&condition, 1);
    green_condition_notify_all(&condition);
    green_condition_notify_all(&condition);
    green_mutex_unlock(&mutex);
    for (int i = 2; i < 5; i++) {
        ck_assert_int_eq(finish(jobs[i]), 0);
    }
    ck_assert_trace("notified a b c d e");
    green_condition_fini(&condition);
}
END_TEST

START_TEST(notice_to_nobody_is_not_kept)
{
    lock();
    green_condition_notify_all(&condition);
    ck_assert_int_eq(green_condition_wait(&condition, green_after(1)), -ETIMEDOUT);
    ck_assert_int_eq(green_condition_wait(&condition, GREEN_NOW), -ETIMEDOUT);
    ck_assert(green_mutex_mine(&mutex));
    green_mutex_unlock(&mutex);
}
END_TEST

/* ---- producers and consumers ---- */

struct box {
    struct green_mutex mutex;
    struct green_condition not_full;
    struct green_condition not_empty;
    int items;
    int put;
    int got;
    int rounds;
};

#define BOX_SIZE 3

static bool
has_room(void *arg)
{
    const struct box *box = arg;
    return box->items < BOX_SIZE;
}

static bool
has_item(void *arg)
{
    const struct box *box = arg;
    return box->items > 0;
}

static intptr_t
produce_or_consume(void *arg)
{
    const struct worker *worker = arg;
    struct box *box = worker->shared;
    bool producer = worker->index < 6;
    for (int i = 0; i < box->rounds; i++) {
        if (green_mutex_lock(&box->mutex, green_after(LONG_MS)) != 0 ||
            green_condition_wait_for(producer ? &box->not_full : &box->not_empty,
                                     producer ? has_room : has_item, box,
                                     green_after(LONG_MS)) != 0) {
            return 1;
        }
        box->items += producer ? 1 : -1;
        box->put += producer;
        box->got += !producer;
        green_condition_notify(producer ? &box->not_empty : &box->not_full, 1);
        green_mutex_unlock(&box->mutex);
    }
    return 0;
}

static void
box_passes_all(enum mixture mixture)
{
    for (int recursive = 0; recursive < 2; recursive++) {
        struct box box = {.rounds = stress(200, 20)};
        if (recursive) {
            green_mutex_init_recursive(&box.mutex);
        } else {
            green_mutex_init(&box.mutex);
        }
        green_condition_init(&box.not_full, &box.mutex);
        green_condition_init(&box.not_empty, &box.mutex);
        ck_assert_int_eq(run_workers(mixture, 12, produce_or_consume, &box), 0);
        ck_assert_int_eq(box.items, 0);
        ck_assert_int_eq(box.put, 6 * box.rounds);
        ck_assert_int_eq(box.got, 6 * box.rounds);
        ck_assert_uint_eq(box.not_full.waiting + box.not_empty.waiting, 0);
        green_condition_fini(&box.not_full);
        green_condition_fini(&box.not_empty);
        green_mutex_fini(&box.mutex);
    }
}
TEST_EACH_MIXTURE(box_passes_all)

/* ---- recursive ---- */

static struct green_mutex recursive = GREEN_RECURSIVE_MUTEX_INIT;
static struct green_condition deep = GREEN_CONDITION_INIT(&recursive);

static intptr_t
wait_deeply(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        green_mutex_lock(&recursive, green_after(LONG_MS));
    }
    int err = green_condition_wait(&deep, green_after(LONG_MS));
    for (int i = 0; i < 3; i++) {
        green_mutex_unlock(&recursive); /* aborts if it is not held as deeply */
    }
    return err;
}

START_TEST(recursive_mutex_is_wholly_unlocked_and_as_deeply_locked_again)
{
    struct green_job *task = spawn_until_waiting(GREEN_TASK, wait_deeply, NULL, &deep.waiters);
    struct green_job *thread = spawn_until_waiting(GREEN_THREAD, wait_deeply, NULL, &deep.waiters);
    ck_assert(!green_mutex_locked(&recursive));
    ck_assert_int_eq(green_mutex_trylock(&recursive), 0);
    ck_assert_int_eq(green_mutex_trylock(&recursive), 0);
    green_condition_notify_all(&deep);
    green_mutex_unlock(&recursive);
    green_mutex_unlock(&recursive);
    ck_assert_int_eq(finish(task), 0);
    ck_assert_int_eq(finish(thread), 0);
    ck_assert(!green_mutex_locked(&recursive));
}
END_TEST

/* ---- cancellation and deadlines ---- */

START_TEST(cancelled_waiter_has_the_mutex)
{
    struct green_job *task = spawn_waiter(GREEN_TASK, "task");
    struct green_job *thread = spawn_waiter(GREEN_THREAD, "thread");
    lock();
    green_job_cancel(task);
    green_job_cancel(thread);
    ck_assert(until_waiting(&mutex.waiters, 2)); /* they leave the condition and want the mutex */
    ck_assert_int_eq(length_of(&condition.waiters, &condition.waiters), 0);
    green_mutex_unlock(&mutex);
    ck_assert_int_eq(finish(task), -ECANCELED);
    ck_assert_int_eq(finish(thread), -ECANCELED);
    ck_assert_uint_eq(condition.waiting, 0);
}
END_TEST

START_TEST(notice_is_kept_or_given_to_the_next)
{
    /* Notified, then cancelled: it was notified. The other way round too, before it has run. */
    for (int cancel_first = 0; cancel_first < 2; cancel_first++) {
        struct green_job *first = spawn_waiter(GREEN_TASK, "first");
        struct green_job *second = spawn_waiter(GREEN_TASK, "second");
        lock();
        if (cancel_first) {
            green_job_cancel(first);
        }
        green_condition_notify(&condition, 1);
        if (!cancel_first) {
            green_job_cancel(first);
        }
        green_mutex_unlock(&mutex);
        ck_assert_int_eq(finish(first), 0);
        lock();
        green_condition_notify(&condition, 1);
        green_mutex_unlock(&mutex);
        ck_assert_int_eq(finish(second), 0);
    }
    /* Cancelled and gone: the next one is notified. */
    struct green_job *first = spawn_waiter(GREEN_THREAD, "first");
    struct green_job *second = spawn_waiter(GREEN_TASK, "third");
    green_job_cancel(first);
    ck_assert_int_eq(finish(first), -ECANCELED);
    lock();
    green_condition_notify(&condition, 1);
    green_mutex_unlock(&mutex);
    ck_assert_int_eq(finish(second), 0);
    ck_assert_trace("first second first second third");
}
END_TEST

static intptr_t
wait_cancelled(void *arg)
{
    (void)arg;
    green_mutex_lock(&mutex, GREEN_FOREVER);
    green_job_cancel(green_self());
    int err = green_condition_wait(&condition, GREEN_FOREVER);
    bool mine = green_mutex_mine(&mutex);
    green_mutex_unlock(&mutex);
    return mine ? err : 1;
}

static bool
never(void *calls)
{
    ++*(int *)calls;
    return false;
}

static bool
at_the_second_look(void *calls)
{
    return ++*(int *)calls == 2;
}

START_TEST(predicate_has_the_last_word)
{
    ck_assert_int_eq(finish(spawn(GREEN_TASK, wait_cancelled, NULL)), -ECANCELED);
    ck_assert_int_eq(finish(spawn(GREEN_THREAD, wait_cancelled, NULL)), -ECANCELED);
    lock();
    int calls = 0;
    ck_assert_int_eq(green_condition_wait_for(&condition, never, &calls, green_after(1)),
                     -ETIMEDOUT);
    ck_assert_int_eq(calls, 2);
    calls = 0;
    ck_assert_int_eq(
        green_condition_wait_for(&condition, at_the_second_look, &calls, green_after(1)), 0);
    calls = 1;
    ck_assert_int_eq(green_condition_wait_for(&condition, at_the_second_look, &calls, GREEN_NOW),
                     0);
    green_mutex_unlock(&mutex);
}
END_TEST

/* ---- misuse ---- */

static void
wait_without_mutex(void)
{
    green_condition_wait(&condition, GREEN_NOW);
}

static void
notify_without_mutex(void)
{
    green_condition_notify(&condition, 1);
}

static void
wait_for_without_mutex(void)
{
    int calls = 0;
    green_condition_wait_for(&condition, never, &calls, GREEN_NOW);
}

static void
end_one_waited_for(void)
{
    green_spawn(wait_and_note, (void *)"", NULL);
    green_yield();
    green_condition_fini(&condition);
}

START_TEST(misuse_aborts)
{
    ck_assert_misuse(wait_without_mutex,
                     "green_condition_wait: the caller does not hold the condition's mutex");
    ck_assert_misuse(notify_without_mutex,
                     "green_condition_notify: the caller does not hold the condition's mutex");
    ck_assert_misuse(wait_for_without_mutex,
                     "green_condition_wait_for: the caller does not hold the condition's mutex");
    ck_assert_misuse(end_one_waited_for, "green_condition_fini: somebody waits for it");
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        who_has_waited_longest_is_notified_first,
        notice_to_nobody_is_not_kept,
        EACH_MIXTURE(box_passes_all),
        recursive_mutex_is_wholly_unlocked_and_as_deeply_locked_again,
        cancelled_waiter_has_the_mutex,
        notice_is_kept_or_given_to_the_next,
        predicate_has_the_last_word,
        misuse_aborts,
    };
    return RUN_TESTS("condition", tests);
}
