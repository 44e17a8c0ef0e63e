/*
 * The switch: stacks that run in turn.
 *
 * The contract is three functions. A context is made once, switched to any number of times, and
 * dropped while it does not run. Everything that sanitizers and valgrind want to know about stacks
 * is said behind these functions and nowhere else.
 */
#ifndef GREEN_CONTEXT_CONTEXT_H
#define GREEN_CONTEXT_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "context/switch.h"

#if defined(__SANITIZE_ADDRESS__)
#define GREEN__ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define GREEN__TSAN 1
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GREEN__ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define GREEN__TSAN 1
#endif
#endif

/** Whether somebody is told of stacks: he wants one left before it is used again. */
#if defined(GREEN__ASAN) || defined(GREEN__TSAN) || defined(GREEN__VALGRIND)
#define GREEN__CONTEXT_TOLD true
#else
#define GREEN__CONTEXT_TOLD false
#endif

/**
 * Flags for the handler of a signal that looks at a thread, wherever it is.
 *
 * ThreadSanitizer holds a handler back until the thread leaves the call that it is in, so there no
 * call may be taken up again.
 */
#ifdef GREEN__TSAN
#define GREEN__SA_RESTART 0
#else
#define GREEN__SA_RESTART SA_RESTART
#endif

/**
 * Whether the child of a fork beside other threads or tasks goes on on a stack of its own, whatever
 * the size of the one it has.
 *
 * There ThreadSanitizer deems the stack that forks dead in the child, and holds back what handlers
 * come there for ever; and it looks at nothing that stacks do which are made in such a child. One
 * that forks alone is better off as it is.
 */
#ifdef GREEN__TSAN
#define GREEN__FORK_LEAVES_STACK true
#else
#define GREEN__FORK_LEAVES_STACK false
#endif

/** Let handlers run that a sanitizer holds back: it does not see system calls by number. */
void green__context_take_signals(void);

/**
 * A descriptor that was opened by number, or a negative value as it is.
 *
 * ThreadSanitizer takes it for the one that had its number before, and what another thread did with
 * that for a race: there it gets a number that is known to be new.
 */
int green__context_descriptor(int fd);

/**
 * How long a thread may sleep in such a call at once, in ms; 0 is without an end. A handler that
 * ThreadSanitizer holds back when the thread is just on its way there runs no sooner.
 */
#ifdef GREEN__TSAN
#define GREEN__SLEEP_MOST_MS 50
#else
#define GREEN__SLEEP_MOST_MS 0
#endif

/** What a new context runs. It ends by switching away for the last time, or by
 * green__context_leave(); nothing else may let it return. */
typedef void (*green__context_entry)(void *arg);

/**
 * One stack that runs or is parked.
 *
 * All zero is the context of a thread's own stack: it needs no make, is filled in by its first
 * switch, and is not dropped.
 */
struct green__context {
    void *sp; /**< Where the parked registers are; set while it does not run. */
#ifdef GREEN__ASAN
    void *fake_stack;
    const void *stack_bottom;
    size_t stack_size;
    green__context_entry entry;
    void *arg;
#endif
#ifdef GREEN__TSAN
    void *fiber;
    green__context_entry entry;
    void *arg;
#endif
#ifdef GREEN__VALGRIND
    unsigned valgrind_id;
#endif
};

/** What green__context_make() is in a build with sanitizers or for valgrind. */
void green__context_make_told(struct green__context *context, void *low, size_t size,
                              green__context_entry entry, void *arg);

/**
 * Prepare a stack so that the first switch to it calls entry(arg).
 *
 * @param context  Its memory may be anywhere but on the stack itself; overwritten.
 * @param low      The stack's lowest usable byte.
 * @param size     Its usable bytes; low + size is 16-byte aligned.
 */
static inline void
green__context_make(struct green__context *context, void *low, size_t size,
                    green__context_entry entry, void *arg)
{
#if defined(GREEN__ASAN) || defined(GREEN__TSAN) || defined(GREEN__VALGRIND)
    green__context_make_told(context, low, size, entry, arg);
#else
    context->sp = green__switch_prepare(low, size, entry, arg);
#endif
}

/** The same for a context that was made with all the same, and left: mostly less is written. */
static inline void
green__context_make_again(struct green__context *context, void *low, size_t size,
                          green__context_entry entry, void *arg)
{
#ifdef GREEN__SWITCH_STAYS
    if (!GREEN__CONTEXT_TOLD) {
        context->sp = green__switch_prepared(low, size);
        return;
    }
#endif
    green__context_make(context, low, size, entry, arg);
}

/** The switch of a build with sanitizers, which tells them; called by green__context_switch(). */
void green__context_switch_told(struct green__context *from, struct green__context *to,
                                bool from_ends);

/**
 * Park the running context in `from` and let `to` run; returns when somebody switches back.
 *
 * Saves what the calling convention says a function keeps, without the floating-point control
 * words. Both belong to the calling thread. Inline, since without sanitizers nothing is left of it
 * but the backend's few instructions.
 *
 * @param from_ends  This was the last switch away from `from`: it may be dropped, and its stack
 *                   reused, once `to` runs.
 */
static inline void
green__context_switch(struct green__context *from, struct green__context *to, bool from_ends)
{
#if defined(GREEN__ASAN) || defined(GREEN__TSAN)
    green__context_switch_told(from, to, from_ends);
#else
    (void)from_ends;
    green__switch(&from->sp, to->sp);
#endif
}

/**
 * Let `to` run, and never `from` again: the last thing that an entry does before it returns, when
 * `from` is what its argument points to. Does not always return itself.
 *
 * Like a last green__context_switch(), but pairs the processor's calls and returns.
 */
static inline void
green__context_leave(struct green__context *from, struct green__context *to)
{
#if defined(GREEN__ASAN) || defined(GREEN__TSAN) || !defined(GREEN__SWITCH_LEAVES)
    green__context_switch(from, to, true);
    __builtin_unreachable();
#else
    from->sp = to->sp;
#endif
}

/**
 * The last word before a fork whose child is to switch to a context that was made for it: what the
 * thread has done until now has happened before, which ThreadSanitizer does not see by itself.
 */
void green__context_fork_prepare(struct green__context *context);

/** The same of green__context_drop(). */
void green__context_drop_told(struct green__context *context);

/** Forget a context that does not run; its stack may then be reused or unmapped. */
static inline void
green__context_drop(struct green__context *context)
{
#if defined(GREEN__ASAN) || defined(GREEN__TSAN) || defined(GREEN__VALGRIND)
    green__context_drop_told(context);
#else
    (void)context;
#endif
}

#endif
