/*
 * Jobs: one handle for a task, a thread and a process.
 *
 * A task is a coroutine with its own stack; it runs on the thread that spawned it, whenever the
 * others there wait. A thread is a thread of the operating system. A process is a forked child.
 * All three run the same function, and every call of this library works in all three: a task is
 * parked, a thread or a process blocks in the kernel.
 */
#ifndef GREEN_JOB_H
#define GREEN_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

enum green_kind {
    GREEN_TASK,
    GREEN_THREAD,
    GREEN_PROCESS,
};

/** One worker. Handles are counted: each one that a call returned is given back by green_job_put().
 */
struct green_job;

/**
 * What a job runs.
 *
 * The value it returns is what green_job_join() hands out; a process sends it to its parent. By
 * convention 0 is success and a negative errno value a failure.
 */
typedef intptr_t (*green_entry)(void *arg);

/** How to spawn; start from GREEN_SPAWN_OPTIONS and change what differs. */
struct green_spawn_options {
    /** Copied, cut to 31 bytes. NULL: "task-7", "thread-7", "process-7". */
    const char *name;
    /**
     * A daemon job does not keep its owner alive: a daemon task is cancelled when its thread ends,
     * a daemon thread is abandoned when the process ends, a daemon process is killed when its
     * parent ends, even when that was killed itself. All others are joined first.
     */
    bool daemon;
    /**
     * Bytes of stack, rounded up to pages; 0: 64 KiB for a task, the system's for a thread, 8 MiB
     * for a process that a task spawns. One that a thread's own stack spawns goes on on a copy of
     * that.
     */
    size_t stack_size;
    /** A task that changes the floating-point rounding or exception modes has them kept apart. */
    bool save_fpu;
    /**
     * A process: descriptors of this library's making that the child keeps. All others that the
     * library holds (sockets it accepted, connected or listens on) are closed in the child.
     */
    const int *keep_fds;
    size_t keep_fd_count;
    /** A process: keep all descriptors, whatever keep_fds says. */
    bool keep_all_fds;
    /**
     * A task: milliseconds that it waits in one call to receive or accept, before its stack's
     * memory is given back for the rest of that wait; 0: never.
     *
     * It is a promise: nobody else, be it another worker or the kernel, reads or writes what is on
     * the task's stack while it waits for something to receive or accept. The stack comes back to
     * the same addresses, with the same contents, before the task goes on. Milliseconds of seconds:
     * it saves the memory of those who have nothing to do, and costs some microseconds each time.
     */
    uint64_t hibernate_ms;
};

#define GREEN_SPAWN_OPTIONS                      \
    {                                            \
        NULL, false, 0, false, NULL, 0, false, 0 \
    }

/**
 * Spawn a task on this thread, with the default options.
 *
 * Does not suspend: the task runs first when the caller waits or yields.
 *
 * @param entry    What it runs.
 * @param arg      Passed to entry; the caller keeps it alive for as long as entry uses it.
 * @param ret_job  Set on success to a handle that the caller puts; NULL when nobody will ask.
 * @return 0, or
 *         -ENOMEM  no memory for its handle or stack,
 *         -ENOSPC  the stack's guard would exceed the kernel's limit of mappings
 *                  (vm.max_map_count).
 */
GREEN_API int green_spawn(green_entry entry, void *arg, struct green_job **ret_job);

/**
 * Spawn a task that begins with a wait.
 *
 * Does not suspend. A task that is cancelled meanwhile ends with -ECANCELED and never runs its
 * entry.
 *
 * @param ms       Milliseconds from the task's first turn.
 * @param entry    What it runs then; see green_spawn() for the rest.
 * @return As green_spawn().
 */
GREEN_API int green_spawn_later(uint64_t ms, green_entry entry, void *arg,
                                struct green_job **ret_job);

/**
 * Spawn a job of any kind.
 *
 * Does not suspend. A process starts with a copy of the caller's memory and runs entry alone: the
 * caller's other workers do not exist there. Standard output and error are flushed before.
 *
 * @param kind     What to spawn.
 * @param entry    What it runs.
 * @param arg      Passed to entry; shared with a task or thread, copied with the memory into a
 *                 process.
 * @param options  NULL for the defaults; read during the call only.
 * @param ret_job  Set on success to a handle that the caller puts; NULL when nobody will ask.
 * @return 0, or
 *         -EINVAL  the kind is unknown or the stack is too small,
 *         -ENOMEM  no memory for its handle or stack,
 *         -ENOSPC  as for green_spawn(),
 *         -EAGAIN  the system refuses another thread or process,
 *         -EMFILE, -ENFILE  no descriptors for a process' pipe and handle.
 */
GREEN_API int green_spawn_as(enum green_kind kind, green_entry entry, void *arg,
                             const struct green_spawn_options *options, struct green_job **ret_job);

/**
 * Wait until a job has ended.
 *
 * Suspends until then. Any number of workers may join one job, each as often as it likes. A call
 * that fails changes nothing.
 *
 * @param job        Not NULL. A task of another thread and a thread may be joined from anywhere in
 *                   the process; a process by the process that spawned it.
 * @param ret_value  Set on success to what the entry returned (-ECANCELED for a task that was
 *                   cancelled before it ran); may be NULL.
 * @param deadline   Absolute: see green_after(). GREEN_NOW polls, GREEN_FOREVER never expires.
 * @return 0, or
 *         -ETIMEDOUT   the deadline passed first,
 *         -ECANCELED   the calling worker was cancelled,
 *         -EDEADLK     the job is the caller itself, whatever the deadline; or it waits, directly
 * or by way of others, for the caller; or nobody is left to end the wait: see debug.h, -ECHILD it
 * is a process that another process spawned, -EOWNERDEAD  it was a process that died before its
 * entry returned: green_job_status() says how.
 */
GREEN_API GREEN_SUSPENDS int green_job_join(struct green_job *job, intptr_t *ret_value,
                                            green_deadline deadline);

/**
 * Ask a job to end.
 *
 * Its blocked call returns -ECANCELED, and so does each later one, until its entry returns; see
 * green_shield_start() for a clean-up that must block. A task that has not run yet never will. A
 * job that never blocks is not disturbed. A signal handler may cancel the worker that it
 * interrupts, and the own stack of the thread that it runs on.
 *
 * @param job  Not NULL; one that has ended is left alone. A process only in its parent.
 */
GREEN_API void green_job_cancel(struct green_job *job);

/**
 * What is called when a job ends.
 *
 * It may use every call of the library, but may not wait: a call that would have to is misuse and
 * aborts.
 *
 * @param job    The job; borrowed. It still counts as alive, and must not be joined here.
 * @param value  What its entry returned.
 * @param err    0, or -EOWNERDEAD for a process that died before its entry returned:
 *               green_job_status() says how. There is no value then.
 * @param arg    As given to green_job_on_exit().
 */
typedef void (*green_exit_callback)(struct green_job *job, intptr_t value, int err, void *arg);

/**
 * Have a function called when a job ends: a link.
 *
 * Never suspends. Links run in the order of their making, before those who join are woken, each
 * once. They run on the thread that ends: for a task on its own, after its entry has returned; for
 * a thread on itself, after its tasks were joined. That a process has ended is found by a worker of
 * its parent, which runs the links: one that joins it or asks whether it is alive, or else a thread
 * of the library's. A link made when the job has ended, or is about to, runs in this very call.
 *
 * gevent's Greenlet.link() calls back from its hub; the difference shows in the order only.
 *
 * @param job       Not NULL. A process only in its parent.
 * @param callback  Called with arg.
 * @param arg       Stays valid until then.
 * @return 0, or
 *         -ENOMEM  no memory for the link,
 *         -ECHILD  it is a process that another process spawned,
 *         or, for a process, an error of green_spawn_as() with a thread.
 */
GREEN_API int green_job_on_exit(struct green_job *job, green_exit_callback callback, void *arg);

/**
 * Wait until all of several jobs have ended.
 *
 * Suspends until then. A call that fails changes nothing; ask green_job_join() with GREEN_NOW which
 * have ended, and with what.
 *
 * @param jobs      Entries that are NULL are passed over.
 * @param count     How many entries.
 * @param deadline  Absolute, for all together: see green_after().
 * @return 0, also when a process among them died; or the other errors of green_job_join().
 */
GREEN_API GREEN_SUSPENDS int green_joinall(struct green_job *const *jobs, size_t count,
                                           green_deadline deadline);

/**
 * Wait until one of several jobs has ended.
 *
 * Suspends until then. A call that fails changes nothing.
 *
 * @param jobs       Entries that are NULL are passed over: so a loop gets one after the other.
 * @param count      How many entries.
 * @param ret_index  Set on success to the one that ended first; of those that had ended before the
 *                   call, to the first in the array.
 * @param deadline   Absolute: see green_after().
 * @return 0, or
 *         -EINVAL     there is no job in the array,
 *         -ETIMEDOUT  the deadline passed first,
 *         -ECANCELED  the calling worker was cancelled,
 *         -ENOMEM     no memory for the wait,
 *         -EDEADLK, -ECHILD, and errors of a thread's spawn: as for green_job_join() and
 *                     green_job_on_exit().
 */
GREEN_API GREEN_SUSPENDS int green_join_any(struct green_job *const *jobs, size_t count,
                                            size_t *ret_index, green_deadline deadline);

/** Whether the job has not ended yet. Never suspends. */
GREEN_API bool green_job_alive(struct green_job *job);

/** The job's kind. The main stack of a program, and a thread not spawned here, are GREEN_THREAD. */
GREEN_API enum green_kind green_job_kind(const struct green_job *job);

/** The job's name; lives as long as the handle. */
GREEN_API const char *green_job_name(const struct green_job *job);

/** A number that no other job of this process has had; 1 is the main thread. */
GREEN_API uint64_t green_job_id(const struct green_job *job);

/** The process id: of a process job its own, of a task or thread that of the process it lives in.
 */
GREEN_API pid_t green_job_pid(const struct green_job *job);

/**
 * Send a signal to a process job.
 *
 * @param job    Not NULL.
 * @param signo  SIGTERM, SIGKILL, ...
 * @return 0, or
 *         -EINVAL  the job is not a process, or there is no such signal,
 *         -ESRCH   it has ended; no other process is ever hit.
 */
GREEN_API int green_job_terminate(struct green_job *job, int signo);

/**
 * How a process job ended, as waitpid() reports it.
 *
 * @param job         A process job.
 * @param ret_status  Set on success: for WIFEXITED() and its family.
 * @return 0, or
 *         -EINVAL  the job is not a process,
 *         -EAGAIN  it has not ended,
 *         -ECHILD  the program ignores SIGCHLD or reaped the child itself, or another process
 *                  spawned it: the status is unknown.
 */
GREEN_API int green_job_status(struct green_job *job, int *ret_status);

/**
 * A descriptor that becomes readable when a process job ends, for use in green_poll().
 *
 * @return The job's pidfd, which stays the job's; -EINVAL when it is not a process.
 */
GREEN_API int green_job_fd(const struct green_job *job);

/** Take another reference; returns the job. */
GREEN_API struct green_job *green_job_get(struct green_job *job);

/** Give a reference back. NULL is taken. The job goes on; its handle goes with the last reference.
 */
GREEN_API void green_job_put(struct green_job *job);

/** The worker that is calling; borrowed, never NULL. */
GREEN_API struct green_job *green_self(void);

/**
 * The living workers of this process: its threads, the tasks of all of them, and its child
 * processes.
 *
 * Never suspends. As Python's threading.enumerate() it counts in the caller, the main thread and
 * threads that were not spawned here but have called the library; other than that it lists every
 * kind. A task or thread that was spawned and has not run yet is alive. In a process job only that
 * and what it has spawned are listed. A process whose last handle was given back is left out. What
 * is returned may have ended by the time that it is looked at.
 *
 * @param ret_jobs  Set to handles that the caller puts, in the order of their ids; may be NULL when
 *                  capacity is 0.
 * @param capacity  How many it has room for; the others are counted only.
 * @return How many there are, which may be more than were set.
 */
GREEN_API size_t green_enumerate(struct green_job **ret_jobs, size_t capacity);

/** How many workers green_enumerate() would list: Python's threading.active_count(). */
GREEN_API size_t green_active_count(void);

/** Let the other ready tasks of this thread run first. Suspends. A thread gives way to the system.
 */
GREEN_API GREEN_SUSPENDS void green_yield(void);

/**
 * Wait for a time. Suspends.
 *
 * @param ms  Milliseconds; 0 yields.
 * @return 0, or
 *         -ETIMEDOUT  a timeout scope around the call ended first,
 *         -ECANCELED  the calling worker was cancelled.
 */
GREEN_API GREEN_SUSPENDS int green_sleep(uint64_t ms);

#ifdef __cplusplus
}
#endif

#endif
