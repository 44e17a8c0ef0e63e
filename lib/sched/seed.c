/*
 * Deterministic runs: who is next follows from a number, and time passes only when nobody can run.
 *
 * Invariant: a seeded scheduler's `budget` is 0, its thread's clock is virtual, and each of its
 * choices takes one number, or a fixed number of them, from the thread's sequence. Only the thread
 * that owns the scheduler calls.
 */
#include "sched/seed.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/errors.h"
#include "base/random.h"
#include "green/seed.h"

/** At most so many are picked between two looks at timers and at what others have left. */
#define PICKS_PER_TURN 32

/** Another thread may end without a word to us: then nobody is left outside, and time may jump. */
#define THREADS_LOOK_MS 10

/* FNV-1a, by Fowler, Noll and Vo, a number at a time. */
#define DIGEST_BASIS 0xcbf29ce484222325u
#define DIGEST_PRIME 0x100000001b3u

static void
digest(struct green__sched *sched, uint64_t number)
{
    sched->seed_digest = (sched->seed_digest ^ number) * DIGEST_PRIME;
}

static void
start(struct green__sched *sched, uint64_t seed)
{
    if (!sched->seeded) {
        green__clock_virtual = green__clock_now();
    }
    green__random_state = seed;
    sched->seeded = true;
    sched->look_at = 0;
    sched->seed_budget = 0;
    sched->seed_began = green__clock_virtual;
    sched->seed_digest = DIGEST_BASIS;
}

void
green__seed_environment(struct green__sched *sched)
{
    const char *text = getenv("GREEN_SEED");
    if (text == NULL || *text == '\0') {
        return;
    }
    char *end;
    errno = 0;
    uint64_t seed = strtoull(text, &end, 0);
    if (*end != '\0' || errno != 0) {
        green__misuse("GREEN_SEED=%s: that is not a number", text);
    }
    start(sched, seed);
}

void
green__seed_forget(void)
{
    green__clock_virtual = 0;
}

struct green_job *
green__seed_next(struct green__sched *sched)
{
    if (sched->seed_budget == 0 || sched->ready_first == NULL) {
        return NULL;
    }
    sched->seed_budget--;
    sched->scouted = 0; /* who is fetched may be the one whom we take */
    sched->walked = 0;
    struct green_job **place = &sched->ready_first;
    uint32_t count = (uint32_t)green__sched_ready_count(sched);
    uint32_t pick = green__random_below(count);
    for (uint32_t i = 0; i < pick; i++) {
        place = &(*place)->next;
    }
    struct green_job *job = *place;
    digest(sched, (uint64_t)count << 32 | pick);
    *place = job->next;
    if (job->next == NULL) {
        sched->ready_end = place;
    }
    green__count(&sched->counts.switches);
    job->state = GREEN__RUNNING;
    return job;
}

int
green__seed_look(struct green__sched *sched, int timeout_ms)
{
    sched->look_at = 0;
    sched->seed_budget = 1 + green__random_below(PICKS_PER_TURN);
    if (timeout_ms == 0) {
        return 0;
    }
    /* Nobody can run. */
    green_deadline next = green__timers_next(&sched->timers);
    bool watches = sched->poller->watched > 0 || sched->uv_requests > 0;
    if (!watches && next != GREEN_FOREVER) {
        if (green__worker_threads() <= 1) {
            green__clock_virtual = next; /* later than now, or the look would not have to wait */
            digest(sched, next - sched->seed_began);
            return 0;
        }
        timeout_ms = timeout_ms < THREADS_LOOK_MS ? timeout_ms : THREADS_LOOK_MS;
    }
    sched->seed_wait_began = green__clock_real();
    return timeout_ms;
}

void
green__seed_looked(struct green__sched *sched)
{
    if (sched->seed_wait_began != 0) {
        green__clock_virtual += green__clock_real() - sched->seed_wait_began;
        sched->seed_wait_began = 0;
    }
}

int
green_seed_start(uint64_t seed)
{
    struct green__sched *sched;
    int err = green__sched_get(&sched);
    if (err == 0) {
        start(sched, seed);
    }
    return err;
}

uint64_t
green_seed_stop(void)
{
    struct green__sched *sched = green__self()->sched;
    if (sched == NULL || !sched->seeded) {
        return 0;
    }
    sched->seeded = false;
    green__seed_forget();
    return sched->seed_digest;
}
