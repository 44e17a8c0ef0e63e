/*
 * Fibers: who runs when and gets what, where those that end go on, how they are ended, and how they
 * mix with generators, tasks and timeouts.
 */
#include <errno.h>

#include "../base/support.h"
#include "green/base.h"
#include "green/generator.h"
#include "green/timeout.h"

static struct green_fiber *
fiber_of(green_fiber_entry entry, void *arg)
{
    struct green_fiber *fiber = NULL;
    ck_assert_int_eq(green_fiber_create(entry, arg, NULL, &fiber), 0);
    return fiber;
}

/** Switch and return what came back, or the error. */
static intptr_t
swap(struct green_fiber *fiber, intptr_t value)
{
    intptr_t got = 0;
    int err = green_fiber_switch(fiber, value, &got);
    return err != 0 ? err : got;
}

static void
note_number(intptr_t number)
{
    char text[16];
    snprintf(text, sizeof text, "%d", (int)number);
    note(text);
}

/* ---- switching ---- */

static struct green_fiber *one;
static struct green_fiber *two;

/* The example of greenlet's own documentation. */

static intptr_t
test_one(void *arg, intptr_t value)
{
    (void)arg;
    note_number(12);
    swap(two, 0);
    note_number(34);
    return value;
}

static intptr_t
test_two(void *arg, intptr_t value)
{
    (void)arg;
    note_number(56);
    swap(one, 0);
    note_number(78);
    return value;
}

START_TEST(two_fibers_take_turns)
{
    one = fiber_of(test_one, NULL);
    two = fiber_of(test_two, NULL);
    ck_assert_int_eq(swap(one, 9), 9);
    ck_assert_trace("12 56 34");
    ck_assert(green_fiber_ended(one));
    ck_assert(!green_fiber_ended(two));
    green_fiber_destroy(one);
    green_fiber_destroy(two);
    ck_assert_trace("12 56 34 78");
}
END_TEST

/** Gives back what it gets, plus a number, until it gets 0. */
static intptr_t
add(void *arg, intptr_t value)
{
    while (value != 0) {
        value = swap(green_fiber_parent(green_fiber_self()), value + NUMBER(arg));
    }
    return -1;
}

START_TEST(values_go_both_ways)
{
    struct green_fiber *fiber = fiber_of(add, POINTER(100));
    struct green_fiber *main_fiber = green_fiber_self();
    ck_assert_ptr_null(green_fiber_parent(main_fiber));
    ck_assert_ptr_eq(green_fiber_parent(fiber), main_fiber);
    for (int i = 1; i < 10; i++) {
        ck_assert_int_eq(swap(fiber, i), 100 + i);
        ck_assert_ptr_eq(green_fiber_self(), main_fiber);
    }
    ck_assert(!green_fiber_ended(fiber));
    ck_assert_int_eq(swap(fiber, 0), -1);
    ck_assert(green_fiber_ended(fiber));
    ck_assert_int_eq(swap(fiber, 5), 5); /* it stands for its parent, which is us */
    ck_assert_int_eq(swap(main_fiber, 6), 6);
    green_fiber_destroy(fiber);
}
END_TEST

/* ---- parents ---- */

static intptr_t
return_twice(void *arg, intptr_t value)
{
    (void)arg;
    note_number(value);
    return 2 * value;
}

/** Parent of another: starts it and notes what it returns. */
static intptr_t
run_child(void *arg, intptr_t value)
{
    struct green_fiber *child = NULL;
    (void)arg;
    if (green_fiber_create(return_twice, NULL, NULL, &child) != 0) {
        return -1;
    }
    intptr_t got = swap(child, value + 1);
    green_fiber_destroy(child);
    return got + 1;
}

START_TEST(what_ends_returns_to_its_parent)
{
    struct green_fiber *fiber = fiber_of(run_child, NULL);
    ck_assert_int_eq(swap(fiber, 10), 23);
    ck_assert_trace("11");
    green_fiber_destroy(fiber);
}
END_TEST

START_TEST(parent_is_started_by_its_child)
{
    struct green_fiber *parent = fiber_of(return_twice, NULL);
    struct green_fiber_options options = {"child", 0, parent};
    struct green_fiber *child = NULL;
    ck_assert_int_eq(green_fiber_create(return_twice, NULL, &options, &child), 0);
    ck_assert_int_eq(swap(child, 3), 12);
    ck_assert_trace("3 6");
    green_fiber_destroy(parent); /* its place in the chain stays */
    ck_assert_int_eq(swap(child, 7), 7);
    green_fiber_destroy(child);
}
END_TEST

/* ---- throw and destroy ---- */

static intptr_t
note_error(void *arg, intptr_t value)
{
    (void)arg;
    int err = green_fiber_switch(green_fiber_parent(green_fiber_self()), value, NULL);
    note(err == -ECANCELED ? "killed" : err == -EIO ? "thrown" : "switched");
    return err;
}

START_TEST(thrown_errors_arrive)
{
    struct green_fiber *fiber = fiber_of(note_error, NULL);
    intptr_t value = 0;
    ck_assert_int_eq(swap(fiber, 4), 4);
    ck_assert_int_eq(green_fiber_throw(fiber, 5, &value), -EINVAL);
    ck_assert_int_eq(green_fiber_throw(fiber, -EIO, &value), 0);
    ck_assert_int_eq(value, -EIO);
    ck_assert(green_fiber_ended(fiber));
    value = 1;
    ck_assert_int_eq(green_fiber_throw(fiber, -EIO, &value), -EIO); /* it stands for us */
    ck_assert_int_eq(value, 1);
    ck_assert_trace("thrown");
    green_fiber_destroy(fiber);
}
END_TEST

START_TEST(throw_before_the_start_ends_it)
{
    struct green_fiber *fiber = fiber_of(note_error, NULL);
    intptr_t value = 0;
    ck_assert_int_eq(green_fiber_throw(fiber, -ECANCELED, &value), 0);
    ck_assert_int_eq(value, -ECANCELED);
    ck_assert(green_fiber_ended(fiber));
    ck_assert_trace("");
    green_fiber_destroy(fiber);
    green_fiber_destroy(fiber_of(note_error, NULL)); /* never started */
    green_fiber_destroy(NULL);
}
END_TEST

START_TEST(destroy_lets_it_clean_up)
{
    struct green_fiber *fiber = fiber_of(note_error, NULL);
    ck_assert_int_eq(swap(fiber, 4), 4);
    green_fiber_destroy(fiber);
    note("|");
    ck_assert_trace("killed |");
}
END_TEST

/** Destroys the fiber from which it was started, and which waits for it. */
static intptr_t
destroy_parent(void *arg, intptr_t value)
{
    struct green_fiber *parent = green_fiber_parent(green_fiber_self());
    (void)arg;
    green_fiber_destroy(parent);
    return value;
}

static intptr_t
be_destroyed_by_child(void *arg, intptr_t value)
{
    struct green_fiber **ret_child = arg;
    if (green_fiber_create(destroy_parent, NULL, NULL, ret_child) != 0) {
        return -1;
    }
    note(swap(*ret_child, value) == -ECANCELED ? "killed" : "?");
    return -2;
}

START_TEST(child_destroys_its_parent)
{
    struct green_fiber *child = NULL;
    struct green_fiber *parent = fiber_of(be_destroyed_by_child, &child);
    ck_assert_int_eq(swap(parent, 8), 8); /* from the child, past the parent */
    ck_assert_trace("killed");
    ck_assert(green_fiber_ended(child));
    green_fiber_destroy(child);
}
END_TEST

/* ---- with everything else ---- */

static intptr_t
sleep_once(void *arg, intptr_t value)
{
    (void)arg;
    note("sleeps");
    int err = green_sleep((uint64_t)value);
    note("slept");
    return err;
}

static intptr_t
sleep_in_fiber(void *arg)
{
    struct green_fiber *fiber = NULL;
    (void)arg;
    if (green_fiber_create(sleep_once, NULL, NULL, &fiber) != 0) {
        return -1;
    }
    intptr_t value = swap(fiber, 5);
    green_fiber_destroy(fiber);
    return value;
}

static intptr_t
note_other(void *arg)
{
    (void)arg;
    note("other");
    return 0;
}

START_TEST(blocking_inside_parks_the_worker)
{
    struct green_job *job = spawn(GREEN_TASK, sleep_in_fiber, NULL);
    struct green_job *other = spawn(GREEN_TASK, note_other, NULL);
    ck_assert_int_eq(finish(job), 0);
    ck_assert_int_eq(finish(other), 0);
    ck_assert_int_eq(sleep_in_fiber(NULL), 0);
    ck_assert_trace("sleeps other slept sleeps slept");
    ck_assert_int_eq(finish(spawn(GREEN_THREAD, sleep_in_fiber, NULL)), 0);
    if (PROCESSES) {
        ck_assert_int_eq(finish(spawn(GREEN_PROCESS, sleep_in_fiber, NULL)), 0);
    }
}
END_TEST

static intptr_t
sleep_in_scope(void *arg, intptr_t value)
{
    (void)arg;
    struct green_timeout timeout;
    green_timeout_start(&timeout, LONG_MS);
    swap(green_fiber_parent(green_fiber_self()), value);
    int err = green_sleep(2); /* the main fiber's scope is not ours */
    green_timeout_stop(&timeout);
    return err;
}

START_TEST(timeouts_are_the_fibers_own)
{
    struct green_fiber *fiber = fiber_of(sleep_in_scope, NULL);
    struct green_timeout timeout;
    ck_assert_int_eq(swap(fiber, 1), 1);
    green_timeout_start(&timeout, 1);
    ck_assert_int_eq(swap(fiber, 0), 0);
    ck_assert_int_eq(green_sleep(LONG_MS), -ETIMEDOUT);
    green_timeout_stop(&timeout);
    ck_assert_int_eq(green_sleep(1), 0);
    green_fiber_destroy(fiber);
}
END_TEST

/** A generator that gets its values from a fiber. */
static intptr_t
ask_fiber(struct green_generator *generator, void *arg)
{
    intptr_t value = 1;
    for (int err = 0; err == 0;) {
        err = green_generator_yield(generator, swap(arg, value), &value);
    }
    return 0;
}

/** A fiber that hands out a generator's values, with switches in the middle of it. */
static intptr_t
pass_values(void *arg, intptr_t value)
{
    struct green_generator *generator = NULL;
    struct green_fiber *adder = arg;
    if (green_generator_create(ask_fiber, adder, NULL, &generator) != 0) {
        return -1;
    }
    intptr_t got = -1;
    int err = green_generator_next(generator, &got);
    while (err == 0 && value != 0) {
        value = swap(green_fiber_parent(green_fiber_self()), got);
        err = green_generator_send(generator, value == 0 ? 1 : value, &got);
    }
    green_generator_destroy(generator);
    return got;
}

/** Gives whoever switches to it the value and 10 more. */
static intptr_t
add_ten(void *arg, intptr_t value)
{
    struct green_fiber **back = arg;
    for (;;) {
        intptr_t next = swap(*back, value + 10);
        if (next < 0) {
            return next;
        }
        value = next;
    }
}

START_TEST(generators_and_fibers_mix)
{
    struct green_fiber *passer = NULL;
    struct green_fiber *adder = fiber_of(add_ten, &passer);
    passer = fiber_of(pass_values, adder);
    ck_assert_int_eq(swap(passer, 1), 11);
    ck_assert_int_eq(swap(passer, 5), 15);
    ck_assert_int_eq(swap(passer, 7), 17);
    ck_assert_int_eq(swap(passer, 0), 11);
    ck_assert(green_fiber_ended(passer));
    green_fiber_destroy(adder);
    green_fiber_destroy(passer);
}
END_TEST

#define RING stress(1000, 50)

static struct green_fiber *ring[1000];

static intptr_t
hand_round(void *arg, intptr_t value)
{
    int place = NUMBER(arg);
    while (value > 0) {
        value = swap(ring[(place + 1) % RING], value - 1);
    }
    return value;
}

START_TEST(a_ring_of_many)
{
    int count = RING;
    for (int i = 0; i < count; i++) {
        ring[i] = fiber_of(hand_round, POINTER(i));
    }
    ck_assert_int_eq(swap(ring[0], 100 * count + 7), 0);
    for (int i = 0; i < count; i++) {
        ck_assert_int_eq(green_fiber_ended(ring[i]), i == 7);
        green_fiber_destroy(ring[i]);
    }
}
END_TEST

/* ---- memory ---- */

static bool memory_is_out;

static void *
allocate(size_t size)
{
    return memory_is_out ? NULL : malloc(size);
}

START_TEST(no_memory_for_a_fiber)
{
    struct green_allocator fragile = {allocate, realloc, free};
    struct green_fiber *fiber = NULL;
    ck_assert_int_eq(green_set_allocator(&fragile), 0);
    green_self();
    memory_is_out = true;
    ck_assert_ptr_null(green_fiber_self());
    ck_assert_int_eq(green_fiber_create(add, NULL, NULL, &fiber), -ENOMEM);
    memory_is_out = false;
    ck_assert_ptr_nonnull(green_fiber_self());
    memory_is_out = true;
    ck_assert_int_eq(green_fiber_create(add, NULL, NULL, &fiber), -ENOMEM);
    memory_is_out = false;
    struct green_fiber_options options = {NULL, 1, NULL};
    ck_assert_int_eq(green_fiber_create(add, NULL, &options, &fiber), -EINVAL);
    ck_assert_ptr_null(fiber);
}
END_TEST

int
main(void)
{
    TCase *tests = make_case("fiber");
    tcase_add_test(tests, two_fibers_take_turns);
    tcase_add_test(tests, values_go_both_ways);
    tcase_add_test(tests, what_ends_returns_to_its_parent);
    tcase_add_test(tests, parent_is_started_by_its_child);
    tcase_add_test(tests, thrown_errors_arrive);
    tcase_add_test(tests, throw_before_the_start_ends_it);
    tcase_add_test(tests, destroy_lets_it_clean_up);
    tcase_add_test(tests, child_destroys_its_parent);
    tcase_add_test(tests, blocking_inside_parks_the_worker);
    tcase_add_test(tests, timeouts_are_the_fibers_own);
    tcase_add_test(tests, generators_and_fibers_mix);
    tcase_add_test(tests, a_ring_of_many);
    tcase_add_test(tests, no_memory_for_a_fiber);
    return run_case_of("fiber", tests);
}
