/*
 * How other threads reach a scheduler.
 *
 * A task that somebody has left a bit for stands in the inbox, once, whatever the number of bits; a
 * reference keeps it. A thread's own worker needs no place in it: its loop looks at its word.
 *
 * Invariant: a task is in the inbox from the first bit in its `attention` until those are taken.
 * Whoever touches a scheduler from outside is counted in `holders` from before the bit until he has
 * rung, since the bit may be noticed, and the thread end, before the bell.
 */
#include "sched/sched.h"
#include "sched/wait.h"

void
green__sched_post(struct green_job *task)
{
    struct green__sched *sched = task->sched;
    atomic_fetch_add(&sched->holders, 1);
    green_job_get(task); /* the inbox's reference */
    struct green_job *head = atomic_load(&sched->inbox);
    do {
        task->inbox_next = head;
    } while (!atomic_compare_exchange_weak(&sched->inbox, &head, task));
    green__sched_ring(sched);
}

struct green__sched *
green__sched_hold(struct green_job *host)
{
    struct green__sched *sched = atomic_load(&green__host_of(host)->doorbell);
    if (sched != NULL) {
        atomic_fetch_add(&sched->holders, 1);
    }
    return sched;
}

void
green__sched_ring(struct green__sched *sched)
{
    if (!sched->abandoned) {          /* else its descriptors are somebody else's by now */
        uv_async_send(&sched->async); /* rings once, however often it is pressed */
    }
    atomic_fetch_sub(&sched->holders, 1);
}

void
green__sched_take_inbox(struct green__sched *sched)
{
    if (atomic_load_explicit(&sched->inbox, memory_order_relaxed) == NULL) {
        return;
    }
    struct green_job *job = atomic_exchange(&sched->inbox, NULL);
    struct green_job *oldest = NULL;
    while (job != NULL) {
        struct green_job *next = job->inbox_next;
        job->inbox_next = oldest;
        oldest = job;
        job = next;
    }
    while (oldest != NULL) {
        struct green_job *next = oldest->inbox_next;
        green__count(&sched->counts.inbox_wakes);
        green__wait_heed(oldest);
        green_job_put(oldest);
        oldest = next;
    }
}
