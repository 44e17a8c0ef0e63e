/*
 * echod's signals. Only one process at a time reads the descriptor that it opened.
 */
#include "signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <green.h>

#include "log.h"
#include "tasks.h"

static const int watched[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU};

#define WATCHED_COUNT (sizeof watched / sizeof *watched)

static void
fill(sigset_t *set)
{
    sigemptyset(set);
    for (size_t i = 0; i < WATCHED_COUNT; i++) {
        sigaddset(set, watched[i]);
    }
}

int
signals_open(void)
{
    sigset_t set;
    fill(&set);
    signal(SIGPIPE, SIG_IGN);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd >= 0 ? fd : -errno;
}

enum order
signals_read(int signal_fd)
{
    struct signalfd_siginfo info;
    if (read(signal_fd, &info, sizeof info) != sizeof info) {
        return ORDER_NONE;
    }
    switch (info.ssi_signo) {
    case SIGTERM:
        return ORDER_DRAIN;
    case SIGINT:
        return ORDER_END;
    case SIGQUIT:
        /* A terminal's goes to all processes. */
        return info.ssi_code == SI_KERNEL ? ORDER_DUMP_HERE : ORDER_DUMP;
    case SIGHUP:
        return ORDER_RELOAD;
    case SIGUSR1:
        return ORDER_REOPEN;
    case SIGUSR2:
        return ORDER_UPGRADE;
    case SIGTTIN:
        return ORDER_MORE;
    case SIGTTOU:
        return ORDER_FEWER;
    default:
        return ORDER_NONE;
    }
}

enum order
signals_wait(int signal_fd)
{
    enum order order = ORDER_NONE;
    while (order == ORDER_NONE && green_wait_fd(signal_fd, POLLIN, GREEN_FOREVER) >= 0) {
        order = signals_read(signal_fd);
    }
    return order;
}

static void (*report_before)(void);

/** Where the dump goes that was asked for. */
static int
say_where(void *arg)
{
    int fd = tasks_where();
    (void)arg;
    if (fd < 0 && report_before != NULL) {
        report_before();
    }
    return fd < 0 ? STDERR_FILENO : fd;
}

void
signals_dump_apart(int signal_fd, void (*report)(void))
{
    report_before = report;
    int err = green_dump_on_signal(SIGQUIT, say_where, NULL);
    if (err != 0) {
        log_write(LOG_WARNING, "SIGQUIT has to wait its turn: %s", green_strerror(err));
        return;
    }
    sigset_t set;
    fill(&set);
    sigdelset(&set, SIGQUIT);
    signalfd(signal_fd, &set, 0);
}

static void
on_term(int signo)
{
    (void)signo;
    int saved_errno = errno;
    green_job_cancel(green_self());
    errno = saved_errno;
}

void
signals_for_blocking_worker(int signal_fd)
{
    struct sigaction action;
    sigset_t set;
    close(signal_fd);
    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
    sigemptyset(&set);
    green_dump_here_on_signal(SIGQUIT, say_where, NULL);
    for (size_t i = 0; i < WATCHED_COUNT; i++) {
        if (watched[i] == SIGQUIT) {
            continue;
        }
        action.sa_handler = watched[i] == SIGTERM ? on_term : SIG_IGN;
        sigaction(watched[i], &action, NULL);
        sigaddset(&set, watched[i]);
    }
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}
