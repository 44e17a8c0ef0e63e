/*
 * What the tests of executors of processes share: executors, and the ways to die.
 */
#ifndef TESTS_JOB_EXECUTOR_PROCESS_SUPPORT_H
#define TESTS_JOB_EXECUTOR_PROCESS_SUPPORT_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "../base/support.h"
#include "green/executor.h"
#include "green/net.h"
#include "green/timeout.h"

#ifdef __SANITIZE_ADDRESS__
/* A process that ends by exit() in the middle of its work leaves memory behind: no leak. */
static bool ends_in_the_middle;

int __lsan_is_turned_off(void);

int
__lsan_is_turned_off(void)
{
    return ends_in_the_middle;
}

__attribute__((unused)) static void
end_in_the_middle(int status)
{
    ends_in_the_middle = true;
    exit(status);
}
#else
#define end_in_the_middle(status) exit(status)
#endif

__attribute__((unused)) static struct green_executor *
make(unsigned limit, bool early)
{
    struct green_executor *executor = NULL;
    struct green_executor_options options = GREEN_EXECUTOR_OPTIONS;
    options.early = early;
    ck_assert_int_eq(green_executor_create(GREEN_PROCESS, limit, &options, &executor), 0);
    return executor;
}

__attribute__((unused)) static struct green_future *
submit(struct green_executor *executor, green_entry entry, void *arg)
{
    struct green_future *future = NULL;
    ck_assert_int_eq(green_executor_submit(executor, entry, arg, 0, &future), 0);
    return future;
}

__attribute__((unused)) static intptr_t
take(struct green_future *future)
{
    intptr_t value = 1000000;
    ck_assert_int_eq(green_future_wait(future, green_after(2 * LONG_MS)), 0);
    int err = green_future_result(future, &value, GREEN_NOW);
    green_future_put(future);
    return err != 0 ? err : value;
}

__attribute__((unused)) static intptr_t
same(void *arg)
{
    return (intptr_t)arg;
}

__attribute__((unused)) static intptr_t
own_pid(void *arg)
{
    (void)arg;
    green_sleep(2);
    return getpid();
}

enum death {
    BY_SIGKILL,
    BY_ABORT,
    BY_FAULT,
    BY_EXIT,
    BY_QUICK_EXIT,
    DEATHS,
};

__attribute__((unused)) static intptr_t
die(void *how)
{
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    switch (NUMBER(how)) {
    case BY_SIGKILL:
        raise(SIGKILL);
        break;
    case BY_ABORT:
        signal(SIGABRT, SIG_DFL);
        abort();
    case BY_FAULT:
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
        break;
    case BY_EXIT:
        end_in_the_middle(3);
        break;
    default:
        _exit(0); /* even so it did not do its work */
    }
    return 0;
}

#endif
