/*
 * Pauses between tries to accept.
 *
 * Invariant: `closes` grows with every close, so that one between the failure and the pause is not
 * missed. Closing is cheap as long as nobody pauses. Any worker may call.
 */
#include "io/pause.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "green/net.h"
#include "sched/wait.h"

#define PAUSE_MIN_MS 5

unsigned green__pause_max_ms = 1000;

static atomic_uint_fast64_t closes;
static atomic_uint pausing;
static struct green__waitq queue = {{0}, GREEN__LIST(queue.waiters)};
static __thread uint64_t closes_seen;
static __thread bool failure_noted;

void
green__pause_note(void)
{
    closes_seen = atomic_load(&closes);
    failure_noted = true;
}

void
green__pause_end(void)
{
    atomic_fetch_add(&closes, 1);
    if (atomic_load(&pausing) == 0) {
        return;
    }
    green__waitq_lock(&queue);
    green__waitq_wake_all(&queue);
    green__waitq_unlock(&queue);
}

void
green__pause_fork_child(void)
{
    atomic_store(&pausing, 0);
    green__waitq_init(&queue);
}

int
green_accept_pause(unsigned *pause_ms)
{
    struct green_job *self = green__self();
    int err = green__wait_check(self);
    if (err != 0) {
        return err;
    }
    unsigned length = *pause_ms == 0 ? PAUSE_MIN_MS : 2 * *pause_ms;
    *pause_ms = length > green__pause_max_ms ? green__pause_max_ms : length;
    green_deadline until = green_after(*pause_ms);
    bool own = green__wait_limit(self, until) == until;
    atomic_fetch_add(&pausing, 1);
    green__waitq_lock(&queue);
    bool closed_since = failure_noted && atomic_load(&closes) != closes_seen;
    failure_noted = false;
    if (closed_since) {
        green__waitq_unlock(&queue);
    } else {
        err = green__waitq_wait(&queue, self, until, "a descriptor to accept with");
    }
    atomic_fetch_sub(&pausing, 1);
    closes_seen = atomic_load(&closes); /* the next pause looks for closes after the next try */
    return err == -ETIMEDOUT && own ? 0 : err;
}
