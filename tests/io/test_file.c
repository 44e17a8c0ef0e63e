/*
 * Waiting for, reading and writing descriptors that are no sockets: pipes that block, terminals,
 * regular files, the kernel's own; and poll() on several.
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "support.h"

#define BIG (1 << 20)

/* ---- a pipe that blocks ---- */

struct drain {
    int fd;
    size_t sum;
    bool in_order;
};

static void
drain_slowly(void *arg)
{
    struct drain *drain = arg;
    static unsigned char bytes[30000];
    drain->in_order = true;
    ssize_t got;
    while ((got = read(drain->fd, bytes, sizeof bytes)) > 0) {
        drain->in_order = drain->in_order && pattern_holds(bytes, (size_t)got, drain->sum);
        drain->sum += (size_t)got;
        if (drain->sum < BIG / 4) {
            nap(1);
        }
    }
}

static unsigned char big[BIG];

static intptr_t
write_big(void *arg)
{
    (void)arg;
    int fds[2];
    WANT(pair_make(PAIR_PIPE, fds), ==, 0);
    pattern_fill(big, sizeof big, 0);
    struct drain drain = {.fd = fds[0]};
    struct later reader;
    later_start(&reader, 5, drain_slowly, &drain);
    struct storm storm;
    storm_start(&storm);
    int err = green_writeall(fds[1], big, sizeof big);
    storm_stop(&storm);
    WANT(err, ==, 0);
    WANT(is_nonblocking(fds[1]), ==, false);
    green_close(fds[1]);
    later_join(&reader);
    WANT(drain.sum, ==, BIG);
    WANT(drain.in_order, ==, true);
    green_close(fds[0]);
    return 0;
}

/** No more than there is room for: what has been written in time is told, the rest is not tried. */
static intptr_t
write_what_fits(void *arg)
{
    (void)arg;
    int fds[2];
    WANT(pair_make(PAIR_PIPE, fds), ==, 0);
    struct green_timeout scope;
    green_timeout_start(&scope, 0);
    WANT(green_write(fds[1], big, sizeof big), >, 0);
    while (green_write(fds[1], big, sizeof big) > 0) {
    }
    WANT(green_timeout_fired(&scope), ==, true);
    green_timeout_stop(&scope);
    green_timeout_start(&scope, 3);
    WANT(green_writeall(fds[1], big, sizeof big), ==, -ETIMEDOUT);
    green_timeout_stop(&scope);
    green_close(fds[0]);
    green_close(fds[1]);
    return 0;
}

static intptr_t
write_and_see_others_run(void *arg)
{
    int *fds = arg;
    return green_writeall(fds[1], big, sizeof big);
}

START_TEST(a_blocking_pipe_does_not_stop_the_loop)
{
    int fds[2];
    static unsigned char bytes[70000];
    ck_assert_int_eq(pair_make(PAIR_PIPE, fds), 0);
    struct green_job *writer;
    ck_assert_int_eq(green_spawn(write_and_see_others_run, fds, &writer), 0);
    size_t sum = 0;
    while (sum < BIG) { /* on the same thread: the writer must give way */
        ssize_t got = green_read(fds[0], bytes, sizeof bytes);
        ck_assert_int_gt(got, 0);
        sum += (size_t)got;
    }
    intptr_t err;
    ck_assert_int_eq(green_job_join(writer, &err, green_after(LIMIT_MS)), 0);
    ck_assert_int_eq(err, 0);
    green_job_put(writer);
}
END_TEST

/* ---- a terminal ---- */

static intptr_t
fill_terminal(void *arg)
{
    int *fds = arg;
    struct green_timeout scope;
    green_timeout_start(&scope, 100);
    int err = 0;
    for (int i = 0; i < 64 && err == 0; i++) {
        err = green_writeall(fds[1], big, 65536);
    }
    green_timeout_stop(&scope);
    return err;
}

static int
open_terminal(int fds[2])
{
    fds[0] = posix_openpt(O_RDWR | O_NOCTTY);
    if (fds[0] < 0 || grantpt(fds[0]) != 0 || unlockpt(fds[0]) != 0) {
        return -errno;
    }
    fds[1] = open(ptsname(fds[0]), O_RDWR | O_NOCTTY);
    struct termios raw;
    if (fds[1] < 0 || tcgetattr(fds[1], &raw) != 0) {
        return -errno;
    }
    cfmakeraw(&raw);
    return tcsetattr(fds[1], TCSANOW, &raw) == 0 ? 0 : -errno;
}

/** Nobody reads the terminal: the writer is cut short, and so nobody else waits for him. */
START_TEST(a_full_terminal)
{
    for (int caller = 0; caller < CALLERS_ALONE; caller++) {
        int fds[2];
        ck_assert_int_eq(open_terminal(fds), 0);
        ck_assert_int_eq(call_as(caller, fill_terminal, fds), -ETIMEDOUT);
        ck_assert(!is_nonblocking(fds[1]));
        green_close(fds[0]);
        green_close(fds[1]);
    }
}
END_TEST

static void
type(void *arg)
{
    ssize_t written = write(*(int *)arg, "typed", 5);
    (void)written;
}

static intptr_t
use_terminal(void *arg)
{
    (void)arg;
    int fds[2];
    char buffer[16];
    WANT(open_terminal(fds), ==, 0);
    struct later later;
    later_start(&later, 3, type, &fds[0]);
    WANT(green_read(fds[1], buffer, sizeof buffer), ==, 5);
    later_join(&later);
    WANT(green_writeall(fds[1], "shown", 5), ==, 0);
    WANT(green_read(fds[0], buffer, sizeof buffer), ==, 5);
    WANT(is_nonblocking(fds[0]) || is_nonblocking(fds[1]), ==, false);
    green_close(fds[1]);
    WANT(green_read(fds[0], buffer, sizeof buffer), ==, -EIO); /* hung up */
    green_close(fds[0]);
    return 0;
}

/* ---- regular files and the kernel's own ---- */

static intptr_t
use_files(void *arg)
{
    (void)arg;
    char name[] = "/tmp/green-test-file-XXXXXX";
    int fd = mkstemp(name);
    WANT(fd, >=, 0);
    unlink(name);
    pattern_fill(big, sizeof big, 0);
    struct green_timeout scope;
    green_timeout_start(&scope, 0); /* nothing of this waits */
    WANT(green_writeall(fd, big, sizeof big), ==, 0);
    WANT(lseek(fd, 0, SEEK_SET), ==, 0);
    WANT(green_wait_fd(fd, POLLIN, GREEN_NOW) & POLLIN, ==, POLLIN);
    memset(big, 0, sizeof big);
    WANT(green_read(fd, big, sizeof big), ==, BIG);
    WANT(pattern_holds(big, sizeof big, 0), ==, true);
    WANT(green_read(fd, big, sizeof big), ==, 0);
    green_close(fd);
    fd = open("/dev/null", O_RDWR);
    WANT(green_write(fd, "x", 1), ==, 1);
    WANT(green_read(fd, name, 1), ==, 0);
    WANT(green_wait_fd(fd, POLLOUT, GREEN_NOW), ==, POLLOUT);
    green_close(fd);
    green_timeout_stop(&scope);
    WANT(green_read(-1, name, 1), ==, -EBADF);
    WANT(green_write(-1, name, 1), ==, -EBADF);
    WANT(green_wait_fd(-1, POLLIN, GREEN_FOREVER), ==, -EBADF);
    WANT(green_wait_fd(1023, POLLIN, GREEN_FOREVER), ==, -EBADF);
    return 0;
}

static void
count_up(void *arg)
{
    uint64_t one = 1;
    ssize_t written = write(*(int *)arg, &one, sizeof one);
    (void)written;
}

static void
kill_us(void *arg)
{
    (void)arg;
    kill(getpid(), SIGUSR1);
}

static intptr_t
use_kernel_descriptors(void *arg)
{
    (void)arg;
    uint64_t count = 0;
    int fd = eventfd(0, 0);
    struct later later;
    later_start(&later, 3, count_up, &fd);
    WANT(green_read(fd, &count, sizeof count), ==, 8);
    later_join(&later);
    WANT(count, ==, 1);
    WANT(green_write(fd, &count, sizeof count), ==, 8);
    WANT(green_wait_fd(fd, POLLIN | POLLOUT, GREEN_FOREVER), ==, POLLIN | POLLOUT);
    green_close(fd);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    fd = signalfd(-1, &set, 0);
    struct signalfd_siginfo info;
    later_start(&later, 3, kill_us, NULL);
    WANT(green_read(fd, &info, sizeof info), ==, sizeof info);
    later_join(&later);
    WANT(info.ssi_signo, ==, SIGUSR1);
    WANT(is_nonblocking(fd), ==, false);
    green_close(fd);
    return 0;
}

/* ---- poll() ---- */

static intptr_t
poll_several(void *arg)
{
    (void)arg;
    int pipes[2];
    int pair[2];
    WANT(pair_make(PAIR_PIPE, pipes), ==, 0);
    WANT(pair_make(PAIR_UNIX, pair), ==, 0);
    struct pollfd fds[] = {
        {pipes[0], POLLIN, 0}, {-1, POLLIN, 0}, {pair[0], POLLIN, 0}, {pair[0], POLLIN, 0}};
    WANT(green_poll(fds, 4, GREEN_NOW), ==, -ETIMEDOUT);
    WANT(green_poll(fds, 4, green_after(2)), ==, -ETIMEDOUT);
    struct later later;
    later_start(&later, 3, type, &pair[1]);
    WANT(green_poll(fds, 4, GREEN_FOREVER), ==, 2);
    later_join(&later);
    WANT(fds[0].revents, ==, 0);
    WANT(fds[1].revents, ==, 0);
    WANT(fds[2].revents & fds[3].revents, ==, POLLIN);
    fds[1] = (struct pollfd){pair[0], POLLOUT, 0};
    WANT(green_poll(fds, 4, GREEN_NOW), ==, 3);
    WANT(fds[1].revents, ==, POLLOUT);
    fds[1].fd = 1023; /* nothing has this number */
    WANT(green_poll(fds, 2, GREEN_FOREVER), ==, 1);
    WANT(fds[1].revents, ==, POLLNVAL);
    WANT(green_poll(NULL, 0, GREEN_NOW), ==, -ETIMEDOUT);
    WANT(green_poll(NULL, 0, green_after(2)), ==, -ETIMEDOUT);
    WANT(green_wait_fd(pair[0], POLLIN | POLLOUT, GREEN_NOW), ==, POLLIN | POLLOUT);
    close(pipes[1]);
    WANT(green_wait_fd(pipes[0], POLLIN, GREEN_FOREVER), ==, POLLHUP);
    green_close(pipes[0]);
    green_close(pair[0]);
    green_close(pair[1]);
    return 0;
}

/** The other end goes while we wait. */
static void
close_there(void *arg)
{
    close(*(int *)arg);
}

static intptr_t
hang_up(void *arg)
{
    (void)arg;
    int fds[2];
    char byte;
    struct later later;
    WANT(pair_make(PAIR_PIPE, fds), ==, 0);
    later_start(&later, 3, close_there, &fds[1]);
    WANT(green_read(fds[0], &byte, 1), ==, 0);
    later_join(&later);
    green_close(fds[0]);
    signal(SIGPIPE, SIG_IGN);
    WANT(pair_make(PAIR_PIPE, fds), ==, 0);
    WANT(fill(fds[1]), ==, 0);
    later_start(&later, 3, close_there, &fds[0]);
    WANT(green_write(fds[1], "x", 1), ==, -EPIPE);
    later_join(&later);
    green_close(fds[1]);
    return 0;
}

/* ---- a system without timers ---- */

/** A thread that gets no alarm from the system looks at its deadline from time to time. */
static intptr_t
without_alarm(void *arg)
{
    int *fds = arg;
    char byte;
    struct green_timeout scope;
    green_timeout_start(&scope, 20);
    WANT(green_recv(fds[0], &byte, 1, MSG_DONTWAIT), ==, -EAGAIN);
    WANT(green_recv(fds[0], &byte, 1, 0), ==, -ETIMEDOUT);
    WANT(green_timeout_fired(&scope), ==, true);
    green_timeout_stop(&scope);
    struct later later;
    later_start(&later, 3, type, &fds[1]);
    WANT(green_recv(fds[0], &byte, 1, 0), ==, 1);
    later_join(&later);
    WANT(green_read(fds[0], &byte, 1), ==, 1);
    return 0;
}

START_TEST(threads_without_alarm)
{
    int fds[2];
    ck_assert_int_eq(pair_make(PAIR_UNIX, fds), 0);
    struct rlimit before;
    ck_assert_int_eq(getrlimit(RLIMIT_SIGPENDING, &before), 0);
    struct rlimit none = {0, before.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_SIGPENDING, &none), 0);
    ASSERT_AS(CALL_THREAD, without_alarm, fds);
    /* Check takes another clock where no timer can be had, and its two times do not fit then. */
    ck_assert_int_eq(setrlimit(RLIMIT_SIGPENDING, &before), 0);
}
END_TEST

static const green_entry bodies[] = {
    write_big,    write_what_fits, use_terminal, use_files, use_kernel_descriptors,
    poll_several, hang_up,
};

START_TEST(as_every_caller)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (int caller = 0; caller < CALLERS_HERE; caller++) {
        ASSERT_AS(caller, bodies[_i], NULL);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("file");
    TCase *calls = new_case(suite, "calls");
    tcase_add_loop_test(calls, as_every_caller, 0, sizeof bodies / sizeof *bodies);
    TCase *others = new_case(suite, "others");
    tcase_add_test(others, a_blocking_pipe_does_not_stop_the_loop);
    tcase_add_test(others, a_full_terminal);
    tcase_add_test(others, threads_without_alarm);
    return run_suite(suite);
}
