/*
 * The switch: who runs in which order, and that what a function keeps is kept.
 *
 * Contexts only record what they saw; the thread's own stack compares it, since a failed check must
 * not jump off a context's stack.
 */
#include <check.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <unwind.h>

#include "context/context.h"
#include "context/stack.h"
#include "registers.h"

/* ThreadSanitizer ends at about 8,000 fibers, and valgrind looks through all stacks it knows. */
#if defined(GREEN__TSAN) || defined(GREEN__VALGRIND)
#define MANY 1000
#else
#define MANY 10000
#endif
#define CHAIN 100

struct coroutine {
    struct green__context context;
    struct green__stack stack;
    const char *label;
    uint64_t seed;
    bool done;
    bool good;
};

static struct green__context home;
static struct green__stack_pool *pool;
static char trace[1024];

static void
note(const char *label)
{
    strcat(trace, label);
}

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

static void
start(struct coroutine *coroutine, green__context_entry entry)
{
    ck_assert_int_eq(green__stack_take(pool, GREEN__STACK_DEFAULT, &coroutine->stack), 0);
    green__context_make(&coroutine->context, coroutine->stack.low, coroutine->stack.size, entry,
                        coroutine);
}

static void
resume(struct coroutine *coroutine)
{
    green__context_switch(&home, &coroutine->context, false);
}

static void
pause_coroutine(struct coroutine *coroutine)
{
    green__context_switch(&coroutine->context, &home, false);
}

static void
end(struct coroutine *coroutine)
{
    coroutine->done = true;
    green__context_switch(&coroutine->context, &home, true);
}

static void
drop(struct coroutine *coroutine)
{
    green__context_drop(&coroutine->context);
    green__stack_give(&coroutine->stack);
}

static void
take_turns(void *arg)
{
    struct coroutine *coroutine = arg;
    note(coroutine->label);
    pause_coroutine(coroutine);
    note(coroutine->label);
    pause_coroutine(coroutine);
    note("end ");
    end(coroutine);
}

START_TEST(contexts_take_turns)
{
    struct coroutine a = {.label = "a "};
    struct coroutine b = {.label = "b "};
    start(&a, take_turns);
    start(&b, take_turns);
    while (!a.done || !b.done) {
        resume(&a);
        note("home ");
        resume(&b);
    }
    ck_assert_str_eq(trace, "a home b a home b end home end ");
    drop(&a);
    drop(&b);
}
END_TEST

/* Contexts that switch to one another directly, without a stop at home. */
static struct coroutine ping;
static struct coroutine pong;

static void
play(void *arg)
{
    struct coroutine *self = arg;
    struct coroutine *other = self == &ping ? &pong : &ping;
    for (int i = 0; i < 3; i++) {
        note(self->label);
        green__context_switch(&self->context, &other->context, false);
    }
    note("end ");
    end(self);
}

START_TEST(contexts_switch_to_each_other)
{
    ping.label = "ping ";
    pong.label = "pong ";
    start(&ping, play);
    start(&pong, play);
    resume(&ping);
    note("home ");
    resume(&pong);
    ck_assert_str_eq(trace, "ping pong ping pong ping pong end home end ");
    drop(&ping);
    drop(&pong);
}
END_TEST

static struct coroutine chain[CHAIN];
static int deepest;
static int unwound;

static void
descend(void *arg)
{
    struct coroutine *self = arg;
    size_t index = (size_t)(self - chain);
    deepest++;
    if (index + 1 < CHAIN) {
        green__context_switch(&self->context, &chain[index + 1].context, false);
    }
    unwound += deepest == CHAIN && chain[CHAIN - 1].done == (index + 1 < CHAIN);
    self->done = true;
    green__context_switch(&self->context, index == 0 ? &home : &chain[index - 1].context, true);
}

START_TEST(contexts_nest_deeply)
{
    for (int i = 0; i < CHAIN; i++) {
        start(&chain[i], descend);
    }
    resume(&chain[0]);
    ck_assert_int_eq(deepest, CHAIN);
    ck_assert_int_eq(unwound, CHAIN);
    for (int i = 0; i < CHAIN; i++) {
        ck_assert(chain[i].done);
        drop(&chain[i]);
    }
}
END_TEST

static void
keep_registers(void *arg)
{
    struct coroutine *coroutine = arg;
    coroutine->good = registers_survive(&coroutine->context, &home, coroutine->seed);
    end(coroutine);
}

START_TEST(registers_survive_a_switch)
{
    struct coroutine coroutine = {.seed = 1000};
    start(&coroutine, keep_registers);
    ck_assert(registers_survive(&home, &coroutine.context, 5000));
    resume(&coroutine);
    ck_assert(coroutine.done);
    ck_assert(coroutine.good);
    drop(&coroutine);
}
END_TEST

START_TEST(many_contexts_keep_their_registers)
{
    struct coroutine *coroutines = calloc(MANY, sizeof *coroutines);
    ck_assert_ptr_nonnull(coroutines);
    for (uint64_t i = 0; i < MANY; i++) {
        coroutines[i].seed = i * 100;
        start(&coroutines[i], keep_registers);
        resume(&coroutines[i]);
        ck_assert(!coroutines[i].done);
    }
    for (int i = MANY - 1; i >= 0; i--) {
        while (!coroutines[i].done) {
            resume(&coroutines[i]);
        }
        ck_assert(coroutines[i].good);
        drop(&coroutines[i]);
    }
    free(coroutines);
}
END_TEST

/* The compiler keeps the vector where it believes that the stack is aligned. */
static void
look_at_alignment(void *arg)
{
    struct coroutine *coroutine = arg;
    volatile float vector __attribute__((vector_size(16))) = {1, 2, 3, 4};
    uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    coroutine->good = frame % 16 == 0 && (uintptr_t)&vector % 16 == 0;
    end(coroutine);
}

START_TEST(stack_is_aligned_at_the_entry)
{
    /* Sixteen colours of tops. */
    for (int i = 0; i < 16; i++) {
        struct coroutine coroutine = {0};
        start(&coroutine, look_at_alignment);
        resume(&coroutine);
        ck_assert(coroutine.good);
        green__context_drop(&coroutine.context);
    }
}
END_TEST

static void
look_at_stack(void *arg)
{
    struct coroutine *coroutine = arg;
    uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    uintptr_t top = (uintptr_t)coroutine->stack.low + coroutine->stack.size;
    coroutine->good = frame < top && frame >= (uintptr_t)coroutine->stack.low;
    end(coroutine);
}

START_TEST(stack_of_an_ended_context_is_used_again)
{
    void *low = NULL;
    for (int i = 0; i < 100; i++) {
        struct coroutine coroutine = {0};
        start(&coroutine, look_at_stack);
        ck_assert(low == NULL || low == coroutine.stack.low);
        low = coroutine.stack.low;
        resume(&coroutine);
        ck_assert(coroutine.done);
        ck_assert(coroutine.good);
        drop(&coroutine);
    }
}
END_TEST

/* A context that is dropped while it is parked never goes on; its stack serves another. */
START_TEST(parked_context_is_dropped)
{
    struct coroutine a = {.label = "a "};
    start(&a, take_turns);
    resume(&a);
    drop(&a);
    struct coroutine b = {.label = "b "};
    start(&b, take_turns);
    ck_assert_ptr_eq(b.stack.low, a.stack.low);
    while (!b.done) {
        resume(&b);
    }
    ck_assert_str_eq(trace, "a b b end ");
    drop(&b);
}
END_TEST

START_TEST(context_that_never_ran_is_dropped)
{
    struct coroutine a = {.label = "a "};
    start(&a, take_turns);
    drop(&a);
    ck_assert_str_eq(trace, "");
}
END_TEST

struct walk {
    uintptr_t entry;
    int frames;
    int frames_above_entry;
    bool found;
};

static _Unwind_Reason_Code
count_frame(struct _Unwind_Context *frame, void *arg)
{
    struct walk *walk = arg;
    walk->frames_above_entry += walk->found;
    walk->found = walk->found || _Unwind_GetRegionStart(frame) == walk->entry;
    return ++walk->frames < 50 ? _URC_NO_REASON : _URC_NORMAL_STOP;
}

static void
walk_stack(void *arg)
{
    struct coroutine *coroutine = arg;
    struct walk walk = {.entry = (uintptr_t)walk_stack};
    _Unwind_Reason_Code last = _Unwind_Backtrace(count_frame, &walk);
    /* Above the entry: the backend's start, what sanitizers add, and the end itself. */
    coroutine->good = walk.found && last == _URC_END_OF_STACK && walk.frames_above_entry <= 3;
    end(coroutine);
}

START_TEST(unwinding_reaches_the_entry_and_ends)
{
    struct coroutine coroutine = {0};
    start(&coroutine, walk_stack);
    resume(&coroutine);
    ck_assert(coroutine.good);
    drop(&coroutine);
}
END_TEST

/* ---- signals ---- */

static volatile sig_atomic_t handled;

static void
on_signal(int signo)
{
    handled = signo;
}

/* Is interrupted where a sanitizer holds the handler back, and goes away. */
static void
is_interrupted(void *arg)
{
    struct coroutine *self = arg;
    syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1);
    pause_coroutine(self);
    end(self);
}

START_TEST(handlers_run_whatever_the_thread_goes_on_with)
{
    struct coroutine coroutine = {0};
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t before;
    sigset_t after;
    sigaction(SIGUSR1, &action, NULL);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    start(&coroutine, is_interrupted);
    resume(&coroutine);
    ck_assert_int_eq(handled, SIGUSR1);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int signo = 1; signo <= SIGRTMAX; signo++) {
        ck_assert_int_eq(sigismember(&before, signo), sigismember(&after, signo));
    }
    resume(&coroutine);
    drop(&coroutine);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("context");
    tcase_set_timeout(tests, 180);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, contexts_take_turns);
    tcase_add_test(tests, contexts_switch_to_each_other);
    tcase_add_test(tests, contexts_nest_deeply);
    tcase_add_test(tests, registers_survive_a_switch);
    tcase_add_test(tests, many_contexts_keep_their_registers);
    tcase_add_test(tests, stack_is_aligned_at_the_entry);
    tcase_add_test(tests, stack_of_an_ended_context_is_used_again);
    tcase_add_test(tests, parked_context_is_dropped);
    tcase_add_test(tests, context_that_never_ran_is_dropped);
    tcase_add_test(tests, unwinding_reaches_the_entry_and_ends);
    tcase_add_test(tests, handlers_run_whatever_the_thread_goes_on_with);
    Suite *suite = suite_create("context");
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures == 0 ? 0 : 1;
}
