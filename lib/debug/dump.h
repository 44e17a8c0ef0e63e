/*
 * The dump of a thread that was interrupted.
 */
#ifndef GREEN_DEBUG_DUMP_H
#define GREEN_DEBUG_DUMP_H

#include <ucontext.h>

/**
 * Write what the calling thread was at when a signal came, in the signal's handler.
 *
 * Takes no lock of ours and allocates nothing. Like every unwinder it asks the dynamic linker what
 * is loaded; so it is for a process whose one thread is the calling one. Not for two at a time.
 */
void green__dump_interrupted(int fd, const ucontext_t *machine);

#endif
