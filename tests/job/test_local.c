/*
 * Worker-local storage: whose values are whose, which destructors run when, and keys that come and
 * go.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "../base/support.h"
#include "green/base.h"
#include "green/generator.h"
#include "green/local.h"

static green_local key_of_note;
static green_local keys[4];

/** The destructor that adds a string to the trace. */
static void
note_value(void *value)
{
    note(value);
}

static green_local
key_of(void (*destructor)(void *value))
{
    green_local key = 0;
    ck_assert_int_eq(green_local_create(destructor, &key), 0);
    return key;
}

/* ---- whose values ---- */

static intptr_t
set_and_check(void *arg)
{
    if (green_local_get(keys[0]) != NULL || green_local_set(keys[0], arg) != 0) {
        return -1;
    }
    for (int i = 0; i < 10; i++) {
        green_yield();
        if (green_local_get(keys[0]) != arg) {
            return -2;
        }
    }
    return 0;
}

START_TEST(every_worker_has_its_own)
{
    keys[0] = key_of(NULL);
    ck_assert_ptr_null(green_local_get(keys[0]));
    ck_assert_int_eq(green_local_set(keys[0], "main"), 0);
    struct green_job *jobs[6];
    for (int i = 0; i < 6; i++) {
        jobs[i] = spawn(i % 2 == 0 ? GREEN_TASK : GREEN_THREAD, set_and_check, POINTER(i + 1));
    }
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(finish(jobs[i]), 0);
    }
    ck_assert_str_eq(green_local_get(keys[0]), "main");
    ck_assert_int_eq(green_local_set(keys[0], NULL), 0);
    ck_assert_ptr_null(green_local_get(keys[0]));
}
END_TEST

static intptr_t
set_in_generator(struct green_generator *generator, void *arg)
{
    (void)generator;
    return green_local_set(keys[0], arg);
}

START_TEST(generators_have_those_of_their_worker)
{
    struct green_generator *generator = NULL;
    keys[0] = key_of(NULL);
    ck_assert_int_eq(green_generator_create(set_in_generator, "inside", NULL, &generator), 0);
    ck_assert_int_eq(green_generator_next(generator, NULL), -ENODATA);
    green_generator_destroy(generator);
    ck_assert_str_eq(green_local_get(keys[0]), "inside");
}
END_TEST

/* ---- keys ---- */

START_TEST(unknown_keys)
{
    green_local gone = key_of(note_value);
    ck_assert_int_eq(green_local_set(gone, "x"), 0);
    green_local_destroy(gone);
    green_local_destroy(gone);
    green_local_destroy(0);
    green_local_destroy(UINT64_MAX);
    ck_assert_ptr_null(green_local_get(gone));
    ck_assert_int_eq(green_local_set(gone, "x"), -EINVAL);
    ck_assert_int_eq(green_local_set(0, "x"), -EINVAL);
    ck_assert_ptr_null(green_local_get(0));
    green_local next = key_of(note_value); /* in the same place */
    ck_assert_uint_ne(gone, next);
    ck_assert_ptr_null(green_local_get(next));
    ck_assert_int_eq(green_local_set(gone, "x"), -EINVAL);
}
END_TEST

START_TEST(keys_run_out)
{
    static green_local all[GREEN_LOCAL_MAX];
    for (int i = 0; i < GREEN_LOCAL_MAX; i++) {
        all[i] = key_of(NULL);
        ck_assert_int_eq(green_local_set(all[i], POINTER(i + 1)), 0);
    }
    green_local key = 7;
    ck_assert_int_eq(green_local_create(NULL, &key), -EAGAIN);
    ck_assert_uint_eq(key, 7);
    for (int i = 0; i < GREEN_LOCAL_MAX; i++) {
        ck_assert_ptr_eq(green_local_get(all[i]), POINTER(i + 1));
    }
    green_local_destroy(all[500]);
    key = key_of(NULL);
    ck_assert_ptr_null(green_local_get(key));
}
END_TEST

/** Keys come and go while others make theirs: nobody gets one that somebody has. */
static intptr_t
make_and_destroy(void *arg)
{
    for (int i = 0; i < NUMBER(arg); i++) {
        green_local mine[8];
        for (int k = 0; k < 8; k++) {
            if (green_local_create(NULL, &mine[k]) != 0 ||
                green_local_set(mine[k], &mine[k]) != 0) {
                return -1;
            }
        }
        for (int k = 0; k < 8; k++) {
            if (green_local_get(mine[k]) != &mine[k]) {
                return -2;
            }
            green_local_destroy(mine[k]);
        }
    }
    return 0;
}

START_TEST(keys_from_many_threads)
{
    struct green_job *jobs[4];
    for (int i = 0; i < 4; i++) {
        jobs[i] = spawn(GREEN_THREAD, make_and_destroy, POINTER(stress(20000, 200)));
    }
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(finish(jobs[i]), 0);
    }
}
END_TEST

static bool memory_is_out;

static void *
reallocate(void *block, size_t size)
{
    return memory_is_out ? NULL : realloc(block, size);
}

START_TEST(no_memory_for_values)
{
    struct green_allocator fragile = {malloc, reallocate, free};
    ck_assert_int_eq(green_set_allocator(&fragile), 0);
    green_local many[20];
    for (int i = 0; i < 20; i++) {
        many[i] = key_of(NULL);
    }
    memory_is_out = true;
    ck_assert_int_eq(green_local_set(many[0], "a"), -ENOMEM);
    memory_is_out = false;
    ck_assert_int_eq(green_local_set(many[0], "a"), 0);
    memory_is_out = true;
    ck_assert_int_eq(green_local_set(many[0], "b"), 0);
    ck_assert_int_eq(green_local_set(many[19], "c"), -ENOMEM);
    ck_assert_str_eq(green_local_get(many[0]), "b");
    ck_assert_ptr_null(green_local_get(many[19]));
}
END_TEST

/* ---- destructors ---- */

static intptr_t
set_three(void *arg)
{
    (void)arg;
    if (green_local_set(keys[1], "second") != 0 || green_local_set(keys[0], "first") != 0 ||
        green_local_set(keys[2], "third") != 0 || green_local_set(keys[3], "gone") != 0) {
        return -1;
    }
    green_local_destroy(keys[3]);
    note("returns");
    return 0;
}

static void *
adopted_main(void *arg)
{
    return POINTER(set_three(arg));
}

START_TEST(the_newest_key_comes_first)
{
    green_local old = key_of(NULL);
    for (int i = 0; i < 2; i++) {
        keys[i] = key_of(note_value);
    }
    green_local_destroy(old); /* the third takes its place before the others */
    keys[2] = key_of(note_value);
    keys[3] = key_of(note_value);
    if (_i == 2) { /* a thread that the library did not start */
        pthread_t thread;
        ck_assert_int_eq(pthread_create(&thread, NULL, adopted_main, NULL), 0);
        pthread_join(thread, NULL);
    } else {
        ck_assert_int_eq(finish(spawn((enum green_kind)_i, set_three, NULL)), 0);
    }
    ck_assert_trace("returns third second first");
}
END_TEST

static void
set_again(void *value)
{
    note("again");
    green_local_set(key_of_note, value);
}

static void
set_older(void *value)
{
    note("newer");
    green_local_set(keys[0], value);
}

static intptr_t
set_one(void *key)
{
    return green_local_set(*(green_local *)key, "older");
}

START_TEST(rounds_are_bounded)
{
    key_of_note = key_of(set_again);
    ck_assert_int_eq(finish(spawn(GREEN_TASK, set_one, &key_of_note)), 0);
    ck_assert_trace("again again again again");
}
END_TEST

START_TEST(destructors_set_values)
{
    keys[0] = key_of(note_value);
    keys[1] = key_of(set_older);
    ck_assert_int_eq(finish(spawn(GREEN_TASK, set_one, &keys[1])), 0);
    ck_assert_trace("newer older");
}
END_TEST

static intptr_t
note_late(void *arg)
{
    green_sleep(1);
    note(arg);
    return 0;
}

static void
block_and_spawn(void *value)
{
    note("begins");
    green_sleep(2);
    green_spawn(note_late, "late", NULL);
    note(value);
}

static intptr_t
set_and_spawn(void *arg)
{
    if (NUMBER(arg) == GREEN_THREAD) {
        green_spawn(note_late, "task", NULL);
    }
    return green_local_set(keys[0], "ends");
}

START_TEST(destructors_may_suspend)
{
    keys[0] = key_of(block_and_spawn);
    ck_assert_int_eq(finish(spawn((enum green_kind)_i, set_and_spawn, POINTER(_i))), 0);
    if (_i == GREEN_THREAD) { /* its tasks end first, and what was spawned is joined */
        ck_assert_trace("task begins ends late");
    } else {
        ck_assert_trace("begins ends");
    }
}
END_TEST

static void
note_cancelled(void *value)
{
    (void)value;
    note(green_sleep(LONG_MS) == -ECANCELED ? "canceled" : "slept");
}

static intptr_t
set_and_wait(void *arg)
{
    (void)arg;
    int err = green_local_set(keys[0], "x");
    return err != 0 ? err : green_sleep(LONG_MS);
}

START_TEST(cancelled_workers_run_them_too)
{
    keys[0] = key_of(note_cancelled);
    struct green_job *job = spawn(GREEN_TASK, set_and_wait, NULL);
    green_yield();
    green_job_cancel(job);
    ck_assert_int_eq(finish(job), -ECANCELED);
    ck_assert_trace("canceled");
}
END_TEST

/* ---- processes ---- */

static atomic_int *shared;

static void
count_up(void *value)
{
    atomic_fetch_add(shared, NUMBER(value));
}

static intptr_t
use_in_child(void *arg)
{
    (void)arg;
    if (NUMBER(green_local_get(keys[0])) != 1 || green_local_get(keys[1]) != NULL) {
        return -1;
    }
    if (green_local_set(keys[0], POINTER(10)) != 0 || green_local_set(keys[1], POINTER(100)) != 0) {
        return -2;
    }
    return NUMBER(green_local_get(keys[0])) + NUMBER(green_local_get(keys[2]));
}

static intptr_t
fork_with_values(void *arg)
{
    (void)arg;
    green_local_set(keys[0], POINTER(1));
    green_local_set(keys[2], POINTER(1000));
    struct green_job *child = NULL;
    int err = green_spawn_as(GREEN_PROCESS, use_in_child, NULL, NULL, &child);
    intptr_t value = err != 0 ? err : finish(child);
    return NUMBER(green_local_get(keys[0])) == 1 ? value : -3;
}

START_TEST(forked_child_has_copies)
{
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(shared, MAP_FAILED);
    for (int i = 0; i < 3; i++) {
        keys[i] = key_of(count_up);
    }
    struct green_job *job = spawn((enum green_kind)_i, fork_with_values, NULL);
    ck_assert_int_eq(finish(job), 1010);
    ck_assert_int_eq(*shared, 10 + 100 + 1000 + 1 + 1000); /* the child's, then the parent's */
}
END_TEST

int
main(void)
{
    TCase *tests = make_case("local");
    tcase_add_test(tests, every_worker_has_its_own);
    tcase_add_test(tests, generators_have_those_of_their_worker);
    tcase_add_test(tests, unknown_keys);
    tcase_add_test(tests, keys_run_out);
    tcase_add_test(tests, keys_from_many_threads);
    tcase_add_test(tests, no_memory_for_values);
    tcase_add_loop_test(tests, the_newest_key_comes_first, 0, 3);
    tcase_add_test(tests, rounds_are_bounded);
    tcase_add_test(tests, destructors_set_values);
    tcase_add_loop_test(tests, destructors_may_suspend, 0, 2);
    tcase_add_test(tests, cancelled_workers_run_them_too);
    tcase_add_loop_test(tests, forked_child_has_copies, 0, PROCESSES ? 2 : 0);
    return run_case_of("local", tests);
}
