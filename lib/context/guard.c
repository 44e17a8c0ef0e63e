/*
 * The pages below stacks that fault: MADV_GUARD_INSTALL where the kernel has it, else mprotect.
 *
 * A guard by madvise lives in the page tables and costs no mapping. One by mprotect cuts its
 * mapping in three, and the kernel refuses more than vm.max_map_count mappings, for everybody in
 * the process: so these are counted.
 *
 * Invariant: what is counted never exceeds the limit less a reserve for the rest of the program.
 * Any thread may call.
 */
#include "context/guard.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "context/context.h"
#include "context/stack.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

/* A guard by mprotect adds two mappings: itself, and the stack that it cuts off. */
#define MAPS_PER_GUARD 2
/* One mapping in so many is left to the rest of the program. */
#define RESERVE_DIVISOR      8
#define MAX_MAP_COUNT_LINUX  65530
#define MAX_MAP_COUNT_SOURCE "/proc/sys/vm/max_map_count"

struct green__stack_system green__stack_system = {
    .mmap = mmap,
    .madvise = madvise,
    .mprotect = mprotect,
};

static _Atomic(enum green__stack_guard) chosen = GREEN__STACK_GUARD_AUTO;
static atomic_size_t counted;

size_t
green__guard_page(void)
{
    static atomic_size_t cached;
    size_t page = atomic_load_explicit(&cached, memory_order_relaxed);
    if (page == 0) {
        page = (size_t)sysconf(_SC_PAGESIZE);
        atomic_store_explicit(&cached, page, memory_order_relaxed);
    }
    return page;
}

/* Try the guard on a page of our own. Emulators take any advice for a hint and report success, so
 * the page is tried too, by having the kernel write to it. */
static bool
madvise_guards(void)
{
    size_t size = green__guard_page();
    void *page = green__stack_system.mmap(NULL, size, PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        return false;
    }
    bool guards = green__stack_system.madvise(page, size, MADV_GUARD_INSTALL) == 0 &&
                  getrandom(page, 1, GRND_NONBLOCK) < 0 && errno == EFAULT;
    munmap(page, size);
    return guards;
}

/* LeakSanitizer reads slabs, guards included, and skips only what the list of mappings calls
 * unreadable: a guard by madvise would kill it. */
static bool
madvise_preferred(void)
{
#ifdef GREEN__ASAN
    return false;
#else
    return madvise_guards();
#endif
}

int
green__stack_guard_choose(enum green__stack_guard guard)
{
    if (guard == GREEN__STACK_GUARD_MADVISE && !madvise_guards()) {
        return -ENOTSUP;
    }
    atomic_store(&chosen, guard);
    return 0;
}

static enum green__stack_guard
resolve(void)
{
    enum green__stack_guard guard = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (guard == GREEN__STACK_GUARD_AUTO) {
        guard = madvise_preferred() ? GREEN__STACK_GUARD_MADVISE : GREEN__STACK_GUARD_MPROTECT;
        atomic_store_explicit(&chosen, guard, memory_order_relaxed);
    }
    return guard;
}

/* How many mappings the kernel allows. Threads that ask for the first time together all read it. */
static size_t
max_map_count(void)
{
    static atomic_size_t cached;
    if (green__stack_system.max_map_count != 0) {
        return green__stack_system.max_map_count;
    }
    size_t count = atomic_load_explicit(&cached, memory_order_relaxed);
    if (count != 0) {
        return count;
    }
    count = MAX_MAP_COUNT_LINUX;
    FILE *source = fopen(MAX_MAP_COUNT_SOURCE, "re");
    if (source != NULL) {
        if (fscanf(source, "%zu", &count) != 1 || count == 0) {
            count = MAX_MAP_COUNT_LINUX;
        }
        fclose(source);
    }
    atomic_store_explicit(&cached, count, memory_order_relaxed);
    return count;
}

void
green__guard_prepare(void)
{
    if (resolve() == GREEN__STACK_GUARD_MPROTECT) {
        max_map_count();
    }
}

static int
count_guard(void)
{
    size_t maps = max_map_count();
    size_t limit = (maps - maps / RESERVE_DIVISOR) / MAPS_PER_GUARD;
    if (atomic_fetch_add(&counted, 1) >= limit) {
        atomic_fetch_sub(&counted, 1);
        return -ENOSPC;
    }
    return 0;
}

void
green__guard_forget(size_t guards)
{
    atomic_fetch_sub(&counted, guards);
}

int
green__guard_install(void *page, bool *ret_counted)
{
    size_t size = green__guard_page();
    if (resolve() == GREEN__STACK_GUARD_MADVISE) {
        if (green__stack_system.madvise(page, size, MADV_GUARD_INSTALL) == 0) {
            *ret_counted = false;
            return 0;
        }
        /* Locked memory takes no guard of this sort, only of the other. */
        if (errno != EINVAL) {
            return -ENOMEM;
        }
    }
    int err = count_guard();
    if (err != 0) {
        return err;
    }
    if (green__stack_system.mprotect(page, size, PROT_NONE) != 0) {
        green__guard_forget(1);
        return -ENOMEM;
    }
    *ret_counted = true;
    return 0;
}
