/*
 * Conversations without a person: standard input through the server, or one message.
 */
#ifndef ECHOC_PIPE_H
#define ECHOC_PIPE_H

/**
 * Copy standard input to the server and its replies to standard output, both at once. Suspends.
 *
 * @param fd  The connection; stays the caller's.
 * @return The exit code; what went wrong has been reported.
 */
int echoc_pipe_input(int fd);

/** Send one message, half-close, and copy the replies to standard output. As echoc_pipe_input(). */
int echoc_pipe_message(int fd, const char *message);

#endif
