/*
 * The rows of counters.
 *
 * Invariant: a row is written by one process, and by one thread of it unless it is contended.
 */
#include "stats.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include <green.h>

/** What the first bucket ends at, in ns; four buckets a doubling from there on. */
#define FIRST_NS 256

static struct stats first_row;
static struct stats *rows = &first_row;
static size_t row_count = 1;

struct stats *stats_own = &first_row;
/* With what is not zero at first: a message looks at all of it, in one page. */
__attribute__((section(".data"))) bool stats_contended;
__attribute__((section(".data"))) bool stats_timed;

int
stats_share(size_t wanted)
{
    void *page = mmap(NULL, wanted * sizeof *rows, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        return -ENOMEM;
    }
    rows = page;
    row_count = wanted;
    stats_own = rows;
    return 0;
}

struct stats *
stats_row(size_t i)
{
    return &rows[i];
}

size_t
stats_rows(void)
{
    return row_count;
}

void
stats_take(size_t i, bool contended)
{
    stats_own = &rows[i];
    stats_contended = contended;
    stats_add(STAT_STARTS, 1);
    atomic_store(&stats_own->gauges[GAUGE_PID], (uint64_t)getpid());
}

void
stats_look(void)
{
    struct green_counters counters;
    if (green_counters_get_own(&counters) == 0) {
        atomic_store(&stats_own->gauges[GAUGE_TASKS], counters.tasks);
        atomic_store(&stats_own->gauges[GAUGE_READY], counters.ready);
        atomic_store(&stats_own->gauges[GAUGE_LAG_NS], counters.lag_ns);
        atomic_store(&stats_own->gauges[GAUGE_STACK_MAX], counters.stack_high_water);
    }
}

unsigned
stats_settle(size_t i, enum ending ending)
{
    struct stats *row = &rows[i];
    uint64_t ended = 0; /* first: others of its threads may go on */
    for (size_t stat = STAT_ENDED; stat <= STAT_REFUSED_LAST; stat++) {
        ended += atomic_load(&row->values[stat]);
    }
    uint64_t open = atomic_load(&row->values[STAT_ACCEPTED]) - ended;
    uint64_t lingering = atomic_exchange(&row->lingering, 0);
    lingering = lingering < open ? lingering : open;
    atomic_fetch_add(&row->values[STAT_ENDED + ENDING_DRAINED], lingering);
    atomic_fetch_add(&row->values[STAT_ENDED + ending], open - lingering);
    return (unsigned)(open - lingering);
}

uint64_t
stats_sum(enum stat stat)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < row_count; i++) {
        sum += atomic_load_explicit(&rows[i].values[stat], memory_order_relaxed);
    }
    return sum;
}

/* ---- buckets: the highest bit says which doubling, the two below it which quarter ---- */

void
stats_add_service(uint64_t ns)
{
    uint64_t units = ns / FIRST_NS;
    size_t bucket = (size_t)units;
    if (units >= 4) {
        unsigned high = 63 - (unsigned)__builtin_clzll(units);
        bucket = (high - 1) * 4 + ((units >> (high - 2)) & 3);
    }
    bucket = bucket < STATS_BUCKETS ? bucket : STATS_BUCKETS - 1;
    stats_add_to(&stats_own->service[bucket], 1);
    stats_add(STAT_SERVICE_NS, ns);
}

uint64_t
stats_bucket_end(size_t bucket)
{
    uint64_t next = bucket + 1;
    if (next < 8) {
        return next * FIRST_NS;
    }
    uint64_t high = next / 4 + 1;
    return ((4 + next % 4) << (high - 2)) * FIRST_NS;
}
