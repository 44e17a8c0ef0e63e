/*
 * Stacks beside its own that a worker goes on on.
 *
 * Invariant: a running worker's `context` and `coroutine` are those of the stack that it is on; all
 * its other stacks are in spots. So the scheduler parks and resumes a worker wherever it is, and
 * sanitizers are told the truth. Everything happens on one thread.
 */
#include "sched/coroutine.h"

#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "sched/sched.h"

/** What tells threads apart, also in a forked child: it has the forking thread's. */
static const void *
this_thread(void)
{
    return &green__running;
}

int
green__coroutine_init(struct green__coroutine *coroutine, const char *kind, const char *name,
                      size_t stack_size, struct green__spot *start, green__context_entry entry,
                      void *arg)
{
    static _Atomic(uint64_t) last_number;
    struct green__sched *sched;
    size_t size = stack_size == 0 ? GREEN__STACK_DEFAULT : stack_size;
    int err = size < GREEN__STACK_MIN ? -EINVAL : green__sched_get(&sched);
    if (err == 0) {
        err = green__stack_take(sched->stacks, size, &coroutine->stack);
    }
    if (err != 0) {
        return err;
    }
    coroutine->thread = this_thread();
    coroutine->kind = kind;
    coroutine->number = atomic_fetch_add_explicit(&last_number, 1, memory_order_relaxed) + 1;
    size_t length = name == NULL ? 0 : strnlen(name, GREEN__NAME_SIZE - 1);
    if (length > 0) {
        memcpy(coroutine->name, name, length);
    }
    coroutine->name[length] = '\0';
    start->coroutine = coroutine;
    green__context_make(&start->context, coroutine->stack.low, coroutine->stack.size, entry, arg);
    return 0;
}

void
green__coroutine_fini(struct green__coroutine *coroutine, struct green__spot *spot)
{
    green__context_drop(&spot->context);
    green__stack_give(&coroutine->stack);
}

void
green__coroutine_check_thread(const struct green__coroutine *coroutine, const char *function)
{
    if (coroutine->thread != this_thread()) {
        green__misuse("%s: the %s belongs to another thread", function, coroutine->kind);
    }
}

const char *
green__coroutine_name(const struct green__coroutine *coroutine, char buffer[GREEN__NAME_SIZE])
{
    return coroutine->name[0] != '\0'
               ? coroutine->name
               : green__name_numbered(coroutine->kind, coroutine->number, buffer);
}

void
green__coroutine_switch(struct green_job *self, struct green__spot *from,
                        const struct green__spot *to, bool ends)
{
    from->context = self->context;
    from->coroutine = self->own->coroutine;
    self->context = to->context;
    self->own->coroutine = to->coroutine;
    green__context_switch(&from->context, &self->context, ends);
}
