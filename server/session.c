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

static atomic_uint lingering;

static void
linger(const struct wire *wire)
{
    atomic_fetch_add(&lingering, 1);
    serve_linger(wire);
    atomic_fetch_sub(&lingering, 1);
}

void
session_run(struct server *server, int fd)
{
    const struct options *options = &server->options;
    struct visit visit;
    access_begin(&visit, fd, admit_wants_peer(options) || secure_wanted());
    atomic_fetch_add(server->connections, 1);
    uint32_t ticket = 0;
    enum refusal refusal = admit(fd, options, &visit, &ticket);
    if (refusal == REFUSAL_NONE) {
        refusal = wire_open(&visit.wire, fd);
    }
    enum ending ending = ENDING_DRAINED;
    if (refusal == REFUSAL_NONE) {
        ending = serve(&visit.wire, options, &visit.tally);
        if (ending == ENDING_BYTES || ending == ENDING_OLD) {
            serve_let_go(&visit.wire);
        }
    } else if (refusal == REFUSAL_DRAINED) {
        green_shutdown(fd, SHUT_WR);
    }
    atomic_fetch_sub(server->connections, 1);
    if (refusal < REFUSAL_COUNT) {
        limits_leave(ticket);
        access_refused(&visit, refusal);
        return;
    }
    if (ending == ENDING_DRAINED) {
        linger(&visit.wire);
    }
    limits_leave(ticket);
    access_end(&visit, ending);
    wire_close(&visit.wire);
}

unsigned
session_lingering(void)
{
    return atomic_load(&lingering);
}
