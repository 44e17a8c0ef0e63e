/*
 * Errands for schedulers.
 *
 * Invariant: who moves an errand out of ASKED has it: its scheduler by TAKEN, who posted it by
 * LEFT. A scheduler that ends does what is left, after nobody can post any more.
 */
#include "sched/errand.h"

#include "base/clock.h"
#include "base/futex.h"

enum {
    ASKED,
    TAKEN,
    DONE,
    LEFT,
};

void
green__errand_post(struct green__sched *sched, struct green__errand *errand)
{
    atomic_init(&errand->state, ASKED);
    errand->next = atomic_load(&sched->errands);
    while (!atomic_compare_exchange_weak(&sched->errands, &errand->next, errand)) {
    }
    atomic_fetch_add(&sched->holders, 1);
    green__sched_ring(sched);
}

bool
green__errand_wait(struct green__errand *errand, uint64_t until)
{
    unsigned state;
    while ((state = atomic_load(&errand->state)) != DONE) {
        if (state == ASKED && green__clock_real() >= until) {
            if (atomic_compare_exchange_strong(&errand->state, &state, LEFT)) {
                return false;
            }
            continue;
        }
        green__futex_wait(&errand->state, state, state == ASKED ? until : GREEN_FOREVER);
    }
    return true;
}

void
green__errand_run_all(struct green__sched *sched)
{
    struct green__errand *errand = atomic_exchange(&sched->errands, NULL);
    while (errand != NULL) {
        struct green__errand *next = errand->next;
        unsigned asked = ASKED;
        if (atomic_compare_exchange_strong(&errand->state, &asked, TAKEN)) {
            errand->run(errand, sched);
            /* It may be gone as soon as it is done; a wake too many does no harm. */
            atomic_uint *state = &errand->state;
            atomic_store(state, DONE);
            green__futex_wake(state, 1);
        } else {
            errand->drop(errand);
        }
        errand = next;
    }
}
