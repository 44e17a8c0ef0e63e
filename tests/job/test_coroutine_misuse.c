/*
 * What ends the program, and with which words: misuse of generators and fibers, and their stacks
 * that overflow. Each case runs in a child.
 */
#include "../base/support.h"
#include "green/generator.h"
#include "green/timeout.h"

__attribute__((noinline)) static int
recurse(int depth)
{
    volatile char frame[512];
    memset((void *)frame, depth, sizeof frame);
    return depth < 1000000 ? recurse(depth + 1) + frame[depth % 512] : 0;
}

/* ---- generators ---- */

static struct green_generator *
generator_of(green_generator_entry entry, void *arg)
{
    struct green_generator *generator = NULL;
    ck_assert_int_eq(green_generator_create(entry, arg, NULL, &generator), 0);
    return generator;
}

static intptr_t
yield_once(struct green_generator *generator, void *arg)
{
    (void)arg;
    return green_generator_yield(generator, 0, NULL);
}

static intptr_t
ignore_close(struct green_generator *generator, void *arg)
{
    (void)arg;
    while (green_generator_yield(generator, 0, NULL) != 1) {
    }
    return 0;
}

static intptr_t
yield_in_scope(struct green_generator *generator, void *arg)
{
    (void)arg;
    struct green_timeout timeout;
    green_timeout_start(&timeout, 1);
    return green_generator_yield(generator, 0, NULL);
}

static intptr_t
end_in_shield(struct green_generator *generator, void *arg)
{
    (void)generator;
    (void)arg;
    struct green_shield shield;
    green_shield_start(&shield);
    return 0;
}

static intptr_t
destroy_own_generator(struct green_generator *generator, void *arg)
{
    (void)arg;
    green_generator_destroy(generator);
    return 0;
}

static intptr_t
overflow_generator(struct green_generator *generator, void *arg)
{
    (void)generator;
    (void)arg;
    return recurse(0);
}

static void
run_named(green_generator_entry entry)
{
    struct green_generator_options options = {"numbers", 0};
    struct green_generator *generator = NULL;
    ck_assert_int_eq(green_generator_create(entry, NULL, &options, &generator), 0);
    green_generator_next(generator, NULL);
    green_generator_close(generator);
}

static intptr_t
run_overflow(void *arg)
{
    (void)arg;
    run_named(overflow_generator);
    return 0;
}

static intptr_t
next_elsewhere(void *generator)
{
    return green_generator_next(generator, NULL);
}

static void
generator_misuse_0(void)
{
    green_generator_yield(generator_of(yield_once, NULL), 0, NULL);
}

static void
generator_misuse_1(void)
{
    run_named(ignore_close);
}

static void
generator_misuse_2(void)
{
    run_named(yield_in_scope);
}

static void
generator_misuse_3(void)
{
    run_named(end_in_shield);
}

static void
generator_misuse_4(void)
{
    run_named(destroy_own_generator);
}

static void
generator_misuse_5(void)
{
    finish(spawn(GREEN_THREAD, next_elsewhere, generator_of(yield_once, NULL)));
}

static void
generator_misuse_6(void)
{
    run_named(overflow_generator);
}

static void
generator_misuse_7(void)
{
    finish(spawn(GREEN_TASK, run_overflow, NULL));
}

/* ---- fibers ---- */

static struct green_fiber *
fiber_of(green_fiber_entry entry, void *arg)
{
    struct green_fiber *fiber = NULL;
    ck_assert_int_eq(green_fiber_create(entry, arg, NULL, &fiber), 0);
    return fiber;
}

static intptr_t
ignore_kill(void *arg, intptr_t value)
{
    (void)arg;
    green_fiber_switch(green_fiber_parent(green_fiber_self()), value, NULL);
    green_fiber_switch(green_fiber_parent(green_fiber_self()), value, NULL);
    return 0;
}

static intptr_t
end_in_scope(void *arg, intptr_t value)
{
    (void)arg;
    struct green_timeout timeout;
    green_timeout_start(&timeout, 1);
    return value;
}

static intptr_t
destroy_own_fiber(void *arg, intptr_t value)
{
    (void)arg;
    green_fiber_destroy(green_fiber_self());
    return value;
}

static intptr_t
overflow_fiber(void *arg, intptr_t value)
{
    (void)arg;
    return recurse((int)value);
}

static intptr_t
switch_elsewhere(void *fiber)
{
    return green_fiber_switch(fiber, 0, NULL);
}

static void
run_and_destroy(green_fiber_entry entry)
{
    struct green_fiber *fiber = fiber_of(entry, NULL);
    green_fiber_switch(fiber, 1, NULL);
    green_fiber_destroy(fiber);
}

static void
fiber_misuse_0(void)
{
    run_and_destroy(ignore_kill);
}

static void
fiber_misuse_1(void)
{
    run_and_destroy(end_in_scope);
}

static void
fiber_misuse_2(void)
{
    run_and_destroy(destroy_own_fiber);
}

static void
fiber_misuse_3(void)
{
    green_fiber_destroy(green_fiber_self());
}

static void
fiber_misuse_4(void)
{
    finish(spawn(GREEN_TASK, switch_elsewhere, fiber_of(ignore_kill, NULL)));
}

static void
fiber_misuse_5(void)
{
    run_and_destroy(overflow_fiber);
}

/* ---- all ---- */

static const struct {
    void (*body)(void);
    const char *words;
} misuses[] = {
    {generator_misuse_0, "green: green_generator_yield: the caller is not in this generator\n"},
    {generator_misuse_1, "green: generator \"numbers\" yields although it was closed\n"},
    {generator_misuse_2,
     "green: generator \"numbers\" yields inside a timeout scope or shield that it has "
     "started\n"},
    {generator_misuse_3,
     "green: generator \"numbers\" ends inside a timeout scope or shield that it has "
     "started\n"},
    {generator_misuse_4, "green: green_generator_destroy: it is running\n"},
    {generator_misuse_5, "green: green_generator_next: the generator belongs to another thread\n"},
    {generator_misuse_6, "green: generator \"numbers\" overflowed its stack of 65536 bytes"},
    {generator_misuse_7, "green: generator \"numbers\" overflowed its stack of 65536 bytes"},
    {fiber_misuse_0, "green: fiber \"fiber-1\" goes on although it was destroyed\n"},
    {fiber_misuse_1, "green: fiber \"fiber-1\" ends inside a timeout scope or shield that it has "
                     "started\n"},
    {fiber_misuse_2, "green: green_fiber_destroy: it is running\n"},
    {fiber_misuse_3, "green: green_fiber_destroy: it is a main fiber\n"},
    {fiber_misuse_4, "green: green_fiber_switch: the fiber belongs to another worker\n"},
    {fiber_misuse_5, "green: fiber \"fiber-1\" overflowed its stack of 65536 bytes"},
};

START_TEST(misuse_aborts)
{
    char text[1024];
    ck_assert_int_eq(last_words(misuses[_i].body, text, sizeof text), -SIGABRT);
    ck_assert_msg(strstr(text, misuses[_i].words) != NULL, "%s", text);
}
END_TEST

int
main(void)
{
    TCase *tests = make_case("coroutine_misuse");
    tcase_add_loop_test(tests, misuse_aborts, 0, sizeof misuses / sizeof *misuses);
    return run_case_of("coroutine_misuse", tests);
}
