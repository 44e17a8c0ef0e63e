/*
 * The report of an overflow, and that all other faults go where they went before. Each case runs in
 * a child, whose last words and end the test looks at.
 */
#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "context/context.h"
#include "context/stack.h"

#define FRAME_BYTES 512
/* How a child ends: by a signal of its own, since valgrind has exit statuses to itself. */
#define PREVIOUS_CALLED SIGUSR2
#define SURVIVED        43

static struct green__context home;
static struct green__context task;
static struct green__stack task_stack;
static const char *task_name;
static bool task_runs;

static bool
describe(struct green__stack *ret_stack, const char **ret_kind, const char **ret_name)
{
    if (!task_runs) {
        return false;
    }
    *ret_stack = task_stack;
    *ret_kind = "task";
    *ret_name = task_name;
    return true;
}

__attribute__((noinline)) static int
recurse(int depth)
{
    volatile char frame[FRAME_BYTES];
    memset((void *)frame, depth, sizeof frame);
    return depth < 1000000 ? recurse(depth + 1) + frame[depth % FRAME_BYTES] : 0;
}

static void
overflow(void *arg)
{
    (void)arg;
    recurse(0);
    green__context_switch(&task, &home, true);
}

static void *
no_page(void)
{
    return mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void
fault_elsewhere(void *arg)
{
    *(volatile char *)arg = 1;
    green__context_switch(&task, &home, true);
}

static void
run_task(const char *name, size_t size, green__context_entry entry, void *arg)
{
    struct green__stack_pool *pool;
    if (green__stack_pool_create(&pool) != 0 || green__stack_take(pool, size, &task_stack) != 0 ||
        green__overflow_watch_thread(describe) != 0) {
        _exit(1);
    }
    task_name = name;
    green__context_make(&task, task_stack.low, task_stack.size, entry, arg);
    task_runs = true;
    green__context_switch(&home, &task, false);
    task_runs = false;
}

/* Run the case in a child whose handlers are the default ones; what it wrote to standard error, and
 * how it ended. */
static int
last_words(void (*body)(void), char *ret_text, size_t size)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        body();
        _exit(SURVIVED);
    }
    close(ends[1]);
    size_t length = 0;
    for (ssize_t got = 1; got > 0 && length < size - 1; length += (size_t)(got > 0 ? got : 0)) {
        got = read(ends[0], ret_text + length, size - 1 - length);
    }
    ret_text[length] = '\0';
    close(ends[0]);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void
overflow_default_size(void)
{
    run_task("deep thought", GREEN__STACK_DEFAULT, overflow, NULL);
}

START_TEST(overflow_is_reported)
{
    char text[1024];
    ck_assert_int_eq(green__stack_guard_choose(GREEN__STACK_GUARD_AUTO), 0);
    ck_assert_int_eq(last_words(overflow_default_size, text, sizeof text), -SIGABRT);
    ck_assert_str_eq(text, "green: task \"deep thought\" overflowed its stack of 65536 bytes "
                           "(high-water mark 65536)\n");
    ck_assert_int_eq(green__stack_guard_choose(GREEN__STACK_GUARD_MPROTECT), 0);
    ck_assert_int_eq(last_words(overflow_default_size, text, sizeof text), -SIGABRT);
    ck_assert_str_eq(text, "green: task \"deep thought\" overflowed its stack of 65536 bytes "
                           "(high-water mark 65536)\n");
}
END_TEST

static char long_name[2000];

static void
overflow_long_name(void)
{
    memset(long_name, 'n', sizeof long_name - 1);
    run_task(long_name, GREEN__STACK_MIN * 2, overflow, NULL);
}

START_TEST(long_name_is_cut)
{
    char text[4096];
    ck_assert_int_eq(last_words(overflow_long_name, text, sizeof text), -SIGABRT);
    ck_assert_uint_lt(strlen(text), 512);
    ck_assert_ptr_nonnull(
        strstr(text, "n\" overflowed its stack of 16384 bytes (high-water mark 16384)\n"));
}
END_TEST

static void *
overflow_on_thread(void *arg)
{
    overflow_default_size();
    return arg;
}

static void
overflow_second_thread(void)
{
    pthread_t thread;
    green__overflow_watch_thread(NULL);
    pthread_create(&thread, NULL, overflow_on_thread, NULL);
    pthread_join(thread, NULL);
}

START_TEST(each_thread_is_watched)
{
    char text[1024];
    ck_assert_int_eq(last_words(overflow_second_thread, text, sizeof text), -SIGABRT);
    ck_assert_ptr_nonnull(strstr(text, "deep thought"));
}
END_TEST

static void
fault_of_a_task(void)
{
    run_task("wild", GREEN__STACK_DEFAULT, fault_elsewhere, no_page());
}

static void
fault_at_home(void)
{
    green__overflow_watch_thread(describe);
    *(volatile char *)no_page() = 1;
}

START_TEST(other_faults_have_their_default_action)
{
    char text[1024];
    ck_assert_int_eq(last_words(fault_of_a_task, text, sizeof text), -SIGSEGV);
    ck_assert_str_eq(text, "");
    ck_assert_int_eq(last_words(fault_at_home, text, sizeof text), -SIGSEGV);
    ck_assert_str_eq(text, "");
}
END_TEST

static void
previous_handler(int number)
{
    (void)number;
    raise(PREVIOUS_CALLED);
}

static void *wanted_address;

static void
previous_informed_handler(int number, siginfo_t *info, void *machine)
{
    raise(number == SIGSEGV && info->si_addr == wanted_address && machine != NULL ? PREVIOUS_CALLED
                                                                                  : SIGUSR1);
}

static void
fault_with_handler(void)
{
    signal(SIGSEGV, previous_handler);
    fault_of_a_task();
}

static void
fault_with_informed_handler(void)
{
    struct sigaction action = {.sa_sigaction = previous_informed_handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    wanted_address = no_page();
    run_task("wild", GREEN__STACK_DEFAULT, fault_elsewhere, wanted_address);
}

START_TEST(other_faults_go_to_the_previous_handler)
{
    char text[1024];
    ck_assert_int_eq(last_words(fault_with_handler, text, sizeof text), -PREVIOUS_CALLED);
    ck_assert_int_eq(last_words(fault_with_informed_handler, text, sizeof text), -PREVIOUS_CALLED);
}
END_TEST

static void
killed(void)
{
    green__overflow_watch_thread(describe);
    raise(SIGBUS);
}

static void
killed_but_ignores(void)
{
    signal(SIGBUS, SIG_IGN);
    green__overflow_watch_thread(describe);
    raise(SIGBUS);
}

static volatile sig_atomic_t calls;

static void
count_call(int number)
{
    (void)number;
    calls++;
}

static void
killed_twice_with_one_shot_handler(void)
{
    struct sigaction action = {.sa_handler = count_call, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGBUS, &action, NULL);
    green__overflow_watch_thread(describe);
    raise(SIGBUS);
    if (calls == 1) {
        raise(SIGBUS);
    }
}

START_TEST(signals_sent_are_no_faults)
{
    char text[1024];
    ck_assert_int_eq(last_words(killed, text, sizeof text), -SIGBUS);
    ck_assert_int_eq(last_words(killed_but_ignores, text, sizeof text), SURVIVED);
    ck_assert_int_eq(last_words(killed_twice_with_one_shot_handler, text, sizeof text), -SIGBUS);
}
END_TEST

/* A thread gets its alternate stack, and loses it again; one of the program's own stays. */
static void *
look_at_alternate_stack(void *arg)
{
    bool *good = arg;
    stack_t before;
    stack_t during;
    stack_t after;
    static char own[65536];
    sigaltstack(NULL, &before);
    green__overflow_watch_thread(describe);
    green__overflow_watch_thread(describe);
    sigaltstack(NULL, &during);
    green__overflow_unwatch_thread();
    green__overflow_unwatch_thread();
    sigaltstack(NULL, &after);
    *good = !(during.ss_flags & SS_DISABLE) && after.ss_flags == before.ss_flags &&
            (before.ss_flags & SS_DISABLE || after.ss_sp == before.ss_sp);

    stack_t program = {.ss_sp = own, .ss_size = sizeof own};
    sigaltstack(&program, NULL);
    green__overflow_watch_thread(describe);
    green__overflow_unwatch_thread();
    sigaltstack(NULL, &after);
    *good = *good && after.ss_sp == own && !(after.ss_flags & SS_DISABLE);
    sigaltstack(&before, NULL);
    return NULL;
}

START_TEST(alternate_stack_comes_and_goes)
{
    bool good = false;
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, look_at_alternate_stack, &good), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert(good);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("overflow");
    tcase_set_timeout(tests, 180);
    tcase_add_test(tests, overflow_is_reported);
    tcase_add_test(tests, long_name_is_cut);
    tcase_add_test(tests, each_thread_is_watched);
    tcase_add_test(tests, other_faults_have_their_default_action);
    tcase_add_test(tests, other_faults_go_to_the_previous_handler);
    tcase_add_test(tests, signals_sent_are_no_faults);
    tcase_add_test(tests, alternate_stack_comes_and_goes);
    Suite *suite = suite_create("overflow");
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures == 0 ? 0 : 1;
}
