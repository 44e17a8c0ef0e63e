/*
 * What the system offers beside sockets: calls that know no waiting but blocking.
 */
#ifndef GREEN_OS_H
#define GREEN_OS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base.h"
#include "job.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- calls that block ---- */

/**
 * Call a function that blocks its thread, without keeping this thread's tasks waiting.
 *
 * Suspends while a thread of libuv's pool (UV_THREADPOOL_SIZE, 4 by default) runs it; for a thread
 * without tasks, one that is made for the call, so that it can be cut short there too. A thread
 * that ends waits for the functions that it has begun.
 *
 * @param fn          Plain code: it may not wait in calls of this library.
 * @param arg         Passed to fn. A call that gives up leaves fn running, or about to run: arg is
 *                    then fn's for as long as the calling thread lives; see green_blocking_owned().
 * @param ret_result  Set on success to what fn returned; may be NULL.
 * @return 0, or
 *         -ETIMEDOUT  a scope ended first,
 *         -ECANCELED  the calling worker was cancelled,
 *         -ENOMEM, -EAGAIN  no memory, or thread, for the request: fn never runs.
 */
GREEN_API GREEN_SUSPENDS int green_blocking(green_entry fn, void *arg, intptr_t *ret_result);

/**
 * The same with an arg that is handed over should the call fail.
 *
 * @param drop  Called with arg, once, when the call has failed and fn does not use arg any more: in
 *              this call; or later, on the calling thread, or where that has no tasks on the one
 *              that ran fn. It may not wait.
 */
GREEN_API GREEN_SUSPENDS int green_blocking_owned(green_entry fn, void *arg,
                                                  void (*drop)(void *arg), intptr_t *ret_result);

/* ---- signals ---- */

/** A signal that came. */
struct green_signal {
    int number;
    int code;   /**< As si_code: SI_USER, SI_QUEUE, CLD_EXITED, ... */
    pid_t pid;  /**< Who sent it, or of SIGCHLD the child. */
    uid_t uid;  /**< The sender's. */
    int value;  /**< What sigqueue() sent with it. */
    int status; /**< Of SIGCHLD the exit status or signal. */
};

/**
 * A descriptor to wait for signals: signalfd(). Never suspends.
 *
 * The signals are blocked in the calling thread and stay so; threads started later inherit that. A
 * signal that is sent to the process is seen as long as no thread has it unblocked: the main thread
 * calls this before it starts others.
 *
 * @param signals  Their numbers; read during the call only.
 * @param count    How many.
 * @return A descriptor, close-on-exec, to be closed with green_close(); or
 *         -EINVAL  one is no signal, cannot be blocked, or is the library's own,
 *         -EMFILE, -ENFILE, -ENOMEM; no signal is blocked then.
 */
GREEN_API int green_signal_open(const int *signals, size_t count);

/**
 * Wait until one of the signals comes, and take it.
 *
 * Suspends until then. A signal that came before the call is taken at once; several of one number
 * are one, unless they are real-time signals. A call that fails takes none.
 *
 * @param fd          From green_signal_open().
 * @param ret_signal  Set on success; may be NULL.
 * @param deadline    Absolute: see green_after().
 * @return The signal's number, or the errors of green_wait_fd().
 */
GREEN_API GREEN_SUSPENDS int green_signal_wait(int fd, struct green_signal *ret_signal,
                                               green_deadline deadline);

/* ---- files ---- */

/**
 * Read from a place of a file: pread().
 *
 * Suspends a task while a thread of the pool reads; see green_blocking(). A thread without tasks
 * reads itself. A call that gives up leaves buf alone. The descriptor is copied for as long as the
 * pool uses it, and the close of the copy drops the process' record locks on the file (F_SETLK;
 * those of F_OFD_SETLK stay).
 *
 * @param len     At most 1 MiB is read at once.
 * @param offset  In bytes.
 * @return The number of bytes, 0 at the end; or -ETIMEDOUT, -ECANCELED, -ENOMEM, -EMFILE, or
 *         another negative errno of pread().
 */
GREEN_API GREEN_SUSPENDS ssize_t green_pread(int fd, void *buf, size_t len, off_t offset);

/**
 * Write at a place of a file: pwrite().
 *
 * Suspends as green_pread() does. A call that gives up may write all the same, now or later.
 *
 * @return How many bytes were written, at most 1 MiB at once, or a negative errno as for
 *         green_pread().
 */
GREEN_API GREEN_SUSPENDS ssize_t green_pwrite(int fd, const void *buf, size_t len, off_t offset);

/**
 * Read a whole file.
 *
 * Suspends as green_pread() does.
 *
 * @param path     Read during the call only.
 * @param ret_buf  Set on success to the bytes, and a 0 after them; for green_file_free().
 * @param ret_len  Set on success; the 0 is not counted.
 * @return 0, -ETIMEDOUT, -ECANCELED, -ENOMEM, or a negative errno of open() or read().
 */
GREEN_API GREEN_SUSPENDS int green_file_read_all(const char *path, void **ret_buf, size_t *ret_len);

/** Free what green_file_read_all() returned. NULL is taken. */
GREEN_API void green_file_free(void *buf);

#ifdef __cplusplus
}
#endif

#endif
