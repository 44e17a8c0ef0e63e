/*
 * Which processors the server has, and which the load: two that compete for a processor measure
 * each other.
 *
 * Invariant: the two sets share nothing unless there is a single processor, or the load needs none.
 * For the main thread.
 */
#include "placement.h"

#include <stdio.h>
#include <string.h>

/** "0, 2-5". */
static void
list(const cpu_set_t *set, char *text, size_t size)
{
    size_t length = 0;
    text[0] = '\0';
    for (size_t from = 0; from < CPU_SETSIZE; from++) {
        if (!CPU_ISSET(from, set)) {
            continue;
        }
        size_t to = from;
        while (to + 1 < CPU_SETSIZE && CPU_ISSET(to + 1, set)) {
            to++;
        }
        int written = snprintf(text + length, size - length, from == to ? "%s%zu" : "%s%zu-%zu",
                               length > 0 ? ", " : "", from, to);
        if (written < 0 || (size_t)written >= size - length) {
            return;
        }
        length += (size_t)written;
        from = to;
    }
}

void
placement_choose(struct placement *placement, uint64_t load_threads, bool computes)
{
    memset(placement, 0, sizeof *placement);
    if (sched_getaffinity(0, sizeof placement->all, &placement->all) != 0) {
        return;
    }
    int count = CPU_COUNT(&placement->all);
    if (count < 2) {
        placement->server = placement->load = placement->all;
        placement->server_count = 1;
        (void)snprintf(placement->text, sizeof placement->text,
                       "the server and the load share the only processor");
        return;
    }
    if (computes) {
        placement->server = placement->load = placement->all;
        placement->server_count = (unsigned)count;
        (void)snprintf(
            placement->text, sizeof placement->text,
            "the server on all %d processors, and the load, which has little to do, with "
            "it",
            count);
        return;
    }
    int wanted = load_threads < (uint64_t)(count / 2) ? (int)load_threads : count / 2;
    for (size_t i = CPU_SETSIZE; i > 0; i--) {
        if (CPU_ISSET(i - 1, &placement->all)) {
            CPU_SET(i - 1, wanted > 0 ? &placement->load : &placement->server);
            wanted--;
        }
    }
    placement->server_count = (unsigned)CPU_COUNT(&placement->server);
    char server[80];
    char load[80];
    list(&placement->server, server, sizeof server);
    list(&placement->load, load, sizeof load);
    (void)snprintf(placement->text, sizeof placement->text,
                   "the server on processor%s %.70s, the load on %.70s",
                   placement->server_count == 1 ? "" : "s", server, load);
}

void
placement_move(const cpu_set_t *set)
{
    if (CPU_COUNT(set) > 0) {
        /* Where that is forbidden things run where they may. */
        (void)sched_setaffinity(0, sizeof *set, set);
    }
}
