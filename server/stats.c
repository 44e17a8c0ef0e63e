/*
 * The rows of counters.
 *
 * Invariant: a row is written by one process, and by one thread of it unless it is contended.
 */
#include "stats.h"

#include <errno.h>
#include <sys/mman.h>

static struct stats first_row;
static struct stats *rows = &first_row;
static size_t row_count = 1;

struct stats *stats_own = &first_row;
bool stats_contended;

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

void
stats_take(size_t i, bool contended)
{
    stats_own = &rows[i];
    stats_contended = contended;
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
