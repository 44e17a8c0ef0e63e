/*
 * The conversation of a person at a terminal.
 */
#ifndef ECHOC_INTERACTIVE_H
#define ECHOC_INTERACTIVE_H

#include "channel.h"

/**
 * Prompt for lines, send them, and print replies as they come. Suspends.
 *
 * @param channel  Stays the caller's.
 * @return The exit code; what went wrong has been reported. A signal that asks the program to end
 *         does so here, once the terminal is restored.
 */
int echoc_interactive(const struct channel *channel);

#endif
