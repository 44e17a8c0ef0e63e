/*
 * Looking into a program that runs: who is there and what it waits for, what the loops have done,
 * who keeps a loop for too long, and which waits are for ever.
 *
 * Nothing here suspends, and all of it may be called from any thread, whether the library knows it
 * or not.
 */
#ifndef GREEN_DEBUG_H
#define GREEN_DEBUG_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Write what every worker of this process does.
 *
 * Threads, the tasks of each, and child processes, with id, name, kind, what they wait for (the
 * descriptor or the address of the object where that is known), for how long, where they were
 * spawned, and a backtrace with the names of functions. Tasks that stand at the same place are
 * taken together, so the text stays short however many there are: the first few of them are named,
 * the others counted.
 *
 * Never suspends, but blocks its thread until each loop has looked at its own tasks: a quarter of a
 * second at most for those that are busy, of which the text then says for how long they have been,
 * and shows what the thread is at. Threads are interrupted by a signal (SIGRTMAX - 4), which is
 * restarted by the kernel where it can: a nanosleep() of the program's own may end early. One call
 * at a time makes its text, others wait for it. Backtraces are shown on x86_64.
 *
 * @param fd  Written to with write(); where that would block for more than a second, the rest of
 *            the text is lost.
 * @return 0, or
 *         -ENOMEM  no memory to put it together,
 *         or a negative errno value of write().
 */
GREEN_API int green_dump(int fd);

/**
 * Have a thread of the library write green_dump() whenever a signal comes.
 *
 * It works however busy the program's own threads are. `where` is called first, on that thread, and
 * says which descriptor the dump is written to; it may use what does not suspend, and what it
 * writes itself stands before the dump. Blocks the signal in the calling thread, and so in all that
 * it starts later; to be called before there are others. A forked child has no such thread until it
 * calls this itself.
 *
 * @param signo  SIGQUIT, or another that nobody else waits for.
 * @param where  Called with arg before each dump; NULL for standard error.
 * @param arg    Stays valid for ever.
 * @return 0, or
 *         -EINVAL  there is no such signal,
 *         -EBUSY   this process has one already,
 *         -EAGAIN  the system refuses another thread.
 */
GREEN_API int green_dump_on_signal(int signo, int (*where)(void *arg), void *arg);

/**
 * Have the thread that a signal comes to write what it is at, in the signal's handler.
 *
 * For a process whose one thread blocks: it needs no second thread, beside which each lock and each
 * system call of the first would cost more. It tells of that thread alone, not of tasks, whatever
 * the thread is at, and holds it up while it writes. `where` is called first, in the handler, so it
 * must be async-signal-safe. Unblocks the signal in the calling thread. A forked child has the
 * handler too.
 *
 * @param signo  SIGQUIT, or another that nobody else handles.
 * @param where  Called with arg before each dump; NULL for standard error.
 * @param arg    Stays valid for ever.
 * @return 0, or
 *         -EINVAL  there is no such signal, or it cannot be handled,
 *         -EBUSY   this process has one already, or a thread for it.
 */
GREEN_API int green_dump_here_on_signal(int signo, int (*where)(void *arg), void *arg);

/** What a loop has done since it was made, or all loops of the process together. */
struct green_counters {
    uint64_t turns;       /**< Looks at the outside world. */
    uint64_t switches;    /**< Times that a worker got the processor. */
    uint64_t spawns;      /**< Tasks spawned. */
    uint64_t parks;       /**< Waits that gave the processor to others. */
    uint64_t inbox_wakes; /**< Tasks that another thread has woken or cancelled. */
    uint64_t loops;       /**< Loops that are counted in: those that live. */
    uint64_t tasks;       /**< Tasks that live. */
    uint64_t ready;       /**< Workers in the run queue. */
    uint64_t ready_max;   /**< The longest that a run queue was at a look at the outside world. */
    uint64_t lag_ns;      /**< Between the last two looks: how long what comes has to wait. To a
                               tick of the kernel, some milliseconds; of several loops the most. */
    uint64_t lag_max_ns;  /**< The most since the loop was made. */
    uint64_t stack_slabs; /**< Mappings for stacks. */
    uint64_t stack_bytes; /**< Address space of those. */
    uint64_t stacks;      /**< Stacks in use. */
    /** The deepest of the stacks that were measured, in bytes, whole pages: every 64th that a task
     *  leaves at its end. */
    uint64_t stack_high_water;
};

/**
 * The counters of all loops of this process.
 *
 * Sums include loops that have ended; sizes are those of the loops that live. Cheap: no loop is
 * asked, each number is of its own moment.
 */
GREEN_API void green_counters_get(struct green_counters *ret_counters);

/**
 * The counters of the calling thread's loop.
 *
 * @param ret_counters  Set on success.
 * @return 0, or -ENOENT when the thread has no loop, because it never had a task.
 */
GREEN_API int green_counters_get_own(struct green_counters *ret_counters);

/** Somebody who has kept a loop. The texts are good during the callback only. */
struct green_blocked {
    const char *worker;    /**< Who: `task 7 "seven"`. */
    const char *function;  /**< In which function of the program. */
    const char *backtrace; /**< Where it is, a line a frame, the innermost first. */
    uint64_t ms;           /**< For how long, so far. */
};

/** On a thread of the library's own; it may not suspend. */
typedef void (*green_blocked_callback)(const struct green_blocked *blocked, void *arg);

/**
 * Be told when somebody keeps a loop: when a task, or a thread's own stack, has run for longer than
 * a time without letting the others run.
 *
 * Off at first. With GREEN_BLOCKED_MS=N in the environment, the library calls this by itself when
 * the first loop is made, with the default callback. A thread of the library looks at the loops
 * every quarter of the time; who keeps one is interrupted by the signal that green_dump() uses, to
 * learn where it is. Each function is told once, and no more than five are in a second. The loops
 * themselves pay nothing.
 *
 * @param ms        0 turns it off.
 * @param callback  NULL: a line to standard error.
 * @param arg       Passed to the callback.
 * @return 0, or -EAGAIN when the system refuses another thread.
 */
GREEN_API int green_blocked_watch(uint64_t ms, green_blocked_callback callback, void *arg);

/* ---- deadlocks ---- */

/*
 * A call without a deadline that would wait for ever returns -EDEADLK, and what it has to do with
 * is reported: who waits for what, who holds it, since when, where each was spawned.
 *
 * Cycles. The call that would close a cycle of workers of which each waits for a lock that the next
 * one holds, or for the end of the next, fails at once, whatever kinds of workers they are. Holders
 * of mutexes and writers are known, and readers by the first two locks that each reads; a wait with
 * a deadline is part of no cycle.
 *
 * Silence. What has no owner (events, queues, conditions, semaphores, channels, futures, ...) is
 * looked at when the process' single thread would sleep without end: no worker is ready, and there
 * is no timer, no wait for a descriptor, a signal or the thread pool, no other thread, no signal
 * handler of the program's, and no parent that could cancel. Then the wait that began last fails,
 * and when all are asleep again, the next; never that of a daemon.
 */

/**
 * Told of each deadlock.
 *
 * @param report  Lines of text, the first of which begins "green: deadlock"; for the call only.
 * @param arg     As given to green_deadlock_set_hook().
 */
typedef void (*green_deadlock_hook)(const char *report, void *arg);

/**
 * Have deadlocks reported elsewhere, or not at all. Never suspends.
 *
 * @param hook  Called by the worker that found one, on its thread, nearly always the one whose call
 *              is about to fail; it may not wait. At first it is green_deadlock_to_stderr(). NULL:
 *              nobody is told.
 * @param arg   Passed on to it.
 */
GREEN_API void green_deadlock_set_hook(green_deadlock_hook hook, void *arg);

/** Write a report to standard error; arg is not used. */
GREEN_API void green_deadlock_to_stderr(const char *report, void *arg);

#ifdef __cplusplus
}
#endif

#endif
