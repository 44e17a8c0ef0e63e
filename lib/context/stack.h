/*
 * Stacks for tasks, cut from large mappings, each with a guard below it.
 *
 * A pool belongs to one thread. Slabs are mapped without reservation, so a stack costs the pages
 * that it has touched. A stack that is given back is used again first, while it is warm; past a
 * high-water mark its pages go back to the kernel at once.
 */
#ifndef GREEN_CONTEXT_STACK_H
#define GREEN_CONTEXT_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

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

struct green__stack_class;

/** One stack. The guard page lies just below `low`; [low, low + size) is usable. */
struct green__stack {
    void *low;
    size_t size;
    struct green__stack_class *class; /**< Where it goes back to. */
};

struct green__stack_pool;

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
int green__stack_take(struct green__stack_pool *pool, size_t size, struct green__stack *ret_stack);

/** The stack of a class that has this top. */
struct green__stack green__stack_at(void *top, struct green__stack_class *class);

/** Give a stack back to the pool that it is from. Nothing runs on it. */
void green__stack_give(const struct green__stack *stack);

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
