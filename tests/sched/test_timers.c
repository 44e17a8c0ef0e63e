/*
 * The heap of deadlines against a plain search, and the timers of waits, which are set lazily: one
 * that is set for sooner than the wait's deadline must neither end it early nor let it go on.
 */
#include <dlfcn.h>
#include <errno.h>
#include <uv.h>

#include "../base/support.h"
#include "base/clock.h"
#include "green/timeout.h"
#include "sched/timers.h"

#define COUNT 500

static struct green__timers timers;
static struct green__timer nodes[COUNT];

static unsigned
random_number(void)
{
    static unsigned state = 12345;
    state = state * 1103515245u + 12345u;
    return state >> 8;
}

static green_deadline
soonest(void)
{
    green_deadline least = GREEN_FOREVER;
    for (int i = 0; i < COUNT; i++) {
        if (nodes[i].place != 0 && nodes[i].when < least) {
            least = nodes[i].when;
        }
    }
    return least;
}

static bool
heap_is_in_order(void)
{
    for (size_t i = 0; i < timers.count; i++) {
        const struct green__timer_node *node = &timers.heap[i];
        if (node->timer->place != i + 1 || node->timer->when != node->when ||
            (i > 0 && timers.heap[(i - 1) / 4].when > node->when)) {
            return false;
        }
    }
    return true;
}

START_TEST(heap_agrees_with_a_search)
{
    ck_assert_int_eq(green__timers_reserve(&timers, COUNT), 0);
    int rounds = stress(20000, 2000);
    for (int round = 0; round < rounds; round++) {
        struct green__timer *node = &nodes[random_number() % COUNT];
        switch (random_number() % 4) {
        case 0:
            green__timers_unset(&timers, node);
            ck_assert_uint_eq(node->place, 0);
            break;
        case 1: {
            uint64_t now = random_number() % 1000;
            green_deadline least = soonest();
            struct green__timer *due = green__timers_expire(&timers, now);
            ck_assert_int_eq(due != NULL, least <= now);
            ck_assert(due == NULL || (due->when == least && due->place == 0));
            break;
        }
        default: /* set, or moved either way */
            green__timers_set(&timers, node, random_number() % 1000);
        }
        ck_assert_uint_eq(green__timers_next(&timers), soonest());
        ck_assert(heap_is_in_order());
    }
    green__timers_fini(&timers);
}
END_TEST

START_TEST(timers_expire_in_order)
{
    ck_assert_int_eq(green__timers_reserve(&timers, COUNT), 0);
    for (int i = 0; i < COUNT; i++) {
        green__timers_set(&timers, &nodes[i], random_number());
    }
    green_deadline last = 0;
    struct green__timer *due;
    int count = 0;
    while ((due = green__timers_expire(&timers, GREEN_FOREVER)) != NULL) {
        ck_assert_uint_ge(due->when, last);
        last = due->when;
        count++;
    }
    ck_assert_int_eq(count, COUNT);
    ck_assert_uint_eq(green__timers_next(&timers), GREEN_FOREVER);
    green__timers_fini(&timers);
}
END_TEST

/* ---- lazily set ---- */

static struct green_semaphore *semaphore;

/* Waits with a short deadline, is woken in time, and waits again with a later one. */
static intptr_t
wait_short_then_long(void *arg)
{
    (void)arg;
    green_deadline later = green_after(800);
    int err = green_semaphore_acquire(semaphore, green_after(500));
    if (err != 0) {
        return err;
    }
    err = green_semaphore_acquire(semaphore, later);
    return err == -ETIMEDOUT && green__clock_now() >= later ? 0 : -EPROTO;
}

static intptr_t
release_after(void *ms)
{
    int err = green_sleep((uint64_t)NUMBER(ms));
    green_semaphore_release(semaphore);
    return err;
}

START_TEST(earlier_timer_does_not_end_a_later_wait)
{
    static const enum green_kind kinds[] = {GREEN_TASK, GREEN_THREAD};
    for (int i = 0; i < 2; i++) {
        semaphore = make_semaphore(0);
        struct green_job *waiter = spawn(kinds[i], wait_short_then_long, NULL);
        struct green_job *other = spawn(GREEN_TASK, release_after, POINTER(2));
        ck_assert_int_eq(finish(waiter), 0);
        ck_assert_int_eq(finish(other), 0);
        drop_semaphore(semaphore);
    }
}
END_TEST

/* Ever later deadlines, each met by a wake; then one that is not. */
static intptr_t
move_the_deadline(void *rounds)
{
    for (int i = 0; i < NUMBER(rounds); i++) {
        int err = green_semaphore_acquire(semaphore, green_after(LONG_MS + (uint64_t)i));
        if (err != 0) {
            return err;
        }
    }
    return green_semaphore_acquire(semaphore, green_after(10)) == -ETIMEDOUT ? 0 : -EPROTO;
}

static intptr_t
release_often(void *rounds)
{
    for (int i = 0; i < NUMBER(rounds); i++) {
        green_semaphore_release(semaphore);
        green_yield();
    }
    return 0;
}

START_TEST(deadline_that_moves_and_is_then_cut)
{
    semaphore = make_semaphore(0);
    struct green_job *waiter = spawn(GREEN_TASK, move_the_deadline, POINTER(1000));
    struct green_job *other = spawn(GREEN_TASK, release_often, POINTER(1000));
    ck_assert_int_eq(finish(waiter), 0);
    ck_assert_int_eq(finish(other), 0);
    drop_semaphore(semaphore);
}
END_TEST

static intptr_t
sleep_and_count(void *arg)
{
    green_deadline until = green_after((uint64_t)NUMBER(arg));
    int err = green_sleep((uint64_t)NUMBER(arg));
    return err != 0 ? err : green__clock_now() >= until;
}

START_TEST(nobody_wakes_early)
{
    struct green_job *jobs[100];
    int count = stress(100, 20);
    for (int i = 0; i < count; i++) {
        jobs[i] = spawn(GREEN_TASK, sleep_and_count, POINTER(1 + i * 7 % 40));
    }
    for (int i = 0; i < count; i++) {
        ck_assert_int_eq(finish(jobs[i]), true);
    }
    for (int i = 1; i < 10; i++) {
        ck_assert_int_eq(finish(spawn(GREEN_THREAD, sleep_and_count, POINTER(i))), true);
        ck_assert_int_eq(sleep_and_count(POINTER(i)), true);
    }
}
END_TEST

/* ---- a machine so busy that a timer is due before libuv looks for events ---- */

static bool slow;

/** In place of libuv's: it takes longer than the shortest timers. */
int
uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t timeout_ms, uint64_t repeat_ms)
{
    int (*real)(uv_timer_t *, uv_timer_cb, uint64_t, uint64_t);
    *(void **)&real = dlsym(RTLD_NEXT, "uv_timer_start");
    int err = real(timer, callback, timeout_ms, repeat_ms);
    if (slow) {
        usleep(5000);
    }
    return err;
}

START_TEST(timer_is_due_before_the_loop_looks)
{
    slow = true;
    ck_assert_int_eq(finish(spawn(GREEN_TASK, sleep_and_count, POINTER(1))), true);
    ck_assert_int_eq(finish(spawn(GREEN_TASK, sleep_and_count, POINTER(10))), true);
}
END_TEST

START_TEST(clock_is_the_systems)
{
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    uint64_t exact = green__clock_real();
    uint64_t coarse = green__clock_coarse();
    clock_gettime(CLOCK_MONOTONIC, &after);
    ck_assert_uint_ge(exact, (uint64_t)before.tv_sec * GREEN__NS_PER_S + (uint64_t)before.tv_nsec);
    ck_assert_uint_le(exact, (uint64_t)after.tv_sec * GREEN__NS_PER_S + (uint64_t)after.tv_nsec);
    ck_assert_uint_le(coarse, (uint64_t)after.tv_sec * GREEN__NS_PER_S + (uint64_t)after.tv_nsec);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        heap_agrees_with_a_search,
        timers_expire_in_order,
        earlier_timer_does_not_end_a_later_wait,
        deadline_that_moves_and_is_then_cut,
        nobody_wakes_early,
        timer_is_due_before_the_loop_looks,
        clock_is_the_systems,
    };
    return RUN_TESTS("timers", tests);
}
