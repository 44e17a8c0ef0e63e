/*
 * Filters of system calls.
 *
 * A list of what is allowed, and a second, shorter one of what worker processes lose on top. What
 * is refused fails with EPERM and does not end the process: a library that tries something new then
 * takes its other way, or says what it misses, and nobody's connection is cut. ENOSYS for clone3,
 * whose flags a filter cannot see: the C library takes clone then.
 *
 * Invariant: filters add up and outlive exec, so only the first echod of a line of upgrades has the
 * list installed.
 */
#include "filter.h"

#include "log.h"
#include "upgrade.h"

#ifdef ECHOD_SECCOMP

#include <errno.h>
#include <linux/sockios.h>
#include <signal.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <green.h>

static bool holds;

/** Always allowed. Names that this machine's kernel or libseccomp does not know are passed over. */
static const char *const allowed[] = {
    /* files */
    "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "close",
    "close_range", "open", "openat", "stat", "fstat", "lstat", "newfstatat", "statx", "statfs",
    "fstatfs", "lseek", "access", "faccessat", "faccessat2", "readlink", "readlinkat", "getcwd",
    "getdents64", "unlink", "unlinkat", "truncate", "ftruncate", "memfd_create", "fsync", "fcntl",
    "dup", "dup2", "dup3", "pipe", "pipe2", "umask",
    /* memory */
    "mmap", "munmap", "mprotect", "mremap", "madvise", "mincore", "brk", "membarrier",
    /* signals, time */
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "rt_sigsuspend",
    "rt_sigpending", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "sigaltstack", "kill", "tkill",
    "tgkill", "pidfd_open", "pidfd_send_signal", "signalfd4", "pause", "restart_syscall",
    "clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time",
    "times", "timer_create", "timer_settime", "timer_gettime", "timer_getoverrun", "timer_delete",
    "timerfd_create", "timerfd_settime",
    /* processes, threads */
    "execve", "fork", "vfork", "exit", "exit_group", "wait4", "waitid", "getpid", "gettid",
    "getppid", "getpgid", "getpgrp", "getsid", "getuid", "geteuid", "getgid", "getegid",
    "getresuid", "getresgid", "getgroups", "capget", "capset", "prctl", "arch_prctl", "seccomp",
    "set_tid_address", "set_robust_list", "get_robust_list", "rseq", "futex", "futex_waitv",
    "sched_yield", "sched_getaffinity", "sched_getparam", "sched_getscheduler", "getcpu",
    "getrlimit", "setrlimit", "prlimit64", "getrusage", "uname", "sysinfo", "getrandom",
    "process_vm_readv",
    /* sockets, readiness */
    "socketpair", "bind", "listen", "accept", "accept4", "connect", "getsockname", "getpeername",
    "getsockopt", "setsockopt", "sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg", "recvmmsg",
    "shutdown", "poll", "ppoll", "select", "pselect6", "epoll_create1", "epoll_ctl", "epoll_wait",
    "epoll_pwait", "epoll_pwait2", "eventfd2", "io_uring_setup", "io_uring_enter",
    "io_uring_register"};

/** What a worker process loses; and, below, making processes: threads it may have. */
static const char *const lost_by_workers[] = {
    "execve",           "execveat", "fork",     "vfork",    "bind",   "listen",
    "connect",          "unlink",   "unlinkat", "truncate", "capset", "rt_sigqueueinfo",
    "pidfd_send_signal"};

static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
static const unsigned long requests[] = {FIONBIO,  FIOCLEX, FIONCLEX,  FIONREAD,
                                         SIOCOUTQ, TCGETS,  TIOCGWINSZ};

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define NAMESPACES                                                                             \
    (CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | \
     CLONE_NEWCGROUP)

static int
add_all(scmp_filter_ctx filter, uint32_t action, const char *const *names, size_t count)
{
    int err = 0;
    for (size_t i = 0; i < count && err == 0; i++) {
        int number = seccomp_syscall_resolve_name(names[i]);
        if (number != __NR_SCMP_ERROR) {
            err = seccomp_rule_add(filter, action, number, 0);
        }
    }
    return err;
}

/** Those that depend on what they are asked for. */
static int
add_conditional(scmp_filter_ctx filter)
{
    int err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    if (err == 0) {
        err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                               SCMP_A0(SCMP_CMP_MASKED_EQ, NAMESPACES, 0));
    }
    for (size_t i = 0; i < COUNT(families) && err == 0; i++) {
        err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                               SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]));
    }
    for (size_t i = 0; i < COUNT(requests) && err == 0; i++) {
        err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                               SCMP_A1(SCMP_CMP_EQ, requests[i]));
    }
    return err;
}

/** Give a filter to all threads of this process, and free it. */
static int
load(scmp_filter_ctx filter, int err)
{
    if (err == 0) {
        err = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    }
    if (err == 0) {
        err = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE,
                               2); /* as a tree: some steps a call */
    }
    if (err == 0) {
        err = seccomp_load(filter);
    }
    seccomp_release(filter);
    return err;
}

int
filter_start(bool wanted)
{
    holds = upgrade_is_filtered();
    if (!wanted || holds) {
        return 0;
    }
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int err = -ENOMEM;
    if (filter != NULL) {
        err = add_all(filter, SCMP_ACT_ALLOW, allowed, COUNT(allowed));
        err = load(filter, err == 0 ? add_conditional(filter) : err);
    }
    if (err != 0) {
        log_write(LOG_ERROR, "--seccomp: system calls cannot be filtered: %s", green_strerror(err));
        return 1;
    }
    holds = true;
    return 0;
}

void
filter_tighten(void)
{
    if (!holds) {
        return;
    }
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int err = -ENOMEM;
    if (filter != NULL) {
        uint32_t refuse = SCMP_ACT_ERRNO(EPERM);
        err = add_all(filter, refuse, lost_by_workers, COUNT(lost_by_workers));
        if (err == 0) {
            err = seccomp_rule_add(filter, refuse, SCMP_SYS(clone), 1,
                                   SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
        }
        if (err == 0) { /* the admin pages order their parent to drain, and all to dump */
            err = seccomp_rule_add(filter, refuse, SCMP_SYS(kill), 2,
                                   SCMP_A0(SCMP_CMP_NE, (scmp_datum_t)getppid()),
                                   SCMP_A1(SCMP_CMP_NE, SIGQUIT));
        }
        err = load(filter, err);
    }
    if (err != 0) {
        log_write(LOG_ERROR, "--seccomp: a worker's system calls cannot be filtered: %s",
                  green_strerror(err));
        _exit(1);
    }
}

bool
filter_holds(void)
{
    return holds;
}

#else

int
filter_start(bool wanted)
{
    if (wanted) {
        log_write(LOG_ERROR, "--seccomp: this echod was built without libseccomp");
        return 2;
    }
    return 0;
}

void
filter_tighten(void)
{
}

bool
filter_holds(void)
{
    return upgrade_is_filtered();
}

#endif
