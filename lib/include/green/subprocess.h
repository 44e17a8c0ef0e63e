/*
 * Other programs: spawn them, speak to them through pipes, wait for their end.
 */
#ifndef GREEN_SUBPROCESS_H
#define GREEN_SUBPROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A program that was spawned. Of one worker at a time, unless a call says otherwise. */
struct green_subprocess;

/** What a standard stream of the program is, beside a descriptor. */
#define GREEN_STDIO_INHERIT (-1) /**< Ours. */
#define GREEN_STDIO_PIPE    (-2) /**< A pipe: see green_subprocess_pipe(). */
#define GREEN_STDIO_NULL    (-3) /**< /dev/null. */
#define GREEN_STDIO_OUTPUT  (-4) /**< Of `error`: the same as its output. */

/** How to spawn a program; start from GREEN_SUBPROCESS_OPTIONS and change what differs. */
struct green_subprocess_options {
    int input; /**< A descriptor, which stays the caller's, or one of GREEN_STDIO_*. */
    int output;
    int error;
    const char *cwd;        /**< Where it runs; NULL: where we do. */
    const char *const *env; /**< "NAME=value", ended by NULL; NULL: our environment. */
    /** It leads a process group: a terminal's keys do not reach it, and kill reaches its children.
     */
    bool own_group;
};

#define GREEN_SUBPROCESS_OPTIONS                                                         \
    {                                                                                    \
        GREEN_STDIO_INHERIT, GREEN_STDIO_INHERIT, GREEN_STDIO_INHERIT, NULL, NULL, false \
    }

/**
 * Spawn a program.
 *
 * Never suspends. It starts with no signal blocked and SIGPIPE at its default. It is reaped as soon
 * as it ends, whether somebody waits or not. It gets no descriptor of this library's but its
 * streams.
 *
 * @param argv         The program, looked for in PATH unless it has a '/', and its arguments, ended
 *                     by NULL.
 * @param options      NULL for the defaults; read during the call only.
 * @param ret_process  Set on success; for green_subprocess_destroy().
 * @return 0, or
 *         -EINVAL  argv is empty or a stream is none,
 *         -EBADF   a stream is no open descriptor,
 *         -ENOENT, -EACCES, ...  the program cannot be run: the errno of exec or chdir,
 *         -EAGAIN, -EMFILE, -ENFILE, -ENOMEM.
 */
GREEN_API int green_subprocess_spawn(const char *const *argv,
                                     const struct green_subprocess_options *options,
                                     struct green_subprocess **ret_process);

/**
 * Wait until the program has ended.
 *
 * Suspends until then. May be called as often as one likes; a call that fails changes nothing.
 *
 * @param ret_status  Set on success, as by waitpid(): for WIFEXITED() and its family; may be NULL.
 * @param deadline    Absolute: see green_after().
 * @return 0, or
 *         -ETIMEDOUT, -ECANCELED,
 *         -EBUSY   another worker of this thread waits for it,
 *         -ECHILD  the program ignores SIGCHLD or reaped the child itself, or another process
 *                  spawned it: the status is unknown.
 */
GREEN_API GREEN_SUSPENDS int green_subprocess_wait(struct green_subprocess *process,
                                                   int *ret_status, green_deadline deadline);

/**
 * Send a signal to the program. Any worker, any thread. Never suspends.
 *
 * With own_group it goes to all of its process group, also those that have outlived the program;
 * before Linux 6.9 to the program alone.
 *
 * @return 0, -EINVAL (no such signal), or -ESRCH: it has ended; no other process is ever hit.
 */
GREEN_API int green_subprocess_kill(struct green_subprocess *process, int signo);

/** Its process id, which may be another's once it has ended. */
GREEN_API pid_t green_subprocess_pid(const struct green_subprocess *process);

/**
 * Our end of a pipe: for green_write() to its input, for green_read() from its output or error.
 *
 * @param which  0, 1 or 2.
 * @return A descriptor, which stays the subprocess', or -1.
 */
GREEN_API int green_subprocess_pipe(const struct green_subprocess *process, int which);

/** Close our end of a pipe, so that the program reads the end. Never suspends. Returns 0 or -EBADF.
 */
GREEN_API int green_subprocess_close(struct green_subprocess *process, int which);

/** Close our ends and give the handle back. The program goes on. NULL is taken. Never suspends. */
GREEN_API void green_subprocess_destroy(struct green_subprocess *process);

#ifdef __cplusplus
}
#endif

#endif
