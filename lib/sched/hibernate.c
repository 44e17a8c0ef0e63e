/*
 * Which tasks hibernate, and how their pages go and come.
 *
 * A scheduler's tasks that may hibernate stand in a list of their own while they are awake. A sweep
 * goes through it, some steps a turn of the loop, so that it never takes long; rounds begin when
 * half the shortest of their times has passed. Pages are given back many stacks at a time.
 *
 * Invariant: of those that may hibernate, a task stands in that list exactly while it is not
 * asleep. One that is has an image and is parked, and nobody reads or writes its stack.
 */
#include "sched/hibernate.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "context/guard.h"
#include "sched/image.h"
#include "sched/pidfd.h"

/** Tasks that a sweep looks at in one turn of the loop: some microseconds. */
#define STEPS_PER_TURN 256

/** A round is worth while no more often than this. */
#define PAUSE_MIN_NS (10 * GREEN__NS_PER_MS)

#ifdef __OPTIMIZE__
bool green__hibernate_guard = false;
#else
bool green__hibernate_guard = true;
#endif

struct green__dormitory {
    size_t awake_count;
    size_t to_do;            /* Of the round that goes on: so many are still to be looked at, */
    struct green__list *due; /* this one first, or the list's head. */
    green_deadline next;     /* When a round begins, or goes on. */
    green_deadline round;    /* When the one after it begins. */
    uint64_t pause_ns;       /* Between the beginnings of two rounds. */
    struct green__patterns *patterns;
    size_t count;
    size_t bytes;
    size_t given_count;
    struct iovec given[STEPS_PER_TURN]; /* Stacks whose pages are about to go. */
};

static uint64_t
stamp_of(const struct green__sched *sched)
{
    return atomic_load_explicit(&sched->stamp, memory_order_relaxed);
}

static struct green__dormitory *
dormitory_of(struct green__sched *sched)
{
    if (sched->dormitory == NULL) {
        struct green__dormitory *made = green__alloc_zeroed(sizeof *made);
        if (made == NULL) {
            return NULL;
        }
        made->due = &sched->tasks[GREEN__DROWSY];
        made->next = GREEN_FOREVER;
        made->pause_ns = UINT64_MAX;
        sched->dormitory = made;
    }
    return sched->dormitory;
}

static void
enter(struct green__sched *sched, struct green_job *task)
{
    struct green__dormitory *dormitory = sched->dormitory;
    green__sched_move_task(sched, task, GREEN__DROWSY);
    dormitory->awake_count++;
    if (dormitory->next == GREEN_FOREVER) {
        dormitory->next = green__clock_coarse() + dormitory->pause_ns;
    }
}

void
green__hibernate_leave(struct green__sched *sched, const struct green_job *task)
{
    struct green__dormitory *dormitory = sched->dormitory;
    if (dormitory->due == &task->member) {
        dormitory->due = task->member.next;
    }
    dormitory->awake_count--;
}

void
green__hibernate_enlist(struct green__sched *sched, struct green_job *task, uint64_t hibernate_ms)
{
    if (!GREEN__HIBERNATES || sched->seeded) {
        return;
    }
    struct green__dormitory *dormitory = dormitory_of(sched);
    if (dormitory == NULL) {
        return;
    }
    task->own->hibernate_ms = hibernate_ms;
    uint64_t pause_ns = hibernate_ms * GREEN__NS_PER_MS / 2;
    if (pause_ns < PAUSE_MIN_NS) {
        pause_ns = PAUSE_MIN_NS;
    }
    if (pause_ns < dormitory->pause_ns) {
        dormitory->pause_ns = pause_ns;
        dormitory->round = green__clock_coarse() + pause_ns;
        if (dormitory->to_do == 0 && dormitory->next != GREEN_FOREVER) {
            dormitory->next = dormitory->round;
        }
    }
    enter(sched, task);
}

bool
green__hibernate_due(const struct green__sched *sched)
{
    return stamp_of(sched) >= sched->dormitory->next;
}

green_deadline
green__hibernate_next(const struct green__sched *sched)
{
    /* The stamp that it will be compared with is a tick late. */
    return sched->dormitory->next == GREEN_FOREVER ? GREEN_FOREVER
                                                   : sched->dormitory->next + PAUSE_MIN_NS;
}

size_t
green__hibernate_count(const struct green__sched *sched, size_t *ret_bytes)
{
    *ret_bytes = sched->dormitory == NULL ? 0 : sched->dormitory->bytes;
    return sched->dormitory == NULL ? 0 : sched->dormitory->count;
}

void
green__hibernate_fini(struct green__sched *sched)
{
    if (sched->dormitory != NULL) {
        green__patterns_free(sched->dormitory->patterns);
        green__free(sched->dormitory);
        sched->dormitory = NULL;
    }
}

/* ---- pages ---- */

/** Give back the pages of all stacks at once; false where the kernel knows no such call. */
static bool
release_together(struct green__dormitory *dormitory)
{
#ifdef SYS_process_madvise
    static bool refused;
    int self = refused ? -1 : green__pidfd_open(getpid());
    if (self < 0) {
        return false;
    }
    size_t wanted = 0;
    for (size_t i = 0; i < dormitory->given_count; i++) {
        wanted += dormitory->given[i].iov_len;
    }
    ssize_t done = syscall(SYS_process_madvise, self, dormitory->given, dormitory->given_count,
                           MADV_DONTNEED, 0);
    close(self);
    refused = done < 0;
    return done >= 0 && (size_t)done == wanted;
#else
    (void)dormitory;
    return false;
#endif
}

static void
release(struct green__dormitory *dormitory)
{
    if (dormitory->given_count > 0 && !release_together(dormitory)) {
        for (size_t i = 0; i < dormitory->given_count; i++) {
            madvise(dormitory->given[i].iov_base, dormitory->given[i].iov_len, MADV_DONTNEED);
        }
    }
    dormitory->given_count = 0;
}

static void
give_pages(struct green__dormitory *dormitory, const struct green__stack *stack)
{
    size_t size = green__stack_span(stack);
    if (green__hibernate_guard) {
        madvise(stack->low, size, MADV_DONTNEED);
        mprotect(stack->low, size, PROT_NONE);
        return;
    }
    dormitory->given[dormitory->given_count++] = (struct iovec){stack->low, size};
}

static void
take_pages(const struct green__stack *stack)
{
    if (green__hibernate_guard) {
        mprotect(stack->low, green__stack_span(stack), PROT_READ | PROT_WRITE);
    }
}

/* ---- to sleep and back ---- */

static void
lay_down(struct green__dormitory *dormitory, struct green_job *task)
{
    struct green__image *image = green__image_make(&dormitory->patterns, task);
    if (image == NULL) {
        return; /* without memory to save some it stays as it is */
    }
    struct green__stack stack = green__worker_stack(task);
    green__hibernate_leave(task->sched, task);
    green__sched_move_task(task->sched, task, GREEN__PLAIN);
    task->image = image;
    task->asleep = true;
    dormitory->count++;
    dormitory->bytes += green__image_size(dormitory->patterns, image, task);
    give_pages(dormitory, &stack);
}

void
green__hibernate_wake(struct green_job *task)
{
    struct green__dormitory *dormitory = task->sched->dormitory;
    int saved = errno;
    dormitory->count--;
    dormitory->bytes -= green__image_size(dormitory->patterns, task->image, task);
    struct green__stack stack = green__worker_stack(task);
    take_pages(&stack);
    green__image_unmake(dormitory->patterns, task->image, task);
    task->asleep = false;
    enter(task->sched, task);
    errno = saved;
}

void
green__hibernate_resume(struct green_job *task)
{
    struct green__dormitory *dormitory = task->sched->dormitory;
    lay_down(dormitory, task);
    release(dormitory);
}

/** Whether the task has waited for long enough, on its own stack, in a call that allows it. */
static bool
is_idle(const struct green__sched *sched, const struct green_job *task)
{
    uint64_t since = atomic_load_explicit(&task->waits_since, memory_order_relaxed);
    uint64_t stamp = stamp_of(sched);
    return task->state == GREEN__PARKED && task->rests && stamp >= since &&
           stamp - since >= task->own->hibernate_ms * GREEN__NS_PER_MS &&
           task->own->coroutine == NULL;
}

void
green__hibernate_sweep(struct green__sched *sched)
{
    struct green__dormitory *dormitory = sched->dormitory;
    if (dormitory->to_do == 0) {
        dormitory->to_do = dormitory->awake_count;
        dormitory->round = stamp_of(sched) + dormitory->pause_ns;
    }
    size_t steps = dormitory->to_do < STEPS_PER_TURN ? dormitory->to_do : STEPS_PER_TURN;
    dormitory->to_do -= steps;
    const struct green__list *head = &sched->tasks[GREEN__DROWSY];
    while (steps > 0 && !green__list_empty(head)) {
        if (dormitory->due == head) {
            dormitory->due = head->next;
        }
        struct green_job *task = GREEN__CONTAINER(dormitory->due, struct green_job, member);
        dormitory->due = task->member.next;
        if (is_idle(sched, task)) {
            lay_down(dormitory, task);
        }
        steps--;
    }
    release(dormitory);
    if (dormitory->awake_count == 0) {
        dormitory->to_do = 0;
        dormitory->next = GREEN_FOREVER;
    } else {
        dormitory->next = dormitory->to_do > 0 ? stamp_of(sched) /* in the next turn */
                                               : dormitory->round;
    }
}
