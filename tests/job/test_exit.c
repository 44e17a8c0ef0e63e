/*
 * The end of a program: what it waits for, what it leaves, and what dies with it however it ends.
 *
 * Each case is a program of its own: a child of the test, whose end and descendants are looked at.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "../base/support.h"
#include "green/timeout.h"

/* In memory that the test and all its descendants share. */
struct shared {
    atomic_int count;
    atomic_int pids[8];
};
static struct shared *shared;

static void
setup(void)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* orphans become ours, so that none is left */
}

static intptr_t
nap_and_count(void *ms)
{
    int err = green_sleep((uint64_t)NUMBER(ms));
    atomic_fetch_add(&shared->count, err == 0 ? 1 : 100);
    return err;
}

static void
spawn_daemon(enum green_kind kind, green_entry entry, void *arg)
{
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    options.daemon = true;
    if (green_spawn_as(kind, entry, arg, &options, NULL) != 0) {
        _exit(99);
    }
}

static void
spawn_plain(enum green_kind kind, green_entry entry, void *arg)
{
    if (green_spawn_as(kind, entry, arg, NULL, NULL) != 0) {
        _exit(98);
    }
}

/* Run it as a program; its exit status or -signal. */
static int
run_program(void (*body)(void))
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        body();
        exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* ---- exit() ---- */

static void
leave_one_of_each(void)
{
    for (int kind = GREEN_TASK; kind <= GREEN_PROCESS; kind++) {
        spawn_plain((enum green_kind)kind, nap_and_count, POINTER(10 + 10 * kind));
    }
}

START_TEST(exit_joins_all_kinds)
{
    setup();
    ck_assert_int_eq(run_program(leave_one_of_each), 0);
    ck_assert_int_eq(shared->count, 3);
}
END_TEST

static void
leave_daemons_of_each(void)
{
    for (int kind = GREEN_TASK; kind <= GREEN_PROCESS; kind++) {
        spawn_daemon((enum green_kind)kind, nap_and_count, POINTER(10 * LONG_MS));
    }
    green_sleep(20);
}

START_TEST(exit_waits_for_no_daemon)
{
    setup();
    ck_assert_int_eq(run_program(leave_daemons_of_each), 0);
    ck_assert_int_eq(shared->count, 100); /* the task was cancelled, the others just end */
}
END_TEST

static intptr_t
exit_7(void *arg)
{
    (void)arg;
    exit(7);
}

__attribute__((unused)) static void
exit_in_a_task(void)
{
    spawn_plain(GREEN_THREAD, nap_and_count, POINTER(10));
    spawn_plain(GREEN_TASK, exit_7, NULL);
    green_sleep(LONG_MS);
}

static void
exit_in_a_thread(void)
{
    spawn_plain(GREEN_PROCESS, nap_and_count, POINTER(10));
    spawn_plain(GREEN_THREAD, exit_7, NULL);
    green_sleep(LONG_MS);
}

START_TEST(exit_by_any_worker)
{
    setup();
    ck_assert_int_eq(run_program(exit_in_a_thread), 7);
#ifndef GREEN__ASAN /* LeakSanitizer does not look into the main stack while a task exits */
    ck_assert_int_eq(run_program(exit_in_a_task), 7);
    ck_assert_int_eq(shared->count, 2);
#endif
}
END_TEST

static intptr_t
spawn_more(void *depth)
{
    if (NUMBER(depth) > 0) {
        spawn_plain((enum green_kind)(NUMBER(depth) % 3), spawn_more, POINTER(NUMBER(depth) - 1));
    }
    return nap_and_count(POINTER(3));
}

static void
leave_a_chain(void)
{
    spawn_more(POINTER(7));
}

START_TEST(exit_joins_what_is_spawned_meanwhile)
{
    setup();
    ck_assert_int_eq(run_program(leave_a_chain), 0);
    ck_assert_int_eq(shared->count, 8);
}
END_TEST

static void
leave_while_cancelled(void)
{
    spawn_plain(GREEN_THREAD, nap_and_count, POINTER(20));
    spawn_plain(GREEN_PROCESS, nap_and_count, POINTER(20));
    green_job_cancel(green_self());
}

START_TEST(exit_joins_though_cancelled)
{
    setup();
    ck_assert_int_eq(run_program(leave_while_cancelled), 0);
    ck_assert_int_eq(shared->count, 2);
}
END_TEST

/* ---- SIGKILL ---- */

static intptr_t
show_pid_and_nap(void *place)
{
    atomic_store(&shared->pids[NUMBER(place)], getpid());
    return green_sleep(10 * LONG_MS);
}

static void
await_pids(int count)
{
    for (int i = 0; i < count; i++) {
        for (int ms = 0; atomic_load(&shared->pids[i]) == 0 && ms < LONG_MS; ms++) {
            usleep(1000);
        }
    }
}

static intptr_t
spawn_daemon_2(void *arg)
{
    (void)arg;
    spawn_daemon(GREEN_PROCESS, show_pid_and_nap, POINTER(2));
    return 0;
}

static intptr_t
spawn_daemon_3(void *arg)
{
    (void)arg;
    spawn_daemon(GREEN_PROCESS, show_pid_and_nap, POINTER(3));
    return 0;
}

static void
die_with_daemons(void)
{
    spawn_daemon(GREEN_PROCESS, show_pid_and_nap, POINTER(0));
    spawn_daemon(GREEN_PROCESS, show_pid_and_nap, POINTER(1));
    struct green_job *thread = NULL; /* it has ended when the program is killed */
    if (green_spawn_as(GREEN_THREAD, spawn_daemon_2, NULL, NULL, &thread) != 0 ||
        green_job_join(thread, NULL, GREEN_FOREVER) != 0) {
        _exit(97);
    }
    spawn_plain(GREEN_TASK, spawn_daemon_3, NULL);
    green_sleep(5);
    await_pids(4);
    raise(SIGKILL);
}

START_TEST(daemons_die_with_a_killed_parent)
{
    setup();
    ck_assert_int_eq(run_program(die_with_daemons), -SIGKILL);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_ne(shared->pids[i], 0);
        ck_assert(dies(shared->pids[i]));
    }
}
END_TEST

static void
die_with_an_orphan(void)
{
    spawn_daemon(GREEN_PROCESS, show_pid_and_nap, POINTER(0));
    spawn_plain(GREEN_PROCESS, show_pid_and_nap, POINTER(1));
    await_pids(2);
    raise(SIGKILL);
}

/* Spawned after the daemon: a brother must not hold its lifeline. */
START_TEST(others_become_orphans)
{
    setup();
    ck_assert_int_eq(run_program(die_with_an_orphan), -SIGKILL);
    ck_assert(dies(shared->pids[0]));
    usleep(20000);
    ck_assert_int_eq(kill(shared->pids[1], 0), 0);
    ck_assert_int_eq(kill(shared->pids[1], SIGKILL), 0);
    ck_assert(dies(shared->pids[1]));
}
END_TEST

static intptr_t
spawn_daemons_at_once(void *place)
{
    for (int i = 0; i < 2; i++) {
        spawn_plain(GREEN_PROCESS, nap_and_count, POINTER(1));
        spawn_daemon(GREEN_PROCESS, show_pid_and_nap, POINTER(NUMBER(place) + i));
    }
    return 0;
}

static void
die_with_daemons_of_threads(void)
{
    for (int i = 0; i < 4; i++) {
        spawn_plain(GREEN_THREAD, spawn_daemons_at_once, POINTER(2 * i));
    }
    await_pids(8);
    raise(SIGKILL);
}

START_TEST(daemons_of_several_threads)
{
    setup();
    int rounds = stress(10, 2);
    for (int round = 0; round < rounds; round++) {
        memset(shared, 0, sizeof *shared);
        ck_assert_int_eq(run_program(die_with_daemons_of_threads), -SIGKILL);
        for (int i = 0; i < 8; i++) {
            ck_assert(dies(shared->pids[i]));
        }
    }
}
END_TEST

/* A daemon of a daemon goes too; a daemon ends with the parent's orderly end as well. */
static intptr_t
daemon_with_a_daemon(void *arg)
{
    spawn_daemon(GREEN_PROCESS, show_pid_and_nap, POINTER(1));
    return show_pid_and_nap(arg);
}

static void
end_orderly(void)
{
    spawn_daemon(GREEN_PROCESS, daemon_with_a_daemon, POINTER(0));
    await_pids(2);
}

START_TEST(daemons_of_daemons)
{
    setup();
    ck_assert_int_eq(run_program(end_orderly), 0);
    ck_assert(dies(shared->pids[0]));
    ck_assert(dies(shared->pids[1]));
}
END_TEST

/* ---- what is written to at the end ---- */

#ifndef GREEN__ASAN /* which takes the fault for itself */

__attribute__((noinline)) static intptr_t
recurse(void *depth)
{
    volatile char frame[512] = {0};
    frame[NUMBER(depth) % 512] = 1;
    return NUMBER(depth) < 1000000 ? recurse(POINTER(NUMBER(depth) + 1)) + frame[0] : 0;
}

static void
overflow_a_task(void)
{
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    options.name = "deep thought";
    green_spawn_as(GREEN_TASK, recurse, NULL, &options, NULL);
    green_sleep(1);
}

START_TEST(overflow_names_the_task)
{
    char text[1024];
    ck_assert_int_eq(last_words(overflow_a_task, text, sizeof text), -SIGABRT);
    ck_assert_ptr_nonnull(strstr(text, "green: task \"deep thought\" overflowed its stack"));
}
END_TEST

#endif

int
main(void)
{
    const TTest *const tests[] = {
        exit_joins_all_kinds,        exit_waits_for_no_daemon,
        exit_by_any_worker,          exit_joins_what_is_spawned_meanwhile,
        exit_joins_though_cancelled, daemons_die_with_a_killed_parent,
        others_become_orphans,       daemons_of_several_threads,
        daemons_of_daemons,
#ifndef GREEN__ASAN
        overflow_names_the_task,
#endif
    };
    return PROCESSES ? RUN_TESTS("exit", tests) : SKIPPED;
}
