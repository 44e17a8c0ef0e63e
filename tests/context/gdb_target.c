/*
 * What gdb.sh looks at: one context that never ran, one that is parked three calls deep, and one
 * that runs three calls deep when stop_here() is reached.
 */
#include <stdlib.h>

#include "context/context.h"

#define STACK_BYTES 65536

struct green__context home;
struct green__context fresh;
struct green__context parked;
struct green__context running;
volatile int depth_reached;

void stop_here(void);

__attribute__((noinline)) void
stop_here(void)
{
    depth_reached++;
}

__attribute__((noinline)) static void
descend(struct green__context *self, int depth)
{
    if (depth > 0) {
        descend(self, depth - 1);
    } else if (self == &parked) {
        green__context_switch(&parked, &home, false);
    } else {
        stop_here();
    }
    depth_reached++;
}

__attribute__((noinline)) static void
task_entry(void *arg)
{
    struct green__context *self = arg;
    descend(self, 2);
    green__context_switch(self, &home, true);
}

static void
make(struct green__context *context)
{
    char *stack = aligned_alloc(16, STACK_BYTES);
    if (stack == NULL) {
        abort();
    }
    green__context_make(context, stack, STACK_BYTES, task_entry, context);
}

int
main(void)
{
    make(&fresh);
    make(&parked);
    make(&running);
    green__context_switch(&home, &parked, false);
    green__context_switch(&home, &running, false);
    return 0;
}
