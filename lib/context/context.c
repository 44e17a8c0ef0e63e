/*
 * The part of the switch that is the same for every backend: what has to be told to sanitizers and
 * valgrind. A build without them gets thin wrappers.
 *
 * Invariant: at any time a thread runs exactly one context, and the sanitizers think so too. The
 * scheduler calls these functions, on the thread that the contexts belong to.
 */
#include "context/context.h"

#ifdef GREEN__ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef GREEN__TSAN
#include <sanitizer/tsan_interface.h>
#include <unistd.h>
#endif
#ifdef GREEN__VALGRIND
#include <valgrind/valgrind.h>
#endif

#ifdef GREEN__ASAN

/* Who switched last on this thread: only the other side of a switch learns the bounds of the stack
 * that was left, which for a thread's own stack nobody else knows. */
static _Thread_local struct green__context *left;

/* Tell ASan that the switch has happened; `fake_stack` is what the context here parked with. */
static void
asan_arrive(void *fake_stack)
{
    __sanitizer_finish_switch_fiber(fake_stack, &left->stack_bottom, &left->stack_size);
}

/* The first function on a new stack: ASan wants its arrival told before anything else. */
static void
asan_entry(void *context_arg)
{
    struct green__context *context = context_arg;
    asan_arrive(NULL);
    context->entry(context->arg);
}

#endif

void
green__context_take_signals(void)
{
#ifdef GREEN__TSAN
    usleep(0); /* any call that it knows will do */
#endif
}

void
green__context_make(struct green__context *context, void *low, size_t size,
                    green__context_entry entry, void *arg)
{
    *context = (struct green__context){0};
#ifdef GREEN__ASAN
    context->stack_bottom = low;
    context->stack_size = size;
    context->entry = entry;
    context->arg = arg;
    entry = asan_entry;
    arg = context;
#endif
#ifdef GREEN__TSAN
    context->fiber = __tsan_create_fiber(0);
#endif
#ifdef GREEN__VALGRIND
    context->valgrind_id = VALGRIND_STACK_REGISTER(low, (char *)low + size - 1);
#endif
    context->sp = green__switch_prepare(low, size, entry, arg);
}

void
green__context_drop(struct green__context *context)
{
#ifdef GREEN__TSAN
    __tsan_destroy_fiber(context->fiber);
#endif
#ifdef GREEN__VALGRIND
    VALGRIND_STACK_DEREGISTER(context->valgrind_id);
#endif
    *context = (struct green__context){0};
}

void
green__context_switch_told(struct green__context *from, struct green__context *to, bool from_ends)
{
#ifdef GREEN__TSAN
    if (from->fiber == NULL) {
        from->fiber = __tsan_get_current_fiber();
    }
#endif
#ifdef GREEN__ASAN
    left = from;
    /* Without a place to keep it, ASan frees the fake stack of the context that ends. */
    __sanitizer_start_switch_fiber(from_ends ? NULL : &from->fake_stack, to->stack_bottom,
                                   to->stack_size);
#else
    (void)from_ends;
#endif
#ifdef GREEN__TSAN
    /* The last word before the switch: TSan counts what follows to the other stack. */
    __tsan_switch_to_fiber(to->fiber, 0);
#endif
    green__switch(&from->sp, to->sp);
#ifdef GREEN__ASAN
    asan_arrive(from->fake_stack);
#endif
}
