/*
 * The switch, checked by a program that needs nothing but libc: built statically for other
 * machines, it runs under an emulator (see aarch64.sh). Prints one line a check, and exits with 1
 * when one failed.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unwind.h>

#include "context/context.h"
#include "registers.h"

#define STACK_BYTES 65536
#define MANY        1000

struct coroutine {
    struct green__context context;
    char *stack;
    uint64_t seed;
    bool good;
    bool done;
};

static struct green__context home;
static char trace[64];
static bool failed;

static void
check(const char *what, bool good)
{
    printf("%s - %s\n", good ? "ok" : "not ok", what);
    failed = failed || !good;
}

static void
start(struct coroutine *coroutine, green__context_entry entry)
{
    if (coroutine->stack == NULL) {
        coroutine->stack = aligned_alloc(16, STACK_BYTES);
        if (coroutine->stack == NULL) {
            exit(1);
        }
    }
    green__context_make(&coroutine->context, coroutine->stack, STACK_BYTES, entry, coroutine);
}

static void
resume(struct coroutine *coroutine)
{
    green__context_switch(&home, &coroutine->context, false);
}

static void
finish(struct coroutine *coroutine)
{
    green__context_drop(&coroutine->context);
    free(coroutine->stack);
    coroutine->stack = NULL;
}

static void
take_turns(void *arg)
{
    struct coroutine *coroutine = arg;
    for (int i = 0; i < 2; i++) {
        strcat(trace, coroutine->seed == 1 ? "a" : "b");
        green__context_switch(&coroutine->context, &home, false);
    }
    strcat(trace, "z");
    green__context_switch(&coroutine->context, &home, true);
}

static void
check_turns(void)
{
    struct coroutine first = {.seed = 1};
    struct coroutine second = {.seed = 2};
    start(&first, take_turns);
    start(&second, take_turns);
    for (int i = 0; i < 3; i++) {
        resume(&first);
        strcat(trace, ".");
        resume(&second);
        strcat(trace, "|");
    }
    check("contexts take turns", strcmp(trace, "a.b|a.b|z.z|") == 0);
    start(&first, take_turns);
    resume(&first);
    check("a stack is used again", strcmp(trace, "a.b|a.b|z.z|a") == 0);
    finish(&first);
    finish(&second);
}

/* The entry's last frame is left by its return, not by a switch. */
static void
leave_by_return(void *arg)
{
    struct coroutine *coroutine = arg;
    strcat(trace, "1");
    green__context_switch(&coroutine->context, &home, false);
    strcat(trace, "2");
    coroutine->done = true;
    green__context_leave(&coroutine->context, &home);
}

/* One leaves to another that has not started, which leaves to home. */
static struct coroutine last;

static void
leave_to_last(void *arg)
{
    struct coroutine *coroutine = arg;
    coroutine->done = true;
    strcat(trace, "to ");
    green__context_leave(&coroutine->context, &last.context);
}

static void
check_leaving(void)
{
    struct coroutine coroutine = {0};
    trace[0] = '\0';
    start(&coroutine, leave_by_return);
    bool good = true;
    while (!coroutine.done) { /* it switches once or twice */
        good = registers_survive(&home, &coroutine.context, 7000) && good;
    }
    check("an entry leaves by its return", strcmp(trace, "12") == 0 && coroutine.done);
    check("registers survive that", good);
    trace[0] = '\0';
    start(&coroutine, leave_to_last);
    start(&last, leave_by_return);
    resume(&coroutine);
    resume(&last);
    check("one leaves to one that starts", strcmp(trace, "to 12") == 0);
    finish(&coroutine);
    finish(&last);
}

static void
keep_registers(void *arg)
{
    struct coroutine *coroutine = arg;
    coroutine->good = registers_survive(&coroutine->context, &home, coroutine->seed);
    coroutine->done = true;
    green__context_switch(&coroutine->context, &home, true);
}

static void
check_registers(void)
{
    struct coroutine coroutine = {.seed = 1000};
    start(&coroutine, keep_registers);
    bool good = registers_survive(&home, &coroutine.context, 5000);
    resume(&coroutine);
    check("registers survive on the thread's stack", good);
    check("registers survive on a stack of ours", coroutine.good);
    finish(&coroutine);
}

/* The compiler keeps the vector where it believes that the stack is aligned. */
static void
look_at_alignment(void *arg)
{
    struct coroutine *coroutine = arg;
    volatile float vector __attribute__((vector_size(16))) = {1, 2, 3, 4};
    uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    coroutine->good = frame % 16 == 0 && (uintptr_t)&vector % 16 == 0;
    green__context_switch(&coroutine->context, &home, true);
}

static void
check_alignment(void)
{
    struct coroutine coroutine = {0};
    start(&coroutine, look_at_alignment);
    resume(&coroutine);
    check("the stack is aligned at the entry", coroutine.good);
    finish(&coroutine);
}

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
    _Unwind_Reason_Code end = _Unwind_Backtrace(count_frame, &walk);
    coroutine->good = walk.found && end == _URC_END_OF_STACK && walk.frames_above_entry <= 3;
    green__context_switch(&coroutine->context, &home, true);
}

static void
check_unwinding(void)
{
    struct coroutine coroutine = {0};
    start(&coroutine, walk_stack);
    resume(&coroutine);
    check("unwinding reaches the entry and ends", coroutine.good);
    finish(&coroutine);
}

static void
check_many(void)
{
    static struct coroutine coroutines[MANY];
    bool good = true;
    for (uint64_t i = 0; i < MANY; i++) {
        coroutines[i].seed = i;
        start(&coroutines[i], keep_registers);
        resume(&coroutines[i]);
    }
    for (int i = 0; i < MANY; i++) {
        while (!coroutines[i].done) {
            resume(&coroutines[i]);
        }
    }
    for (int i = 0; i < MANY; i++) {
        good = good && coroutines[i].good;
        finish(&coroutines[i]);
    }
    check("a thousand contexts keep their registers", good);
}

int
main(void)
{
    check_turns();
    check_leaving();
    check_registers();
    check_alignment();
    check_unwinding();
    check_many();
    return failed;
}
