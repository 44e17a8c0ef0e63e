/*
 * Generators: what goes in and out, how they end, and that they run as the worker that asks.
 */
#include <errno.h>

#include "../base/support.h"
#include "context/stack.h"
#include "green/base.h"
#include "green/generator.h"
#include "green/timeout.h"

#ifdef GREEN__TSAN
#define UNDER_TSAN true
#else
#define UNDER_TSAN false
#endif

static struct green_generator *
generator_of(green_generator_entry entry, void *arg)
{
    struct green_generator *generator = NULL;
    ck_assert_int_eq(green_generator_create(entry, arg, NULL, &generator), 0);
    return generator;
}

/** The next value, or the error. */
static intptr_t
next(struct green_generator *generator)
{
    intptr_t value = 0;
    int err = green_generator_next(generator, &value);
    return err != 0 ? err : value;
}

static intptr_t
result(const struct green_generator *generator)
{
    intptr_t value = 0;
    int err = green_generator_result(generator, &value);
    return err != 0 ? err : value;
}

/** Count up to a number, and return it; notes how it ends. */
static intptr_t
count_to(struct green_generator *generator, void *arg)
{
    note("starts");
    for (intptr_t i = 1; i <= NUMBER(arg); i++) {
        int err = green_generator_yield(generator, i, NULL);
        if (err != 0) {
            note(err == -ECANCELED ? "closed" : "thrown");
            return err;
        }
    }
    note("done");
    return NUMBER(arg);
}

/* ---- in and out ---- */

START_TEST(values_come_one_by_one)
{
    struct green_generator *generator = generator_of(count_to, POINTER(3));
    note("made");
    ck_assert_int_eq(result(generator), -EAGAIN);
    ck_assert_int_eq(next(generator), 1);
    note("1");
    ck_assert_int_eq(next(generator), 2);
    ck_assert_int_eq(green_generator_next(generator, NULL), 0);
    ck_assert_int_eq(result(generator), -EAGAIN);
    intptr_t value = 77;
    ck_assert_int_eq(green_generator_next(generator, &value), -ENODATA);
    ck_assert_int_eq(value, 77);
    ck_assert_int_eq(next(generator), -ENODATA);
    ck_assert_int_eq(green_generator_send(generator, 1, &value), -ENODATA);
    ck_assert_int_eq(result(generator), 3);
    ck_assert_trace("made starts 1 done");
    green_generator_destroy(generator);
}
END_TEST

/** The running average of what is sent. */
static intptr_t
average(struct green_generator *generator, void *arg)
{
    (void)arg;
    intptr_t sum = 0;
    intptr_t sent = 0;
    for (intptr_t count = 0;; count++) {
        if (green_generator_yield(generator, count == 0 ? 0 : sum / count, &sent) != 0) {
            return sum;
        }
        sum += sent;
    }
}

START_TEST(values_are_sent)
{
    struct green_generator *generator = generator_of(average, NULL);
    intptr_t value = -1;
    ck_assert_int_eq(green_generator_send(generator, 5, &value), -EINVAL);
    ck_assert_int_eq(value, -1);
    ck_assert_int_eq(next(generator), 0);
    static const int sent[] = {10, 20, 60, -90};
    static const int averages[] = {10, 15, 30, 0};
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(green_generator_send(generator, sent[i], &value), 0);
        ck_assert_int_eq(value, averages[i]);
    }
    ck_assert_int_eq(green_generator_send(generator, 100, NULL), 0);
    ck_assert_int_eq(next(generator), 100 / 6); /* a plain next sends 0 */
    ck_assert_int_eq(green_generator_close(generator), 0);
    ck_assert_int_eq(result(generator), 100);
    green_generator_destroy(generator);
}
END_TEST

/* ---- the end ---- */

START_TEST(close_lets_it_clean_up)
{
    struct green_generator *generator = generator_of(count_to, POINTER(3));
    ck_assert_int_eq(next(generator), 1);
    ck_assert_int_eq(green_generator_close(generator), 0);
    note("|");
    ck_assert_int_eq(result(generator), -ECANCELED);
    ck_assert_int_eq(green_generator_close(generator), 0);
    ck_assert_int_eq(next(generator), -ENODATA);
    ck_assert_trace("starts closed |");
    green_generator_destroy(generator);
}
END_TEST

START_TEST(what_never_started_never_runs)
{
    struct green_generator *closed = generator_of(count_to, POINTER(3));
    ck_assert_int_eq(green_generator_close(closed), 0);
    ck_assert_int_eq(next(closed), -ENODATA);
    ck_assert_int_eq(result(closed), -ECANCELED);
    struct green_generator *thrown = generator_of(count_to, POINTER(3));
    ck_assert_int_eq(green_generator_throw(thrown, -EIO, NULL), -ENODATA);
    ck_assert_int_eq(result(thrown), -EIO);
    green_generator_destroy(closed);
    green_generator_destroy(thrown);
    green_generator_destroy(generator_of(count_to, POINTER(3)));
    green_generator_destroy(NULL);
    ck_assert_trace("");
}
END_TEST

START_TEST(destroy_closes)
{
    struct green_generator *generator = generator_of(count_to, POINTER(3));
    ck_assert_int_eq(next(generator), 1);
    green_generator_destroy(generator);
    ck_assert_trace("starts closed");
}
END_TEST

/** Yields on when something is thrown. */
static intptr_t
survive(struct green_generator *generator, void *arg)
{
    (void)arg;
    int err = green_generator_yield(generator, 1, NULL);
    return green_generator_yield(generator, err, NULL);
}

START_TEST(thrown_errors_arrive)
{
    struct green_generator *generator = generator_of(survive, NULL);
    intptr_t value = 0;
    ck_assert_int_eq(next(generator), 1);
    ck_assert_int_eq(green_generator_throw(generator, 0, &value), -EINVAL);
    ck_assert_int_eq(green_generator_throw(generator, -EIO, &value), 0);
    ck_assert_int_eq(value, -EIO);
    ck_assert_int_eq(green_generator_throw(generator, -ERANGE, &value), -ENODATA);
    ck_assert_int_eq(result(generator), -ERANGE);
    green_generator_destroy(generator);
}
END_TEST

/* ---- calls inside calls ---- */

static intptr_t
ask_itself(struct green_generator *generator, void *arg)
{
    (void)arg;
    return green_generator_next(generator, NULL) == -EBUSY &&
                   green_generator_send(generator, 1, NULL) == -EBUSY &&
                   green_generator_throw(generator, -EIO, NULL) == -EBUSY &&
                   green_generator_close(generator) == -EBUSY
               ? 0
               : -1;
}

START_TEST(running_generator_is_busy)
{
    struct green_generator *generator = generator_of(ask_itself, NULL);
    ck_assert_int_eq(next(generator), -ENODATA);
    ck_assert_int_eq(result(generator), 0);
    green_generator_destroy(generator);
}
END_TEST

/** All nodes of a tree of this height, by a generator for each subtree (Python's yield from). */
static intptr_t
walk(struct green_generator *generator, void *arg)
{
    int height = NUMBER(arg);
    for (int side = 0; side < 2 && height > 0; side++) {
        struct green_generator *subtree = NULL;
        int err = green_generator_create(walk, POINTER(height - 1), NULL, &subtree);
        intptr_t value;
        while (err == 0 && (err = green_generator_next(subtree, &value)) == 0) {
            err = green_generator_yield(generator, value, NULL);
        }
        green_generator_destroy(subtree);
        if (err != -ENODATA) {
            return err;
        }
    }
    int err = green_generator_yield(generator, height, NULL);
    return err != 0 ? err : 0;
}

START_TEST(generators_nest)
{
    int height = stress(12, 6);
    struct green_generator *generator = generator_of(walk, POINTER(height));
    int count = 0;
    intptr_t value;
    while (green_generator_next(generator, &value) == 0) {
        count++;
    }
    ck_assert_int_eq(result(generator), 0);
    ck_assert_int_eq(count, (2 << height) - 1);
    ck_assert_int_eq(value, height);
    green_generator_destroy(generator);
    generator = generator_of(walk, POINTER(height));
    ck_assert_int_eq(next(generator), 0);
    green_generator_destroy(generator); /* ends the whole chain */
}
END_TEST

/* ---- as the worker that asks ---- */

/** Wait, then hand out who waited. */
static intptr_t
sleep_and_tell(struct green_generator *generator, void *arg)
{
    int err;
    do {
        err = green_sleep((uint64_t)NUMBER(arg));
        intptr_t value = err != 0 ? err : (intptr_t)green_self();
        err = green_generator_yield(generator, value, NULL);
    } while (err == 0);
    green_sleep(1); /* a clean-up may wait */
    return err;
}

static intptr_t
take_from_sleeper(void *arg)
{
    struct green_generator *generator = arg;
    for (int i = 0; i < 3; i++) {
        intptr_t value = 0;
        int err = green_generator_next(generator, &value);
        if (err != 0) {
            return err;
        }
        if (value != (intptr_t)green_self()) {
            return value;
        }
        note("took");
    }
    return 0;
}

static intptr_t
note_yielding(void *arg)
{
    for (int i = 0; i < NUMBER(arg); i++) {
        note("other");
        green_yield();
    }
    return 0;
}

START_TEST(blocking_inside_parks_the_caller)
{
    struct green_generator *generator = generator_of(sleep_and_tell, POINTER(5));
    struct green_job *job = spawn(GREEN_TASK, take_from_sleeper, generator);
    struct green_job *other = spawn(GREEN_TASK, note_yielding, POINTER(2));
    ck_assert_int_eq(finish(other), 0);
    ck_assert_int_eq(green_generator_next(generator, NULL), -EBUSY); /* the task is in it */
    ck_assert_int_eq(finish(job), 0);
    ck_assert_int_eq(take_from_sleeper(generator), 0); /* on the main stack, without tasks */
    other = spawn(GREEN_TASK, note_yielding, POINTER(1));
    ck_assert_int_eq(take_from_sleeper(generator), 0); /* and with one: it runs the loop */
    ck_assert_int_eq(finish(other), 0);
    ck_assert_trace("other other took took took took took took other took took took");
    green_generator_destroy(generator);
}
END_TEST

static intptr_t
own_generator(void *arg)
{
    struct green_generator *generator = NULL;
    if (green_generator_create(sleep_and_tell, arg, NULL, &generator) != 0) {
        return -ENOMEM;
    }
    intptr_t value = take_from_sleeper(generator);
    green_generator_destroy(generator);
    return value;
}

START_TEST(any_kind_of_worker_runs_them)
{
    struct green_job *job = spawn((enum green_kind)_i, own_generator, POINTER(1));
    ck_assert_int_eq(finish(job), 0);
}
END_TEST

static intptr_t
take_after_cancel(void *arg)
{
    intptr_t value = 0;
    int err = green_generator_next(arg, &value);
    return err != 0 ? err : value;
}

START_TEST(cancellation_is_met_inside)
{
    struct green_generator *generator = generator_of(sleep_and_tell, POINTER(LONG_MS));
    struct green_job *job = spawn(GREEN_TASK, take_after_cancel, generator);
    green_yield();
    green_job_cancel(job);
    ck_assert_int_eq(finish(job), -ECANCELED);
    green_generator_destroy(generator);
}
END_TEST

START_TEST(scopes_of_the_caller_bound_it)
{
    struct green_generator *generator = generator_of(sleep_and_tell, POINTER(LONG_MS));
    struct green_timeout timeout;
    green_timeout_start(&timeout, 1);
    ck_assert_int_eq(next(generator), -ETIMEDOUT);
    green_timeout_stop(&timeout);
    ck_assert(green_timeout_fired(&timeout));
    green_generator_destroy(generator);
}
END_TEST

static intptr_t
take_one_and_yield(void *arg)
{
    for (int i = 0; i < 3; i++) {
        intptr_t value = 0;
        char text[16];
        int err = green_generator_next(arg, &value);
        snprintf(text, sizeof text, "%d", err != 0 ? err : (int)value);
        note(text);
        green_yield();
    }
    return 0;
}

START_TEST(tasks_take_turns)
{
    struct green_generator *generator = generator_of(count_to, POINTER(6));
    struct green_job *one = spawn(GREEN_TASK, take_one_and_yield, generator);
    struct green_job *two = spawn(GREEN_TASK, take_one_and_yield, generator);
    ck_assert_int_eq(finish(one), 0);
    ck_assert_int_eq(finish(two), 0);
    ck_assert_trace("starts 1 2 3 4 5 6");
    green_generator_destroy(generator);
}
END_TEST

static intptr_t
go_on_in_child(void *arg)
{
    intptr_t value = 0;
    int err = green_generator_next(arg, &value);
    green_generator_destroy(arg);
    return err != 0 ? err : value;
}

/** Hands out what children make of the numbers. */
static intptr_t
fork_inside(struct green_generator *generator, void *arg)
{
    struct green_job *job = NULL;
    int err = green_spawn_as(GREEN_PROCESS, go_on_in_child, arg, NULL, &job);
    return green_generator_yield(generator, err != 0 ? err : finish(job), NULL);
}

START_TEST(forked_child_goes_on_with_a_copy)
{
    struct green_generator *generator = generator_of(count_to, POINTER(3));
    ck_assert_int_eq(next(generator), 1);
    ck_assert_int_eq(finish(spawn(GREEN_PROCESS, go_on_in_child, generator)), 2);
    struct green_generator *forking = generator_of(fork_inside, generator);
    ck_assert_int_eq(next(forking), 2);
    ck_assert_int_eq(next(generator), 2);
    green_generator_destroy(forking);
    green_generator_destroy(generator);
}
END_TEST

/* ---- lack of memory ---- */

static void *
no_mapping(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    (void)address, (void)size, (void)protection, (void)flags, (void)fd, (void)offset;
    errno = ENOMEM;
    return (void *)-1;
}

static bool memory_is_out;

static void *
allocate(size_t size)
{
    return memory_is_out ? NULL : malloc(size);
}

START_TEST(no_memory_for_a_generator)
{
    struct green_allocator fragile = {allocate, realloc, free};
    ck_assert_int_eq(green_set_allocator(&fragile), 0);
    green_generator_destroy(generator_of(count_to, NULL));
    struct green_generator_options options = GREEN_GENERATOR_OPTIONS;
    struct green_generator *generator = NULL;
    options.stack_size = 100;
    ck_assert_int_eq(green_generator_create(count_to, NULL, &options, &generator), -EINVAL);
    options.stack_size = 1 << 20;
    struct green__stack_system real = green__stack_system;
    green__stack_system.mmap = no_mapping;
    ck_assert_int_eq(green_generator_create(count_to, NULL, &options, &generator), -ENOMEM);
    green__stack_system = real;
    memory_is_out = true;
    ck_assert_int_eq(green_generator_create(count_to, NULL, NULL, &generator), -ENOMEM);
    memory_is_out = false;
    ck_assert_ptr_null(generator);
}
END_TEST

int
main(void)
{
    TCase *tests = make_case("generator");
    tcase_add_test(tests, values_come_one_by_one);
    tcase_add_test(tests, values_are_sent);
    tcase_add_test(tests, close_lets_it_clean_up);
    tcase_add_test(tests, what_never_started_never_runs);
    tcase_add_test(tests, destroy_closes);
    tcase_add_test(tests, thrown_errors_arrive);
    tcase_add_test(tests, running_generator_is_busy);
    tcase_add_test(tests, generators_nest);
    tcase_add_test(tests, blocking_inside_parks_the_caller);
    tcase_add_loop_test(tests, any_kind_of_worker_runs_them, 0, PROCESSES ? 3 : 2);
    tcase_add_test(tests, cancellation_is_met_inside);
    tcase_add_test(tests, scopes_of_the_caller_bound_it);
    tcase_add_test(tests, tasks_take_turns);
    /* After a fork ThreadSanitizer takes no note of what the child's main stack does. */
    if (PROCESSES && !UNDER_TSAN) {
        tcase_add_test(tests, forked_child_goes_on_with_a_copy);
    }
    tcase_add_test(tests, no_memory_for_a_generator);
    return run_case_of("generator", tests);
}
