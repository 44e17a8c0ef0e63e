/*
 * Worker-local storage: a value of each task and thread under a key of the program's.
 *
 * A task, a thread and the only thread of a process have values of their own; generators and fibers
 * have those of their worker. The semantics are those of POSIX thread-specific data
 * (pthread_key_create() and its family), for every kind of worker; what differs is said below.
 */
#ifndef GREEN_LOCAL_H
#define GREEN_LOCAL_H

#include <stdint.h>

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A key; 0 is none. */
typedef uint64_t green_local;

/** How many keys there can be at a time. */
#define GREEN_LOCAL_MAX 1024

/** How often a worker's end looks for values again that destructors have set. */
#define GREEN_LOCAL_ROUNDS 4

/**
 * Make a key, under which every worker has the value NULL at first. Never suspends.
 *
 * A worker's end, once its function has returned, calls the destructor for its value unless that is
 * NULL, which it is from then on. The key that was made last comes first; a destructor may set
 * values, so this is done up to GREEN_LOCAL_ROUNDS times, after which the values that are left are
 * forgotten. Destructors run on the worker's own stack, and as the worker: they may suspend, and
 * calls fail with -ECANCELED if it was cancelled. Those of a thread run after its tasks have ended.
 *
 * A forked child's worker starts with the values that its parent's worker had, in its own copy of
 * the memory, and at its end runs the destructors for them too. The thread that calls exit(), or
 * returns from main(), runs none.
 *
 * @param destructor  NULL: values need none.
 * @param ret_key     Set on success; given back by green_local_destroy(), or never.
 * @return 0, or
 *         -EAGAIN  there are GREEN_LOCAL_MAX keys.
 */
GREEN_API int green_local_create(void (*destructor)(void *value), green_local *ret_key);

/** Give a key back: the values under it are forgotten, without their destructor. Never suspends. */
GREEN_API void green_local_destroy(green_local key);

/**
 * The calling worker's value. Never suspends.
 *
 * @return what it has set last, else NULL; NULL for a key that does not exist.
 */
GREEN_API void *green_local_get(green_local key);

/**
 * Set the calling worker's value. The one before is not destroyed. Never suspends.
 *
 * @return 0, or
 *         -EINVAL  the key does not exist,
 *         -ENOMEM  no memory for the worker's values; there is always room for a value that
 *                  replaces another.
 */
GREEN_API int green_local_set(green_local key, void *value);

#ifdef __cplusplus
}
#endif

#endif
