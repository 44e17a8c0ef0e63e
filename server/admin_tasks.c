/*
 * The page /tasks: the dumps of all processes that serve, one after the other.
 */
#include <stdlib.h>

#include <green.h>

#include "admin_text.h"
#include "stats.h"
#include "tasks.h"

/** All dumps together; processes beyond that are named only. */
#define ALL_MAX ((size_t)4 * 1024 * 1024)

/** Those that do not answer cost time: after so many the others are not asked. */
#define SILENT_MAX 3

/** One at a time asks; tasks of the admin process alone. */
static struct green_mutex asking = GREEN_MUTEX_INIT;

static void
add_all(struct admin_text *text, char *room)
{
    unsigned silent = 0;
    for (size_t row = 0; row < stats_rows(); row++) {
        int pid = (int)atomic_load(&stats_row(row)->gauges[GAUGE_PID]);
        if (pid == 0) {
            continue;
        }
        if (text->length > ALL_MAX || silent == SILENT_MAX) {
            admin_text_add(text, "process %d was not asked\n\n", pid);
            continue;
        }
        ssize_t got = tasks_read(pid, room);
        if (got > 0) {
            admin_text_add(text, "%s\n", room);
        } else {
            silent++;
            admin_text_add(text, "process %d does not answer: %s\n\n", pid,
                           green_strerror((int)got));
        }
    }
}

void
admin_tasks(struct admin_text *text)
{
    char *room = malloc(TASKS_MAX);
    if (room == NULL || green_mutex_lock(&asking, GREEN_FOREVER) != 0) {
        text->failed = true;
    } else {
        add_all(text, room);
        green_mutex_unlock(&asking);
    }
    free(room);
}
