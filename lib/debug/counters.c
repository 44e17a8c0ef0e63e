/*
 * The counters of loops, added up.
 *
 * Each is written by its loop alone and read as it stands; what ended loops have counted is kept in
 * a sum, under the lock of the list that they leave.
 */
#include <errno.h>

#include "green/debug.h"
#include "sched/sched.h"

static uint64_t
load(const atomic_uint_fast64_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

static void
raise_to(uint64_t *most, uint64_t value)
{
    *most = value > *most ? value : *most;
}

/** What is a sum over the past. */
static void
add_counts(struct green_counters *to, const struct green__counts *counts)
{
    to->turns += load(&counts->turns);
    to->switches += load(&counts->switches);
    to->spawns += load(&counts->spawns);
    to->parks += load(&counts->parks);
    to->inbox_wakes += load(&counts->inbox_wakes);
}

static void
add_loop(struct green__sched *sched, void *arg)
{
    struct green_counters *to = arg;
    const struct green__counts *counts = &sched->counts;
    uint64_t ends = load(&counts->ends); /* first: a spawn goes before its end */
    struct green__stack_stats stacks;
    green__stack_pool_stats(sched->stacks, &stacks);
    add_counts(to, counts);
    to->loops++;
    to->tasks += load(&counts->spawns) - ends;
    to->ready += load(&counts->ready);
    raise_to(&to->ready_max, load(&counts->ready_max));
    raise_to(&to->lag_ns, load(&counts->lag_ns));
    raise_to(&to->lag_max_ns, load(&counts->lag_max_ns));
    to->stack_slabs += stacks.slabs;
    to->stack_bytes += stacks.bytes;
    to->stacks += stacks.used;
    raise_to(&to->stack_high_water, load(&counts->high_water));
}

void
green_counters_get(struct green_counters *ret_counters)
{
    struct green_counters sum = {0};
    struct green__counts ended;
    green__sched_each(add_loop, &sum, &ended);
    add_counts(&sum, &ended);
    *ret_counters = sum;
}

int
green_counters_get_own(struct green_counters *ret_counters)
{
    const struct green_job *self = green__running;
    if (self == NULL || self->sched == NULL) {
        return -ENOENT;
    }
    struct green_counters own = {0};
    add_loop(self->sched, &own);
    own.ready = green__sched_ready_count(self->sched);
    *ret_counters = own;
    return 0;
}
