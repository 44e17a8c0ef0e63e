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
#include "serve.h"

static atomic_uint lingering;

static void
linger(int fd)
{
    atomic_fetch_add(&lingering, 1);
    serve_linger(fd);
    atomic_fetch_sub(&lingering, 1);
}

void
session_run(struct server *server, int fd)
{
    const struct options *options = &server->options;
    struct visit visit;
    access_begin(&visit, fd, admit_wants_peer(options));
    atomic_fetch_add(server->connections, 1);
    uint32_t ticket = 0;
    enum refusal refusal = admit(fd, options, &visit, &ticket);
    enum ending ending = ENDING_DRAINED;
    if (refusal == REFUSAL_NONE) {
        ending = serve(fd, options, &visit.tally);
        if (ending == ENDING_BYTES || ending == ENDING_OLD) {
            serve_let_go(fd);
        }
    } else if (refusal == REFUSAL_DRAINED) {
        green_shutdown(fd, SHUT_WR);
    }
    atomic_fetch_sub(server->connections, 1);
    if (refusal < REFUSAL_COUNT) {
        access_refused(&visit, refusal);
        return;
    }
    if (ending == ENDING_DRAINED) {
        linger(fd);
    }
    limits_leave(ticket);
    access_end(&visit, ending);
}

unsigned
session_lingering(void)
{
    return atomic_load(&lingering);
}
