/*
 * Deterministic runs: the same seed gives the same trace, another one another; time moves only when
 * nobody can run, and as outside while something outside may come.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>

#include "../base/support.h"
#include "green/channel.h"
#include "green/net.h"
#include "green/os.h"
#include "green/seed.h"
#include "green/timeout.h"

#define HOUR_MS 3600000u

static intptr_t
note_twice(void *arg)
{
    const char *name = arg;
    note(name);
    green_yield();
    note(name);
    return 0;
}

/** Let three tasks run; their trace is in `trace`, and the result is the digest. */
static uint64_t
run_three(void)
{
    static char *names[] = {"a", "b", "c"};
    struct green_job *jobs[3];
    trace[0] = '\0';
    for (int i = 0; i < 3; i++) {
        jobs[i] = spawn(GREEN_TASK, note_twice, names[i]);
    }
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(finish(jobs[i]), 0);
    }
    return green_seed_stop();
}

START_TEST(same_seed_same_trace)
{
    for (uint64_t seed = 0; seed < 100; seed++) {
        char first[sizeof trace];
        ck_assert_int_eq(green_seed_start(seed), 0);
        uint64_t digest = run_three();
        strcpy(first, trace);
        ck_assert_int_eq(green_seed_start(seed), 0);
        ck_assert_uint_eq(run_three(), digest);
        ck_assert_trace(first);
    }
}
END_TEST

/* Without a seed it is a, b, c each time; with seeds each of the six ways to begin comes. */
START_TEST(other_seeds_give_other_orders)
{
    static const char *const orders[] = {"a b c", "a c b", "b a c", "b c a", "c a b", "c b a"};
    int seen[6] = {0};
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(run_three(), 0);
        ck_assert_trace("a b c a b c");
    }
    for (uint64_t seed = 0; seed < 200; seed++) {
        green_seed_start(seed);
        run_three();
        for (int i = 0; i < 6; i++) {
            seen[i] += strncmp(trace, orders[i], 5) == 0;
        }
    }
    for (int i = 0; i < 6; i++) {
        ck_assert_int_gt(seen[i], 0);
    }
}
END_TEST

static struct green_channel *channels[3];

static intptr_t
select_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < 6; i++) {
        struct green_case cases[] = {GREEN_SEND(channels[0], NULL), GREEN_SEND(channels[1], NULL),
                                     GREEN_SEND(channels[2], NULL)};
        static const char *const names[] = {"0", "1", "2"};
        note(names[green_select(cases, 3, GREEN_NOW)]);
    }
    return 0;
}

START_TEST(select_chooses_by_the_seed)
{
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(green_channel_create(0, 1000, &channels[i]), 0);
    }
    bool differs = false;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        char first[sizeof trace];
        for (int run = 0; run < 2; run++) {
            strcpy(first, trace);
            trace[0] = '\0';
            green_seed_start(seed);
            ck_assert_int_eq(finish(spawn(GREEN_TASK, select_often, NULL)), 0);
            differs |= run == 0 && seed > 1 && strcmp(first, trace) != 0;
        }
        ck_assert_trace(first);
    }
    ck_assert(differs);
    for (int i = 0; i < 3; i++) {
        green_channel_destroy(channels[i]);
    }
}
END_TEST

/* ---- time ---- */

static intptr_t
sleep_hours(void *arg)
{
    green_deadline until = green_after(HOUR_MS * (uint64_t)NUMBER(arg));
    if (green_sleep(HOUR_MS * (uint64_t)NUMBER(arg)) != 0 || green_after(0) != until) {
        return 1;
    }
    note(NUMBER(arg) == 1 ? "one" : NUMBER(arg) == 2 ? "two" : "three");
    return 0;
}

START_TEST(time_jumps_to_the_next_deadline)
{
    green_seed_start(7);
    struct green_job *jobs[3];
    for (int i = 0; i < 3; i++) {
        jobs[i] = spawn(GREEN_TASK, sleep_hours, POINTER(3 - i));
    }
    for (int i = 0; i < 3; i++) {
        intptr_t value = 1;
        ck_assert_int_eq(green_job_join(jobs[i], &value, green_after(100 * HOUR_MS)), 0);
        ck_assert_int_eq(value, 0);
        green_job_put(jobs[i]);
    }
    ck_assert_trace("one two three");
    /* The own stack too, when it has no tasks. */
    green_deadline until = green_after(HOUR_MS);
    ck_assert_int_eq(green_sleep(HOUR_MS), 0);
    ck_assert_uint_eq(green_after(0), until);
}
END_TEST

static struct green_event event = GREEN_EVENT_INIT;

static intptr_t
wait_for_event(void *arg)
{
    return green_event_wait(&event, green_after((uint64_t)NUMBER(arg)));
}

static intptr_t
wait_in_scope(void *arg)
{
    struct green_timeout scope;
    green_timeout_start(&scope, (uint64_t)NUMBER(arg));
    int err = green_event_wait(&event, GREEN_FOREVER);
    green_timeout_stop(&scope);
    return green_timeout_fired(&scope) ? err : 1000;
}

static intptr_t
be_busy_and_set(void *arg)
{
    (void)arg;
    green_deadline before = green_after(0);
    for (int i = 0; i < 30; i++) {
        usleep(1000); /* the machine is busy */
        green_yield();
    }
    green_event_set(&event);
    return green_after(0) == before ? 0 : 1;
}

START_TEST(time_stands_still_while_somebody_runs)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        green_seed_start(seed);
        struct green_job *waiter = spawn(GREEN_TASK, wait_for_event, POINTER(10));
        ck_assert_int_eq(finish(spawn(GREEN_TASK, be_busy_and_set, NULL)), 0);
        ck_assert_int_eq(finish(waiter), 0);
        green_event_clear(&event);
    }
}
END_TEST

START_TEST(deadlines_and_scopes_are_of_virtual_time)
{
    green_seed_start(1);
    struct green_job *late = spawn(GREEN_TASK, wait_for_event, POINTER(2 * HOUR_MS));
    struct green_job *scope = spawn(GREEN_TASK, wait_in_scope, POINTER(HOUR_MS));
    intptr_t value = 0;
    ck_assert_int_eq(green_job_join(scope, &value, GREEN_FOREVER), 0);
    ck_assert_int_eq(value, -ETIMEDOUT);
    ck_assert(green_job_alive(late));
    ck_assert_int_eq(green_job_join(late, &value, GREEN_FOREVER), 0);
    ck_assert_int_eq(value, -ETIMEDOUT);
    green_job_put(scope);
    green_job_put(late);
}
END_TEST

/* ---- the outside ---- */

static int ends[2];

static void *
send_late(void *arg)
{
    (void)arg;
    usleep(20000);
    if (write(ends[1], "x", 1) != 1) {
        abort();
    }
    return NULL;
}

static intptr_t
receive(void *arg)
{
    char byte;
    struct green_timeout scope;
    green_timeout_start(&scope, LONG_MS);
    ssize_t got = green_recv(NUMBER(arg), &byte, 1, 0);
    green_timeout_stop(&scope);
    return got;
}

START_TEST(what_comes_from_outside_is_waited_for)
{
    pthread_t thread;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    green_seed_start(1);
    ck_assert_int_eq(pthread_create(&thread, NULL, send_late, NULL), 0);
    ck_assert_int_eq(finish(spawn(GREEN_TASK, receive, POINTER(ends[0]))), 1);
    pthread_join(thread, NULL);
    /* While a descriptor is watched time passes as outside, but it does pass. */
    ck_assert_int_eq(green_sleep(5), 0);
    green_close(ends[0]);
    close(ends[1]);
    ck_assert_int_eq(green_sleep(HOUR_MS), 0);
}
END_TEST

static intptr_t
be_slow(void *arg)
{
    usleep(20000);
    return VALUE(arg);
}

static intptr_t
block(void *arg)
{
    struct green_timeout scope;
    green_timeout_start(&scope, LONG_MS);
    intptr_t value = 0;
    int err = green_blocking(be_slow, arg, &value);
    green_timeout_stop(&scope);
    return err != 0 ? err : value;
}

START_TEST(threads_and_the_pool_are_waited_for)
{
    green_seed_start(1);
    ck_assert_int_eq(finish(spawn(GREEN_THREAD, be_slow, POINTER(3))), 3);
    ck_assert_int_eq(finish(spawn(GREEN_TASK, block, POINTER(4))), 4);
    ck_assert_int_eq(block(POINTER(5)), 5);
    /* Once all that is over, time jumps again. */
    ck_assert_int_eq(green_sleep(HOUR_MS), 0);
}
END_TEST

/* ---- the seed's life ---- */

static intptr_t
stop_there(void *arg)
{
    (void)arg;
    finish(spawn(GREEN_TASK, note_twice, "x"));
    return green_seed_stop() != 0;
}

START_TEST(seed_is_of_one_thread)
{
    green_seed_start(1);
    ck_assert_int_eq(finish(spawn(GREEN_THREAD, stop_there, NULL)), 0);
    if (PROCESSES) {
        ck_assert_int_eq(finish(spawn(GREEN_PROCESS, stop_there, NULL)), 0);
    }
    ck_assert_uint_ne(green_seed_stop(), 0);
    ck_assert_uint_eq(green_seed_stop(), 0);
    green_deadline before = green_after(0);
    while (green_after(0) == before) { /* the clock goes on by itself */
    }
}
END_TEST

static int left;

static intptr_t
yield_often(void *arg)
{
    for (int i = 0; i < *(const int *)arg; i++) {
        green_yield();
    }
    left--;
    return 0;
}

/* What the loop knows of the next in turn is worth nothing after picks: two thirds end in them,
 * more than the loop keeps the control blocks of. */
START_TEST(a_crowd_goes_on_after_the_picks)
{
    enum { CROWD = 3000 };
    static int yields[] = {3, 60};
    for (uint64_t seed = 1; seed <= 10; seed++) {
        for (int i = 0; i < CROWD; i++) {
            ck_assert_int_eq(green_spawn(yield_often, &yields[i % 3 == 0], NULL), 0);
        }
        left = CROWD;
        green_yield();
        ck_assert_int_eq(green_seed_start(seed), 0);
        while (left > CROWD / 3) {
            green_yield();
        }
        ck_assert_uint_ne(green_seed_stop(), 0);
        while (left > 0) {
            green_yield();
        }
    }
}
END_TEST

static intptr_t
run_three_there(void *arg)
{
    (void)arg;
    return (intptr_t)run_three();
}

START_TEST(environment_seeds_every_thread)
{
    char first[sizeof trace];
    green_seed_start(12345);
    uint64_t digest = run_three();
    strcpy(first, trace);
    setenv("GREEN_SEED", "12345", 1);
    ck_assert_int_eq(finish(spawn(GREEN_THREAD, stop_there, NULL)), 1);
    struct green_job *thread = spawn(GREEN_THREAD, run_three_there, NULL);
    ck_assert_uint_eq((uint64_t)finish(thread), digest);
    ck_assert_trace(first);
}
END_TEST

static void
seed_wrongly(void)
{
    setenv("GREEN_SEED", "12x", 1);
    green_spawn(note_twice, "a", NULL);
}

START_TEST(misuse_aborts)
{
    char words[512];
    ck_assert_int_eq(last_words(seed_wrongly, words, sizeof words), -SIGABRT);
    ck_assert_str_eq(words, "green: GREEN_SEED=12x: that is not a number\n");
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        same_seed_same_trace,
        other_seeds_give_other_orders,
        select_chooses_by_the_seed,
        time_jumps_to_the_next_deadline,
        time_stands_still_while_somebody_runs,
        deadlines_and_scopes_are_of_virtual_time,
        what_comes_from_outside_is_waited_for,
        threads_and_the_pool_are_waited_for,
        seed_is_of_one_thread,
        a_crowd_goes_on_after_the_picks,
        environment_seeds_every_thread,
        misuse_aborts,
    };
    return RUN_TESTS("seed", tests);
}
