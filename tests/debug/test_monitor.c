/*
 * Who keeps a loop is named, once; who does not, is not.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "../base/support.h"
#include "backtraces.h"
#include "green/debug.h"

/** So long is too long. */
#define LIMIT_MS 20

/* ---- what is told ---- */

static pthread_mutex_t told_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int told;
static char functions[8][128];
static char worker[128];
static char backtrace[4096];

static void
take_note(const struct green_blocked *blocked, void *arg)
{
    pthread_mutex_lock(&told_lock);
    int count = atomic_load(&told);
    if (count < 8) {
        snprintf(functions[count], sizeof functions[count], "%s", blocked->function);
    }
    snprintf(worker, sizeof worker, "%s", blocked->worker);
    snprintf(backtrace, sizeof backtrace, "%s", blocked->backtrace);
    *(uint64_t *)arg = blocked->ms;
    atomic_store(&told, count + 1);
    pthread_mutex_unlock(&told_lock);
}

/* ---- who keeps it ---- */

/** Until the number of those told is reached, or for so many milliseconds. */
struct spin {
    int told;
    uint64_t ms;
};

#define SPIN_BODY(spin)                                                     \
    do {                                                                    \
        green_deadline end = green_after((spin)->ms);                       \
        while (atomic_load(&told) < (spin)->told && green_after(0) < end) { \
            sched_yield();                                                  \
        }                                                                   \
    } while (0)

KEPT static void
spin_in_one_function(const struct spin *spin)
{
    SPIN_BODY(spin);
}

static volatile int others; /* what makes it another: compilers merge functions that are alike */

KEPT static void
spin_in_another(const struct spin *spin)
{
    others++;
    SPIN_BODY(spin);
}

static intptr_t
keep_twice(void *arg)
{
    spin_in_one_function(arg);
    green_yield();
    /* The same place once more: nothing is told, however long it takes. */
    static const struct spin again = {2, 5 * LIMIT_MS};
    spin_in_one_function(&again);
    green_yield();
    static const struct spin other = {2, LONG_MS};
    spin_in_another(&other);
    return 0;
}

START_TEST(places_are_named_once)
{
    uint64_t ms = 0;
    struct spin spin = {1, LONG_MS};
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    struct green_job *job;
    options.name = "greedy";
    ck_assert_int_eq(green_blocked_watch(LIMIT_MS, take_note, &ms), 0);
    ck_assert_int_eq(green_spawn_as(GREEN_TASK, keep_twice, &spin, &options, &job), 0);
    ck_assert_int_eq(finish(job), 0);
    ck_assert_int_eq(green_blocked_watch(0, NULL, NULL), 0);
    ck_assert_int_eq(atomic_load(&told), 2);
    ck_assert_str_eq(functions[0], "spin_in_one_function");
    ck_assert_str_eq(functions[1], "spin_in_another");
    ck_assert_ptr_ne(strstr(worker, "task "), NULL);
    ck_assert_ptr_ne(strstr(worker, "\"greedy\""), NULL);
    ck_assert_ptr_ne(strstr(backtrace, "\nkeep_twice+0x"), NULL);
    ck_assert_uint_ge(ms, LIMIT_MS);
}
END_TEST

static intptr_t
nap_often(void *ms)
{
    for (int i = 0; i < 10; i++) {
        green_sleep((uint64_t)NUMBER(ms));
    }
    return 0;
}

static intptr_t
yield_long(void *ms)
{
    green_deadline end = green_after((uint64_t)NUMBER(ms));
    while (green_after(0) < end) {
        green_yield();
    }
    return 0;
}

/* The first has a loop that waits, and then none that runs; the second goes on all the time. */
START_TEST(who_lets_others_run_is_left_alone)
{
    uint64_t ms = 0;
    int limit_ms = SLOW_MACHINE ? 2000 : 500;
    ck_assert_int_eq(green_blocked_watch((uint64_t)limit_ms, take_note, &ms), 0);
    ck_assert_int_eq(finish(spawn(GREEN_TASK, nap_often, POINTER(limit_ms / 5))), 0);
    usleep((unsigned)limit_ms * 2000);
    ck_assert_int_eq(finish(spawn(GREEN_TASK, yield_long, POINTER(limit_ms * 2))), 0);
    ck_assert_int_eq(atomic_load(&told), 0);
}
END_TEST

static intptr_t
nap(void *ms)
{
    return green_sleep((uint64_t)NUMBER(ms));
}

/* A thread's own stack keeps the tasks waiting too. */
START_TEST(own_stack_of_a_thread_is_named)
{
    uint64_t ms = 0;
    struct green_job *task = spawn(GREEN_TASK, nap, POINTER(0));
    struct spin spin = {1, LONG_MS};
    ck_assert_int_eq(green_blocked_watch(LIMIT_MS, take_note, &ms), 0);
    spin_in_one_function(&spin);
    ck_assert_int_eq(atomic_load(&told), 1);
    ck_assert_str_eq(functions[0], "spin_in_one_function");
    ck_assert_ptr_ne(strstr(worker, "thread 1 "), NULL);
    ck_assert_int_eq(finish(task), 0);
}
END_TEST

/* ---- by the environment ---- */

static intptr_t
keep_long(void *ms)
{
    static const struct spin spin = {1, SLOW_MACHINE ? 4000 : 400};
    (void)ms;
    spin_in_one_function(&spin);
    green_yield();
    spin_in_one_function(&spin);
    return 0;
}

static void
run_with_environment(void)
{
    setenv("GREEN_BLOCKED_MS", "20", 1);
    struct green_job *job;
    if (green_spawn(keep_long, NULL, &job) != 0) {
        exit(1);
    }
    exit((int)finish(job));
}

START_TEST(environment_turns_it_on)
{
    static const char end[] = " ms in spin_in_one_function\n";
    char text[4096];
    ck_assert_int_eq(last_words(run_with_environment, text, sizeof text), 0);
    ck_assert_msg(strncmp(text, "green: task ", 12) == 0, "%s", text);
    ck_assert_ptr_ne(strstr(text, " has kept its loop for "), NULL);
    ck_assert_ptr_ne(strstr(text, end), NULL);
    if (!SLOW_MACHINE) { /* there other things may take that long as well */
        ck_assert_str_eq(strstr(text, end), end);
    }
}
END_TEST

/* ---- in a child ---- */

static intptr_t
keep_in_child(void *ms)
{
    struct spin spin = {1, LONG_MS};
    struct green_job *task;
    if (green_spawn(nap, POINTER(0), &task) != 0) {
        return 1;
    }
    spin_in_another(&spin);
    green_job_join(task, NULL, GREEN_FOREVER);
    green_job_put(task);
    return atomic_load(&told) == 1 && *(uint64_t *)ms >= LIMIT_MS ? 0 : 2;
}

START_TEST(child_is_watched_too)
{
    static uint64_t ms;
    ck_assert_int_eq(green_blocked_watch(LIMIT_MS, take_note, &ms), 0);
    ck_assert_int_eq(finish(spawn(GREEN_PROCESS, keep_in_child, &ms)), 0);
    ck_assert_int_eq(atomic_load(&told), 0);
}
END_TEST

int
main(void)
{
#if !defined(__x86_64__)
    return SKIPPED; /* no backtraces: places have no names */
#endif
#ifdef GREEN__TSAN
    return SKIPPED; /* it delays handlers, so that they look at frames that are gone */
#endif
    TCase *tests = make_case("monitor");
    tcase_add_test(tests, places_are_named_once);
    tcase_add_test(tests, who_lets_others_run_is_left_alone);
    tcase_add_test(tests, own_stack_of_a_thread_is_named);
    tcase_add_test(tests, environment_turns_it_on);
    if (PROCESSES) {
        tcase_add_test(tests, child_is_watched_too);
    }
    return run_case_of("monitor", tests);
}
