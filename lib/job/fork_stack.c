/*
 * One stack at most is between its making and its fork, so there is one place for it.
 */
#include "job/fork_stack.h"

#include <stdbool.h>

#include "job/job.h"
#include "sched/sched.h"

#define USUAL_SIZE (8u << 20)

static struct {
    bool made;
    struct green__stack_pool *pool;
    struct green__stack stack;
    struct green__context context;
} own;

static bool
is_wanted(void)
{
    const struct green_job *forker = green__running;
    if (forker == NULL) {
        return false;
    }
    bool alone =
        green__worker_threads() <= 1 && (forker->sched == NULL || forker->sched->task_count == 0);
    return (GREEN__FORK_LEAVES_STACK && !alone) || forker->kind == GREEN_TASK ||
           forker->own->coroutine != NULL;
}

int
green__fork_stack_make(size_t size, green__context_entry entry, void *arg)
{
    if (!is_wanted()) {
        return 0;
    }
    int err = green__stack_pool_create(&own.pool);
    if (err != 0) {
        return err;
    }
    err = green__stack_take(own.pool, size == 0 ? USUAL_SIZE : size, &own.stack);
    if (err != 0) {
        green__stack_pool_destroy(own.pool);
        return err;
    }
    green__context_make(&own.context, own.stack.low, own.stack.size, entry, arg);
    own.made = true;
    return 0;
}

void
green__fork_stack_prepare(void)
{
    if (own.made) {
        green__context_fork_prepare(&own.context);
    }
}

void
green__fork_stack_drop(void)
{
    if (own.made) {
        own.made = false;
        green__context_drop(&own.context);
        green__stack_give(&own.stack);
        green__stack_pool_destroy(own.pool);
    }
}

void
green__fork_stack_enter(struct green__stack *ret_stack)
{
    static struct green__context left;
    if (own.made) {
        own.made = false;
        *ret_stack = own.stack;
        green__context_switch(&left, &own.context, true);
    }
}
