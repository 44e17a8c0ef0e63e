/*
 * How a process of echod goes.
 *
 * A worker tells its supervisor, on the board, how many connections it cut off; the process that
 * the user started tells the user, and removes its files.
 */
#include "leave.h"

#include <unistd.h>

#include "access.h"
#include "admin.h"
#include "log.h"
#include "pidfile.h"
#include "settings.h"
#include "stats.h"
#include "supervisor.h"

void
leave_listeners(struct server *server)
{
    if (server->place == NULL && server->successor == 0) {
        listeners_remove_files(&server->listeners);
    }
}

void
leave_files(struct server *server)
{
    leave_listeners(server);
    if (server->place == NULL) {
        if (server->successor == 0) {
            admin_remove_files(server);
        }
        pidfile_remove(server->options.pidfile);
    }
}

static void
say(unsigned cut, bool timed_out)
{
    const char *were = cut == 1 ? " was" : "s were";
    if (timed_out) {
        log_write(LOG_WARNING, "the drain was not done after %ju ms: %u connection%s cut off",
                  (uintmax_t)setting(SETTING_DRAIN_TIMEOUT_MS), cut, were);
    } else {
        log_write(LOG_WARNING, "ended at once: %u connection%s cut off", cut, were);
    }
}

_Noreturn void
leave_at_once(struct server *server, unsigned cut, bool timed_out)
{
    access_abandon(getpid(), (size_t)(stats_own - stats_row(0)), ENDING_CUT);
    if (server->place != NULL) {
        atomic_store(&server->place->cut, cut);
    } else if (cut > 0) {
        say(cut, timed_out);
    }
    leave_files(server);
    _exit(cut > 0 ? 1 : 0);
}
