/*
 * Other programs: spawned, spoken to through pipes, waited for.
 *
 * posix_spawn() does what is delicate between fork and exec, and reports what exec said. The parent
 * keeps a pidfd, which becomes readable when the child ends.
 *
 * Invariant: every child that was spawned has a place among the children, so that it is reaped
 * whatever becomes of its handle. A handle is used by the process that spawned. Any worker may
 * call.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "green/net.h"
#include "green/subprocess.h"
#include "io/held.h"
#include "job/children.h"
#include "sched/pidfd.h"
#include "sched/wait.h"

/** PIDFD_SIGNAL_PROCESS_GROUP, which Linux has since 6.9. */
#define SIGNAL_GROUP (1U << 2)

struct green_subprocess {
    struct green__child *child;
    pid_t pid;
    pid_t parent;
    int pidfd;   /**< -1 when it was gone before we could ask. */
    bool group;  /**< It leads a process group of its own. */
    int ours[3]; /**< Our ends of its pipes, or -1. */
};

/** Descriptors above the standard ones, so that setting those up overwrites none of them. */
static int
lift(int fd)
{
    int lifted = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return lifted < 0 ? -errno : green__held_add(lifted);
}

/** The two ends of a stream that it gets: what the child has, and what we keep. */
static int
open_stream(int which, int wanted, int *ret_theirs, int *ret_ours)
{
    int fds[2] = {-1, -1};
    int theirs = wanted;
    if (wanted == GREEN_STDIO_PIPE) {
        if (pipe2(fds, O_CLOEXEC) != 0) {
            return -errno;
        }
        theirs = green__held_add(fds[which != 0]);
        *ret_ours = green__held_add(fds[which == 0]);
    } else if (wanted == GREEN_STDIO_NULL) {
        theirs = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (theirs < 0) {
            return -errno;
        }
        green__held_add(theirs);
    } else if (wanted < 0) {
        return wanted == GREEN_STDIO_INHERIT || (wanted == GREEN_STDIO_OUTPUT && which == 2)
                   ? 0
                   : -EINVAL;
    }
    int lifted = lift(theirs);
    if (theirs != wanted) {
        green_close(theirs);
    }
    if (lifted >= 0) {
        *ret_theirs = lifted;
    }
    return lifted < 0 ? lifted : 0;
}

/** posix_spawn() with what it takes to say; its error, positive. */
static int
spawn_with(const char *const *argv, const struct green_subprocess_options *options,
           const int theirs[3], pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigset_t defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    int err = posix_spawn_file_actions_init(&actions);
    if (err != 0) {
        return err;
    }
    err = posix_spawnattr_init(&attributes);
    if (err != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return err;
    }
    posix_spawnattr_setflags(&attributes,
                             (short)(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                     (options->own_group ? POSIX_SPAWN_SETPGROUP : 0)));
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    for (int which = 0; which < 3 && err == 0; which++) {
        if (theirs[which] >= 0) {
            err = posix_spawn_file_actions_adddup2(&actions, theirs[which], which);
        }
    }
    if (err == 0 && options->error == GREEN_STDIO_OUTPUT) {
        err = posix_spawn_file_actions_adddup2(&actions, 1, 2);
    }
    if (err == 0 && options->cwd != NULL) {
        err = posix_spawn_file_actions_addchdir_np(&actions, options->cwd);
    }
    if (err == 0) {
        err = posix_spawnp(ret_pid, argv[0], &actions, &attributes, (char *const *)(uintptr_t)argv,
                           options->env != NULL ? (char *const *)(uintptr_t)options->env : environ);
    }
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return err;
}

static void
close_all(int fds[3])
{
    for (int which = 0; which < 3; which++) {
        if (fds[which] >= 0) {
            green_close(fds[which]);
            fds[which] = -1;
        }
    }
}

/** Spawn with streams that are open; on failure nothing has started. */
static int
start(struct green_subprocess *process, const char *const *argv,
      const struct green_subprocess_options *options, const int theirs[3])
{
    /* A place for the pidfd, which must not fail once the child runs. */
    int reserve = green__pidfd_open(getpid());
    if (reserve < 0) {
        return -errno;
    }
    process->child = green__child_reserve();
    int err = process->child == NULL ? -ENOMEM : -spawn_with(argv, options, theirs, &process->pid);
    close(reserve);
    if (err != 0) {
        if (process->child != NULL) {
            green__child_forget(process->child);
        }
        return err;
    }
    process->pidfd = green__held_add(green__pidfd_open(process->pid));
    green__child_start(process->child, process->pid);
    return 0;
}

int
green_subprocess_spawn(const char *const *argv, const struct green_subprocess_options *options,
                       struct green_subprocess **ret_process)
{
    static const struct green_subprocess_options defaults = GREEN_SUBPROCESS_OPTIONS;
    if (options == NULL) {
        options = &defaults;
    }
    if (argv[0] == NULL) {
        return -EINVAL;
    }
    struct green_subprocess *process = green__alloc_zeroed(sizeof *process);
    if (process == NULL) {
        return -ENOMEM;
    }
    const int wanted[3] = {options->input, options->output, options->error};
    int theirs[3] = {-1, -1, -1};
    process->parent = getpid();
    process->pidfd = -1;
    process->group = options->own_group;
    memset(process->ours, -1, sizeof process->ours);
    int err = 0;
    for (int which = 0; which < 3 && err == 0; which++) {
        err = open_stream(which, wanted[which], &theirs[which], &process->ours[which]);
    }
    if (err == 0) {
        err = start(process, argv, options, theirs);
    }
    close_all(theirs);
    if (err != 0) {
        close_all(process->ours);
        green__free(process);
        return err;
    }
    *ret_process = process;
    return 0;
}

int
green_subprocess_wait(struct green_subprocess *process, int *ret_status, green_deadline deadline)
{
    if (process->parent != getpid()) {
        return -ECHILD;
    }
    int err = green__wait_check(green__self());
    if (err != 0) {
        return err;
    }
    while (!green__child_ended(process->child)) {
        int events = green_wait_fd(process->pidfd, POLLIN, deadline);
        if (events < 0) {
            return events;
        }
    }
    if (!process->child->status_known) {
        return -ECHILD;
    }
    if (ret_status != NULL) {
        *ret_status = process->child->status;
    }
    return 0;
}

int
green_subprocess_kill(struct green_subprocess *process, int signo)
{
    if (process->parent != getpid() || process->pidfd < 0) {
        return -ESRCH;
    }
    if (process->group &&
        syscall(SYS_pidfd_send_signal, process->pidfd, signo, NULL, SIGNAL_GROUP) == 0) {
        return 0;
    }
    return syscall(SYS_pidfd_send_signal, process->pidfd, signo, NULL, 0) == 0 ? 0 : -errno;
}

pid_t
green_subprocess_pid(const struct green_subprocess *process)
{
    return process->pid;
}

int
green_subprocess_pipe(const struct green_subprocess *process, int which)
{
    return which >= 0 && which < 3 ? process->ours[which] : -1;
}

int
green_subprocess_close(struct green_subprocess *process, int which)
{
    int fd = green_subprocess_pipe(process, which);
    if (fd < 0 || process->parent != getpid()) {
        return -EBADF;
    }
    process->ours[which] = -1;
    return green_close(fd);
}

void
green_subprocess_destroy(struct green_subprocess *process)
{
    if (process == NULL) {
        return;
    }
    if (process->parent == getpid()) { /* a forked child's numbers may be anybody's */
        close_all(process->ours);
        if (process->pidfd >= 0) {
            green_close(process->pidfd);
        }
        green__child_forget(process->child);
    }
    green__free(process);
}
