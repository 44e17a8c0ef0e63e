/*
 * Timeout scopes and shields.
 *
 * Invariant: a scope's `effective` is the soonest deadline of it and of all scopes outside it, up
 * to the nearest shield; so a wait looks at the innermost one alone. Scopes live in their worker's
 * frames and are touched by that worker alone.
 */
#include "green/timeout.h"

#include "base/clock.h"
#include "base/errors.h"
#include "sched/worker.h"

/** Scopes of a second and more are begun for every message of a server: what they cost counts. */
#define LONG_MS 1000

/** The deadline of a scope: never early, and a long one late by a tick. */
static green_deadline
scope_deadline(uint64_t ms)
{
    if (ms < LONG_MS || ms > UINT32_MAX || green__clock_virtual != 0) {
        return green_after(ms);
    }
    return green__clock_coarse() + GREEN__TICK_NS + ms * GREEN__NS_PER_MS;
}

void
green_timeout_start(struct green_timeout *timeout, uint64_t ms)
{
    struct green_job *self = green__self();
    timeout->deadline = scope_deadline(ms);
    timeout->outer = self->scopes;
    timeout->effective = timeout->deadline;
    if (timeout->outer != NULL && timeout->outer->effective < timeout->effective) {
        timeout->effective = timeout->outer->effective;
    }
    timeout->fired = false;
    self->scopes = timeout;
}

void
green_timeout_stop(struct green_timeout *timeout)
{
    struct green_job *self = green__self();
    if (self->scopes != timeout) {
        green__misuse("green_timeout_stop: this is not the innermost scope of its worker");
    }
    self->scopes = timeout->outer;
}

bool
green_timeout_fired(const struct green_timeout *timeout)
{
    return timeout->fired;
}

void
green_shield_start(struct green_shield *shield)
{
    struct green_job *self = green__self();
    shield->outer = self->scopes;
    self->scopes = NULL;
    if (self->shields == UINT16_MAX) {
        green__misuse("green_shield_start: shields are nested more than %u deep", UINT16_MAX);
    }
    self->shields++;
}

void
green_shield_stop(struct green_shield *shield)
{
    struct green_job *self = green__self();
    if (self->shields == 0 || self->scopes != NULL) {
        green__misuse("green_shield_stop: no shield was started, or a timeout scope inside it "
                      "was not stopped");
    }
    self->scopes = shield->outer;
    self->shields--;
}

void
green_shield(void (*cleanup)(void *arg), void *arg)
{
    struct green_shield shield;
    green_shield_start(&shield);
    cleanup(arg);
    green_shield_stop(&shield);
}
