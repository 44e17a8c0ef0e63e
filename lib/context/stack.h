/*
 * Stacks for tasks, cut from large mappings, each with a guard below it.
 *
 * A pool belongs to one thread. Slabs are mapped without reservation, so a stack costs the pages
 * that it has touched. A stack that is given back is used again first, while it is warm; past a
 * high-water mark its pages go back to the kernel at once.
 */
#ifndef GREEN_CONTEXT_STACK_H
#define GREEN_CONTEXT_STACK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "context/context.h"

#define GREEN__STACK_DEFAULT 65536
#define GREEN__STACK_MIN     8192

/* Of one size, so many unused stacks at most keep their pages, and no more than so many bytes. */
#define GREEN__STACK_WARM_MAX   1024
#define GREEN__STACK_WARM_BYTES ((size_t)64 << 20)

/** The system calls that tests make fail or watch, and the kernel's limit that they lower. */
struct green__stack_system {
    void *(*mmap)(void *address, size_t size, int protection, int flags, int fd, off_t offset);
    int (*madvise)(void *address, size_t size, int advice);
    int (*mprotect)(void *address, size_t size, int protection);
    size_t max_map_count; /**< 0: what the kernel says. */
};
extern struct green__stack_system green__stack_system;

struct green__stack_slab;

/** Stacks of one size. Its members are stack.c's, and here for what is inline below. */
struct green__stack_class {
    struct green__stack_class *next;
    struct green__stack_pool *pool;
    size_t asked;      /**< The size that was asked for last. */
    size_t bytes;      /**< Usable bytes of a slot, whole pages. */
    size_t stride;     /**< With the guard. */
    size_t warm_limit; /**< So many may keep their pages while nobody uses them. */
    void **pile;       /**< The tops of stacks that nobody uses. */
    size_t capacity;
    size_t count;
    size_t cold;                     /**< Of the pile, so many of the first have no pages. */
    size_t kept;                     /**< Unused ones that are not on the pile, */
    void *keeper;                    /**< and how their user finds them: those at hand, */
    void *held_first;                /**< and those that may be soon, the oldest first. */
    void *held_last;                 /**< NULL at first, all three. */
    struct green__stack_slab *slabs; /**< The newest first; the others are all handed out. */
    size_t next_slots;
    size_t handed_out;
};

/** The same of a pool. */
struct green__stack_pool {
    struct green__stack_class *classes; /**< The one used last comes first. */
    /* Written by its own thread, read by any. */
    atomic_size_t slabs;
    atomic_size_t bytes;
    atomic_size_t used;
};

/** One stack. The guard page lies just below `low`; [low, low + size) is usable. */
struct green__stack {
    void *low;
    size_t size;
    struct green__stack_class *class; /**< Where it goes back to. */
};

/** How stacks are guarded; AUTO takes MADV_GUARD_INSTALL where the kernel has it (and, since it
 * would kill LeakSanitizer, not in builds with AddressSanitizer). */
enum green__stack_guard {
    GREEN__STACK_GUARD_AUTO,
    GREEN__STACK_GUARD_MADVISE,
    GREEN__STACK_GUARD_MPROTECT,
};

/**
 * Choose the guard of stacks handed out for the first time from now on, in the whole process (for
 * tests).
 *
 * @return 0, or -ENOTSUP when the kernel lacks it.
 */
int green__stack_guard_choose(enum green__stack_guard guard);

/** An empty pool; 0 or -ENOMEM. May open and close a file, which is not to get into a child. */
int green__stack_pool_create(struct green__stack_pool **ret_pool);

/** Unmap everything; no stack of the pool is in use. NULL is taken. */
void green__stack_pool_destroy(struct green__stack_pool *pool);

/** Not an atomic operation: nobody else writes. */
static inline void
green__stack_count(atomic_size_t *number, size_t change)
{
    atomic_store_explicit(number, atomic_load_explicit(number, memory_order_relaxed) + change,
                          memory_order_relaxed);
}

/** The stack of a class that has this top. */
static inline struct green__stack
green__stack_at(void *top, struct green__stack_class *class)
{
    /* Its pages end above the top, by less than a page. */
    uintptr_t page = class->stride - class->bytes;
    size_t colour = -(uintptr_t)top & (page - 1);
    size_t size = class->bytes - colour;
    return (struct green__stack){(char *)top - size, size, class};
}

/** See to it that the first class is that of a size, and return it; NULL without memory. */
struct green__stack_class *green__stack_choose(struct green__stack_pool *pool, size_t size);

/** See to it besides that it has a stack on its pile; an error as of green__stack_take(). */
int green__stack_provide(struct green__stack_pool *pool, size_t size);

/**
 * Take a stack.
 *
 * @param size       Usable bytes wanted, the guard not counted; rounded up to pages, of which the
 *                   colouring keeps up to 1,920 bytes.
 * @param ret_stack  Set on success. Its top is 16-byte aligned and coloured: tops of different
 *                   stacks differ in their offset within a page, so that they do not share the same
 *                   few cache sets.
 * @return 0, -ENOMEM, or -ENOSPC when its guard would exceed vm.max_map_count.
 */
static inline int
green__stack_take(struct green__stack_pool *pool, size_t size, struct green__stack *ret_stack)
{
    struct green__stack_class *class = pool->classes;
    if (class == NULL || class->asked != size || class->count == 0) {
        int err = green__stack_provide(pool, size);
        if (err != 0) {
            return err;
        }
        class = pool->classes;
    }
    green__stack_count(&pool->used, 1);
    *ret_stack = green__stack_at(class->pile[--class->count], class);
    if (class->cold > class->count) {
        class->cold = class->count;
    }
    return 0;
}

/** How many unused stacks of a class have their pages. */
static inline size_t
green__stack_warm(const struct green__stack_class *class)
{
    return class->count - class->cold + class->kept;
}

/** Give the pages of the stack back that waits longest on the pile, if one with pages does. */
void green__stack_cool(struct green__stack_class *class);

#ifdef GREEN__ASAN
/** Frames that never returned leave poison behind. */
void green__stack_unpoison(const struct green__stack *stack);
#endif

/** Give a stack back to the pool that it is from. Nothing runs on it. */
static inline void
green__stack_give(const struct green__stack *stack)
{
    struct green__stack_class *class = stack->class;
#ifdef GREEN__ASAN
    green__stack_unpoison(stack);
#endif
    green__stack_count(&class->pool->used, (size_t)-1);
    class->pile[class->count++] = (char *)stack->low + stack->size;
    if (green__stack_warm(class) > class->warm_limit) {
        green__stack_cool(class);
    }
}

/** Whether one more of a class may be kept, instead of being given back. */
static inline bool
green__stack_may_keep(const struct green__stack_class *class)
{
    return green__stack_warm(class) < class->warm_limit;
}

/** Keep a stack, at hand for green__stack_reuse(). Nothing runs on it. */
static inline void
green__stack_keep(const struct green__stack *stack)
{
#ifdef GREEN__ASAN
    green__stack_unpoison(stack);
#endif
    green__stack_count(&stack->class->pool->used, (size_t)-1);
    stack->class->kept++;
}

/** Take one that was kept. */
static inline void
green__stack_reuse(struct green__stack_class *class)
{
    green__stack_count(&class->pool->used, 1);
    class->kept--;
}

/** What a pool has and gives. */
struct green__stack_stats {
    size_t slabs;
    size_t bytes; /**< Of address space. */
    size_t used;  /**< Stacks that were taken and not given back. */
};

/** Any thread, as long as the pool lives; each number is of its own moment. */
void green__stack_pool_stats(const struct green__stack_pool *pool,
                             struct green__stack_stats *ret_stats);

/** Bytes from its `low` to where its pages end: some more than its size. */
size_t green__stack_span(const struct green__stack *stack);

/** Bytes of the stack that were touched since its pages were last given back, in whole pages. */
size_t green__stack_high_water(const struct green__stack *stack);

/**
 * Report overflows: install, once a process, a SIGSEGV and SIGBUS handler that runs on an alternate
 * stack, and give the calling thread one. A fault in the guard of the stack that runs prints one
 * line with its owner's name, its stack size and its high-water mark, and aborts; any other fault
 * goes to the handler that was there before.
 *
 * @param describe  Asked from the handler (so async-signal-safe): fills in the stack that
 *                  the calling thread runs on, what it is the stack of ("task") and whose, by name;
 *                  false for the thread's own.
 * @return 0 or -ENOMEM.
 */
typedef bool (*green__stack_describe)(struct green__stack *ret_stack, const char **ret_kind,
                                      const char **ret_name);
int green__overflow_watch_thread(green__stack_describe describe);

/** Take the calling thread's alternate stack away again, before it ends. */
void green__overflow_unwatch_thread(void);

#endif
