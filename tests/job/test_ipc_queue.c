/*
 * The queue between processes: order, bounds, loss and duplication, close, join.
 */
#include "ipc_crowd.h"

struct item {
    int producer;
    int number;
};

#define HALF (CROWD / 2)

struct traffic {
    struct green_ipc_queue *queue;
    int rounds;
    atomic_int producing;
    atomic_int taken;
    atomic_int disorder;
    atomic_uchar seen[]; /* rounds of each producer */
};

static intptr_t
produce(struct traffic *traffic, int producer)
{
    int err = 0;
    for (int i = 0; i < traffic->rounds && err == 0; i++) {
        struct item item = {producer, i};
        err = green_ipc_queue_put(traffic->queue, &item, sizeof item, green_after(LONG_MS));
    }
    if (atomic_fetch_sub(&traffic->producing, 1) == 1) {
        green_ipc_queue_close(traffic->queue);
    }
    return err;
}

static intptr_t
consume(struct traffic *traffic)
{
    int last[CROWD];
    memset(last, -1, sizeof last);
    for (;;) {
        struct item item;
        ssize_t got = green_ipc_queue_get(traffic->queue, &item, sizeof item, green_after(LONG_MS));
        if (got != sizeof item) {
            return got == -EPIPE ? 0 : got;
        }
        /* Of each producer, a consumer gets what it put in its order. */
        atomic_fetch_add(&traffic->disorder, item.number <= last[item.producer]);
        last[item.producer] = item.number;
        atomic_fetch_add(&traffic->seen[item.producer * traffic->rounds + item.number], 1);
        atomic_fetch_add(&traffic->taken, 1);
        green_ipc_queue_task_done(traffic->queue);
    }
}

static intptr_t
produce_or_consume(void *arg)
{
    const struct member *me = arg;
    struct traffic *traffic = me->shared;
    return me->index % 2 == 0 ? produce(traffic, me->index / 2) : consume(traffic);
}

static void
carry(size_t capacity, int rounds)
{
    struct traffic *traffic = shared_memory(sizeof *traffic + (size_t)(HALF * rounds));
    ck_assert_int_eq(green_ipc_queue_create(capacity, sizeof(struct item), &traffic->queue), 0);
    traffic->rounds = rounds;
    atomic_store(&traffic->producing, HALF);
    ck_assert_int_eq(run_crowd(produce_or_consume, traffic), 0);
    ck_assert_int_eq(atomic_load(&traffic->taken), HALF * rounds);
    ck_assert_int_eq(atomic_load(&traffic->disorder), 0);
    for (int i = 0; i < HALF * rounds; i++) {
        ck_assert_int_eq(atomic_load(&traffic->seen[i]), 1);
    }
    ck_assert_int_eq(green_ipc_queue_join(traffic->queue, GREEN_NOW), 0);
    ck_assert_int_eq(green_ipc_queue_task_done(traffic->queue), -EINVAL);
    ck_assert_uint_eq(green_ipc_queue_size(traffic->queue), 0);
    green_ipc_queue_destroy(traffic->queue);
}

START_TEST(nothing_lost_or_doubled_small)
{
    carry(1, stress(200, 20));
}
END_TEST

START_TEST(nothing_lost_or_doubled)
{
    carry(64, stress(5000, 50));
}
END_TEST

static intptr_t
put_one(void *queue)
{
    return green_ipc_queue_put(queue, "y", 1, green_after(LONG_MS));
}

static intptr_t
get_one(void *queue)
{
    char byte = 0;
    ssize_t got = green_ipc_queue_get(queue, &byte, 1, green_after(LONG_MS));
    return got == 1 ? byte : got;
}

START_TEST(bounds)
{
    struct green_ipc_queue *queue;
    char buffer[8];
    ck_assert_int_eq(green_ipc_queue_create(0, 1, &queue), -EINVAL);
    ck_assert_int_eq(green_ipc_queue_create(SIZE_MAX / 8, 64, &queue), -ENOMEM);
    ck_assert_int_eq(green_ipc_queue_create(2, 3, &queue), 0);
    ck_assert_int_eq(green_ipc_queue_get(queue, buffer, 8, GREEN_NOW), -ETIMEDOUT);
    ck_assert_int_eq(green_ipc_queue_get(queue, buffer, 8, green_after(5)), -ETIMEDOUT);
    ck_assert_int_eq(green_ipc_queue_put(queue, "1234", 4, GREEN_NOW), -EMSGSIZE);
    ck_assert_int_eq(green_ipc_queue_put(queue, "123", 3, GREEN_NOW), 0);
    ck_assert_int_eq(green_ipc_queue_put(queue, NULL, 0, GREEN_NOW), 0);
    ck_assert_int_eq(green_ipc_queue_put(queue, "1", 1, GREEN_NOW), -ETIMEDOUT);
    ck_assert_int_eq(green_ipc_queue_put(queue, "1", 1, green_after(5)), -ETIMEDOUT);
    ck_assert_uint_eq(green_ipc_queue_size(queue), 2);
    ck_assert_int_eq(green_ipc_queue_get(queue, buffer, 2, GREEN_NOW), -EMSGSIZE);
    ck_assert_int_eq(green_ipc_queue_get(queue, buffer, 3, GREEN_NOW), 3);
    ck_assert_int_eq(memcmp(buffer, "123", 3), 0);
    ck_assert_int_eq(green_ipc_queue_get(queue, NULL, 0, GREEN_NOW), 0);
    ck_assert_int_eq(green_ipc_queue_join(queue, GREEN_NOW), -ETIMEDOUT);
    ck_assert_int_eq(green_ipc_queue_task_done(queue), 0);
    ck_assert_int_eq(green_ipc_queue_task_done(queue), 0);
    ck_assert_int_eq(green_ipc_queue_join(queue, GREEN_NOW), 0);
    green_ipc_queue_destroy(queue);
}
END_TEST

START_TEST(cancelled_waiters_leave)
{
    struct green_ipc_queue *queue;
    ck_assert_int_eq(green_ipc_queue_create(1, 1, &queue), 0);
    struct green_job *getter = spawn(GREEN_PROCESS, get_one, queue);
    ck_assert(until_asleep(getter));
    green_job_cancel(getter);
    ck_assert_int_eq(finish(getter), -ECANCELED);
    ck_assert_int_eq(green_ipc_queue_put(queue, "x", 1, GREEN_NOW), 0);
    struct green_job *putter = spawn(GREEN_TASK, put_one, queue);
    green_sleep(5);
    green_job_cancel(putter);
    ck_assert_int_eq(finish(putter), -ECANCELED);
    ck_assert_int_eq(get_one(queue), 'x');
    ck_assert_uint_eq(green_ipc_queue_size(queue), 0);
    green_ipc_queue_destroy(queue);
}
END_TEST

START_TEST(closed)
{
    struct green_ipc_queue *queue;
    struct green_job *jobs[3];
    ck_assert_int_eq(green_ipc_queue_create(1, 1, &queue), 0);
    for (int i = 0; i < 3; i++) {
        jobs[i] = spawn(GREEN_PROCESS, get_one, queue);
        ck_assert(until_asleep(jobs[i]));
    }
    ck_assert_int_eq(green_ipc_queue_put(queue, "a", 1, GREEN_NOW), 0);
    ck_assert_int_eq(green_ipc_queue_close(queue), 0);
    ck_assert(green_ipc_queue_closed(queue));
    ck_assert_int_eq(finish(jobs[0]), 'a'); /* who has waited longest */
    ck_assert_int_eq(finish(jobs[1]), -EPIPE);
    ck_assert_int_eq(finish(jobs[2]), -EPIPE);
    ck_assert_int_eq(green_ipc_queue_put(queue, "b", 1, GREEN_NOW), -EPIPE);
    ck_assert_int_eq(get_one(queue), -EPIPE);
    green_ipc_queue_destroy(queue);

    ck_assert_int_eq(green_ipc_queue_create(1, 1, &queue), 0);
    ck_assert_int_eq(put_one(queue), 0);
    jobs[0] = spawn(GREEN_PROCESS, put_one, queue);
    ck_assert(until_asleep(jobs[0]));
    ck_assert_int_eq(green_ipc_queue_close(queue), 0);
    ck_assert_int_eq(finish(jobs[0]), -EPIPE);
    ck_assert_int_eq(get_one(queue), 'y'); /* what is in it can be taken */
    ck_assert_int_eq(get_one(queue), -EPIPE);
    green_ipc_queue_destroy(queue);
}
END_TEST

static intptr_t
work_off(void *queue)
{
    intptr_t done = 0;
    while (get_one(queue) >= 0) {
        green_yield();
        done++;
        if (green_ipc_queue_task_done(queue) != 0) {
            return -EPROTO;
        }
    }
    return done;
}

START_TEST(join_waits_for_the_work)
{
    struct green_ipc_queue *queue;
    struct green_job *jobs[3];
    ck_assert_int_eq(green_ipc_queue_create(4, 1, &queue), 0);
    for (int i = 0; i < 3; i++) {
        jobs[i] = spawn(GREEN_PROCESS, work_off, queue);
    }
    for (int round = 0; round < stress(50, 5); round++) {
        for (int i = 0; i < 20; i++) {
            ck_assert_int_eq(put_one(queue), 0);
        }
        ck_assert_int_eq(green_ipc_queue_join(queue, green_after(LONG_MS)), 0);
        ck_assert_uint_eq(green_ipc_queue_size(queue), 0);
    }
    ck_assert_int_eq(green_ipc_queue_close(queue), 0);
    intptr_t done = 0;
    for (int i = 0; i < 3; i++) {
        done += finish(jobs[i]);
    }
    ck_assert_int_eq(done, stress(50, 5) * 20);
    green_ipc_queue_destroy(queue);
}
END_TEST

/* A task that waits for another process leaves its loop to the others. */
static intptr_t
tick(void *arg)
{
    for (int i = 0; i < 5; i++) {
        note(arg);
        green_yield();
    }
    return 0;
}

static intptr_t
get_and_note(void *queue)
{
    intptr_t got = get_one(queue);
    note("got");
    return got;
}

static intptr_t
put_later(void *queue)
{
    green_sleep(30);
    return put_one(queue);
}

START_TEST(loop_goes_on)
{
    struct green_ipc_queue *queue;
    ck_assert_int_eq(green_ipc_queue_create(1, 1, &queue), 0);
    struct green_job *putter = spawn(GREEN_PROCESS, put_later, queue);
    struct green_job *getter = spawn(GREEN_TASK, get_and_note, queue);
    struct green_job *ticker = spawn(GREEN_TASK, tick, "tick");
    ck_assert_int_eq(finish(ticker), 0);
    ck_assert_int_eq(finish(getter), 'y');
    ck_assert_int_eq(finish(putter), 0);
    ck_assert_trace("tick tick tick tick tick got");
    green_ipc_queue_destroy(queue);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        nothing_lost_or_doubled_small,
        nothing_lost_or_doubled,
        bounds,
        cancelled_waiters_leave,
        closed,
        join_waits_for_the_work,
        loop_goes_on,
    };
    return PROCESSES ? RUN_TESTS("ipc queue", tests) : SKIPPED;
}
