/*
 * What the kernel grants is what is used: where it refuses rings (a container's filter, a sysctl,
 * an older kernel), the epoll engine is chosen, nothing is left behind, and the calls do the same.
 */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io/engine.h"
#include "io/engine_uring.h"
#include "support.h"

struct refusal {
    long call;
    int error;
};

static const struct refusal refusals[] = {
    {SYS_io_uring_setup, EPERM},    /* a filter, or kernel.io_uring_disabled */
    {SYS_io_uring_setup, ENOSYS},   /* a kernel without */
    {SYS_io_uring_setup, EINVAL},   /* one that knows less */
    {SYS_io_uring_register, EPERM}, /* no buffers */
};

/** From now on this process's system calls of one number fail. */
static int
refuse(const struct refusal *refusal)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)refusal->call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)refusal->error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        return -errno;
    }
    return 0;
}

/** The lowest number that is free: it grows when a descriptor is left behind. */
static int
lowest_free(void)
{
    int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    close(fd);
    return fd;
}

/** A few messages there and back, by views on one side. */
static intptr_t
talk(void *arg)
{
    int fds[2];
    struct green_view view;
    char byte;
    (void)arg;
    WANT(pair_make(PAIR_TCP4, fds), ==, 0);
    struct green__io *io;
    WANT(green__io_get(&io), ==, 0);
    green__slot_renew(io, fds[0], GREEN__TCP); /* as if we had accepted it */
    for (char i = 0; i < 100; i++) {
        WANT(send(fds[1], &i, 1, 0), ==, 1);
        WANT(green_recv_view(fds[0], &view), ==, 1);
        WANT(view.data[0], ==, i);
        WANT(green_send_view(fds[0], &view), ==, 0);
        WANT(recv(fds[1], &byte, 1, 0), ==, 1);
        WANT(byte, ==, i);
    }
    WANT(shutdown(fds[1], SHUT_WR), ==, 0);
    WANT(green_recv_view(fds[0], &view), ==, 0);
    WANT(green_close(fds[0]), ==, 0);
    close(fds[1]);
    return 0;
}

/** In a task: which engine is there, and does it work? */
static intptr_t
names_and_talks(void *arg)
{
    struct green__io *io;
    WANT(green__io_get(&io), ==, 0);
    WANT(strcmp(io->engine->name, arg), ==, 0);
    return talk(NULL);
}

START_TEST(a_kernel_that_refuses_rings_gets_epoll)
{
    ck_assert_int_eq(refuse(&refusals[_i]), 0);
    int lowest = lowest_free();
    ck_assert_int_lt(green__uring_probe(), 0);
    ck_assert_int_eq(lowest_free(), lowest);
    ASSERT_AS(CALL_TASK, names_and_talks, (void *)(uintptr_t) "epoll");
}
END_TEST

/** The engine is there already, and its ring is refused when the first stream wants it. */
static intptr_t
refused_late(void *arg)
{
    struct green__io *io;
    WANT(green__io_get(&io), ==, 0);
    WANT(refuse(arg), ==, 0);
    return talk(NULL);
}

START_TEST(a_ring_that_is_refused_late_is_done_without)
{
    ASSERT_AS(CALL_TASK, refused_late, (void *)(uintptr_t)&refusals[_i]);
}
END_TEST

int
main(void)
{
    unsetenv("GREEN_IO"); /* it is chosen here, not named; and looked for only once */
    Suite *suite = suite_create("granted");
    TCase *cases = new_case(suite, "refusals");
    int count = sizeof refusals / sizeof *refusals;
    tcase_add_loop_test(cases, a_kernel_that_refuses_rings_gets_epoll, 0, count);
    tcase_add_loop_test(cases, a_ring_that_is_refused_late_is_done_without, 0, count);
    return run_suite(suite);
}
