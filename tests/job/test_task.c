/*
 * Tasks: in which order they run, how they are joined and cancelled, what they are called.
 *
 * Everything here happens on one thread, so the order of events is fixed and stated as a trace.
 */
#include <errno.h>
#include <fenv.h>

#include "../base/support.h"
#include "green/generator.h"
#include "green/local.h"
#include "green/sync.h"
#include "green/timeout.h"

/* ---- order ---- */

static intptr_t
note_twice(void *label)
{
    char text[16];
    snprintf(text, sizeof text, "%s1", (char *)label);
    note(text);
    green_yield();
    snprintf(text, sizeof text, "%s2", (char *)label);
    note(text);
    return 0;
}

START_TEST(tasks_run_in_the_order_of_their_spawn)
{
    struct green_job *jobs[] = {spawn(GREEN_TASK, note_twice, "a"),
                                spawn(GREEN_TASK, note_twice, "b"),
                                spawn(GREEN_TASK, note_twice, "c")};
    note("spawned"); /* a spawn does not suspend */
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(finish(jobs[i]), 0);
    }
    ck_assert_trace("spawned a1 b1 c1 a2 b2 c2");
}
END_TEST

START_TEST(main_stack_yields_like_a_task)
{
    struct green_job *job = spawn(GREEN_TASK, note_twice, "a");
    note("m1");
    green_yield();
    note("m2");
    green_yield();
    note("m3");
    green_yield();
    ck_assert(!green_job_alive(job));
    ck_assert_int_eq(finish(job), 0);
    ck_assert_trace("m1 a1 m2 a2 m3");
}
END_TEST

static intptr_t
sleep_and_note(void *ms)
{
    char text[16];
    int err = green_sleep((uint64_t)NUMBER(ms));
    snprintf(text, sizeof text, "%d", NUMBER(ms));
    note(text);
    return err;
}

START_TEST(sleepers_wake_in_the_order_of_their_deadlines)
{
    struct green_job *jobs[5];
    static const int ms[5] = {60, 20, 100, 40, 80};
    for (int i = 0; i < 5; i++) {
        jobs[i] = spawn(GREEN_TASK, sleep_and_note, POINTER(ms[i]));
    }
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(finish(jobs[i]), 0);
    }
    ck_assert_trace("20 40 60 80 100");
}
END_TEST

static intptr_t
spawn_two(void *arg)
{
    (void)arg;
    note("outer");
    struct green_job *one = NULL;
    struct green_job *two = NULL;
    if (green_spawn(note_twice, "x", &one) != 0 || green_spawn(note_twice, "y", &two) != 0) {
        return -1;
    }
    note("spawned");
    intptr_t value = finish(two) + finish(one);
    note("joined");
    return value;
}

START_TEST(spawn_within_spawn)
{
    struct green_job *job = spawn(GREEN_TASK, spawn_two, NULL);
    struct green_job *other = spawn(GREEN_TASK, note_twice, "b");
    ck_assert_int_eq(finish(job), 0);
    ck_assert_int_eq(finish(other), 0);
    ck_assert_trace("outer spawned b1 x1 y1 b2 x2 y2 joined");
}
END_TEST

static intptr_t
nest(void *depth)
{
    if (NUMBER(depth) == 0) {
        return 1;
    }
    struct green_job *job;
    int err = green_spawn(nest, POINTER(NUMBER(depth) - 1), &job);
    return err != 0 ? err : finish(job) + 1;
}

START_TEST(deep_nesting)
{
    int depth = stress(2000, 100);
    ck_assert_int_eq(finish(spawn(GREEN_TASK, nest, POINTER(depth))), depth + 1);
}
END_TEST

static intptr_t
forget_one(void *arg)
{
    note("first");
    return green_spawn(note_twice, arg, NULL); /* nobody asks: it runs all the same */
}

START_TEST(task_without_handle)
{
    ck_assert_int_eq(green_spawn(forget_one, "x", NULL), 0);
    ck_assert_int_eq(green_sleep(20), 0);
    ck_assert_trace("first x1 x2");
}
END_TEST

/* ---- join ---- */

static intptr_t
wait_for(void *semaphore)
{
    return green_semaphore_acquire(semaphore, GREEN_FOREVER);
}

static intptr_t
join_and_note(void *job)
{
    intptr_t value = 0;
    int err = green_job_join(job, &value, GREEN_FOREVER);
    char text[32];
    snprintf(text, sizeof text, "%d:%d", err, (int)value);
    note(text);
    return err;
}

static intptr_t
return_arg(void *arg)
{
    return (intptr_t)arg;
}

START_TEST(values_are_whole_words)
{
    static const intptr_t values[] = {0, 1, -1, -ECANCELED, INTPTR_MAX, INTPTR_MIN};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        ck_assert_int_eq(finish(spawn(GREEN_TASK, return_arg, (void *)values[i])), values[i]);
    }
}
END_TEST

START_TEST(many_join_one)
{
    struct green_semaphore *semaphore = make_semaphore(0);
    struct green_job *job = spawn(GREEN_TASK, wait_for, semaphore);
    struct green_job *joiners[3];
    for (int i = 0; i < 3; i++) {
        joiners[i] = spawn(GREEN_TASK, join_and_note, job);
    }
    green_yield();
    note("go");
    green_semaphore_release(semaphore);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(finish(joiners[i]), 0);
    }
    ck_assert_int_eq(green_job_join(job, NULL, GREEN_NOW), 0); /* and again, after its end */
    ck_assert_int_eq(finish(job), 0);
    ck_assert_trace("go 0:0 0:0 0:0");
    drop_semaphore(semaphore);
}
END_TEST

START_TEST(join_polls_and_times_out)
{
    struct green_semaphore *semaphore = make_semaphore(0);
    struct green_job *job = spawn(GREEN_TASK, wait_for, semaphore);
    intptr_t value = 99;
    ck_assert_int_eq(green_job_join(job, &value, GREEN_NOW), -ETIMEDOUT);
    ck_assert_int_eq(green_job_join(job, &value, green_after(5)), -ETIMEDOUT);
    ck_assert_int_eq(green_job_join(job, &value, green_after(0)), -ETIMEDOUT);
    ck_assert_int_eq(value, 99);
    ck_assert(green_job_alive(job));
    green_semaphore_release(semaphore);
    ck_assert_int_eq(green_job_join(job, &value, GREEN_FOREVER), 0);
    ck_assert_int_eq(value, 0);
    ck_assert(!green_job_alive(job));
    green_job_put(job);
    drop_semaphore(semaphore);
}
END_TEST

static intptr_t
join_self(void *arg)
{
    (void)arg;
    return green_job_join(green_self(), NULL, GREEN_FOREVER);
}

START_TEST(join_of_oneself)
{
    ck_assert_int_eq(green_job_join(green_self(), NULL, GREEN_NOW), -EDEADLK);
    ck_assert_int_eq(finish(spawn(GREEN_TASK, join_self, NULL)), -EDEADLK);
    ck_assert_int_eq(finish(spawn(GREEN_THREAD, join_self, NULL)), -EDEADLK);
    if (PROCESSES) {
        ck_assert_int_eq(finish(spawn(GREEN_PROCESS, join_self, NULL)), -EDEADLK);
    }
}
END_TEST

/* ---- cancel ---- */

START_TEST(cancelled_before_it_ran)
{
    struct green_job *job = spawn(GREEN_TASK, note_twice, "never");
    green_job_cancel(job);
    ck_assert(green_job_alive(job));
    ck_assert_int_eq(finish(job), -ECANCELED);
    ck_assert_trace("");
}
END_TEST

static intptr_t
sleep_again_and_again(void *arg)
{
    struct green_semaphore *semaphore = arg;
    struct green_shield shield;
    int first = green_sleep(LONG_MS);
    int second = green_sleep(0);
    int third = green_semaphore_acquire(semaphore, GREEN_NOW);
    green_shield_start(&shield);
    int shielded = green_sleep(1);
    green_shield_stop(&shield);
    int after = green_job_join(green_self(), NULL, GREEN_NOW);
    note(first == -ECANCELED ? "sleep" : "?");
    note(second == -ECANCELED ? "sticky" : "?");
    note(third == -ECANCELED ? "though-ready" : "?");
    note(shielded == 0 ? "shielded" : "?");
    note(after == -EDEADLK ? "deadlock" : "?");
    return green_sleep(1);
}

START_TEST(cancel_is_sticky_and_shielded)
{
    struct green_semaphore *semaphore = make_semaphore(1);
    struct green_job *job = spawn(GREEN_TASK, sleep_again_and_again, semaphore);
    green_yield();
    green_job_cancel(job);
    green_job_cancel(job);
    ck_assert_int_eq(finish(job), -ECANCELED);
    ck_assert_trace("sleep sticky though-ready shielded deadlock");
    ck_assert_int_eq(green_semaphore_acquire(semaphore, GREEN_NOW), 0); /* nothing was taken */
    drop_semaphore(semaphore);
}
END_TEST

static void
clean_up(void *arg)
{
    note(green_sleep((uint64_t)NUMBER(arg)) == 0 ? "cleaned" : "?");
}

static intptr_t
clean_up_shielded(void *arg)
{
    (void)arg;
    note("enter");
    green_shield(clean_up, POINTER(20)); /* the cancellation comes meanwhile */
    return green_sleep(1);
}

START_TEST(cancellation_waits_for_the_shield)
{
    struct green_job *job = spawn(GREEN_TASK, clean_up_shielded, NULL);
    green_yield();
    green_job_cancel(job);
    note("cancelled");
    ck_assert_int_eq(finish(job), -ECANCELED);
    ck_assert_trace("enter cancelled cleaned");
}
END_TEST

START_TEST(cancel_while_joining)
{
    struct green_semaphore *semaphore = make_semaphore(0);
    struct green_job *job = spawn(GREEN_TASK, wait_for, semaphore);
    struct green_job *joiner = spawn(GREEN_TASK, join_and_note, job);
    green_yield();
    green_job_cancel(joiner);
    ck_assert_int_eq(finish(joiner), -ECANCELED);
    ck_assert(green_job_alive(job));
    green_semaphore_release(semaphore);
    ck_assert_int_eq(finish(job), 0);
    green_job_cancel(green_job_get(green_self())); /* last: the main stack itself */
    ck_assert_int_eq(green_sleep(1), -ECANCELED);
    ck_assert_int_eq(green_semaphore_acquire(semaphore, GREEN_FOREVER), -ECANCELED);
    drop_semaphore(semaphore);
}
END_TEST

static intptr_t
cancel_job(void *job)
{
    green_job_cancel(job);
    return 0;
}

START_TEST(task_cancels_the_main_stack)
{
    struct green_semaphore *semaphore = make_semaphore(1);
    struct green_job *job = spawn(GREEN_TASK, cancel_job, green_self());
    ck_assert_int_eq(green_sleep(LONG_MS), -ECANCELED);
    ck_assert_int_eq(green_semaphore_acquire(semaphore, GREEN_NOW), -ECANCELED);
    ck_assert_int_eq(green_job_join(job, NULL, GREEN_FOREVER), -ECANCELED);
    green_job_put(job);
    drop_semaphore(semaphore);
}
END_TEST

/* As a task does: a call that need not wait fails too, from the moment of the cancellation. */
START_TEST(cancelled_main_stack_polls_in_vain)
{
    struct green_semaphore *semaphore = make_semaphore(1);
    green_job_cancel(green_self());
    ck_assert_int_eq(green_semaphore_acquire(semaphore, GREEN_NOW), -ECANCELED);
    ck_assert_int_eq(green_sleep(0), -ECANCELED);
    drop_semaphore(semaphore);
}
END_TEST

/* ---- the rest ---- */

static intptr_t
describe_self(void *arg)
{
    (void)arg;
    note(green_job_name(green_self()));
    return green_job_kind(green_self());
}

START_TEST(names_numbers_and_kinds)
{
    static const char long_name[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    options.name = long_name;
    struct green_job *named;
    ck_assert_int_eq(green_spawn_as(GREEN_TASK, describe_self, NULL, &options, &named), 0);
    struct green_job *plain = spawn(GREEN_TASK, describe_self, NULL);
    char expected[64];
    snprintf(expected, sizeof expected, "task-%lu", (unsigned long)green_job_id(plain));
    ck_assert_str_eq(green_job_name(plain), expected);
    ck_assert_str_eq(green_job_name(named), "0123456789abcdefghijklmnopqrstu");
    ck_assert_uint_gt(green_job_id(plain), green_job_id(named));
    ck_assert_int_eq(green_job_kind(plain), GREEN_TASK);
    ck_assert_int_eq(green_job_kind(green_self()), GREEN_THREAD);
    ck_assert_int_eq(green_job_pid(plain), getpid());
    ck_assert_int_eq(green_job_fd(plain), -EINVAL);
    ck_assert_int_eq(green_job_terminate(plain, SIGTERM), -EINVAL);
    int status;
    ck_assert_int_eq(green_job_status(plain, &status), -EINVAL);
    ck_assert_int_eq(finish(named), GREEN_TASK);
    ck_assert_int_eq(finish(plain), GREEN_TASK);
    ck_assert_ptr_eq(strstr(trace, "0123456789abcdefghijklmnopqrstu "), trace);
}
END_TEST

START_TEST(main_thread_is_number_1)
{
    /* Even when its first call makes another job. */
    struct green_job *job = spawn(GREEN_THREAD, return_arg, NULL);
    ck_assert_uint_eq(green_job_id(green_self()), 1);
    ck_assert_uint_gt(green_job_id(job), 1);
    ck_assert_str_eq(green_job_name(green_self()), "thread-1");
    ck_assert_int_eq(finish(job), 0);
}
END_TEST

START_TEST(handles_are_counted)
{
    struct green_job *job = spawn(GREEN_TASK, return_arg, NULL);
    ck_assert_ptr_eq(green_job_get(job), job);
    green_job_put(job);
    ck_assert_int_eq(finish(job), 0);
    job = spawn(GREEN_TASK, note_twice, "a");
    green_job_put(job); /* it goes on */
    green_sleep(5);
    ck_assert_trace("a1 a2");
    green_job_put(NULL);
}
END_TEST

static int ends;

static void
count_end(struct green_job *job, intptr_t value, int err, void *arg)
{
    (void)job;
    (void)value;
    (void)err;
    (void)arg;
    ends++;
}

static intptr_t
leave_traces(void *arg)
{
    struct green_job *other = arg;
    green_local key;
    if (green_local_create(NULL, &key) != 0 || green_local_set(key, other) != 0) {
        return -1;
    }
    struct green_fiber *fiber = green_fiber_self();
    struct green_timeout scope;
    green_timeout_start(&scope, 3600000);
    int err = green_sleep(3600000); /* sets a timer, and is cancelled */
    green_timeout_stop(&scope);
    return fiber != NULL && err == -ECANCELED ? green_joinall(&other, 1, GREEN_FOREVER) : -1;
}

static intptr_t
look_for_traces(void *arg)
{
    (void)arg;
    return green_sleep(1) == 0 && green_job_on_exit(green_self(), count_end, NULL) == 0;
}

START_TEST(control_blocks_begin_anew)
{
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    options.name = "before";
    struct green_job *forever = spawn(GREEN_TASK, leave_traces, green_self());
    struct green_job *job;
    ck_assert_int_eq(green_spawn_as(GREEN_TASK, leave_traces, forever, &options, &job), 0);
    const struct green_job *block = job;
    ck_assert_int_eq(green_job_on_exit(job, count_end, NULL), 0);
    green_yield();
    green_job_cancel(job);
    ck_assert_int_eq(finish(job), -ECANCELED);
    ck_assert_int_eq(ends, 1);

    job = spawn(GREEN_TASK, look_for_traces, NULL);
    ck_assert_ptr_eq(job, block); /* else the test has to go about it differently */
    ck_assert(green_job_alive(job));
    ck_assert_int_eq(strncmp(green_job_name(job), "task-", 5), 0);
    ck_assert_int_eq(finish(job), true);
    ck_assert_int_eq(ends, 2);
    green_job_cancel(forever);
    ck_assert_int_eq(finish(forever), -ECANCELED);
}
END_TEST

START_TEST(unknown_kind)
{
    struct green_job *job = NULL;
    ck_assert_int_eq(green_spawn_as((enum green_kind)3, return_arg, NULL, NULL, &job), -EINVAL);
    ck_assert_ptr_null(job);
}
END_TEST

/* Rounds upwards, and looks whether it still does after others have run. */
static intptr_t
round_up(void *arg)
{
    (void)arg;
    bool kept = true;
    fesetround(FE_UPWARD);
    for (int i = 0; i < 3; i++) {
        green_yield();
        kept = kept && fegetround() == FE_UPWARD;
    }
    return kept;
}

static intptr_t
round_to_nearest(void *arg)
{
    (void)arg;
    bool kept = true;
    for (int i = 0; i < 4; i++) {
        kept = kept && fegetround() == FE_TONEAREST;
        green_yield();
    }
    return kept;
}

START_TEST(rounding_modes_are_kept_apart)
{
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    options.save_fpu = true;
    struct green_job *up;
    ck_assert_int_eq(green_spawn_as(GREEN_TASK, round_up, NULL, &options, &up), 0);
    struct green_job *nearest = spawn(GREEN_TASK, round_to_nearest, NULL);
    ck_assert_int_eq(finish(up), true);
    ck_assert_int_eq(finish(nearest), true);
    ck_assert_int_eq(fegetround(), FE_TONEAREST);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        tasks_run_in_the_order_of_their_spawn,
        main_stack_yields_like_a_task,
        sleepers_wake_in_the_order_of_their_deadlines,
        spawn_within_spawn,
        deep_nesting,
        task_without_handle,
        values_are_whole_words,
        many_join_one,
        join_polls_and_times_out,
        join_of_oneself,
        cancelled_before_it_ran,
        cancel_is_sticky_and_shielded,
        cancellation_waits_for_the_shield,
        cancel_while_joining,
        task_cancels_the_main_stack,
        cancelled_main_stack_polls_in_vain,
        names_numbers_and_kinds,
        main_thread_is_number_1,
        handles_are_counted,
        control_blocks_begin_anew,
        unknown_kind,
        rounding_modes_are_kept_apart,
    };
    return RUN_TESTS("task", tests);
}
