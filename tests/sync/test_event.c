/*
 * Events: all go on, none misses a set, and every way that a wait ends.
 */
#include "workers.h"

static struct green_event event = GREEN_EVENT_INIT;

static intptr_t
wait_and_note(void *label)
{
    int err = green_event_wait(&event, green_after(LONG_MS));
    if (err == 0) {
        mark(label);
    }
    return err;
}

START_TEST(event_lets_all_go_in_their_order)
{
    static char labels[3][2] = {"a", "b", "c"};
    struct green_job *jobs[3];
    ck_assert(!green_event_is_set(&event));
    for (int i = 0; i < 3; i++) {
        jobs[i] = spawn_until_waiting(GREEN_TASK, wait_and_note, labels[i], &event.waiters);
    }
    green_event_set(&event);
    ck_assert(green_event_is_set(&event));
    ck_assert_int_eq(green_event_wait(&event, GREEN_NOW), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(finish(jobs[i]), 0);
    }
    ck_assert_trace("a b c");
}
END_TEST

START_TEST(event_cleared_at_once_has_let_go)
{
    struct green_job *task =
        spawn_until_waiting(GREEN_TASK, wait_and_note, (void *)"task", &event.waiters);
    struct green_job *thread =
        spawn_until_waiting(GREEN_THREAD, wait_and_note, (void *)"thread", &event.waiters);
    green_event_set(&event);
    green_event_set(&event);
    green_event_clear(&event);
    green_event_clear(&event);
    ck_assert_int_eq(green_event_wait(&event, GREEN_NOW), -ETIMEDOUT);
    ck_assert_int_eq(finish(task), 0);
    ck_assert_int_eq(finish(thread), 0);
    ck_assert_int_eq(green_event_wait(&event, green_after(1)), -ETIMEDOUT);
    green_event_fini(&event);
}
END_TEST

START_TEST(event_waiter_is_cancelled)
{
    struct green_job *task =
        spawn_until_waiting(GREEN_TASK, wait_and_note, (void *)"task", &event.waiters);
    struct green_job *thread =
        spawn_until_waiting(GREEN_THREAD, wait_and_note, (void *)"thread", &event.waiters);
    green_job_cancel(task);
    green_job_cancel(thread);
    ck_assert_int_eq(finish(task), -ECANCELED);
    ck_assert_int_eq(finish(thread), -ECANCELED);
    /* Set first, cancelled then: it was let go. */
    task = spawn_until_waiting(GREEN_TASK, wait_and_note, (void *)"kept", &event.waiters);
    green_event_set(&event);
    green_job_cancel(task);
    ck_assert_int_eq(finish(task), 0);
    ck_assert_trace("kept");
}
END_TEST

/* Two sides let each other go in turn, by two events. */
struct turns {
    struct green_event events[2];
    int rounds;
    int turns; /* who has the turn counts it */
};

static intptr_t
take_turns(void *arg)
{
    const struct worker *worker = arg;
    struct turns *turns = worker->shared;
    struct green_event *mine = &turns->events[worker->index % 2];
    struct green_event *theirs = &turns->events[(worker->index + 1) % 2];
    for (int i = 0; i < turns->rounds; i++) {
        if (green_event_wait(mine, green_after(LONG_MS)) != 0) {
            return 1;
        }
        turns->turns++;
        green_event_clear(mine);
        green_event_set(theirs);
    }
    return 0;
}

static void
events_alternate(enum mixture mixture)
{
    struct turns turns = {{GREEN_EVENT_INIT, GREEN_EVENT_INIT}, stress(3000, 300), 0};
    green_event_set(&turns.events[0]);
    ck_assert_int_eq(run_workers(mixture, 2, take_turns, &turns), 0);
    ck_assert_int_eq(turns.turns, 2 * turns.rounds);
    ck_assert(green_event_is_set(&turns.events[0]));
    ck_assert(!green_event_is_set(&turns.events[1]));
}
TEST_EACH_MIXTURE(events_alternate)

static intptr_t
free_when_set(void *arg)
{
    struct green_event *ours = arg;
    int err = green_event_wait(ours, green_after(LONG_MS));
    if (err == 0) {
        green_event_fini(ours);
        free(ours);
    }
    return err;
}

START_TEST(who_saw_it_set_may_free_it)
{
    for (int i = 0; i < stress(300, 30); i++) {
        struct green_event *ours = malloc(sizeof *ours);
        green_event_init(ours);
        struct green_job *job =
            i % 3 == 0 ? spawn_until_waiting(GREEN_THREAD, free_when_set, ours, &ours->waiters)
                       : spawn(i % 3 == 1 ? GREEN_THREAD : GREEN_TASK, free_when_set, ours);
        green_event_set(ours);
        ck_assert_int_eq(finish(job), 0);
    }
}
END_TEST

static void
end_event_waited_for(void)
{
    green_spawn(wait_and_note, (void *)"", NULL);
    green_yield();
    green_event_fini(&event);
}

START_TEST(event_misuse_aborts)
{
    ck_assert_misuse(end_event_waited_for, "green_event_fini: somebody waits for it");
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        event_lets_all_go_in_their_order, event_cleared_at_once_has_let_go,
        event_waiter_is_cancelled,        EACH_MIXTURE(events_alternate),
        who_saw_it_set_may_free_it,       event_misuse_aborts,
    };
    return RUN_TESTS("event", tests);
}
