/*
 * A worker whose loop stands still serves nobody: it is killed, and then replaced. What it was at
 * is written to standard error first, since afterwards nobody can say.
 */
#include "hang.h"

#include <signal.h>

#include <green.h>

#include "log.h"
#include "settings.h"

/** How long a worker has for its dump. A process that is stopped, or swapped out, makes none. */
#define LAST_WORDS_NS 1000000000u

int
hang_look(struct place *place, pid_t pid)
{
    uint64_t limit_ns = setting(SETTING_WORKER_TIMEOUT_MS) * 1000000u;
    uint64_t now_ns = green_after(0);
    uint64_t beat_ns = atomic_load(&place->beat_ns);
    if (limit_ns == 0 || beat_ns == 0 || beat_ns + limit_ns >= now_ns) {
        place->asked_ns = 0;
        return 0;
    }
    if (place->asked_ns == 0) {
        place->asked_ns = now_ns;
        log_write(LOG_ERROR, "worker %d has not turned its loop for %ju ms: this is what it does",
                  (int)pid, (uintmax_t)((now_ns - beat_ns) / 1000000));
        return SIGQUIT;
    }
    if (now_ns - place->asked_ns < LAST_WORDS_NS) {
        return 0;
    }
    log_write(LOG_ERROR, "worker %d is killed for that", (int)pid);
    atomic_store(&place->beat_ns, 0);
    return SIGKILL;
}
