/*
 * Upgrades.
 *
 * Invariant: only the process that the user started has one under way, and one at most: `child` is
 * its pid and `news_fd` our end of its pipe, else 0 and -1. Between fork and exec the child makes
 * system calls alone, as other threads may have held any lock.
 *
 * Under a service manager the new program is the manager's child, not ours: systemd lets a main
 * process drain only where it can wait for its end, and kills any other at once.
 */
#include "upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "filter.h"
#include "log.h"
#include "pidfile.h"
#include "settings.h"

/** Where the descriptors begin that socket activation hands over. */
#define FIRST_LISTENER 3

/** In the new program's environment: the number of its end of the pipe. */
#define UPGRADE_VARIABLE "ECHOD_UPGRADE_FD"

/** What follows that number when the new program runs under the old one's filter. */
#define FILTERED " filtered"

static char program[4096];
static char **arguments;
static pid_t child;
static int child_fd = -1; /* refers to a child that is in truth a sister, see split() */
static int news_fd = -1;
static green_deadline silent_until = GREEN_FOREVER;

void
upgrade_remember(char **argv)
{
    arguments = argv;
    char directory[2048];
    if (argv[0][0] == '/') {
        snprintf(program, sizeof program, "%s", argv[0]);
    } else if (strchr(argv[0], '/') != NULL && getcwd(directory, sizeof directory) != NULL) {
        snprintf(program, sizeof program, "%s/%s", directory, argv[0]);
    } else {
        ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
        program[length > 0 ? length : 0] = '\0';
    }
}

/* ---- the new program's environment ---- */

struct environment {
    char listen_pid[32]; /* completed by the child, who alone knows */
    char listen_fds[32];
    char listen_names[16 + 2 * LISTENERS_MAX + 8];
    char upgrade_fd[48];
    char **entries;
};

/** What is for this process alone; without WATCHDOG_PID the watchdog is the new program's too. */
static bool
is_ours(const char *entry)
{
    char watchdog[32];
    snprintf(watchdog, sizeof watchdog, "WATCHDOG_PID=%d", (int)getpid());
    return strncmp(entry, "LISTEN_", 7) == 0 ||
           strncmp(entry, UPGRADE_VARIABLE, strlen(UPGRADE_VARIABLE)) == 0 ||
           strcmp(entry, watchdog) == 0;
}

static int
make_environment(struct environment *environment, const struct listeners *listeners)
{
    size_t handed_over = listeners->count + (listeners->admin_fd >= 0);
    size_t count = 0;
    while (environ[count] != NULL) {
        count++;
    }
    environment->entries = calloc(count + 5, sizeof *environment->entries);
    if (environment->entries == NULL) {
        return -ENOMEM;
    }
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_ours(environ[i])) {
            environment->entries[kept++] = environ[i];
        }
    }
    snprintf(environment->listen_pid, sizeof environment->listen_pid, "LISTEN_PID=");
    snprintf(environment->listen_fds, sizeof environment->listen_fds, "LISTEN_FDS=%zu",
             handed_over);
    snprintf(environment->upgrade_fd, sizeof environment->upgrade_fd, UPGRADE_VARIABLE "=%zu%s",
             FIRST_LISTENER + handed_over, filter_holds() ? FILTERED : "");
    environment->entries[kept++] = environment->listen_pid;
    environment->entries[kept++] = environment->listen_fds;
    environment->entries[kept++] = environment->upgrade_fd;
    size_t length = (size_t)snprintf(environment->listen_names, sizeof environment->listen_names,
                                     "LISTEN_FDNAMES=");
    for (size_t i = 0; i < listeners->count; i++) {
        length += (size_t)snprintf(environment->listen_names + length,
                                   sizeof environment->listen_names - length, "s:");
    }
    snprintf(environment->listen_names + length, sizeof environment->listen_names - length,
             "admin"); /* the last, if there is one more */
    environment->entries[kept] = environment->listen_names;
    return 0;
}

/** Append a number to a text that ends in '='. */
static void
append_number(char *text, unsigned number)
{
    char digits[16];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    text += strlen(text);
    while (count > 0) {
        *text++ = digits[--count];
    }
    *text = '\0';
}

/* ---- the child, between fork and exec ---- */

_Noreturn static void
become(const struct listeners *listeners, int pipe_fd, struct environment *environment)
{
    int highest = pipe_fd;
    int fds[LISTENERS_MAX + 2];
    size_t count = listeners->count;
    memcpy(fds, listeners->fds, count * sizeof *fds);
    if (listeners->admin_fd >= 0) {
        fds[count++] = listeners->admin_fd;
    }
    fds[count++] = pipe_fd;
    for (size_t i = 0; i < count; i++) {
        highest = fds[i] > highest ? fds[i] : highest;
    }
    highest = highest > FIRST_LISTENER + (int)count ? highest : FIRST_LISTENER + (int)count;
    close_range((unsigned)highest + 1, ~0u, 0); /* so that there is room, at any limit */
    for (size_t i = 0; i < count; i++) {
        fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, highest + 1);
    }
    for (size_t i = 0; i < count; i++) {
        if (fds[i] < 0 || dup2(fds[i], FIRST_LISTENER + (int)i) < 0) {
            _exit(126);
        }
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    append_number(environment->listen_pid, (unsigned)getpid());
    execve(program, arguments, environment->entries);
    _exit(127);
}

/* ---- the old program ---- */

/** As fork(): a child, or under a service manager a sister and what ret_fd refers to her by. */
static pid_t
split(int *ret_fd)
{
    pid_t pid = -1;
    if (getenv("NOTIFY_SOCKET") != NULL) {
        long flags = CLONE_PARENT | CLONE_PIDFD | SIGCHLD;
        pid = (pid_t)syscall(SYS_clone, flags, NULL, ret_fd, NULL, NULL);
    }
    return pid >= 0 ? pid : fork(); /* the first process of a namespace has no sisters */
}

/** Start the new program; its pid and our end of the pipe, or a negative errno. */
static pid_t
start(const struct listeners *listeners, int *ret_fd)
{
    struct environment environment = {.entries = NULL};
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return -errno;
    }
    pid_t pid = make_environment(&environment, listeners);
    if (pid == 0) {
        pid = split(&child_fd);
        if (pid == 0) {
            become(listeners, fds[1], &environment);
        }
        pid = pid < 0 ? -errno : pid;
    }
    free(environment.entries);
    close(fds[1]);
    if (pid < 0) {
        close(fds[0]);
    } else {
        *ret_fd = fds[0];
    }
    return pid;
}

void
upgrade_start(struct server *server)
{
    if (child != 0) {
        log_write(LOG_WARNING, "an upgrade is under way already");
        return;
    }
    pid_t pid = start(&server->listeners, &news_fd);
    if (pid < 0) {
        log_write(LOG_ERROR, "cannot upgrade: %s", green_strerror(pid));
        return;
    }
    child = pid;
    silent_until = green_after(setting(SETTING_UPGRADE_TIMEOUT_MS));
    log_write(LOG_INFO, "upgrading: %s is started as pid %d", program, (int)pid);
}

int
upgrade_fd(void)
{
    return news_fd;
}

green_deadline
upgrade_deadline(void)
{
    return silent_until;
}

static void
forget(void)
{
    green_close(news_fd); /* the loop has waited for it */
    news_fd = -1;
    if (child_fd >= 0) {
        close(child_fd);
        child_fd = -1;
    }
    child = 0;
    silent_until = GREEN_FOREVER;
}

static void
signal_child(int signal)
{
    if (child_fd >= 0) {
        syscall(SYS_pidfd_send_signal, child_fd, signal, NULL, 0);
    } else {
        kill(child, signal);
    }
}

/** Wait for the end of the new program; its status, or -1: that only its parent learns. */
static int
await_child(void)
{
    int status = -1;
    int err;
    struct pollfd end = {.fd = child_fd, .events = POLLIN};
    do {
        err = child_fd >= 0 ? poll(&end, 1, -1) : waitpid(child, &status, 0);
    } while (err < 0 && errno == EINTR);
    return status;
}

/** The new program is not to be: see to it that nothing of it is left. */
static void
roll_back(const struct server *server, const char *why)
{
    signal_child(SIGKILL);
    int status = await_child();
    if (status != -1 && WIFEXITED(status)) {
        log_write(LOG_ERROR,
                  "the upgrade has failed: pid %d ended with exit code %d; this one goes on",
                  (int)child, WEXITSTATUS(status));
    } else {
        log_write(LOG_ERROR, "the upgrade has failed: pid %d %s; this one goes on", (int)child,
                  why);
    }
    forget();
    pidfile_write(server->options.pidfile);
}

bool
upgrade_heed(struct server *server)
{
    if (child == 0) {
        return false;
    }
    char word;
    struct pollfd news = {.fd = news_fd, .events = POLLIN};
    if (poll(&news, 1, 0) > 0) {
        if (read(news_fd, &word, 1) == 1) {
            log_write(LOG_INFO, "pid %d serves now; this one drains", (int)child);
            server->successor = child;
            forget();
            return true;
        }
        roll_back(server, child_fd >= 0 ? "ended" : "was killed");
    } else if (green_after(0) >= silent_until) {
        roll_back(server, "did not report in time");
    }
    return false;
}

void
upgrade_give_up(void)
{
    if (child != 0) {
        signal_child(SIGTERM);
        forget();
    }
}

/* ---- the new program ---- */

static int
report_fd(void)
{
    const char *text = getenv(UPGRADE_VARIABLE);
    return text == NULL ? -1 : atoi(text);
}

bool
upgrade_is_one(void)
{
    return report_fd() >= 0;
}

bool
upgrade_is_filtered(void)
{
    const char *text = getenv(UPGRADE_VARIABLE);
    return text != NULL && strstr(text, FILTERED) != NULL;
}

void
upgrade_report_ready(void)
{
    int fd = report_fd();
    if (fd >= 0) {
        ssize_t ignored = write(fd, "+", 1);
        (void)ignored; /* then the old one has gone meanwhile */
        close(fd);
        unsetenv(UPGRADE_VARIABLE);
    }
}
