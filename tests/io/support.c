/*
 * What the tests of lib/io share; see support.h.
 */
#include "support.h"
#include "io/engine_uring.h"

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

intptr_t
want_failed(const char *file, int line, const char *what, intmax_t actual, intmax_t expected)
{
    fprintf(stderr, "%s:%d: not so: %s (%jd, %jd)\n", file, line, what, actual, expected);
    return line;
}

const char *
caller_name(int caller)
{
    static const char *const names[] = {"task", "main stack with tasks", "thread", "process"};
    return names[caller];
}

const int cancel_order[] = {
    CALL_TASK,
    CALL_THREAD,
#ifndef GREEN__VALGRIND
    CALL_PROCESS,
#endif
    CALL_MAIN,
};
const size_t cancel_order_count = sizeof cancel_order / sizeof *cancel_order;

void
nap(unsigned ms)
{
    struct timespec time = {ms / 1000, (long)(ms % 1000) * 1000000};
    while (nanosleep(&time, &time) != 0) {
    }
}

/* ---- callers ---- */

static intptr_t
sleep_on(void *arg)
{
    (void)arg;
    return green_sleep(6 * LIMIT_MS);
}

static void
cancel_job(void *arg)
{
    green_job_cancel(arg);
}

static intptr_t
call_on_main(green_entry body, void *arg, bool cancel)
{
    struct green_job *companion;
    struct later later;
    ck_assert_int_eq(green_spawn(sleep_on, NULL, &companion), 0);
    if (cancel) {
        later_start(&later, MOMENT_MS, cancel_job, green_self());
    }
    intptr_t value = body(arg);
    if (cancel) {
        later_join(&later);
    }
    struct green_shield shield;
    green_shield_start(&shield);
    green_job_cancel(companion);
    ck_assert_int_eq(green_job_join(companion, NULL, green_after(LIMIT_MS)), 0);
    green_shield_stop(&shield);
    green_job_put(companion);
    return value;
}

static intptr_t
call_somehow(int caller, green_entry body, void *arg, bool cancel)
{
    static const enum green_kind kinds[] = {GREEN_TASK, GREEN_TASK, GREEN_THREAD, GREEN_PROCESS};
    if (caller == CALL_MAIN) {
        return call_on_main(body, arg, cancel);
    }
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    options.keep_all_fds = true;
    options.stack_size = 256 * 1024;
    struct green_job *job;
    struct later later;
    ck_assert_int_eq(green_spawn_as(kinds[caller], body, arg, &options, &job), 0);
    if (cancel && caller != CALL_PROCESS) {
        later_start(&later, MOMENT_MS, cancel_job, job);
    } else if (cancel) {
        nap(MOMENT_MS);
        green_job_cancel(job);
    }
    intptr_t value = -1;
    int err = green_job_join(job, &value, green_after(LIMIT_MS));
    ck_assert_msg(err == 0, "a %s did not end: %s", caller_name(caller), green_strerror(err));
    if (cancel && caller != CALL_PROCESS) {
        later_join(&later);
    }
    green_job_put(job);
    return value;
}

intptr_t
call_as(int caller, green_entry body, void *arg)
{
    return call_somehow(caller, body, arg, false);
}

intptr_t
call_and_cancel(int caller, green_entry body, void *arg)
{
    intptr_t value;
    do { /* on a busy machine the cancellation comes before the body has begun */
        value = call_somehow(caller, body, arg, true);
    } while (value == -ECANCELED);
    return value;
}

/* ---- descriptors ---- */

static int
pair_of_tcp(int family, int fds[2])
{
    struct green_address address;
    int listener = -1;
    if (green_address_parse(family == AF_INET ? "127.0.0.1" : "::1", 0, &address) == 0) {
        listener = socket(family, SOCK_STREAM, 0);
    }
    if (listener < 0 || bind(listener, (struct sockaddr *)&address.storage, address.length) != 0 ||
        listen(listener, 8) != 0 || address_of(listener, &address) != 0) {
        return -errno;
    }
    fds[0] = plain_connect(&address);
    fds[1] = fds[0] < 0 ? -1 : accept(listener, NULL, NULL);
    int err = fds[1] < 0 ? -errno : 0;
    close(listener);
    return err;
}

int
pair_make(enum pair sort, int fds[2])
{
    switch (sort) {
    case PAIR_TCP4:
        return pair_of_tcp(AF_INET, fds);
    case PAIR_TCP6:
        return pair_of_tcp(AF_INET6, fds);
    case PAIR_UNIX:
        return socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0 ? 0 : -errno;
    case PAIR_DATAGRAM:
        return socketpair(AF_UNIX, SOCK_DGRAM, 0, fds) == 0 ? 0 : -errno;
    default:
        return pipe(fds) == 0 ? 0 : -errno;
    }
}

int
address_of(int fd, struct green_address *ret_address)
{
    memset(ret_address, 0, sizeof *ret_address);
    ret_address->length = sizeof ret_address->storage;
    return getsockname(fd, (struct sockaddr *)&ret_address->storage, &ret_address->length) == 0
               ? 0
               : -errno;
}

int
listener_make(int backlog, struct green_address *ret_address)
{
    int err = green_address_parse("127.0.0.1", 0, ret_address);
    int fd = err != 0 ? err : green_listen(ret_address, backlog);
    if (fd >= 0) {
        err = address_of(fd, ret_address);
    }
    return err != 0 ? err : fd;
}

int
refuser_make(const char *host, struct green_address *ret_address)
{
    int err = green_address_parse(host, 0, ret_address);
    if (err != 0) {
        return err;
    }
    int fd = socket(ret_address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    if (bind(fd, (struct sockaddr *)&ret_address->storage, ret_address->length) != 0 ||
        address_of(fd, ret_address) != 0) {
        err = -errno;
        close(fd);
    }
    return err != 0 ? err : fd;
}

int
plain_connect(const struct green_address *address)
{
    int fd = socket(address->storage.ss_family, SOCK_STREAM, 0);
    if (fd < 0) {
        return -errno;
    }
    int err = connect(fd, (const struct sockaddr *)&address->storage, address->length);
    if (err != 0 &&
        errno == EINTR) { /* the alarm of a scope that has ended: it goes on by itself */
        struct pollfd done = {fd, POLLOUT, 0};
        while ((err = poll(&done, 1, LIMIT_MS)) < 0 && errno == EINTR) {
        }
        err = err == 1 ? 0 : -1;
    }
    if (err != 0) {
        err = -errno;
        close(fd);
    }
    return err != 0 ? err : fd;
}

int
fill(int fd)
{
    static const char zeros[4096];
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    while (write(fd, zeros, sizeof zeros) > 0) {
    }
    while (write(fd, zeros, 1) > 0) {
    }
    int err = errno == EAGAIN ? 0 : -errno;
    fcntl(fd, F_SETFL, flags);
    return err;
}

int
count_fds(void)
{
    DIR *directory = opendir("/proc/self/fd");
    int count = 0;
    while (directory != NULL && readdir(directory) != NULL) {
        count++;
    }
    if (directory != NULL) {
        closedir(directory);
    }
    return count;
}

bool
is_nonblocking(int fd)
{
    return (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0;
}

/* ---- later ---- */

static void *
later_main(void *arg)
{
    struct later *later = arg;
    nap(later->ms);
    later->action(later->arg);
    return NULL;
}

void
later_start(struct later *later, unsigned ms, void (*action)(void *arg), void *arg)
{
    later->ms = ms;
    later->action = action;
    later->arg = arg;
    if (pthread_create(&later->thread, NULL, later_main, later) != 0) {
        abort();
    }
}

void
later_join(struct later *later)
{
    pthread_join(later->thread, NULL);
}

/* ---- storms ---- */

static void
do_nothing(int signo)
{
    (void)signo;
}

void
storm_start(struct storm *storm)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = do_nothing;
    action.sa_flags = SA_ONSTACK;
    sigaction(SIGALRM, &action, NULL);
    struct sigevent event;
    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGALRM;
    event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
    long period_ns = scaled(100000, 20000000);
    struct itimerspec spec = {{0, period_ns}, {0, period_ns}};
    if (timer_create(CLOCK_MONOTONIC, &event, &storm->timer) != 0 ||
        timer_settime(storm->timer, 0, &spec, NULL) != 0) {
        abort();
    }
}

void
storm_stop(struct storm *storm)
{
    timer_delete(storm->timer);
}

/* ---- the rest ---- */

int
scaled(int full, int small)
{
#if defined(GREEN__VALGRIND) || defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    (void)full;
    return small;
#else
    const char *stress = getenv("GREEN_STRESS");
    return stress != NULL && strcmp(stress, "small") == 0 ? small : full;
#endif
}

static unsigned char
pattern_byte(size_t place)
{
    return (unsigned char)(place * 31 + (place >> 8) * 7 + (place >> 16));
}

void
pattern_fill(unsigned char *bytes, size_t length, size_t offset)
{
    for (size_t i = 0; i < length; i++) {
        bytes[i] = pattern_byte(offset + i);
    }
}

bool
pattern_holds(const unsigned char *bytes, size_t length, size_t offset)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] != pattern_byte(offset + i)) {
            return false;
        }
    }
    return true;
}

TCase *
new_case(Suite *suite, const char *name)
{
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    return tcase;
}

int
run_suite(Suite *suite)
{
    const char *engine = getenv("GREEN_IO");
    if (engine != NULL && strcmp(engine, "uring") == 0 && green__uring_probe() != 0) {
        printf("skipped: this kernel does not grant io_uring: %s\n",
               green_strerror(green__uring_probe()));
        return 77;
    }
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
