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
#include <fcntl.h>
#include <pthread.h>
#include <sanitizer/tsan_interface.h>
#include <signal.h>
#include <sys/syscall.h>
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

#ifdef GREEN__TSAN

/* The signals that the thread blocks, while a switch has it block all. */
static _Thread_local sigset_t unblocked;

/* Handlers that TSan holds back belong to the stack that was interrupted, which may not run for
 * long: let those that are held back run here, and no other come before the switch has been told.
 */
static void
tsan_leave(void)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &unblocked);
}

static void
tsan_arrive(void)
{
    sigset_t mask = unblocked; /* what comes now may switch */
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

static void
tsan_entry(void *context_arg)
{
    struct green__context *context = context_arg;
    __tsan_acquire(context);
    tsan_arrive();
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

int
green__context_descriptor(int fd)
{
#ifdef GREEN__TSAN
    int known = fd < 0 ? -1 : open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (known >= 0) {
        syscall(SYS_dup3, fd, known, O_CLOEXEC);
        syscall(SYS_close, fd);
        return known;
    }
#endif
    return fd;
}

void
green__context_make_told(struct green__context *context, void *low, size_t size,
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
    context->entry = entry;
    context->arg = arg;
    entry = tsan_entry;
    arg = context;
#endif
#ifdef GREEN__VALGRIND
    context->valgrind_id = VALGRIND_STACK_REGISTER(low, (char *)low + size - 1);
#endif
    context->sp = green__switch_prepare(low, size, entry, arg);
}

void
green__context_fork_prepare(struct green__context *context)
{
#ifdef GREEN__TSAN
    __tsan_release(context);
#else
    (void)context;
#endif
}

void
green__context_drop_told(struct green__context *context)
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
    tsan_leave();
    void *sp = to->sp;
    /* The last word before the switch: TSan counts what follows to the other stack. */
    __tsan_switch_to_fiber(to->fiber, 0);
    green__switch(&from->sp, sp);
    tsan_arrive();
#else
    green__switch(&from->sp, to->sp);
#endif
#ifdef GREEN__ASAN
    asan_arrive(from->fake_stack);
#endif
}
