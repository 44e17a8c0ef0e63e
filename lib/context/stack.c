/*
 * Stacks cut from slabs, and the stacks that wait to be used again.
 *
 * Stacks of one size form a class. A class maps slabs, each twice as large as the one before, and
 * hands out their slots in order; a slot is a guard page and the stack above it. Stacks given back
 * are piled up and taken from the top. Nothing about a stack is written on it.
 *
 * Invariant: the pile has room for every slot ever handed out, so giving back cannot fail; its
 * first `cold` stacks hold no pages. A pool is used by its own thread.
 */
#include "context/stack.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "context/context.h"
#include "context/guard.h"

#ifdef GREEN__ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#endif

#define COLOURS          16
#define COLOUR_STEP      128
#define FIRST_SLAB_SLOTS 32
#define FIRST_SLAB_BYTES ((size_t)64 << 20)
#define FIRST_PILE       64
#define MINCORE_PAGES    64

struct green__stack_slab {
    struct green__stack_slab *next;
    char *base;
    size_t slots;
    size_t handed_out;
    size_t counted_guards;
};

void
green__stack_pool_stats(const struct green__stack_pool *pool, struct green__stack_stats *ret_stats)
{
    ret_stats->slabs = atomic_load_explicit(&pool->slabs, memory_order_relaxed);
    ret_stats->bytes = atomic_load_explicit(&pool->bytes, memory_order_relaxed);
    ret_stats->used = atomic_load_explicit(&pool->used, memory_order_relaxed);
}

static size_t
round_to_pages(size_t size)
{
    size_t page = green__guard_page(); /* a power of two */
    return (size + page - 1) & ~(page - 1);
}

/* Sanitizers want the slabs known: LeakSanitizer looks for pointers in them. */
static void
tell_mapped(const struct green__stack_slab *slab, size_t bytes)
{
#ifdef GREEN__ASAN
    __lsan_register_root_region(slab->base, bytes);
#else
    (void)slab;
    (void)bytes;
#endif
}

static void
tell_unmapped(const struct green__stack_slab *slab, size_t bytes)
{
#ifdef GREEN__ASAN
    __lsan_unregister_root_region(slab->base, bytes);
#else
    (void)slab;
    (void)bytes;
#endif
}

#ifdef GREEN__ASAN
void
green__stack_unpoison(const struct green__stack *stack)
{
    __asan_unpoison_memory_region(stack->low, stack->size);
}
#endif

int
green__stack_pool_create(struct green__stack_pool **ret_pool)
{
    struct green__stack_pool *pool = green__alloc_zeroed(sizeof *pool);
    if (pool == NULL) {
        return -ENOMEM;
    }
    green__guard_prepare(); /* who makes a pool beside forks holds them up for it */
    *ret_pool = pool;
    return 0;
}

static void
destroy_class(struct green__stack_class *class)
{
    struct green__stack_slab *next;
    for (struct green__stack_slab *slab = class->slabs; slab != NULL; slab = next) {
        next = slab->next;
        tell_unmapped(slab, slab->slots * class->stride);
        munmap(slab->base, slab->slots * class->stride);
        green__guard_forget(slab->counted_guards);
        green__free(slab);
    }
    green__free(class->pile);
    green__free(class);
}

void
green__stack_pool_destroy(struct green__stack_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    struct green__stack_class *next;
    for (struct green__stack_class *class = pool->classes; class != NULL; class = next) {
        next = class->next;
        destroy_class(class);
    }
    green__free(pool);
}

/* The class of a size in whole pages, moved to the front; NULL when there is none. */
static struct green__stack_class *
find_class(struct green__stack_pool *pool, size_t bytes)
{
    for (struct green__stack_class **link = &pool->classes; *link != NULL; link = &(*link)->next) {
        struct green__stack_class *class = *link;
        if (class->bytes != bytes) {
            continue;
        }
        if (class != pool->classes) {
            *link = class->next;
            class->next = pool->classes;
            pool->classes = class;
        }
        return class;
    }
    return NULL;
}

/* How many stacks of a size may keep their pages while nobody uses them. */
static size_t
warm_limit(size_t bytes)
{
    size_t limit = GREEN__STACK_WARM_BYTES / bytes;
    if (limit == 0) {
        return 1;
    }
    return limit < GREEN__STACK_WARM_MAX ? limit : GREEN__STACK_WARM_MAX;
}

static struct green__stack_class *
add_class(struct green__stack_pool *pool, size_t bytes)
{
    struct green__stack_class *class = green__alloc_zeroed(sizeof *class);
    if (class == NULL) {
        return NULL;
    }
    class->bytes = bytes;
    class->stride = bytes + green__guard_page();
    class->warm_limit = warm_limit(bytes);
    class->pool = pool;
    class->next_slots = FIRST_SLAB_BYTES / class->stride;
    if (class->next_slots > FIRST_SLAB_SLOTS) {
        class->next_slots = FIRST_SLAB_SLOTS;
    } else if (class->next_slots == 0) {
        class->next_slots = 1;
    }
    class->next = pool->classes;
    pool->classes = class;
    return class;
}

/* Map the next slab; where there is no room for a large one, a smaller one. */
static int
add_slab(struct green__stack_class *class)
{
    struct green__stack_slab *slab = green__alloc_zeroed(sizeof *slab);
    if (slab == NULL) {
        return -ENOMEM;
    }
    size_t slots = class->next_slots;
    void *base = MAP_FAILED;
    for (; slots > 0; slots /= 2) {
        base = green__stack_system.mmap(NULL, slots * class->stride, PROT_READ | PROT_WRITE,
                                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1,
                                        0);
        if (base != MAP_FAILED) {
            break;
        }
    }
    if (base == MAP_FAILED) {
        green__free(slab);
        return -ENOMEM;
    }
    /* A huge page would give every stack in it memory. Kernels without them refuse; no matter. */
    (void)green__stack_system.madvise(base, slots * class->stride, MADV_NOHUGEPAGE);
    slab->base = base;
    slab->slots = slots;
    slab->next = class->slabs;
    class->slabs = slab;
    if (slots <= SIZE_MAX / 4 / class->stride) {
        class->next_slots = slots * 2;
    }
    tell_mapped(slab, slots * class->stride);
    return 0;
}

/* Make room on the pile for one stack more than were handed out. */
static int
reserve_pile(struct green__stack_class *class)
{
    if (class->handed_out < class->capacity) {
        return 0;
    }
    /* Not reallocated: that would touch all of it, also what was never used. */
    size_t capacity = class->capacity == 0 ? FIRST_PILE : class->capacity * 2;
    void **pile = green__alloc(capacity * sizeof *pile);
    if (pile == NULL) {
        return -ENOMEM;
    }
    if (class->count > 0) {
        memcpy(pile, class->pile, class->count * sizeof *pile);
    }
    green__free(class->pile);
    class->pile = pile;
    class->capacity = capacity;
    return 0;
}

/* Hand out a slot for the first time: its stack comes onto the pile. */
static int
add_fresh(struct green__stack_class *class)
{
    int err = reserve_pile(class);
    if (err != 0) {
        return err;
    }
    if (class->slabs == NULL || class->slabs->handed_out == class->slabs->slots) {
        err = add_slab(class);
        if (err != 0) {
            return err;
        }
    }
    struct green__stack_slab *slab = class->slabs;
    char *guard = slab->base + slab->handed_out * class->stride;
    bool counted;
    err = green__guard_install(guard, &counted);
    if (err != 0) {
        return err;
    }
    slab->counted_guards += counted;
    slab->handed_out++;
    size_t colour = class->handed_out++ % COLOURS;
    char *low = guard + green__guard_page();
    class->pile[class->count++] = low + class->bytes - colour * COLOUR_STEP;
    return 0;
}

/* The class for a size, which is the first one from now on; NULL without memory. */
static struct green__stack_class *
class_for(struct green__stack_pool *pool, size_t size)
{
    if (size > SIZE_MAX / 4) {
        return NULL;
    }
    size_t bytes = round_to_pages(size < GREEN__STACK_MIN ? GREEN__STACK_MIN : size);
    struct green__stack_class *class = find_class(pool, bytes);
    if (class == NULL) {
        class = add_class(pool, bytes);
    }
    if (class != NULL) {
        class->asked = size;
    }
    return class;
}

struct green__stack_class *
green__stack_choose(struct green__stack_pool *pool, size_t size)
{
    struct green__stack_class *class = pool->classes;
    return class != NULL && class->asked == size ? class : class_for(pool, size);
}

int
green__stack_provide(struct green__stack_pool *pool, size_t size)
{
    struct green__stack_class *class = green__stack_choose(pool, size);
    if (class == NULL) {
        return -ENOMEM;
    }
    if (class->count > 0) {
        return 0;
    }
    const struct green__stack_slab *newest = class->slabs;
    int err = add_fresh(class);
    if (class->slabs != newest) {
        green__stack_count(&pool->slabs, 1);
        green__stack_count(&pool->bytes, class->slabs->slots * class->stride);
    }
    return err;
}

/* The one that waits longest, so that the top of the pile stays warm. Advice leaves guards in
 * place; where it is refused (locked memory), the pages just stay. */
void
green__stack_cool(struct green__stack_class *class)
{
    if (class->cold == class->count) {
        return;
    }
    struct green__stack oldest = green__stack_at(class->pile[class->cold++], class);
    (void)green__stack_system.madvise(oldest.low, class->bytes, MADV_DONTNEED);
}

size_t
green__stack_span(const struct green__stack *stack)
{
    return stack->class->bytes;
}

size_t
green__stack_high_water(const struct green__stack *stack)
{
    size_t page = green__guard_page();
    size_t pages = round_to_pages(stack->size) / page;
    unsigned char resident[MINCORE_PAGES];
    for (size_t first = 0; first < pages; first += MINCORE_PAGES) {
        size_t count = pages - first < MINCORE_PAGES ? pages - first : MINCORE_PAGES;
        if (mincore((char *)stack->low + first * page, count * page, resident) != 0) {
            return 0;
        }
        for (size_t i = 0; i < count; i++) {
            if (resident[i] & 1) {
                return (pages - first - i) * page;
            }
        }
    }
    return 0;
}
