/*
 * The mutex between processes while everybody lives, and what objects cost.
 */
#include "ipc_crowd.h"

/* ---- mutex ---- */

struct counted {
    struct green_ipc_mutex *mutex;
    volatile long counter; /* deliberately not atomic: the mutex is what guards it */
    atomic_int inside;
    int rounds;
};

static intptr_t
count_under_mutex(void *arg)
{
    struct counted *counted = ((struct member *)arg)->shared;
    for (int i = 0; i < counted->rounds; i++) {
        int err = green_ipc_mutex_lock(counted->mutex, green_after(LONG_MS));
        if (err != 0) {
            return err;
        }
        long before = counted->counter;
        if (atomic_fetch_add(&counted->inside, 1) != 0) {
            return -EPROTO;
        }
        if (i % 16 == 0) {
            green_yield();
        }
        atomic_fetch_sub(&counted->inside, 1);
        counted->counter = before + 1;
        green_ipc_mutex_unlock(counted->mutex);
    }
    return 0;
}

START_TEST(mutex_excludes)
{
    struct counted *counted = shared_memory(sizeof *counted);
    ck_assert_int_eq(green_ipc_mutex_create(&counted->mutex), 0);
    counted->rounds = stress(500, 30);
    ck_assert_int_eq(run_crowd(count_under_mutex, counted), 0);
    ck_assert_int_eq(counted->counter, (long)CROWD * counted->rounds);
    green_ipc_mutex_destroy(counted->mutex);
}
END_TEST

START_TEST(mutex_of_one_worker)
{
    struct green_ipc_mutex *mutex;
    ck_assert_int_eq(green_ipc_mutex_create(&mutex), 0);
    ck_assert(!green_ipc_mutex_mine(mutex));
    ck_assert_int_eq(green_ipc_mutex_lock(mutex, GREEN_NOW), 0);
    ck_assert(green_ipc_mutex_mine(mutex));
    ck_assert_int_eq(green_ipc_mutex_lock(mutex, GREEN_FOREVER), -EDEADLK);
    green_ipc_mutex_unlock(mutex);
    ck_assert(!green_ipc_mutex_mine(mutex));
    green_ipc_mutex_destroy(mutex);

    ck_assert_int_eq(green_ipc_mutex_create_recursive(&mutex), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(green_ipc_mutex_lock(mutex, GREEN_FOREVER), 0);
    }
    for (int i = 0; i < 3; i++) {
        ck_assert(green_ipc_mutex_mine(mutex));
        green_ipc_mutex_unlock(mutex);
    }
    ck_assert(!green_ipc_mutex_mine(mutex));
    green_ipc_mutex_destroy(mutex);
    green_ipc_mutex_destroy(NULL);
}
END_TEST

static intptr_t
try_lock(void *mutex)
{
    int err = green_ipc_mutex_lock(mutex, GREEN_NOW);
    if (err == 0) {
        green_ipc_mutex_unlock(mutex);
    }
    return err;
}

static intptr_t
lock_soon(void *mutex)
{
    return green_ipc_mutex_lock(mutex, green_after(20));
}

static intptr_t
lock_in_scope(void *mutex)
{
    struct green_timeout scope;
    green_timeout_start(&scope, 20);
    int err = green_ipc_mutex_lock(mutex, GREEN_FOREVER);
    green_timeout_stop(&scope);
    return err == -ETIMEDOUT && green_timeout_fired(&scope) ? 0 : -EPROTO;
}

static intptr_t
lock_for_ever(void *mutex)
{
    int err = green_ipc_mutex_lock(mutex, GREEN_FOREVER);
    if (err == 0) {
        green_ipc_mutex_unlock(mutex);
    }
    return err;
}

START_TEST(mutex_bounds)
{
    static const enum green_kind kinds[] = {GREEN_TASK, GREEN_THREAD, GREEN_PROCESS};
    struct green_ipc_mutex *mutex;
    ck_assert_int_eq(green_ipc_mutex_create(&mutex), 0);
    ck_assert_int_eq(green_ipc_mutex_lock(mutex, GREEN_NOW), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(finish(spawn(kinds[i], try_lock, mutex)), -ETIMEDOUT);
        ck_assert_int_eq(finish(spawn(kinds[i], lock_soon, mutex)), -ETIMEDOUT);
        ck_assert_int_eq(finish(spawn(kinds[i], lock_in_scope, mutex)), 0);
        for (int delay_ms = 0; delay_ms <= 20; delay_ms += 10) {
            struct green_job *job = spawn(kinds[i], lock_for_ever, mutex);
            green_sleep((uint64_t)delay_ms);
            green_job_cancel(job);
            ck_assert_int_eq(finish(job), -ECANCELED);
        }
    }
    green_ipc_mutex_unlock(mutex);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(finish(spawn(kinds[i], try_lock, mutex)), 0);
    }
    green_ipc_mutex_destroy(mutex);
}
END_TEST

struct line {
    struct green_ipc_mutex *mutex;
    atomic_int served;
    int order[8];
};

static struct line *line;

static intptr_t
stand_in_line(void *index)
{
    int err = green_ipc_mutex_lock(line->mutex, green_after(LONG_MS));
    if (err == 0) {
        line->order[atomic_fetch_add(&line->served, 1)] = NUMBER(index);
        green_ipc_mutex_unlock(line->mutex);
    }
    return err;
}

START_TEST(mutex_is_handed_over_in_order)
{
    struct green_job *jobs[6];
    line = shared_memory(sizeof *line);
    ck_assert_int_eq(green_ipc_mutex_create(&line->mutex), 0);
    ck_assert_int_eq(green_ipc_mutex_lock(line->mutex, GREEN_NOW), 0);
    for (int i = 0; i < 6; i++) {
        jobs[i] = spawn(i % 3 == 0 ? GREEN_TASK : GREEN_PROCESS, stand_in_line, POINTER(i));
        green_sleep(1);
        ck_assert(i % 3 == 0 || until_asleep(jobs[i]));
    }
    green_ipc_mutex_unlock(line->mutex);
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(finish(jobs[i]), 0);
    }
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(line->order[i], i);
    }
    green_ipc_mutex_destroy(line->mutex);
}
END_TEST

static struct green_ipc_mutex *misused;

static void
unlock_of_nobody(void)
{
    if (green_ipc_mutex_create(&misused) == 0) {
        green_ipc_mutex_unlock(misused);
    }
}

START_TEST(mutex_misuse)
{
    char words[512];
    ck_assert_int_eq(last_words(unlock_of_nobody, words, sizeof words), -SIGABRT);
    ck_assert_str_eq(words, "green: green_ipc_mutex_unlock: the caller does not hold the mutex\n");
}
END_TEST

/* ---- the ticket office: with and without the process lock ---- */

struct office {
    struct green_ipc_mutex *mutex;
    struct green_ipc_barrier *start;
    volatile int tickets;
    atomic_int sold;
};

static intptr_t
sell_one(void *arg)
{
    struct office *office = arg;
    int err = green_ipc_barrier_wait(office->start, NULL, green_after(LONG_MS));
    if (err == 0 && office->mutex != NULL) {
        err = green_ipc_mutex_lock(office->mutex, green_after(LONG_MS));
    }
    if (err != 0) {
        return err;
    }
    int left = office->tickets;
    green_sleep(30); /* the customer pays */
    if (left > 0) {
        office->tickets = left - 1;
        atomic_fetch_add(&office->sold, 1);
    }
    if (office->mutex != NULL) {
        green_ipc_mutex_unlock(office->mutex);
    }
    return 0;
}

static int
sell(bool locked)
{
    struct office *office = shared_memory(sizeof *office);
    struct green_job *jobs[3];
    ck_assert_int_eq(green_ipc_barrier_create(3, &office->start), 0);
    if (locked) {
        ck_assert_int_eq(green_ipc_mutex_create(&office->mutex), 0);
    }
    office->tickets = 1;
    for (int i = 0; i < 3; i++) {
        jobs[i] = spawn(GREEN_PROCESS, sell_one, office);
    }
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(finish(jobs[i]), 0);
    }
    green_ipc_mutex_destroy(office->mutex);
    green_ipc_barrier_destroy(office->start);
    return atomic_load(&office->sold);
}

START_TEST(ticket_office)
{
    ck_assert_int_eq(sell(true), 1);
    ck_assert_int_gt(sell(false), 1);
}
END_TEST

/* ---- what they cost ---- */

START_TEST(no_descriptor_stays)
{
    struct green_ipc_mutex *mutex;
    struct green_ipc_event *event;
    int before = open_descriptors();
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(green_ipc_mutex_create(&mutex), 0);
        ck_assert_int_eq(green_ipc_event_create(&event), 0);
        ck_assert_int_eq(green_ipc_mutex_lock(mutex, GREEN_NOW), 0);
        ck_assert_int_eq(finish(spawn(GREEN_PROCESS, lock_soon, mutex)), -ETIMEDOUT);
        ck_assert_int_eq(green_ipc_event_wait(event, green_after(1)), -ETIMEDOUT);
        green_ipc_mutex_destroy(mutex);
        green_ipc_event_destroy(event);
        ck_assert_int_eq(open_descriptors(), before);
    }
}
END_TEST

START_TEST(no_descriptors_left)
{
    struct green_ipc_mutex *mutex = NULL;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = 100;
    setrlimit(RLIMIT_NOFILE, &limit);
    int open = open_descriptors();
    ck_assert_int_eq(green_ipc_mutex_create(&mutex), -EMFILE);
    ck_assert_ptr_null(mutex);
    ck_assert_int_eq(open_descriptors(), open);
    limit.rlim_cur = before;
    setrlimit(RLIMIT_NOFILE, &limit);
    ck_assert_int_eq(green_ipc_mutex_create(&mutex), 0);
    struct green_ipc_semaphore *semaphore;
    ck_assert_int_eq(green_ipc_semaphore_create(0, &semaphore), 0);
    int next = dup(0);
    close(next);
    limit.rlim_cur = (rlim_t)next;
    setrlimit(RLIMIT_NOFILE, &limit);
    ck_assert_int_eq(green_ipc_mutex_lock(mutex, GREEN_FOREVER), 0);
    green_ipc_mutex_unlock(mutex);
    ck_assert_int_eq(green_ipc_semaphore_acquire(semaphore, green_after(LONG_MS)), -EMFILE);
    limit.rlim_cur = before;
    setrlimit(RLIMIT_NOFILE, &limit);
    ck_assert_int_eq(green_ipc_semaphore_acquire(semaphore, green_after(1)), -ETIMEDOUT);
    green_ipc_semaphore_destroy(semaphore);
    green_ipc_mutex_destroy(mutex);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        mutex_excludes, mutex_of_one_worker, mutex_bounds,        mutex_is_handed_over_in_order,
        mutex_misuse,   ticket_office,       no_descriptor_stays, no_descriptors_left,
    };
    return PROCESSES ? RUN_TESTS("ipc mutex", tests) : SKIPPED;
}
