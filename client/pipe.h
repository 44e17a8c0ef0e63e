/*
 * Conversations without a person: standard input through the server, or one message.
 */
#ifndef ECHOC_PIPE_H
#define ECHOC_PIPE_H

#include "channel.h"

/**
 * Copy standard input to the server and its replies to standard output, both at once. Suspends.
 *
 * @param channel  Stays the caller's.
 * @return The exit code; what went wrong has been reported.
 */
int echoc_pipe_input(const struct channel *channel);

/** Send one message, half-close, and copy the replies to standard output. As echoc_pipe_input(). */
int echoc_pipe_message(const struct channel *channel, const char *message);

#endif
