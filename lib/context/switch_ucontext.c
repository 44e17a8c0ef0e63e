/*
 * The switch where there is no assembly for the machine: ucontext.
 *
 * A parked stack points to the ucontext_t at which it continues, which lies on that stack too: in
 * the frame of green__switch(), or at the top of a stack that has not run yet. Unlike the assembly
 * it saves floating-point control words, and costs two system calls. Alternate signal stacks are
 * the thread's and stay as they are. Called through switch.h only.
 */
#include "context/switch.h"

#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <ucontext.h>

#define POINTER_HALF 32

/* What lies at the top of a stack that has not run yet. */
struct start {
    ucontext_t machine;
    void (*entry)(void *arg);
    void *arg;
};

/* makecontext() passes ints only. The shift is in two steps for machines whose pointers have one
 * half. */
static void
run_start(unsigned high, unsigned low)
{
    uintptr_t address = ((uintptr_t)high << (POINTER_HALF / 2) << (POINTER_HALF / 2)) | low;
    const struct start *start = (const struct start *)address;
    start->entry(start->arg);
    abort();
}

void *
green__switch_prepare(void *low, size_t size, void (*entry)(void *arg), void *arg)
{
    uintptr_t top = (uintptr_t)low + size - sizeof(struct start);
    top -= top % _Alignof(max_align_t);
    struct start *start = (struct start *)top;
    getcontext(&start->machine);
    start->machine.uc_stack.ss_sp = low;
    start->machine.uc_stack.ss_size = top - (uintptr_t)low;
    start->machine.uc_link = NULL;
    start->entry = entry;
    start->arg = arg;
    makecontext(&start->machine, (void (*)(void))run_start, 2,
                (unsigned)((uint64_t)top >> POINTER_HALF), (unsigned)top);
    return &start->machine;
}

void
green__switch(void **ret_parked, void *parked)
{
    ucontext_t here;
    ucontext_t *there = parked;
    /* The signal mask is the thread's, not a context's: what runs next keeps today's. */
    pthread_sigmask(SIG_SETMASK, NULL, &there->uc_sigmask);
    /* Sanitizers look at the bounds, which this context does not have. */
    here.uc_stack = (stack_t){0};
    *ret_parked = &here;
    swapcontext(&here, there);
}
