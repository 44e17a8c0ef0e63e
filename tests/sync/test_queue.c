/*
 * Queues between workers: the order of those who wait, and that no item is lost or comes twice.
 */
#include "workers.h"

static struct green_queue queue = GREEN_QUEUE_INIT(0);

static void
put(int number)
{
    ck_assert_int_eq(green_queue_put(&queue, POINTER(number), GREEN_NOW), 0);
}

static int
get(void)
{
    void *item = NULL;
    int err = green_queue_get(&queue, &item, GREEN_NOW);
    return err != 0 ? err : NUMBER(item);
}

/** By their hundreds alone. */
static int
by_hundreds(const void *a, const void *b)
{
    return NUMBER(a) / 100 - NUMBER(b) / 100;
}

/* ---- who waits ---- */

static intptr_t
get_and_note(void *arg)
{
    (void)arg;
    void *item = NULL;
    int err = green_queue_get(&queue, &item, green_after(LONG_MS));
    if (err == 0) {
        char label[16];
        snprintf(label, sizeof label, "%d", NUMBER(item));
        mark(label);
    }
    return err != 0 ? err : NUMBER(item);
}

static intptr_t
put_it(void *number)
{
    return green_queue_put(&queue, number, green_after(LONG_MS));
}

/** Until `count` workers wait to put. */
static struct green_job *
spawn_putter(enum green_kind kind, int number)
{
    int before = length_of(&queue.getters, &queue.putters);
    struct green_job *job = spawn(kind, put_it, POINTER(number));
    for (int i = 0; i < LONG_MS && length_of(&queue.getters, &queue.putters) == before; i++) {
        green_sleep(1);
    }
    ck_assert_int_eq(length_of(&queue.getters, &queue.putters), before + 1);
    return job;
}

START_TEST(items_go_to_who_has_waited_longest)
{
    struct green_job *jobs[4];
    for (int i = 0; i < 4; i++) {
        jobs[i] = spawn_until_waiting(i % 2 ? GREEN_THREAD : GREEN_TASK, get_and_note, NULL,
                                      &queue.getters);
    }
    for (int i = 0; i < 4; i++) {
        put(10 + i);
        ck_assert_int_eq(get(), -ETIMEDOUT); /* it is another's already */
        ck_assert(green_queue_empty(&queue));
    }
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(finish(jobs[i]), 10 + i);
    }
}
END_TEST

START_TEST(room_goes_to_who_has_waited_longest)
{
    green_queue_init(&queue, 2);
    put(1);
    ck_assert(!green_queue_full(&queue));
    put(2);
    ck_assert(green_queue_full(&queue));
    ck_assert_int_eq(green_queue_put(&queue, NULL, GREEN_NOW), -ETIMEDOUT);
    ck_assert_int_eq(green_queue_put(&queue, NULL, green_after(1)), -ETIMEDOUT);
    struct green_job *jobs[3];
    for (int i = 0; i < 3; i++) {
        jobs[i] = spawn_putter(i % 2 ? GREEN_THREAD : GREEN_TASK, 3 + i);
    }
    for (int i = 1; i <= 5; i++) {
        ck_assert_int_eq(get(), i);
        if (i <= 3) { /* the room is another's already */
            ck_assert_int_eq(green_queue_put(&queue, NULL, GREEN_NOW), -ETIMEDOUT);
        }
    }
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(finish(jobs[i]), 0);
    }
    green_queue_fini(&queue);
}
END_TEST

START_TEST(waiting_item_takes_its_place_in_the_order)
{
    green_queue_init_priority(&queue, 1, by_hundreds);
    put(500);
    struct green_job *late = spawn_putter(GREEN_TASK, 300);
    struct green_job *later = spawn_putter(GREEN_TASK, 100);
    ck_assert_int_eq(get(), 500);
    ck_assert_int_eq(get(), 300); /* what waits outside is not in the queue */
    ck_assert_int_eq(get(), 100);
    ck_assert_int_eq(finish(late), 0);
    ck_assert_int_eq(finish(later), 0);
    green_queue_fini(&queue);
}
END_TEST

/* ---- who gives up ---- */

START_TEST(cancelled_waiters_take_and_leave_nothing)
{
    static const enum green_kind kinds[] = {GREEN_TASK, GREEN_THREAD};
    green_queue_init(&queue, 1);
    for (int i = 0; i < 2; i++) {
        struct green_job *getter =
            spawn_until_waiting(kinds[i], get_and_note, NULL, &queue.getters);
        green_job_cancel(getter);
        ck_assert_int_eq(finish(getter), -ECANCELED);
        put(1);
        struct green_job *putter = spawn_putter(kinds[i], 2);
        green_job_cancel(putter);
        ck_assert_int_eq(finish(putter), -ECANCELED);
        ck_assert_int_eq(get(), 1);
        ck_assert_int_eq(get(), -ETIMEDOUT);
    }
    ck_assert_int_eq(green_queue_task_done(&queue), 0); /* two were put */
    ck_assert_int_eq(green_queue_task_done(&queue), 0);
    ck_assert_int_eq(green_queue_task_done(&queue), -EINVAL);
    ck_assert_trace("");
}
END_TEST

START_TEST(what_was_handed_over_is_kept)
{
    green_queue_init(&queue, 1);
    for (int cancel_first = 0; cancel_first < 2; cancel_first++) {
        struct green_job *getter =
            spawn_until_waiting(GREEN_TASK, get_and_note, NULL, &queue.getters);
        if (cancel_first) {
            green_job_cancel(getter);
        }
        put(40 + cancel_first);
        if (!cancel_first) {
            green_job_cancel(getter);
        }
        ck_assert_int_eq(finish(getter), 40 + cancel_first);
        put(1);
        struct green_job *putter = spawn_putter(GREEN_TASK, 2);
        if (cancel_first) {
            green_job_cancel(putter);
        }
        ck_assert_int_eq(get(), 1);
        if (!cancel_first) {
            green_job_cancel(putter);
        }
        ck_assert_int_eq(finish(putter), 0);
        ck_assert_int_eq(get(), 2);
    }
}
END_TEST

/* ---- work ---- */

static intptr_t
join_queue(void *arg)
{
    int err = green_queue_join(arg, green_after(LONG_MS));
    mark("joined");
    return err;
}

START_TEST(join_waits_for_the_work)
{
    ck_assert_int_eq(green_queue_join(&queue, GREEN_NOW), 0);
    ck_assert_int_eq(green_queue_task_done(&queue), -EINVAL);
    /* Put into the queue, and handed to one who waits: both count. */
    struct green_job *getter = spawn_until_waiting(GREEN_TASK, get_and_note, NULL, &queue.getters);
    put(1);
    put(2);
    ck_assert_int_eq(finish(getter), 1);
    ck_assert_int_eq(get(), 2);
    ck_assert_int_eq(green_queue_join(&queue, GREEN_NOW), -ETIMEDOUT);
    ck_assert_int_eq(green_queue_join(&queue, green_after(1)), -ETIMEDOUT);
    struct green_job *task = spawn(GREEN_TASK, join_queue, &queue);
    struct green_job *thread = spawn(GREEN_THREAD, join_queue, &queue);
    struct green_job *cancelled = spawn(GREEN_TASK, join_queue, &queue);
    for (int i = 0; i < LONG_MS && length_of(&queue.getters, &queue.joiners) < 3; i++) {
        green_sleep(1);
    }
    green_job_cancel(cancelled);
    ck_assert_int_eq(finish(cancelled), -ECANCELED);
    ck_assert_int_eq(green_queue_task_done(&queue), 0);
    mark("done");
    green_yield();
    ck_assert_int_eq(length_of(&queue.getters, &queue.joiners), 2);
    ck_assert_int_eq(green_queue_task_done(&queue), 0);
    ck_assert_int_eq(green_queue_task_done(&queue), -EINVAL);
    ck_assert_int_eq(finish(task), 0);
    ck_assert_int_eq(finish(thread), 0);
    ck_assert_trace("1 joined done joined joined");
}
END_TEST

/* ---- the end ---- */

START_TEST(closed_queue_gives_what_it_has)
{
    green_queue_init(&queue, 2);
    put(1);
    put(2);
    struct green_job *task = spawn_putter(GREEN_TASK, 3);
    struct green_job *thread = spawn_putter(GREEN_THREAD, 4);
    ck_assert(!green_queue_closed(&queue));
    green_queue_close(&queue);
    green_queue_close(&queue);
    ck_assert(green_queue_closed(&queue));
    ck_assert_int_eq(finish(task), -EPIPE);
    ck_assert_int_eq(finish(thread), -EPIPE);
    ck_assert_int_eq(green_queue_put(&queue, NULL, GREEN_FOREVER), -EPIPE);
    ck_assert_int_eq(get(), 1);
    ck_assert_int_eq(get(), 2);
    void *item = &item;
    ck_assert_int_eq(green_queue_get(&queue, &item, GREEN_FOREVER), -EPIPE);
    ck_assert_ptr_eq(item, &item);
    ck_assert_int_eq(green_queue_task_done(&queue), 0);
    ck_assert_int_eq(green_queue_task_done(&queue), 0);
    ck_assert_int_eq(green_queue_task_done(&queue), -EINVAL);
    green_queue_fini(&queue);
}
END_TEST

START_TEST(close_sends_getters_away)
{
    struct green_job *task = spawn_until_waiting(GREEN_TASK, get_and_note, NULL, &queue.getters);
    struct green_job *thread =
        spawn_until_waiting(GREEN_THREAD, get_and_note, NULL, &queue.getters);
    green_queue_close(&queue);
    ck_assert_int_eq(finish(task), -EPIPE);
    ck_assert_int_eq(finish(thread), -EPIPE);
}
END_TEST

static void
note_drop(void *item, void *arg)
{
    char label[16];
    snprintf(label, sizeof label, "%d", NUMBER(item));
    mark(label);
    ++*(int *)arg;
}

START_TEST(close_now_drops_what_it_has)
{
    for (int i = 1; i <= 4; i++) {
        put(i);
    }
    ck_assert_int_eq(get(), 1);
    struct green_job *joiner = spawn(GREEN_TASK, join_queue, &queue);
    green_yield();
    int drops = 0;
    green_queue_close_now(&queue, note_drop, &drops);
    ck_assert_int_eq(drops, 3);
    ck_assert_int_eq(get(), -EPIPE);
    /* One was taken before, and its work goes on. */
    ck_assert_int_eq(length_of(&queue.getters, &queue.joiners), 1);
    ck_assert_int_eq(green_queue_task_done(&queue), 0);
    ck_assert_int_eq(finish(joiner), 0);
    ck_assert_trace("2 3 4 joined");
    green_queue_close_now(&queue, NULL, NULL);
    green_queue_fini(&queue);
}
END_TEST

/* ---- many ---- */

struct traffic {
    struct green_queue queue;
    int rounds;
    bool hurried;
    _Atomic unsigned char seen[12 * 4000];
    atomic_int put;
    atomic_int got;
};

#define PRODUCERS 6

/* Producers put numbers in rising order; consumers see each once, each producer's in order. */
static intptr_t
produce_or_consume(void *arg)
{
    const struct worker *worker = arg;
    struct traffic *traffic = worker->shared;
    bool producer = worker->index < PRODUCERS;
    int last[PRODUCERS] = {0};
    for (int i = 1; i <= traffic->rounds;) {
        green_deadline deadline =
            traffic->hurried
                ? green_after(0) + (green_deadline)((i * 7 + worker->index) % 64) * 1000
                : green_after(LONG_MS);
        void *item = POINTER(worker->index * traffic->rounds + i - 1);
        int err = producer ? green_queue_put(&traffic->queue, item, deadline)
                           : green_queue_get(&traffic->queue, &item, deadline);
        if (err == -ETIMEDOUT && traffic->hurried) {
            continue;
        }
        if (err != 0) {
            return 1;
        }
        i++;
        atomic_fetch_add(producer ? &traffic->put : &traffic->got, 1);
        if (!producer) {
            int number = NUMBER(item);
            int *previous = &last[number / traffic->rounds];
            if (atomic_fetch_add(&traffic->seen[number], 1) != 0 || number + 1 <= *previous) {
                return 2;
            }
            *previous = number + 1;
        }
    }
    return 0;
}

static void
nothing_is_lost(enum mixture mixture)
{
    static struct traffic traffic;
    for (int variant = 0; variant < 6; variant++) {
        memset(&traffic, 0, sizeof traffic);
        traffic.rounds = stress(1000, 50);
        traffic.hurried = variant >= 3;
        green_queue_init(&traffic.queue, (size_t)(variant % 3) * 2);
        ck_assert_int_eq(run_workers(mixture, 2 * PRODUCERS, produce_or_consume, &traffic), 0);
        ck_assert_int_eq(atomic_load(&traffic.put), PRODUCERS * traffic.rounds);
        ck_assert_int_eq(atomic_load(&traffic.got), PRODUCERS * traffic.rounds);
        ck_assert(green_queue_empty(&traffic.queue));
        green_queue_fini(&traffic.queue);
    }
}
TEST_EACH_MIXTURE(nothing_is_lost)

/* ---- misuse ---- */

static void
end_with_getter(void)
{
    green_spawn(get_and_note, NULL, NULL);
    green_yield();
    green_queue_fini(&queue);
}

static void
end_with_putter(void)
{
    green_queue_init(&queue, 1);
    green_queue_put(&queue, NULL, GREEN_NOW);
    green_spawn(put_it, NULL, NULL);
    green_yield();
    green_queue_fini(&queue);
}

static void
end_with_joiner(void)
{
    green_queue_put(&queue, NULL, GREEN_NOW);
    green_spawn(join_queue, &queue, NULL);
    green_yield();
    green_queue_fini(&queue);
}

static void
make_one_without_order(void)
{
    green_queue_init_priority(&queue, 0, NULL);
}

START_TEST(misuse_aborts)
{
    ck_assert_misuse(end_with_getter, "green_queue_fini: somebody waits for it");
    ck_assert_misuse(end_with_putter, "green_queue_fini: somebody waits for it");
    ck_assert_misuse(end_with_joiner, "green_queue_fini: somebody waits for it");
    ck_assert_misuse(make_one_without_order, "green_queue_init_priority: no order");
}
END_TEST

/* ---- nobody waits: no lock is taken ---- */

enum { LANES = 3 };

static int lane_length;

/** Put numbers that say which lane they are of, in rising order. */
static intptr_t
fill_lane(void *lane)
{
    for (int i = 1; i <= lane_length; i++) {
        int err = green_queue_put(&queue, POINTER(i * LANES + NUMBER(lane)), GREEN_FOREVER);
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

/** What each lane put comes in the order in which it was put, however the lanes meet. */
static void
check_lanes(size_t capacity)
{
    struct green_job *jobs[LANES];
    int last[LANES] = {0};
    green_queue_init(&queue, capacity);
    for (int i = 0; i < LANES; i++) {
        jobs[i] = spawn(GREEN_THREAD, fill_lane, POINTER(i));
    }
    for (int i = 0; i < LANES * lane_length; i++) {
        void *item = NULL;
        ck_assert_int_eq(green_queue_get(&queue, &item, GREEN_FOREVER), 0);
        ck_assert_int_eq(NUMBER(item) / LANES, ++last[NUMBER(item) % LANES]);
        ck_assert_int_eq(green_queue_task_done(&queue), 0);
    }
    for (int i = 0; i < LANES; i++) {
        ck_assert_int_eq(finish(jobs[i]), 0);
    }
    ck_assert_int_eq(green_queue_task_done(&queue), -EINVAL);
    ck_assert_int_eq(green_queue_join(&queue, GREEN_NOW), 0);
    green_queue_fini(&queue);
}

START_TEST(each_puts_in_its_order)
{
    lane_length = stress(100000, 2000);
    check_lanes(0); /* the ring grows under way */
    lane_length /= 20;
    check_lanes(1);
    check_lanes(100);
}
END_TEST

START_TEST(lock_is_not_taken)
{
    /* With the lock in somebody's hands all that nobody waits for goes on; nothing else would. */
    for (int i = 0; i < 2; i++) {
        void *item = NULL;
        green_queue_init(&queue, 2);
        queue.lifo = i == 1;
        ck_assert_int_eq(green_queue_put(&queue, NULL, GREEN_FOREVER), 0); /* there is a ring now */
        ck_assert_int_eq(green_queue_get(&queue, &item, GREEN_FOREVER), 0);
        ck_assert_int_eq(green_queue_task_done(&queue), 0);
        green__waiters_lock(&queue.getters);
        put(1);
        put(2);
        ck_assert_int_eq(green_queue_put(&queue, NULL, GREEN_NOW), -ETIMEDOUT);
        ck_assert_int_eq(green_queue_join(&queue, GREEN_NOW), -ETIMEDOUT);
        ck_assert_int_eq(get(), i == 1 ? 2 : 1);
        ck_assert_int_eq(get(), i == 1 ? 1 : 2);
        ck_assert_int_eq(get(), -ETIMEDOUT);
        ck_assert_int_eq(green_queue_task_done(&queue), 0);
        ck_assert_int_eq(green_queue_task_done(&queue), 0);
        ck_assert_int_eq(green_queue_task_done(&queue), -EINVAL);
        ck_assert_int_eq(green_queue_join(&queue, GREEN_FOREVER), 0);
        green__waiters_unlock(&queue.getters);
        green_queue_fini(&queue);
    }
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        items_go_to_who_has_waited_longest,
        room_goes_to_who_has_waited_longest,
        waiting_item_takes_its_place_in_the_order,
        cancelled_waiters_take_and_leave_nothing,
        what_was_handed_over_is_kept,
        join_waits_for_the_work,
        closed_queue_gives_what_it_has,
        close_sends_getters_away,
        close_now_drops_what_it_has,
        EACH_MIXTURE(nothing_is_lost),
        each_puts_in_its_order,
        lock_is_not_taken,
        misuse_aborts,
    };
    return RUN_TESTS("queue", tests);
}
