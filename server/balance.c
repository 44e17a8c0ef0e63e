/*
 * Balance between workers that accept from the same listeners.
 *
 * The kernel offers a connection to all who wait, and whoever is awake already is first: the
 * busiest one. So a worker above the mean steps back: it lets a connection lie for a moment, in
 * which the others, who were woken for it as well, take it. Nobody has to answer for that moment:
 * who has waited in vain accepts after all, and does not step back again for a while. Connections
 * that come and go by themselves are not worth that moment, which is longer than their lives: of a
 * worker's connections as many as came and went lately do not count.
 *
 * Invariant: a worker writes its own place alone. What it reads of the others may be a moment old:
 * that costs balance, never a connection.
 */
#include "balance.h"

#include <errno.h>

#include <green.h>

#include "board.h"

/** A worker above the mean by no more than one connection and this part of it goes on accepting. */
#define SLACK 32

/** One look a millisecond, for so long; then the others are not able to. */
#define LOOK_MS    1
#define PATIENCE   50
#define RELUCTANCE 200

/** A worker whose loop has not turned for so long is not counted on. */
#define STALE_NS 1500000000u

/** A connection that lived no longer was a fleeting one, and so long ago is lately. */
#define FLEETING_NS 100000000u

/** Those that ended in the current tenth of a second and in the one before; one thread accepts and
 * serves, so nobody else writes it. */
static struct {
    uint64_t began_ns;
    unsigned now;
    unsigned before;
} fleeting;

static void
turn_page(uint64_t now_ns)
{
    uint64_t passed = now_ns - fleeting.began_ns;
    if (passed >= FLEETING_NS) {
        fleeting.before = passed < 2 * FLEETING_NS ? fleeting.now : 0;
        fleeting.now = 0;
        fleeting.began_ns = now_ns;
    }
}

/** Whether this worker has more than its share. */
static bool
above_mean(const struct server *server, unsigned open)
{
    struct board *board = server->board;
    unsigned alive = atomic_load(&board->alive);
    uint64_t now_ns = green_after(0);
    turn_page(now_ns);
    unsigned lately = fleeting.now + fleeting.before;
    unsigned lasting = open > lately ? open - lately : 0;
    uint64_t workers = 0;
    uint64_t sum = 0;
    for (unsigned i = 0; i < board->capacity && alive > 0; i++) {
        const struct place *place = &board->places[i];
        int activity = atomic_load(&place->activity);
        alive -= activity != ACTIVITY_NONE;
        if (place == server->place) {
            sum += open;
            workers++;
        } else if (activity == ACTIVITY_IDLE && atomic_load(&place->beat_ns) + STALE_NS > now_ns) {
            sum += atomic_load(&place->open);
            workers++;
        }
    }
    return lasting > 0 && (uint64_t)(lasting - 1 - lasting / SLACK) * workers >= sum;
}

static bool
has_queue(int listener)
{
    struct pollfd entry = {.fd = listener, .events = POLLIN};
    return poll(&entry, 1, 0) > 0;
}

int
balance_wait(const struct server *server, int listener, unsigned open)
{
    static green_deadline reluctant_until; /* one thread accepts, so nobody else writes it */
    atomic_store(&server->place->open, open);
    for (int looks = 0; above_mean(server, atomic_load(&server->place->open));) {
        if (green_after(0) < reluctant_until) {
            return 0;
        }
        if (!has_queue(listener)) {
            int err = green_wait_fd(listener, POLLIN, GREEN_FOREVER);
            if (err < 0) {
                return err;
            }
            looks = 0;
        }
        if (looks++ == PATIENCE) {
            reluctant_until = green_after(RELUCTANCE);
        }
        int err = green_sleep(LOOK_MS);
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

void
balance_note(const struct server *server, unsigned open, uint64_t began_ns)
{
    uint64_t now_ns = green_after(0);
    turn_page(now_ns);
    fleeting.now += now_ns - began_ns <= FLEETING_NS;
    atomic_store(&server->place->open, open);
}
