/*
 * Duplex pipes of messages between processes: multiprocessing.Pipe().
 *
 * A pipe has two ends; what is sent into one is received from the other, whole messages in order.
 * It is made before the fork; a process job is handed the end that it uses through the keep_fds of
 * its options (green_pipe_fds()), and the parent closes that end. In a process that was not handed
 * an end, calls with it return -EBADF, and it is safe to close.
 *
 * Any number of tasks and threads of one process may send and receive at an end at a time. Two
 * processes that use the same end mix up each other's messages, as in Python.
 *
 * Calls are bounded by the timeout scopes around them, like those of sockets.
 */
#ifndef GREEN_PIPE_H
#define GREEN_PIPE_H

#include <stddef.h>
#include <sys/types.h>

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/** One end of a pipe. */
struct green_pipe;

/**
 * Make a pipe.
 *
 * @param ret_one    Set on success to one end, and
 * @param ret_other  to the other; each is given back by green_pipe_close().
 * @return 0, or -ENOMEM, -EMFILE, -ENFILE.
 */
GREEN_API int green_pipe_create(struct green_pipe **ret_one, struct green_pipe **ret_other);

/** Close an end in this process; the last copy's closing ends the stream. NULL is taken. Misuse
 *  while a worker uses it. */
GREEN_API void green_pipe_close(struct green_pipe *end);

/** The descriptor of an end: for keep_fds, and for green_poll(), which knows nothing of messages
 *  that were received already: green_pipe_poll() does. */
GREEN_API int green_pipe_fd(const struct green_pipe *end);

/**
 * Collect the descriptors of several ends, for the keep_fds of a spawn.
 *
 * @param ends     NULLs among them are passed over.
 * @param ret_fds  Room for `count` descriptors.
 * @return How many there are: the keep_fd_count.
 */
GREEN_API size_t green_pipe_fds(struct green_pipe *const *ends, size_t count, int *ret_fds);

/**
 * Send a message.
 *
 * Suspends until all of it is on its way. What comes in meanwhile is taken into memory, so that two
 * that send to each other, however much, do not wait for each other for ever (in Python they do).
 *
 * @param message  Copied; any length, 0 too.
 * @return 0, or
 *         -EPIPE      the other end is closed, or a send was cut short before,
 *         -ETIMEDOUT  a timeout scope ended first,
 *         -ECANCELED  the calling worker was cancelled,
 *         -EBADF      the end was not handed to this process,
 *         -EMFILE, -ENFILE, -ENOMEM  it had to wait and could not.
 *         A message of which a part was sent already when a call failed ends the stream: the other
 *         side gets -ECONNRESET after the messages before it.
 */
GREEN_API GREEN_SUSPENDS int green_pipe_send(struct green_pipe *end, const void *message,
                                             size_t length);

/**
 * Receive a message into the caller's memory.
 *
 * Suspends until there is one. A call that fails takes nothing.
 *
 * @param buffer  Receives the message.
 * @param size    Its size in bytes.
 * @return The message's length, or
 *         -EMSGSIZE    the next message is longer,
 *         -EPIPE       the other end is closed, and all it sent was received,
 *         -ECONNRESET  the other side died, or gave up, in the middle of a message,
 *         -ENOMEM      no memory for the next message,
 *         -ETIMEDOUT, -ECANCELED, -EBADF, -EMFILE, -ENFILE as for green_pipe_send().
 */
GREEN_API GREEN_SUSPENDS ssize_t green_pipe_recv(struct green_pipe *end, void *buffer, size_t size);

/**
 * Receive a message of any length into memory of its own.
 *
 * As green_pipe_recv() otherwise.
 *
 * @param ret_message  Set on success; given back by green_pipe_free().
 */
GREEN_API GREEN_SUSPENDS ssize_t green_pipe_take(struct green_pipe *end, void **ret_message);

/** Give back what green_pipe_take() returned. NULL is taken. */
GREEN_API void green_pipe_free(void *message);

/**
 * Wait until there is a message, or the end of the stream.
 *
 * Suspends until then.
 *
 * @return 0 when a call to receive would not wait, or an error of green_pipe_recv(), -EPIPE and
 *         -ECONNRESET aside.
 */
GREEN_API GREEN_SUSPENDS int green_pipe_poll(struct green_pipe *end, green_deadline deadline);

#ifdef __cplusplus
}
#endif

#endif
