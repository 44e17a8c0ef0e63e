/*
 * What generators, fibers and worker-local values cost, in nanoseconds.
 *
 * Not a test: it prints a table, each figure the best of several rounds. Run it on a quiet machine.
 */
#include <green.h>

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#define ROUNDS 7
#define TIMES  1000000

static struct green_generator *generator;
static struct green_fiber *fiber;
static green_local key;

static uint64_t
now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void
report(const char *what, void (*body)(void))
{
    uint64_t best = UINT64_MAX;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t start = now_ns();
        body();
        uint64_t took = now_ns() - start;
        best = took < best ? took : best;
    }
    printf("%-52s %8.1f\n", what, (double)best / TIMES);
}

static intptr_t
count(struct green_generator *self, void *arg)
{
    (void)arg;
    intptr_t value = 0;
    while (green_generator_yield(self, value, NULL) == 0) {
        value++;
    }
    return value;
}

static intptr_t
echo(void *arg, intptr_t value)
{
    while (green_fiber_switch(arg, value, &value) == 0) {
    }
    return value;
}

static void
take_values(void)
{
    intptr_t value;
    for (int i = 0; i < TIMES; i++) {
        green_generator_next(generator, &value);
    }
}

static void
make_and_destroy(void)
{
    struct green_generator *made;
    for (int i = 0; i < TIMES; i++) {
        if (green_generator_create(count, NULL, NULL, &made) == 0) {
            green_generator_next(made, NULL);
            green_generator_destroy(made);
        }
    }
}

static void
switch_there_and_back(void)
{
    intptr_t value = 0;
    for (int i = 0; i < TIMES; i++) {
        green_fiber_switch(fiber, value, &value);
    }
}

static void
get_value(void)
{
    void *volatile sink;
    for (int i = 0; i < TIMES; i++) {
        sink = green_local_get(key);
    }
    (void)sink;
}

static void
set_value(void)
{
    for (int i = 0; i < TIMES; i++) {
        green_local_set(key, &key);
    }
}

int
main(void)
{
    if (green_generator_create(count, NULL, NULL, &generator) != 0 ||
        green_fiber_create(echo, green_fiber_self(), NULL, &fiber) != 0 ||
        green_local_create(NULL, &key) != 0) {
        return 1;
    }
    printf("%-52s %8s\n", "", "ns");
    report("generator: next and yield", take_values);
    report("generator: create, next, destroy", make_and_destroy);
    report("fiber: switch there and back", switch_there_and_back);
    report("local: set", set_value);
    report("local: get", get_value);
    green_generator_destroy(generator);
    green_fiber_destroy(fiber);
    return 0;
}
