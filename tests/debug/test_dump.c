/*
 * The dump: every worker, where it stands, and that it is short however many there are.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "../base/support.h"
#include "backtraces.h"
#include "green/debug.h"
#include "green/generator.h"
#include "green/net.h"

/* Valgrind runs one thread at a time, and for long: who is busy is its affair. */
#if defined(GREEN__VALGRIND)
#define ONE_AT_A_TIME true
#else
#define ONE_AT_A_TIME false
#endif

/** The text of a dump. */
static const char *
dump(void)
{
    static char text[1 << 18];
    int fd = memfd_create("dump", MFD_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(green_dump(fd), 0);
    ssize_t length = pread(fd, text, sizeof text - 1, 0);
    ck_assert_int_gt((int)length, 0);
    text[length] = '\0';
    close(fd);
    return text;
}

static void
expect(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "no '%s' in:\n%s", part, text);
}

/** The line that a text begins, and what follows until the next worker's. */
static const char *
section(const char *text, const char *begin)
{
    static char part[1 << 16];
    const char *start = strstr(text, begin);
    ck_assert_msg(start != NULL, "no '%s' in:\n%s", begin, text);
    const char *end = strchr(start, '\n');
    while (end != NULL && strncmp(end, "\n    ", 5) == 0) {
        end = strchr(end + 1, '\n');
    }
    size_t length = end == NULL ? strlen(start) : (size_t)(end - start);
    ck_assert_uint_lt(length, sizeof part);
    memcpy(part, start, length);
    part[length] = '\0';
    return part;
}

KEPT static struct green_job *
spawn_named(enum green_kind kind, const char *name, green_entry entry, void *arg)
{
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    struct green_job *job;
    options.name = name;
    ck_assert_int_eq(green_spawn_as(kind, entry, arg, &options, &job), 0);
    return job;
}

static atomic_int waiting;

KEPT static intptr_t
deep_inside(struct green_event *event, int depth)
{
    intptr_t result;
    if (depth > 0) {
        result = deep_inside(event, depth - 1);
    } else {
        atomic_fetch_add(&waiting, 1);
        result = green_event_wait(event, GREEN_FOREVER);
    }
    atomic_fetch_add(&waiting, depth == 0 ? -1 : 0);
    return result;
}

static intptr_t
wait_deep_inside(void *event)
{
    return deep_inside(event, 2);
}

static void
until_waiting(int count)
{
    while (atomic_load(&waiting) < count) {
        green_sleep(1);
    }
}

START_TEST(task_is_named_with_its_stack)
{
    struct green_event event = GREEN_EVENT_INIT;
    struct green_job *job = spawn_named(GREEN_TASK, "sleeper", wait_deep_inside, &event);
    until_waiting(1);
    const char *part = section(dump(), "\"sleeper\" waits for an event at 0x");
    expect(part, ", spawned at spawn_named");
    if (BACKTRACES) {
        expect(part, "\n    green_event_wait+0x");
        expect(part, "\n    deep_inside+0x");
        expect(part, "\n    task_main+0x");
        ck_assert_ptr_eq(strstr(part, "..."), NULL);
    }
    green_event_set(&event);
    ck_assert_int_eq(finish(job), 0);
}
END_TEST

static intptr_t
dump_here(void *ret_text)
{
    *(const char **)ret_text = dump();
    return 0;
}

START_TEST(task_that_calls_it_runs)
{
    const char *text = NULL;
    ck_assert_int_eq(finish(spawn_named(GREEN_TASK, "caller", dump_here, &text)), 0);
    const char *part = section(text, "\"caller\" runs");
    if (BACKTRACES) {
        expect(part, "\n    dump_here+0x");
        expect(part, "\n    task_main+0x");
    }
}
END_TEST

static intptr_t
host_sleepers(void *event)
{
    struct green_job *task = spawn_named(GREEN_TASK, "guest", wait_deep_inside, event);
    return finish(task);
}

START_TEST(loops_of_other_threads_answer)
{
    struct green_event event = GREEN_EVENT_INIT;
    struct green_job *thread = spawn_named(GREEN_THREAD, "host", host_sleepers, &event);
    until_waiting(1);
    const char *text = dump();
    expect(text, "its loop: 1 task, 0 ready");
    const char *part = section(text, "\"host\" waits for the end of a job");
    if (BACKTRACES) {
        expect(part, "\n    host_sleepers+0x");
        expect(section(text, "\"guest\" waits for an event at 0x"), "\n    deep_inside+0x");
    }
    green_event_set(&event);
    ck_assert_int_eq(finish(thread), 0);
}
END_TEST

START_TEST(thread_without_tasks_shows_its_stack)
{
    struct green_event event = GREEN_EVENT_INIT;
    struct green_job *thread = spawn_named(GREEN_THREAD, "plain", wait_deep_inside, &event);
    until_waiting(1);
    const char *part = section(dump(), "\"plain\" ");
    if (BACKTRACES && !SIGNALS_WAIT) {
        expect(part, "\n    deep_inside+0x");
        expect(part, "\n    thread_main+0x");
    }
    green_event_set(&event);
    ck_assert_int_eq(finish(thread), 0);
}
END_TEST

/* ---- a loop that does not answer ---- */

static atomic_bool go_on;
static atomic_bool spinning;

KEPT static void
spin_busily(void)
{
    atomic_store(&spinning, true);
    while (!atomic_load(&go_on)) {
        sched_yield(); /* a call, for ThreadSanitizer hands signals out at calls alone */
    }
    atomic_store(&spinning, false);
}

static intptr_t
spin(void *arg)
{
    (void)arg;
    spin_busily();
    return 0;
}

static intptr_t
host_spinner(void *event)
{
    struct green_job *guest = spawn_named(GREEN_TASK, "victim", wait_deep_inside, event);
    while (atomic_load(&waiting) == 0) {
        green_yield();
    }
    intptr_t result = finish(spawn_named(GREEN_TASK, "spinner", spin, NULL));
    return result + finish(guest);
}

START_TEST(busy_loop_is_shown_from_outside)
{
    struct green_event event = GREEN_EVENT_INIT;
    struct green_job *thread = spawn_named(GREEN_THREAD, "blocked", host_spinner, &event);
    while (!atomic_load(&spinning)) {
        usleep(1000);
    }
    const char *text = dump();
    expect(text, "its loop has been busy for ");
    expect(text, "and does not answer; 2 tasks");
    expect(text, "\"victim\" waits for an event at 0x");
    expect(text, "\"spinner\" runs, or is ready to, spawned at ");
    expect(text, "  it runs task ");
    if (BACKTRACES) {
        expect(text, "\n    spin_busily+0x");
        expect(text, "\n    task_main+0x");
    }
    atomic_store(&go_on, true);
    green_event_set(&event);
    ck_assert_int_eq(finish(thread), 0);
}
END_TEST

/* ---- many ---- */

START_TEST(many_are_few_lines)
{
    struct green_event event = GREEN_EVENT_INIT;
    int count = stress(19000, 300);
    struct green_job **tasks = calloc((size_t)count, sizeof(struct green_job *));
    char summary[64];
    for (int i = 0; i < count; i++) {
        tasks[i] = spawn(GREEN_TASK, wait_deep_inside, &event);
    }
    green_yield();
    until_waiting(count);
    const char *text = dump();
    snprintf(summary, sizeof summary, "... and %d like these, %d in all, ids ", count - 4, count);
    expect(text, summary);
    ck_assert_uint_lt(strlen(text), 8192);
    green_event_set(&event);
    for (int i = 0; i < count; i++) {
        ck_assert_int_eq(finish(tasks[i]), 0);
    }
    free(tasks);
}
END_TEST

static intptr_t
nap(void *ms)
{
    return green_sleep((uint64_t)NUMBER(ms));
}

START_TEST(processes_are_listed)
{
    char line[64];
    struct green_job *process = spawn_named(GREEN_PROCESS, "child", nap, POINTER(LONG_MS));
    const char *part = section(dump(), "\"child\" runs, spawned at spawn_named");
    snprintf(line, sizeof line, ", pid %d", (int)green_job_pid(process));
    expect(part, line);
    green_job_terminate(process, SIGKILL);
    green_job_put(process);
}
END_TEST

/* ---- where it goes ---- */

START_TEST(dump_to_nowhere_fails)
{
    ck_assert_int_eq(green_dump(-1), -EBADF);
}
END_TEST

static void *
dump_from_outside(void *ret_text)
{
    *(const char **)ret_text = dump();
    return NULL;
}

START_TEST(any_thread_may_call)
{
    struct green_event event = GREEN_EVENT_INIT;
    struct green_job *job = spawn_named(GREEN_TASK, "sleeper", wait_deep_inside, &event);
    pthread_t thread;
    const char *text = NULL;
    until_waiting(1);
    ck_assert_int_eq(pthread_create(&thread, NULL, dump_from_outside, &text), 0);
    while (pthread_tryjoin_np(thread, NULL) == EBUSY) {
        green_sleep(1); /* our loop runs, and answers */
    }
    expect(text, "\"sleeper\" waits for an event");
    ck_assert_uint_eq(green_active_count(), 2);
    green_event_set(&event);
    ck_assert_int_eq(finish(job), 0);
}
END_TEST

/* Loops come and go, and dump each other. */
static atomic_bool over;

static intptr_t
come_and_go(void *arg)
{
    int sink = NUMBER(arg);
    while (!atomic_load(&over)) {
        struct green_job *task;
        if (green_spawn(nap, POINTER(0), &task) != 0 || green_dump(sink) != 0 ||
            green_job_join(task, NULL, GREEN_FOREVER) != 0) {
            return 1;
        }
        green_job_put(task);
    }
    return 0;
}

static intptr_t
short_loop(void *arg)
{
    (void)arg;
    return finish(spawn(GREEN_TASK, nap, POINTER(0)));
}

START_TEST(dumps_meet_loops_that_come_and_go)
{
    struct green_job *threads[3];
    int sink = memfd_create("dump", MFD_CLOEXEC);
    for (int i = 0; i < 3; i++) {
        threads[i] = spawn(GREEN_THREAD, come_and_go, POINTER(sink));
    }
    for (int i = stress(200, 20); i > 0; i--) {
        ck_assert_int_eq(finish(spawn(GREEN_THREAD, short_loop, NULL)), 0);
    }
    atomic_store(&over, true);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(finish(threads[i]), 0);
    }
    close(sink);
}
END_TEST

/* ---- counters ---- */

START_TEST(counters_count)
{
    struct green_counters counters;
    ck_assert_int_eq(green_counters_get_own(&counters), -ENOENT);
    struct green_job *jobs[3];
    for (int i = 0; i < 3; i++) {
        jobs[i] = spawn(GREEN_TASK, nap, POINTER(1));
    }
    ck_assert_int_eq(green_counters_get_own(&counters), 0);
    ck_assert_uint_eq(counters.spawns, 3);
    ck_assert_uint_eq(counters.tasks, 3);
    ck_assert_uint_eq(counters.ready, 3);
    ck_assert_uint_eq(counters.parks, 0);
    ck_assert_uint_eq(counters.switches, 0);
    ck_assert_uint_eq(counters.stacks, 3);
    ck_assert_uint_eq(counters.stack_slabs, 1);
    ck_assert_uint_ge(counters.stack_bytes, 3 * 65536);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(finish(jobs[i]), 0);
    }
    ck_assert_int_eq(green_counters_get_own(&counters), 0);
    ck_assert_uint_eq(counters.tasks, 0);
    ck_assert_uint_eq(counters.ready, 0);
    ck_assert_uint_eq(counters.stacks, 0);
    ck_assert_uint_ge(counters.parks, 4); /* three naps, and the main stack's */
    ck_assert_uint_ge(counters.switches, 6);
    ck_assert_uint_ge(counters.turns, 1);
    ck_assert_uint_ge(counters.ready_max, 3);
    ck_assert_uint_gt(counters.stack_high_water, 0);
    ck_assert_uint_le(counters.stack_high_water, 65536);
    ck_assert_uint_ge(counters.lag_max_ns, counters.lag_ns);
}
END_TEST

START_TEST(process_remembers_ended_loops)
{
    struct green_counters before;
    struct green_counters after;
    green_counters_get(&before);
    ck_assert_uint_eq(before.loops, 0);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(finish(spawn(GREEN_THREAD, short_loop, NULL)), 0);
    }
    green_counters_get(&after);
    ck_assert_uint_eq(after.spawns, 5);
    ck_assert_uint_eq(after.loops, 0);
    ck_assert_uint_eq(after.tasks, 0);
    ck_assert_uint_ge(after.switches, 10);
}
END_TEST

static intptr_t
set_event(void *event)
{
    green_event_set(event);
    return 0;
}

START_TEST(wake_from_outside_is_counted)
{
    struct green_event event = GREEN_EVENT_INIT;
    struct green_counters counters;
    struct green_job *task = spawn(GREEN_TASK, wait_deep_inside, &event);
    until_waiting(1);
    ck_assert_int_eq(finish(spawn(GREEN_THREAD, set_event, &event)), 0);
    ck_assert_int_eq(finish(task), 0);
    green_counters_get(&counters);
    ck_assert_uint_eq(counters.inbox_wakes, 1);
}
END_TEST

int
main(void)
{
    TCase *tests = make_case("dump");
    tcase_add_test(tests, task_is_named_with_its_stack);
    tcase_add_test(tests, task_that_calls_it_runs);
    tcase_add_test(tests, loops_of_other_threads_answer);
    tcase_add_test(tests, many_are_few_lines);
    tcase_add_test(tests, dump_to_nowhere_fails);
    tcase_add_test(tests, any_thread_may_call);
    tcase_add_test(tests, counters_count);
    tcase_add_test(tests, process_remembers_ended_loops);
    tcase_add_test(tests, wake_from_outside_is_counted);
    if (!ONE_AT_A_TIME) {
        tcase_add_test(tests, thread_without_tasks_shows_its_stack);
        tcase_add_test(tests, busy_loop_is_shown_from_outside);
        tcase_add_test(tests, dumps_meet_loops_that_come_and_go);
    }
    if (PROCESSES) {
        tcase_add_test(tests, processes_are_listed);
    }
    return run_case_of("dump", tests);
}
