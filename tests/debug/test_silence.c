/*
 * All asleep: what has no owner is waited for in vain when nobody is left to bring it, and only
 * then.
 */
#include <errno.h>
#include <signal.h>
#include <sys/time.h>

#include "findings.h"
#include "green/channel.h"
#include "green/future.h"
#include "green/group.h"
#include "green/net.h"
#include "green/os.h"

/** The process as a program has it: Check leaves handlers in it, which could wake somebody. */
static void
begin(void)
{
    const int handled[] = {SIGALRM, SIGINT, SIGTERM};
    for (size_t i = 0; i < sizeof handled / sizeof *handled; i++) {
        signal(handled[i], SIG_DFL);
    }
    watch();
}

static struct green_event event = GREEN_EVENT_INIT;

static intptr_t
wait_for_event(void *label)
{
    int err = green_event_wait(&event, GREEN_FOREVER);
    note(label);
    return err;
}

/* ---- who is told, and in which order ---- */

START_TEST(who_came_last_is_refused_and_then_the_rest)
{
    begin();
    struct green_job *jobs[3];
    const char *const labels[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        jobs[i] = spawn(GREEN_TASK, wait_for_event, (void *)labels[i]);
    }
    for (int i = 0; i < 3; i++) {
        intptr_t value = 0;
        ck_assert_int_eq(green_job_join(jobs[i], &value, GREEN_FOREVER), 0);
        ck_assert_int_eq(value, -EDEADLK);
        green_job_put(jobs[i]);
    }
    ck_assert_trace("c b a");
    ck_assert_int_eq(finding_count(), 3);
    ck_assert_int_eq(times_said(" waits for an event at 0x"), 1);
    ck_assert_int_eq(times_said(" waits for the end of a job at 0x"), 1);
}
END_TEST

static intptr_t
wait_and_set(void *label)
{
    intptr_t err = wait_for_event(label);
    green_event_set(&event);
    return err;
}

START_TEST(one_who_is_refused_may_wake_the_rest)
{
    begin();
    struct green_job *first = spawn(GREEN_TASK, wait_for_event, "a");
    struct green_job *last = spawn(GREEN_TASK, wait_and_set, "b");
    intptr_t value = 1;
    ck_assert_int_eq(green_job_join(first, &value, GREEN_FOREVER), 0);
    ck_assert_int_eq(value, 0);
    green_job_put(first);
    ck_assert_int_eq(finish(last), -EDEADLK);
    ck_assert_trace("b a");
    ck_assert_int_eq(finding_count(), 1);
}
END_TEST

START_TEST(a_thread_without_tasks)
{
    begin();
    ck_assert_int_eq(green_event_wait(&event, GREEN_FOREVER), -EDEADLK);
    ck_assert_int_eq(finding_count(), 1);
    green_event_set(&event);
    ck_assert_int_eq(green_event_wait(&event, GREEN_FOREVER), 0);
}
END_TEST

START_TEST(a_daemon_is_never_refused)
{
    begin();
    struct green_spawn_options options = {.name = "server", .daemon = true};
    struct green_job *daemon;
    ck_assert_int_eq(green_spawn_as(GREEN_TASK, wait_for_event, "d", &options, &daemon), 0);
    struct green_job *task = spawn(GREEN_TASK, wait_for_event, "a");
    intptr_t value = 0;
    ck_assert_int_eq(green_job_join(task, &value, GREEN_FOREVER), 0);
    ck_assert_int_eq(value, -EDEADLK);
    green_job_put(task);
    ck_assert_int_eq(green_job_join(daemon, NULL, GREEN_FOREVER), -EDEADLK);
    ck_assert_int_eq(finding_count(), 2);
    ck_assert_int_eq(times_said("green: deadlock: the call of thread 1 "), 1);
    ck_assert_int_eq(times_said("\"server\" waits for an event"), 1);
    ck_assert_trace("a");
    green_event_set(&event);
    ck_assert_int_eq(finish(daemon), 0);
}
END_TEST

/* ---- everything that one can wait for ---- */

static struct green_mutex mutex = GREEN_MUTEX_INIT;

static int
wait_for_condition(void)
{
    struct green_condition condition = GREEN_CONDITION_INIT(&mutex);
    green_mutex_lock(&mutex, GREEN_FOREVER);
    int err = green_condition_wait(&condition, GREEN_FOREVER);
    green_mutex_unlock(&mutex); /* which it has all the same */
    return err;
}

static int
wait_for_unit(void)
{
    struct green_semaphore semaphore = GREEN_SEMAPHORE_INIT(0);
    return green_semaphore_acquire(&semaphore, GREEN_FOREVER);
}

static int
wait_for_others(void)
{
    struct green_barrier barrier = GREEN_BARRIER_INIT(2, NULL, NULL);
    return green_barrier_wait(&barrier, NULL, GREEN_FOREVER);
}

static int
wait_for_item(void)
{
    struct green_queue queue = GREEN_QUEUE_INIT(0);
    void *item;
    return green_queue_get(&queue, &item, GREEN_FOREVER);
}

static int
wait_for_room(void)
{
    struct green_queue queue = GREEN_QUEUE_INIT(1);
    green_queue_put(&queue, NULL, GREEN_FOREVER);
    int err = green_queue_put(&queue, NULL, GREEN_FOREVER);
    green_queue_fini(&queue);
    return err;
}

static int
wait_for_work(void)
{
    struct green_queue queue = GREEN_QUEUE_INIT(1);
    green_queue_put(&queue, NULL, GREEN_FOREVER);
    int err = green_queue_join(&queue, GREEN_FOREVER);
    green_queue_fini(&queue);
    return err;
}

static int
wait_for_channels(void)
{
    struct green_channel *channel;
    green_channel_create(sizeof(int), 0, &channel);
    int item = 1;
    struct green_case cases[2];
    memset(cases, 0, sizeof cases);
    for (int i = 0; i < 2; i++) {
        cases[i].kind = i == 0 ? GREEN_CASE_SEND : GREEN_CASE_RECEIVE;
        cases[i].channel = i == 0 ? channel : NULL;
        cases[i].item = &item;
    }
    int errs[] = {green_channel_send(channel, &item, GREEN_FOREVER),
                  green_channel_receive(channel, &item, GREEN_FOREVER),
                  green_select(cases, 2, GREEN_FOREVER)};
    green_channel_destroy(channel);
    return errs[0] == errs[1] && errs[1] == errs[2] ? errs[0] : 1;
}

static int
wait_for_future(void)
{
    struct green_future *future;
    ck_assert_int_eq(green_future_create(&future), 0);
    int err = green_future_result(future, NULL, GREEN_FOREVER);
    green_future_put(future);
    return err;
}

static int
wait_for_mutex_of_one_who_ended(void)
{
    static struct green_mutex held = GREEN_MUTEX_INIT;
    static _Alignas(16) char ended[16];
    held.holder = (uintptr_t)ended;
    return green_mutex_lock(&held, GREEN_FOREVER);
}

static int (*const waits[])(void) = {
    wait_for_condition, wait_for_unit,   wait_for_others,
    wait_for_item,      wait_for_room,   wait_for_work,
    wait_for_channels,  wait_for_future, wait_for_mutex_of_one_who_ended,
};

static intptr_t
call_wait(void *arg)
{
    return waits[NUMBER(arg)]();
}

START_TEST(whatever_is_waited_for)
{
    begin();
    ck_assert_int_eq(waits[_i](), -EDEADLK);
    struct green_job *task = spawn(GREEN_TASK, call_wait, VALUE(_i) == 0 ? NULL : POINTER(_i));
    intptr_t value = 0;
    ck_assert_int_eq(green_job_join(task, &value, GREEN_FOREVER), 0);
    ck_assert_int_eq(value, -EDEADLK);
    green_job_put(task);
    ck_assert_int_ge(finding_count(), 2);
}
END_TEST

/* ---- what could still come ---- */

static intptr_t
set_later(void *arg)
{
    (void)arg;
    int err = green_sleep(20);
    green_event_set(&event);
    return err;
}

static int ends[2];

static intptr_t
set_when_readable(void *arg)
{
    (void)arg;
    char byte;
    ssize_t got = green_read(ends[0], &byte, 1);
    green_event_set(&event);
    return got == 1 ? 0 : got;
}

static intptr_t
nap(void *arg)
{
    (void)arg;
    usleep(20000);
    return 0;
}

static intptr_t
set_after_blocking(void *arg)
{
    (void)arg;
    int err = green_blocking(nap, NULL, NULL);
    green_event_set(&event);
    return err;
}

static void *
set_from_outside(void *arg)
{
    (void)arg;
    usleep(20000);
    green_event_set(&event);
    return NULL;
}

static void *
write_later(void *arg)
{
    (void)arg;
    usleep(20000);
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    return NULL;
}

static void
expect_event(struct green_job *helper)
{
    ck_assert_int_eq(green_event_wait(&event, GREEN_FOREVER), 0);
    ck_assert_int_eq(finding_count(), 0);
    if (helper != NULL) {
        ck_assert_int_eq(finish(helper), 0);
    }
}

START_TEST(a_timer_may_come)
{
    begin();
    expect_event(spawn(GREEN_TASK, set_later, NULL));
}
END_TEST

START_TEST(a_descriptor_may_become_ready)
{
    static const char *const engines[] = {"epoll", "poll"};
    begin();
    setenv("GREEN_IO", engines[_i], 1);
    ck_assert_int_eq(pipe(ends), 0);
    if (fork() == 0) { /* no thread: the descriptor alone is to keep us silent */
        write_later(NULL);
        _exit(0);
    }
    expect_event(spawn(GREEN_TASK, set_when_readable, NULL));
    ck_assert_int_eq(green_event_wait(&event, GREEN_FOREVER), 0);
    green_event_clear(&event);
    ck_assert_int_eq(green_event_wait(&event, GREEN_FOREVER), -EDEADLK);
    wait(NULL);
}
END_TEST

START_TEST(work_on_the_pool_may_end)
{
    begin();
    expect_event(spawn(GREEN_TASK, set_after_blocking, NULL));
}
END_TEST

START_TEST(another_thread_may_come)
{
    begin();
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, set_from_outside, NULL), 0);
    expect_event(NULL);
    pthread_join(thread, NULL);
}
END_TEST

START_TEST(a_thread_of_ours_may_come)
{
    begin();
    expect_event(spawn(GREEN_THREAD, set_later, NULL));
}
END_TEST

static void
cancel_main(int signo)
{
    (void)signo;
    green_job_cancel(green_self());
}

START_TEST(a_handler_may_cancel)
{
    begin();
    struct sigaction action = {.sa_handler = cancel_main};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval soon = {{0, 0}, {0, 20000}};
    setitimer(ITIMER_REAL, &soon, NULL);
    ck_assert_int_eq(green_event_wait(&event, GREEN_FOREVER), -ECANCELED);
    ck_assert_int_eq(finding_count(), 0);
}
END_TEST

START_TEST(a_parent_may_cancel)
{
    begin();
    struct green_job *process = spawn(GREEN_PROCESS, wait_for_event, "");
    green_sleep(50);
    green_job_cancel(process);
    ck_assert_int_eq(finish(process), -ECANCELED);
}
END_TEST

/* ---- the end of a program ---- */

static void
leave_a_task(void)
{
    begin();
    green_deadlock_set_hook(green_deadlock_to_stderr, NULL);
    green_spawn(wait_for_event, (void *)"", NULL);
}

static void
leave_a_daemon(void)
{
    static const struct green_spawn_options options = {.daemon = true};
    begin();
    green_deadlock_set_hook(green_deadlock_to_stderr, NULL);
    green_spawn_as(GREEN_TASK, wait_for_event, (void *)"", &options, NULL);
    green_yield();
}

START_TEST(a_program_ends_all_the_same)
{
    char words[1024];
    ck_assert_int_eq(last_words(leave_a_task, words, sizeof words), 0);
    ck_assert_msg(strstr(words, "green: deadlock: the call of task ") == words, "%s", words);
    ck_assert_int_eq(last_words(leave_a_daemon, words, sizeof words), 0);
    ck_assert_str_eq(words, "");
}
END_TEST

START_TEST(one_ignored_is_no_handler)
{
    begin();
    struct sigaction ignore = {.sa_handler = SIG_IGN, .sa_flags = SA_SIGINFO};
    ck_assert_int_eq(sigaction(SIGUSR1, &ignore, NULL), 0);
    ck_assert_int_eq(green_event_wait(&event, GREEN_FOREVER), -EDEADLK);
}
END_TEST

START_TEST(a_group_ends_because_its_jobs_fail)
{
    begin();
    struct green_group group;
    green_group_init(&group, 0);
    ck_assert_int_eq(green_group_spawn(&group, wait_for_event, (void *)"a"), 0);
    green_yield(); /* the wait for the group begins last, and would be the first to fail */
    ck_assert_int_eq(green_group_fini(&group), -EDEADLK); /* what the job returned */
    ck_assert_trace("a");
    green_group_init(&group, 0);
    ck_assert_int_eq(green_group_spawn(&group, wait_for_event, (void *)"b"), 0);
    green_yield();
    ck_assert_int_eq(green_group_join(&group, GREEN_FOREVER), -EDEADLK);
    ck_assert_uint_eq(green_group_size(&group), 1);
    green_event_set(&event);
    ck_assert_int_eq(green_group_fini(&group), 0);
    ck_assert_trace("a b");
    ck_assert_int_eq(finding_count(), 2);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        who_came_last_is_refused_and_then_the_rest,
        one_who_is_refused_may_wake_the_rest,
        a_thread_without_tasks,
        a_daemon_is_never_refused,
        a_timer_may_come,
        work_on_the_pool_may_end,
        another_thread_may_come,
        a_thread_of_ours_may_come,
        a_handler_may_cancel,
        one_ignored_is_no_handler,
        a_group_ends_because_its_jobs_fail,
        a_program_ends_all_the_same,
    };
    TCase *all = make_case("silence");
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        tcase_add_test(all, tests[i]);
    }
    if (PROCESSES) {
        tcase_add_test(all, a_parent_may_cancel);
    }
    tcase_add_loop_test(all, whatever_is_waited_for, 0, sizeof waits / sizeof *waits);
    tcase_add_loop_test(all, a_descriptor_may_become_ready, 0, 2);
    return run_case_of("silence", all);
}
