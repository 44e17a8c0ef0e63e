/*
 * Signals as waits: a signalfd, read like any other descriptor.
 *
 * The signals are blocked in the thread that asks, so that they stay pending for whoever reads.
 * Any worker may call.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "green/net.h"
#include "green/os.h"
#include "io/engine.h"
#include "io/held.h"
#include "sched/wait.h"

/** Which signals nobody can wait for: those that cannot be blocked, and the library's own. */
static bool
may_wait_for(int signo)
{
    return signo > 0 && signo <= SIGRTMAX && signo != SIGKILL && signo != SIGSTOP &&
           signo != green__kernel_signal() && signo != green__kernel_foreign_signal();
}

int
green_signal_open(const int *signals, size_t count)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < count; i++) {
        if (!may_wait_for(signals[i]) || sigaddset(&set, signals[i]) != 0) {
            return -EINVAL;
        }
    }
    /* Non-blocking, since a signal that is pending for the process may be another reader's. */
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) {
        return -errno;
    }
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    struct green__io *io = green__io_peek();
    if (io != NULL) {
        green__slot_renew(io, fd, GREEN__OTHER);
    }
    return green__held_add(fd);
}

int
green_signal_wait(int fd, struct green_signal *ret_signal, green_deadline deadline)
{
    int err = green__wait_check(green__self());
    if (err != 0) {
        return err;
    }
    for (;;) {
        struct signalfd_siginfo info;
        int events = green_wait_fd(fd, POLLIN, deadline);
        if (events < 0) {
            return events;
        }
        ssize_t got = read(fd, &info, sizeof info);
        if (got == (ssize_t)sizeof info) {
            if (ret_signal != NULL) {
                *ret_signal = (struct green_signal){.number = (int)info.ssi_signo,
                                                    .code = info.ssi_code,
                                                    .pid = (pid_t)info.ssi_pid,
                                                    .uid = (uid_t)info.ssi_uid,
                                                    .value = info.ssi_int,
                                                    .status = info.ssi_status};
            }
            return (int)info.ssi_signo;
        }
        if (got >= 0 || (errno != EAGAIN && errno != EINTR)) {
            return got < 0 ? -errno : -EINVAL;
        }
    }
}
