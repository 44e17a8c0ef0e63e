/*
 * Objects between processes when somebody dies: at a known place, and at any instruction.
 */
#include "ipc_crowd.h"

struct scene {
    struct green_ipc_mutex *mutex;
    struct green_ipc_condition *condition;
    struct green_ipc_semaphore *semaphore;
    struct green_ipc_event *event;
    struct green_ipc_barrier *barrier;
    struct green_ipc_queue *queue;
    atomic_int there;
    atomic_int done;
    atomic_int orphans;
    volatile long first;
    volatile long second;
};

static struct scene *
make_scene(void)
{
    struct scene *scene = shared_memory(sizeof *scene);
    ck_assert_int_eq(green_ipc_mutex_create(&scene->mutex), 0);
    ck_assert_int_eq(green_ipc_condition_create(scene->mutex, &scene->condition), 0);
    ck_assert_int_eq(green_ipc_semaphore_create(0, &scene->semaphore), 0);
    ck_assert_int_eq(green_ipc_event_create(&scene->event), 0);
    ck_assert_int_eq(green_ipc_barrier_create(3, &scene->barrier), 0);
    ck_assert_int_eq(green_ipc_queue_create(4, sizeof(long), &scene->queue), 0);
    return scene;
}

/* ---- holders ---- */

static intptr_t
hold_for_ever(void *arg)
{
    struct scene *scene = arg;
    int err = green_ipc_mutex_lock(scene->mutex, green_after(LONG_MS));
    atomic_fetch_add(&scene->there, 1);
    green_sleep(60 * LONG_MS);
    return err;
}

static intptr_t
lock_once(void *arg)
{
    struct scene *scene = arg;
    int err = green_ipc_mutex_lock(scene->mutex, green_after(LONG_MS));
    atomic_fetch_add(&scene->orphans, err == -EOWNERDEAD);
    if (err == 0 || err == -EOWNERDEAD) {
        green_ipc_mutex_unlock(scene->mutex);
    }
    return err == -EOWNERDEAD ? 0 : err;
}

START_TEST(next_locker_learns_it)
{
    struct scene *scene = make_scene();
    struct green_job *holder = spawn(GREEN_PROCESS, hold_for_ever, scene);
    ck_assert(until_counts(&scene->there, 1));
    ck_assert_int_eq(green_ipc_mutex_lock(scene->mutex, GREEN_NOW), -ETIMEDOUT);
    destroy_process(holder);
    ck_assert_int_eq(green_ipc_mutex_lock(scene->mutex, GREEN_NOW), -EOWNERDEAD);
    ck_assert(green_ipc_mutex_mine(scene->mutex));
    green_ipc_mutex_unlock(scene->mutex);
    ck_assert_int_eq(green_ipc_mutex_lock(scene->mutex, GREEN_NOW), 0);
    green_ipc_mutex_unlock(scene->mutex);
}
END_TEST

START_TEST(a_waiter_of_each_kind_learns_it)
{
    static const enum green_kind kinds[] = {GREEN_TASK, GREEN_THREAD, GREEN_PROCESS};
    for (int i = 0; i < 3; i++) {
        struct scene *scene = make_scene();
        struct green_job *waiters[3];
        struct green_job *holder = spawn(GREEN_PROCESS, hold_for_ever, scene);
        ck_assert(until_counts(&scene->there, 1));
        for (int j = 0; j < 3; j++) {
            waiters[j] = spawn(kinds[(i + j) % 3], lock_once, scene);
        }
        green_sleep(20);
        ck_assert_int_eq(green_job_terminate(holder, SIGKILL), 0);
        for (int j = 0; j < 3; j++) {
            ck_assert_int_eq(finish(waiters[j]), 0);
        }
        ck_assert_int_eq(atomic_load(&scene->orphans), 1);
        green_job_put(holder);
    }
}
END_TEST

START_TEST(a_process_that_ends_holding_it)
{
    struct scene *scene = make_scene();
    struct green_job *job = spawn(GREEN_PROCESS, hold_for_ever, scene);
    ck_assert(until_counts(&scene->there, 1));
    struct green_job *waiter = spawn(GREEN_PROCESS, lock_once, scene);
    ck_assert(until_asleep(waiter));
    green_job_cancel(job); /* it returns, and never unlocks */
    ck_assert_int_eq(finish(job), 0);
    ck_assert_int_eq(finish(waiter), 0);
    ck_assert_int_eq(atomic_load(&scene->orphans), 1);
}
END_TEST

/* ---- waiters ---- */

START_TEST(a_dead_waiter_is_passed_over)
{
    struct scene *scene = make_scene();
    struct green_job *waiters[3];
    ck_assert_int_eq(green_ipc_mutex_lock(scene->mutex, GREEN_NOW), 0);
    for (int i = 0; i < 3; i++) {
        waiters[i] = spawn(GREEN_PROCESS, lock_once, scene);
        ck_assert(until_asleep(waiters[i]));
    }
    destroy_process(waiters[1]);
    ck_assert_int_eq(green_job_terminate(waiters[0], SIGKILL), 0);
    green_ipc_mutex_unlock(scene->mutex); /* perhaps to one who is dead and not known to be */
    ck_assert_int_eq(finish(waiters[2]), 0);
    ck_assert_int_eq(green_job_join(waiters[0], NULL, green_after(LONG_MS)), -EOWNERDEAD);
    green_job_put(waiters[0]);
    /* It never came to hold it, or not knowingly. */
    ck_assert_int_le(atomic_load(&scene->orphans), 1);
}
END_TEST

/* Stopped, it is given the mutex and does not take it; then it dies. */
START_TEST(what_was_handed_to_the_dead_goes_on)
{
    struct scene *scene = make_scene();
    ck_assert_int_eq(green_ipc_mutex_lock(scene->mutex, GREEN_NOW), 0);
    struct green_job *first = spawn(GREEN_PROCESS, lock_once, scene);
    ck_assert(until_asleep(first));
    struct green_job *second = spawn(GREEN_PROCESS, lock_once, scene);
    ck_assert(until_asleep(second));
    ck_assert_int_eq(green_job_terminate(first, SIGSTOP), 0);
    green_ipc_mutex_unlock(scene->mutex);
    destroy_process(first);
    ck_assert_int_eq(finish(second), 0);
    ck_assert_int_eq(atomic_load(&scene->orphans), 0); /* nobody died holding it */
}
END_TEST

static intptr_t
acquire_once(void *arg)
{
    return green_ipc_semaphore_acquire(((struct scene *)arg)->semaphore, green_after(LONG_MS));
}

START_TEST(a_unit_handed_to_the_dead_goes_on)
{
    struct scene *scene = make_scene();
    struct green_job *first = spawn(GREEN_PROCESS, acquire_once, scene);
    ck_assert(until_asleep(first));
    struct green_job *second = spawn(GREEN_PROCESS, acquire_once, scene);
    ck_assert(until_asleep(second));
    ck_assert_int_eq(green_job_terminate(first, SIGSTOP), 0);
    ck_assert_int_eq(green_ipc_semaphore_release(scene->semaphore), 0);
    destroy_process(first);
    ck_assert_int_eq(finish(second), 0);
    ck_assert_uint_eq(green_ipc_semaphore_value(scene->semaphore), 0);
}
END_TEST

static intptr_t
await_notification(void *arg)
{
    struct scene *scene = arg;
    int err = green_ipc_mutex_lock(scene->mutex, green_after(LONG_MS));
    if (err == 0) {
        atomic_fetch_add(&scene->there, 1);
        err = green_ipc_condition_wait(scene->condition, green_after(LONG_MS));
        green_ipc_mutex_unlock(scene->mutex);
    }
    return err;
}

START_TEST(a_notification_of_the_dead_goes_on)
{
    struct scene *scene = make_scene();
    struct green_job *first = spawn(GREEN_PROCESS, await_notification, scene);
    ck_assert(until_asleep(first));
    struct green_job *second = spawn(GREEN_PROCESS, await_notification, scene);
    ck_assert(until_asleep(second));
    ck_assert_int_eq(green_job_terminate(first, SIGSTOP), 0);
    ck_assert_int_eq(green_ipc_mutex_lock(scene->mutex, green_after(LONG_MS)), 0);
    ck_assert_int_eq(green_ipc_condition_notify(scene->condition, 1), 0);
    green_ipc_mutex_unlock(scene->mutex);
    destroy_process(first);
    ck_assert_int_eq(finish(second), 0);
}
END_TEST

static intptr_t
meet_once(void *arg)
{
    return green_ipc_barrier_wait(((struct scene *)arg)->barrier, NULL, green_after(LONG_MS));
}

START_TEST(a_barrier_breaks)
{
    struct scene *scene = make_scene();
    struct green_job *first = spawn(GREEN_PROCESS, meet_once, scene);
    ck_assert(until_asleep(first));
    struct green_job *second = spawn(GREEN_PROCESS, meet_once, scene);
    ck_assert(until_asleep(second));
    destroy_process(first);
    ck_assert_int_eq(finish(second), -EPIPE);
    ck_assert_int_eq(meet_once(scene), -EPIPE);
}
END_TEST

/* ---- queues ---- */

static intptr_t
get_long(void *arg)
{
    long item = 0;
    ssize_t got =
        green_ipc_queue_get(((struct scene *)arg)->queue, &item, sizeof item, green_after(LONG_MS));
    return got == sizeof item ? item : got;
}

START_TEST(an_item_promised_to_the_dead_goes_on)
{
    struct scene *scene = make_scene();
    long item = 7;
    struct green_job *first = spawn(GREEN_PROCESS, get_long, scene);
    ck_assert(until_asleep(first));
    struct green_job *second = spawn(GREEN_PROCESS, get_long, scene);
    ck_assert(until_asleep(second));
    ck_assert_int_eq(green_job_terminate(first, SIGSTOP), 0);
    ck_assert_int_eq(green_ipc_queue_put(scene->queue, &item, sizeof item, GREEN_NOW), 0);
    destroy_process(first);
    ck_assert_int_eq(finish(second), 7);
}
END_TEST

START_TEST(an_item_promised_to_the_dead_can_be_polled)
{
    struct scene *scene = make_scene();
    long item = 7;
    struct green_job *first = spawn(GREEN_PROCESS, get_long, scene);
    ck_assert(until_asleep(first));
    ck_assert_int_eq(green_job_terminate(first, SIGSTOP), 0);
    ck_assert_int_eq(green_ipc_queue_put(scene->queue, &item, sizeof item, GREEN_NOW), 0);
    ck_assert_int_eq(green_ipc_queue_get(scene->queue, &item, sizeof item, GREEN_NOW), -ETIMEDOUT);
    destroy_process(first);
    ck_assert_int_eq(green_ipc_queue_get(scene->queue, &item, sizeof item, GREEN_NOW), 8);
}
END_TEST

static intptr_t
get_and_idle(void *arg)
{
    struct scene *scene = arg;
    intptr_t got = get_long(scene);
    atomic_fetch_add(&scene->there, 1);
    green_sleep(60 * LONG_MS);
    return got;
}

START_TEST(join_learns_of_lost_work)
{
    struct scene *scene = make_scene();
    long item = 7;
    ck_assert_int_eq(green_ipc_queue_put(scene->queue, &item, sizeof item, GREEN_NOW), 0);
    struct green_job *worker = spawn(GREEN_PROCESS, get_and_idle, scene);
    ck_assert(until_counts(&scene->there, 1));
    ck_assert_int_eq(green_ipc_queue_join(scene->queue, green_after(5)), -ETIMEDOUT);
    destroy_process(worker);
    ck_assert_int_eq(green_ipc_queue_join(scene->queue, green_after(LONG_MS)), -EOWNERDEAD);
    ck_assert_int_eq(green_ipc_queue_join(scene->queue, GREEN_NOW), 0);
    ck_assert_int_eq(green_ipc_queue_task_done(scene->queue), -EINVAL);
}
END_TEST

/* ---- at any instruction ---- */

/** Keep first and second equal, whoever dies between the two. */
static intptr_t
change_both(void *arg)
{
    struct scene *scene = ((struct member *)arg)->shared;
    while (atomic_load(&scene->done) == 0) {
        int err = green_ipc_mutex_lock(scene->mutex, green_after(LONG_MS));
        if (err == -EOWNERDEAD) {
            atomic_fetch_add(&scene->orphans, 1);
            scene->second = scene->first;
        } else if (err != 0) {
            return err;
        }
        if (scene->first != scene->second) {
            green_ipc_mutex_unlock(scene->mutex);
            return -EPROTO;
        }
        scene->first++;
        for (unsigned i = any_below(20000); i > 0; i--) {
            atomic_signal_fence(memory_order_seq_cst); /* so long that some die here */
        }
        scene->second++;
        green_ipc_mutex_unlock(scene->mutex);
        atomic_fetch_add(&scene->there, 1);
    }
    return 0;
}

static intptr_t
use_everything(void *arg)
{
    const struct member *me = arg;
    struct scene *scene = me->shared;
    long item = me->index;
    int err = 0;
    while (atomic_load(&scene->done) == 0 && err == 0) {
        switch (any_below(6)) {
        case 0:
            err = green_ipc_semaphore_acquire(scene->semaphore, green_after(1));
            break;
        case 1:
            err = green_ipc_semaphore_release(scene->semaphore);
            break;
        case 2:
            err = green_ipc_queue_put(scene->queue, &item, sizeof item, green_after(1));
            break;
        case 3: {
            ssize_t got = green_ipc_queue_get(scene->queue, &item, sizeof item, green_after(1));
            err = got == sizeof item ? 0 : (int)got;
            break;
        }
        case 4:
            err = any_below(2) == 0 ? green_ipc_event_set(scene->event)
                                    : green_ipc_event_clear(scene->event);
            break;
        default:
            err = green_ipc_event_wait(scene->event, green_after(1));
            break;
        }
        err = err == -ETIMEDOUT ? 0 : err;
        atomic_fetch_add(&scene->there, 1);
    }
    return err;
}

/** Let processes of the crowd work, and kill one after the other at random moments, each replaced;
 *  then all that are left come to an end. */
static void
massacre(struct scene *scene, green_entry entry, int deaths)
{
    struct green_job *jobs[HOUSES];
    for (int i = 0; i < CROWD; i++) {
        crowd[i] = (struct member){i, scene, entry};
    }
    for (int i = 0; i < HOUSES; i++) {
        jobs[i] = spawn(GREEN_PROCESS, run_process, &crowd[i * CROWD / HOUSES]);
    }
    for (int i = 0; i < deaths; i++) {
        int before = atomic_load(&scene->there);
        usleep(any_below(3000));
        ck_assert_int_eq(green_job_terminate(jobs[i % HOUSES], SIGKILL), 0);
        ck_assert_msg(until_counts(&scene->there, before + 20), "nothing moves after death %d", i);
        ck_assert_int_eq(green_job_join(jobs[i % HOUSES], NULL, green_after(LONG_MS)), -EOWNERDEAD);
        green_job_put(jobs[i % HOUSES]);
        jobs[i % HOUSES] = spawn(GREEN_PROCESS, run_process, &crowd[i % HOUSES * CROWD / HOUSES]);
    }
    atomic_store(&scene->done, 1);
    for (int i = 0; i < HOUSES; i++) {
        ck_assert_int_eq(finish(jobs[i]), 0);
    }
}

START_TEST(mutex_survives_a_massacre)
{
    struct scene *scene = make_scene();
    massacre(scene, change_both, stress(200, 20));
    /* Some of those who died held it: how many, is luck. */
    printf("%d died with the mutex\n", atomic_load(&scene->orphans));
    int err = green_ipc_mutex_lock(scene->mutex, green_after(LONG_MS));
    ck_assert(err == 0 || err == -EOWNERDEAD);
    green_ipc_mutex_unlock(scene->mutex);
}
END_TEST

START_TEST(everything_survives_a_massacre)
{
    struct scene *scene = make_scene();
    massacre(scene, use_everything, stress(200, 20));
    /* The queue is whole: it can be emptied, and filled up to its capacity. */
    long item;
    ssize_t got;
    int left = (int)green_ipc_queue_size(scene->queue);
    for (int i = 0; i < left; i++) {
        ck_assert_int_eq(green_ipc_queue_get(scene->queue, &item, sizeof item, GREEN_NOW), 8);
        ck_assert_int_ge(item, 0);
        ck_assert_int_lt(item, CROWD);
    }
    got = green_ipc_queue_get(scene->queue, &item, sizeof item, GREEN_NOW);
    ck_assert_int_eq(got, -ETIMEDOUT);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(green_ipc_queue_put(scene->queue, &item, sizeof item, GREEN_NOW), 0);
    }
    ck_assert_int_eq(green_ipc_queue_put(scene->queue, &item, sizeof item, GREEN_NOW), -ETIMEDOUT);
}
END_TEST

/** Barriers and conditions, as far as they come before somebody dies. */
static intptr_t
meet_and_notify(void *arg)
{
    struct scene *scene = ((struct member *)arg)->shared;
    int err = 0;
    while (atomic_load(&scene->done) == 0 && err == 0) {
        err = green_ipc_barrier_wait(scene->barrier, NULL, green_after(2));
        if (err == -EPIPE || err == -ETIMEDOUT) {
            err = green_ipc_barrier_reset(scene->barrier);
        }
        if (err != 0) {
            return err;
        }
        err = green_ipc_mutex_lock(scene->mutex, green_after(LONG_MS));
        if (err == 0 || err == -EOWNERDEAD) {
            err = any_below(2) == 0 ? green_ipc_condition_notify(scene->condition, 2)
                                    : green_ipc_condition_wait(scene->condition, green_after(2));
            green_ipc_mutex_unlock(scene->mutex);
        }
        err = err == -ETIMEDOUT || err == -EOWNERDEAD ? 0 : err;
        atomic_fetch_add(&scene->there, 1);
    }
    return err;
}

START_TEST(meetings_survive_a_massacre)
{
    massacre(make_scene(), meet_and_notify, stress(200, 20));
}
END_TEST

/* More processes than take part at a time: the places of the dead are given away. */
START_TEST(many_generations)
{
    struct scene *scene = make_scene();
    for (int i = 0; i < stress(600, 300); i++) {
        ck_assert_int_eq(finish(spawn(GREEN_PROCESS, lock_once, scene)), 0);
    }
    ck_assert_int_eq(atomic_load(&scene->orphans), 0);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        next_locker_learns_it,
        a_waiter_of_each_kind_learns_it,
        a_process_that_ends_holding_it,
        a_dead_waiter_is_passed_over,
        what_was_handed_to_the_dead_goes_on,
        a_unit_handed_to_the_dead_goes_on,
        a_notification_of_the_dead_goes_on,
        a_barrier_breaks,
        an_item_promised_to_the_dead_goes_on,
        an_item_promised_to_the_dead_can_be_polled,
        join_learns_of_lost_work,
        mutex_survives_a_massacre,
        everything_survives_a_massacre,
        meetings_survive_a_massacre,
        many_generations,
    };
    return PROCESSES ? RUN_TESTS("ipc death", tests) : SKIPPED;
}
