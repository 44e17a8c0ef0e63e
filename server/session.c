/*
 * One connection's way through echod.
 *
 * Invariant: what is accepted is counted once more when it ends, by how it ended or by why it was
 * not served.
 */
#include "session.h"

#include <sys/socket.h>

#include "access.h"
#include "admit.h"
#include "limits.h"
#include "secure.h"
#include "serve.h"
#include "stats.h"
#include "wide.h"

void
session_run(struct server *server, int fd)
{
    const struct options *options = &server->options;
    struct visit own;
    struct visit *visit = access_begin(&own, fd, admit_wants_peer(options) || secure_wanted());
    atomic_fetch_add(server->connections, 1);
    uint32_t ticket = 0;
    enum refusal refusal = admit(fd, options, visit, &ticket);
    if (refusal == REFUSAL_NONE) {
        access_stage(visit, STAGE_ADMITTED);
        refusal = wire_open(&visit->wire, fd);
    }
    enum ending ending = ENDING_DRAINED;
    if (refusal == REFUSAL_NONE) {
        access_stage(visit, STAGE_SERVED);
        if (options->mode != &mode_green) {
            wide_forget();
        }
        ending = serve(&visit->wire, options, &visit->tally);
        if (ending == ENDING_BYTES || ending == ENDING_OLD) {
            serve_let_go(&visit->wire);
        }
    } else if (refusal == REFUSAL_DRAINED) {
        serve_note_drained(&visit->tally, true);
        green_shutdown(fd, SHUT_WR);
    }
    atomic_fetch_sub(server->connections, 1);
    if (refusal < REFUSAL_COUNT) {
        limits_leave(ticket);
        access_refused(visit, refusal);
        return;
    }
    if (ending == ENDING_DRAINED) {
        serve_linger(&visit->wire, &visit->tally);
    }
    limits_leave(ticket);
    struct wire wire = visit->wire;
    access_end(visit, ending);
    wire_close(&wire);
}

unsigned
session_lingering(void)
{
    return atomic_load(&stats_own->lingering);
}
