/*
 * The allocator hook: what it refuses, that it is asked for everything, and that every way in which
 * a spawn can run out of memory reports it and leaks nothing.
 */
#include <errno.h>
#include <stdatomic.h>

#include "../base/support.h"
#include "base/alloc.h"
#include "context/stack.h"
#include "green/base.h"

static atomic_int alive; /* blocks */
static atomic_int until_failure;

static bool
fails(void)
{
    return atomic_load(&until_failure) > 0 && atomic_fetch_sub(&until_failure, 1) == 1;
}

static void *
count_allocate(size_t size)
{
    if (fails()) {
        return NULL;
    }
    atomic_fetch_add(&alive, 1);
    return malloc(size);
}

static void *
count_reallocate(void *block, size_t size)
{
    if (fails()) {
        return NULL;
    }
    if (block == NULL) {
        atomic_fetch_add(&alive, 1);
    }
    return realloc(block, size);
}

static void
count_release(void *block)
{
    atomic_fetch_sub(&alive, 1);
    free(block);
}

static const struct green_allocator counting = {count_allocate, count_reallocate, count_release};

START_TEST(incomplete_allocator_is_refused)
{
    struct green_allocator part = counting;
    part.allocate = NULL;
    ck_assert_int_eq(green_set_allocator(&part), -EINVAL);
    part = counting;
    part.reallocate = NULL;
    ck_assert_int_eq(green_set_allocator(&part), -EINVAL);
    part = counting;
    part.release = NULL;
    ck_assert_int_eq(green_set_allocator(&part), -EINVAL);
    ck_assert_int_eq(green_set_allocator(&counting), 0);
}
END_TEST

START_TEST(late_allocator_is_refused)
{
    green__free(green__alloc(1));
    ck_assert_int_eq(green_set_allocator(&counting), -EBUSY);
}
END_TEST

START_TEST(memory_comes_from_the_hook)
{
    ck_assert_int_eq(green_set_allocator(&counting), 0);
    char *block = green__alloc_zeroed(100);
    ck_assert_int_eq(alive, 1);
    ck_assert_int_eq(block[0] | block[99], 0);
    block = green__realloc(block, 1000);
    ck_assert_ptr_nonnull(block);
    ck_assert_int_eq(alive, 1);
    green__free(block);
    green__free(NULL);
    ck_assert_int_eq(alive, 0);
    until_failure = 1;
    ck_assert_ptr_null(green__alloc_zeroed(1));
}
END_TEST

static intptr_t
seven(void *arg)
{
    (void)arg;
    return 7;
}

/* Spawn a job of the kind given; then let every allocation of that fail in turn. */
static intptr_t
spawn_with_failures(void *arg)
{
    enum green_kind kind = (enum green_kind)NUMBER(arg);
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    options.name = "fragile";
    int failed = 0;
    for (;;) {
        until_failure = failed + 1;
        struct green_job *job = NULL;
        int err = green_spawn_as(kind, seven, NULL, &options, &job);
        bool was_last = until_failure > 0;
        until_failure = 0;
        if (err == 0) {
            if (finish(job) != 7) {
                return -EPROTO;
            }
            if (was_last) { /* no allocation was left that could fail */
                return failed;
            }
        } else if (err != -ENOMEM || job != NULL) {
            return err;
        }
        failed++;
    }
}

START_TEST(spawn_reports_every_lack_of_memory)
{
    static const enum green_kind kinds[] = {GREEN_TASK, GREEN_THREAD, GREEN_PROCESS};
    ck_assert_int_eq(green_set_allocator(&counting), 0);
    green_self();
    /* In a thread, so that its scheduler is made and unmade too. */
    struct green_job *job = spawn(GREEN_THREAD, spawn_with_failures, POINTER(kinds[_i]));
    ck_assert_int_ge(finish(job), 2);
}
END_TEST

START_TEST(failed_spawns_leak_nothing)
{
    ck_assert_int_eq(green_set_allocator(&counting), 0);
    green_self();
    struct green_job *job = spawn(GREEN_THREAD, spawn_with_failures, POINTER(GREEN_TASK));
    ck_assert_int_ge(finish(job), 2);
    /* The thread announces its end before it lets its handle go. */
    for (int i = 0; i < LONG_MS && alive > 1; i++) {
        usleep(1000);
    }
    ck_assert_int_eq(alive, 1); /* the main thread's own worker */
}
END_TEST

static void *
no_mapping(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    (void)address, (void)size, (void)protection, (void)flags, (void)fd, (void)offset;
    errno = ENOMEM;
    return (void *)-1;
}

START_TEST(spawn_without_stack)
{
    struct green__stack_system real = green__stack_system;
    struct green_job *job = NULL;
    green__stack_system.mmap = no_mapping;
    ck_assert_int_eq(green_spawn(seven, NULL, &job), -ENOMEM);
    ck_assert_ptr_null(job);
    green__stack_system = real;
    ck_assert_int_eq(finish(spawn(GREEN_TASK, seven, NULL)), 7);
}
END_TEST

START_TEST(impossible_stack)
{
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    struct green_job *job = NULL;
    options.stack_size = (size_t)1 << 60;
    ck_assert_int_eq(green_spawn_as(GREEN_TASK, seven, NULL, &options, &job), -ENOMEM);
    options.stack_size = SIZE_MAX;
    ck_assert_int_eq(green_spawn_as(GREEN_TASK, seven, NULL, &options, &job), -ENOMEM);
    ck_assert_int_ne(green_spawn_as(GREEN_THREAD, seven, NULL, &options, &job), 0);
    options.stack_size = GREEN__STACK_MIN - 1;
    ck_assert_int_eq(green_spawn_as(GREEN_TASK, seven, NULL, &options, &job), -EINVAL);
    ck_assert_ptr_null(job);
}
END_TEST

int
main(void)
{
    TCase *tests = make_case("alloc");
    tcase_add_test(tests, incomplete_allocator_is_refused);
    tcase_add_test(tests, late_allocator_is_refused);
    tcase_add_test(tests, memory_comes_from_the_hook);
    tcase_add_loop_test(tests, spawn_reports_every_lack_of_memory, 0, PROCESSES ? 3 : 2);
    tcase_add_test(tests, failed_spawns_leak_nothing);
    tcase_add_test(tests, spawn_without_stack);
    tcase_add_test(tests, impossible_stack);
    return run_case_of("alloc", tests);
}
