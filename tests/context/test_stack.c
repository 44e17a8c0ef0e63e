/*
 * Stacks: what they cost, what guards them, in which order they are used again, and what happens
 * when the kernel refuses.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "context/context.h"
#include "context/stack.h"

#define PAGE        ((size_t)sysconf(_SC_PAGESIZE))
#define COLOURS     16
#define COLOUR_STEP 128

/* Valgrind keeps its own list of mappings, which is slow, and ends at some 30,000. */
#ifdef GREEN__VALGRIND
#define MANY             1000
#define KERNEL_LIMIT_MAX 0
#else
#define MANY             100000
#define KERNEL_LIMIT_MAX 100000
#endif

/* Sanitizers map shadows too. */
#if defined(GREEN__ASAN) || defined(GREEN__TSAN)
#define FEW_MAPPINGS 200
#else
#define FEW_MAPPINGS 24
#endif

static struct green__stack_pool *pool;

static void
setup(void)
{
    ck_assert_int_eq(green__stack_pool_create(&pool), 0);
}

static void
teardown(void)
{
    green__stack_pool_destroy(pool);
}

static struct green__stack
take(size_t size)
{
    struct green__stack stack;
    ck_assert_int_eq(green__stack_take(pool, size, &stack), 0);
    return stack;
}

static uintptr_t
top_of(const struct green__stack *stack)
{
    return (uintptr_t)stack->low + stack->size;
}

/* Write one byte, so far below the top. */
static void
touch(const struct green__stack *stack, size_t below_top)
{
    *(volatile char *)(top_of(stack) - below_top) = 1;
}

/* The signal that ends a child which writes there; 0 when none does. */
static int
signal_of_write(volatile char *address)
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        *address = 1;
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* The loop's tests run once with each sort of guard that the kernel has. */
static bool
choose(int guard)
{
    return green__stack_guard_choose((enum green__stack_guard)guard) == 0;
}

START_TEST(guard_faults)
{
    if (!choose(_i)) {
        return;
    }
    struct green__stack first = take(GREEN__STACK_DEFAULT);
    struct green__stack second = take(GREEN__STACK_DEFAULT);
    char *low = second.low;
    ck_assert_int_eq(signal_of_write(low), 0);
    ck_assert_int_eq(signal_of_write(low + second.size - 1), 0);
    ck_assert_int_eq(signal_of_write(low - 1), SIGSEGV);
    ck_assert_int_eq(signal_of_write(low - PAGE), SIGSEGV);
    ck_assert_int_eq(signal_of_write((char *)first.low - 1), SIGSEGV);
    ck_assert_int_eq(signal_of_write((char *)first.low + first.size - 1), 0);
}
END_TEST

START_TEST(guard_outlives_use)
{
    if (!choose(_i)) {
        return;
    }
    static struct green__stack stacks[GREEN__STACK_WARM_MAX + 1];
    for (size_t i = 0; i <= GREEN__STACK_WARM_MAX; i++) {
        stacks[i] = take(GREEN__STACK_MIN);
        touch(&stacks[i], 1);
    }
    for (size_t i = 0; i <= GREEN__STACK_WARM_MAX; i++) {
        green__stack_give(&stacks[i]);
    }
    /* The first has lost its pages, the last has not. */
    ck_assert_int_eq(signal_of_write((char *)stacks[0].low - 1), SIGSEGV);
    ck_assert_int_eq(signal_of_write((char *)stacks[GREEN__STACK_WARM_MAX].low - 1), SIGSEGV);
}
END_TEST

START_TEST(tops_are_coloured)
{
    bool seen[COLOURS] = {false};
    for (int i = 0; i < COLOURS; i++) {
        struct green__stack stack = take(GREEN__STACK_DEFAULT);
        size_t below_page = (PAGE - top_of(&stack) % PAGE) % PAGE;
        ck_assert_uint_eq(top_of(&stack) % 16, 0);
        ck_assert_uint_eq((uintptr_t)stack.low % PAGE, 0);
        ck_assert_uint_eq(below_page % COLOUR_STEP, 0);
        ck_assert_uint_lt(below_page / COLOUR_STEP, COLOURS);
        ck_assert_uint_eq(stack.size + below_page, GREEN__STACK_DEFAULT);
        seen[below_page / COLOUR_STEP] = true;
    }
    for (int i = 0; i < COLOURS; i++) {
        ck_assert(seen[i]);
    }
}
END_TEST

START_TEST(stack_given_last_is_taken_first)
{
    struct green__stack a = take(GREEN__STACK_DEFAULT);
    struct green__stack b = take(GREEN__STACK_DEFAULT);
    struct green__stack c = take(GREEN__STACK_DEFAULT);
    green__stack_give(&b);
    green__stack_give(&a);
    green__stack_give(&c);
    struct green__stack again[] = {take(GREEN__STACK_DEFAULT), take(GREEN__STACK_DEFAULT),
                                   take(GREEN__STACK_DEFAULT)};
    ck_assert_ptr_eq(again[0].low, c.low);
    ck_assert_ptr_eq(again[1].low, a.low);
    ck_assert_ptr_eq(again[2].low, b.low);
    ck_assert_uint_eq(again[2].size, b.size);
}
END_TEST

START_TEST(sizes_do_not_mix)
{
    struct green__stack small = take(1);
    struct green__stack large = take(10 * PAGE + 1);
    ck_assert_uint_ge(small.size, GREEN__STACK_MIN - COLOURS * COLOUR_STEP);
    ck_assert_uint_gt(large.size, 10 * PAGE);
    green__stack_give(&small);
    green__stack_give(&large);
    ck_assert_ptr_eq(take(11 * PAGE).low, large.low);
    ck_assert_ptr_eq(take(GREEN__STACK_MIN).low, small.low);
}
END_TEST

START_TEST(high_water_counts_touched_pages)
{
    struct green__stack stack = take(GREEN__STACK_DEFAULT);
    ck_assert_uint_eq(green__stack_high_water(&stack), 0);
    touch(&stack, 1);
    ck_assert_uint_eq(green__stack_high_water(&stack), PAGE);
    touch(&stack, 5 * PAGE);
    touch(&stack, 3 * PAGE);
    size_t mark = green__stack_high_water(&stack);
    ck_assert_uint_ge(mark, 5 * PAGE);
    ck_assert_uint_le(mark, 6 * PAGE);
    *(volatile char *)stack.low = 1;
    ck_assert_uint_eq(green__stack_high_water(&stack), GREEN__STACK_DEFAULT);
}
END_TEST

START_TEST(high_water_of_a_large_stack)
{
    struct green__stack stack = take(1000 * PAGE);
    touch(&stack, 700 * PAGE);
    size_t mark = green__stack_high_water(&stack);
    ck_assert_uint_ge(mark, 700 * PAGE);
    ck_assert_uint_le(mark, 701 * PAGE);
}
END_TEST

START_TEST(unused_stacks_past_the_mark_lose_their_pages)
{
    enum { COLD = 10, ALL = GREEN__STACK_WARM_MAX + COLD };
    static struct green__stack stacks[ALL];
    for (size_t i = 0; i < ALL; i++) {
        stacks[i] = take(GREEN__STACK_MIN);
        touch(&stacks[i], 1);
    }
    for (size_t i = 0; i < ALL; i++) {
        green__stack_give(&stacks[i]);
    }
    for (size_t i = 0; i < ALL; i++) {
        ck_assert_uint_eq(green__stack_high_water(&stacks[i]), i < COLD ? 0 : PAGE);
    }
    /* Warm ones go out first, then the cold, then new ones. */
    for (size_t i = ALL; i > 0; i--) {
        ck_assert_ptr_eq(take(GREEN__STACK_MIN).low, stacks[i - 1].low);
    }
    for (size_t i = 0; i < ALL; i++) {
        ck_assert_ptr_ne(take(GREEN__STACK_MIN).low, stacks[0].low);
    }
}
END_TEST

static int
count_mappings(void)
{
    int lines = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    ck_assert_ptr_nonnull(maps);
    for (int c = getc(maps); c != EOF; c = getc(maps)) {
        lines += c == '\n';
    }
    fclose(maps);
    return lines;
}

START_TEST(many_stacks_cost_few_mappings)
{
    if (!choose(GREEN__STACK_GUARD_MADVISE)) {
        return;
    }
    int before = count_mappings();
    struct green__stack stack = {0};
    for (int i = 0; i < MANY; i++) {
        stack = take(GREEN__STACK_DEFAULT);
    }
    ck_assert_int_le(count_mappings() - before, FEW_MAPPINGS);
    ck_assert_int_eq(signal_of_write((char *)stack.low - 1), SIGSEGV);
    ck_assert_int_eq(signal_of_write(stack.low), 0);
}
END_TEST

/* A limit of 100 mappings, less the reserve of an eighth, is 44 guards of two each. */
START_TEST(guards_by_mprotect_are_counted)
{
    enum { LIMIT = 100, GUARDS = 44 };
    ck_assert(choose(GREEN__STACK_GUARD_MPROTECT));
    green__stack_system.max_map_count = LIMIT;
    struct green__stack last = {0};
    for (int i = 0; i < GUARDS; i++) {
        last = take(GREEN__STACK_DEFAULT);
    }
    struct green__stack none = {0};
    ck_assert_int_eq(green__stack_take(pool, GREEN__STACK_DEFAULT, &none), -ENOSPC);
    ck_assert_ptr_null(none.low);
    green__stack_give(&last);
    ck_assert_ptr_eq(take(GREEN__STACK_DEFAULT).low, last.low);
    ck_assert_int_eq(green__stack_take(pool, GREEN__STACK_MIN, &none), -ENOSPC);

    green__stack_pool_destroy(pool);
    ck_assert_int_eq(green__stack_pool_create(&pool), 0);
    for (int i = 0; i < GUARDS; i++) {
        take(GREEN__STACK_MIN);
    }
    ck_assert_int_eq(green__stack_take(pool, GREEN__STACK_MIN, &none), -ENOSPC);
}
END_TEST

/* What the kernel itself allows is never reached: the rest of the program can go on mapping. */
START_TEST(kernel_limit_leaves_a_reserve)
{
    ck_assert(choose(GREEN__STACK_GUARD_MPROTECT));
    FILE *source = fopen("/proc/sys/vm/max_map_count", "re");
    ck_assert_ptr_nonnull(source);
    int limit = 0;
    ck_assert_int_eq(fscanf(source, "%d", &limit), 1);
    fclose(source);
    if (limit > KERNEL_LIMIT_MAX) {
        return;
    }
    struct green__stack stack;
    int err;
    do {
        err = green__stack_take(pool, GREEN__STACK_MIN, &stack);
    } while (err == 0);
    ck_assert_int_eq(err, -ENOSPC);
    ck_assert_int_lt(count_mappings(), limit - limit / 16);
}
END_TEST

static int refused;
static size_t most_mapped;

static void *
refuse_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (size > most_mapped) {
        refused++;
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return mmap(address, size, protection, flags, fd, offset);
}

static int
refuse_madvise(void *address, size_t size, int advice)
{
    (void)address;
    (void)size;
    (void)advice;
    refused++;
    errno = EINVAL;
    return -1;
}

static int
refuse_mprotect(void *address, size_t size, int protection)
{
    (void)address;
    (void)size;
    (void)protection;
    refused++;
    errno = ENOMEM;
    return -1;
}

START_TEST(no_memory_for_a_slab)
{
    struct green__stack stack = {0};
    green__stack_system.mmap = refuse_mmap;
    ck_assert_int_eq(green__stack_take(pool, GREEN__STACK_DEFAULT, &stack), -ENOMEM);
    ck_assert_int_eq(green__stack_take(pool, SIZE_MAX - 1, &stack), -ENOMEM);
    ck_assert_ptr_null(stack.low);
    /* Where large slabs find no room, small ones do. */
    most_mapped = GREEN__STACK_DEFAULT + 4 * PAGE;
    for (int i = 0; i < 5; i++) {
        touch(&(struct green__stack){take(GREEN__STACK_DEFAULT).low, GREEN__STACK_DEFAULT}, 1);
    }
    ck_assert_int_gt(refused, 0);
}
END_TEST

/* A kernel before 6.13: AUTO falls back, and the guards are as good. */
START_TEST(kernel_without_guard_advice)
{
    green__stack_system.madvise = refuse_madvise;
    ck_assert_int_eq(green__stack_guard_choose(GREEN__STACK_GUARD_MADVISE), -ENOTSUP);
    ck_assert(choose(GREEN__STACK_GUARD_AUTO));
    struct green__stack stack = take(GREEN__STACK_DEFAULT);
    ck_assert_int_eq(signal_of_write((char *)stack.low - 1), SIGSEGV);
}
END_TEST

/* Locked memory refuses this advice, after the probe has gone well. */
START_TEST(guard_advice_refused_for_one_stack)
{
    if (!choose(GREEN__STACK_GUARD_MADVISE)) {
        return;
    }
    green__stack_system.madvise = refuse_madvise;
    struct green__stack stack = take(GREEN__STACK_DEFAULT);
    ck_assert_int_eq(signal_of_write((char *)stack.low - 1), SIGSEGV);
}
END_TEST

START_TEST(guard_cannot_be_protected)
{
    struct green__stack stack = {0};
    ck_assert(choose(GREEN__STACK_GUARD_MPROTECT));
    green__stack_system.max_map_count = 3;
    green__stack_system.mprotect = refuse_mprotect;
    ck_assert_int_eq(green__stack_take(pool, GREEN__STACK_DEFAULT, &stack), -ENOMEM);
    ck_assert_int_eq(green__stack_take(pool, GREEN__STACK_DEFAULT, &stack), -ENOMEM);
    ck_assert_ptr_null(stack.low);
    /* A failure counts no guard: there is still room for one. */
    green__stack_system.mprotect = mprotect;
    take(GREEN__STACK_DEFAULT);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("stack");
    tcase_set_timeout(tests, 180);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, guard_faults, GREEN__STACK_GUARD_AUTO,
                        GREEN__STACK_GUARD_MPROTECT + 1);
    tcase_add_loop_test(tests, guard_outlives_use, GREEN__STACK_GUARD_AUTO,
                        GREEN__STACK_GUARD_MPROTECT + 1);
    tcase_add_test(tests, tops_are_coloured);
    tcase_add_test(tests, stack_given_last_is_taken_first);
    tcase_add_test(tests, sizes_do_not_mix);
    tcase_add_test(tests, high_water_counts_touched_pages);
    tcase_add_test(tests, high_water_of_a_large_stack);
    tcase_add_test(tests, unused_stacks_past_the_mark_lose_their_pages);
    tcase_add_test(tests, many_stacks_cost_few_mappings);
    tcase_add_test(tests, guards_by_mprotect_are_counted);
    tcase_add_test(tests, kernel_limit_leaves_a_reserve);
    tcase_add_test(tests, no_memory_for_a_slab);
    tcase_add_test(tests, kernel_without_guard_advice);
    tcase_add_test(tests, guard_advice_refused_for_one_stack);
    tcase_add_test(tests, guard_cannot_be_protected);
    Suite *suite = suite_create("stack");
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures == 0 ? 0 : 1;
}
