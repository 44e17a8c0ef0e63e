/*
 * Functions that block, as the rest of lib/io calls them.
 */
#ifndef GREEN_IO_BLOCKING_H
#define GREEN_IO_BLOCKING_H

#include "green/os.h"
#include "sched/worker.h"

/**
 * For functions that are over soon whatever happens, as those on files: green_blocking_owned(), but
 * a thread without tasks calls it itself.
 */
int green__blocking_soon(green_entry fn, void *arg, void (*drop)(void *arg), intptr_t *ret_result);

/** Call it on a thread of its own, for a thread without tasks. Errors as green_blocking_owned(). */
int green__blocking_on_thread(struct green_job *self, green_entry fn, void *arg,
                              void (*drop)(void *arg), intptr_t *ret_result);

#endif
