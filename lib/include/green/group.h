/*
 * Structured concurrency: groups, pools, and maps.
 *
 * A group knows every job that was spawned into it and ends only after all of them: nothing that
 * begins in a group outlives it. The first error cancels the rest. It is trio's nursery, and with a
 * limit gevent's Pool, over all three kinds of jobs in any mixture.
 *
 * An error is a value from -4095 to -1 that a job's entry returns, -ECANCELED aside, or -EOWNERDEAD
 * for a process that died. Other negative values are values. What differs from trio: one error is
 * reported and not all of them, and a job that was cancelled alone is no error, as in asyncio.
 */
#ifndef GREEN_GROUP_H
#define GREEN_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base.h"
#include "job.h"
#include "sync.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A group, in the caller's memory. Its members are the library's; it may not be copied or moved.
 */
struct green_group {
    struct green_waiters joiners;
    struct green_waiters spawners;
    void *members[2];
    size_t count;
    unsigned limit;
    int error;
    bool cancelled;
    bool keep_going;
};

/**
 * Make a group.
 *
 * It belongs to the process that made it: a forked child has a copy that it must not touch.
 *
 * @param limit  How many jobs at once; who spawns one more waits. 0: any number.
 */
GREEN_API void green_group_init(struct green_group *group, unsigned limit);

/**
 * End a group: wait for all its jobs.
 *
 * Suspends until the last has ended, whatever happens: when the caller is cancelled or a timeout
 * scope around the call ends, the jobs are cancelled, and waited for all the same. A job that heeds
 * no cancellation keeps the caller waiting.
 *
 * @return 0, or
 *         the first error of a job,
 *         -ECANCELED  the calling worker was cancelled before all had ended,
 *         -ETIMEDOUT  a timeout scope ended before.
 *
 * It never fails with -EDEADLK: it cannot return before its jobs have. Where nobody is left to end
 * the wait, the calls that its jobs wait in fail, and so the jobs come to their ends.
 */
GREEN_API GREEN_SUSPENDS int green_group_fini(struct green_group *group);

/** Spawn a task into a group: green_group_spawn_as() with the default options and no deadline. */
GREEN_API GREEN_SUSPENDS int green_group_spawn(struct green_group *group, green_entry entry,
                                               void *arg);

/**
 * Spawn a job of any kind into a group.
 *
 * Suspends while the group is full; waiters get room in FIFO order. A call that fails has spawned
 * nothing. A task runs on the caller's thread. Any worker of the process may call, the group's own
 * jobs too.
 *
 * @param options   NULL for the defaults. A daemon is waited for like any other.
 * @param ret_job   Set on success to a handle that the caller puts; NULL when nobody will ask.
 * @param deadline  Of the wait for room.
 * @return 0, or
 *         -ECANCELED  the group is cancelled, by an error of a job or by green_group_cancel(); or
 * the calling worker was, and there is no room, -ETIMEDOUT  there was no room before the deadline,
 *         or an error of green_spawn_as(); for a process also of the thread that notices its end.
 */
GREEN_API GREEN_SUSPENDS int green_group_spawn_as(struct green_group *group, enum green_kind kind,
                                                  green_entry entry, void *arg,
                                                  const struct green_spawn_options *options,
                                                  struct green_job **ret_job,
                                                  green_deadline deadline);

/**
 * Wait until the group has no job.
 *
 * Suspends until then. More may be spawned meanwhile, and afterwards unless there was an error. A
 * call that fails changes nothing: the jobs go on.
 *
 * @return 0, or
 *         the first error of a job, all having ended,
 *         -ETIMEDOUT  the deadline passed first (green_group_size() tells it from a job's),
 *         -ECANCELED  the calling worker was cancelled,
 *         -EDEADLK    the caller is one of the jobs, or nobody is left to end the wait: see
 * debug.h.
 */
GREEN_API GREEN_SUSPENDS int green_group_join(struct green_group *group, green_deadline deadline);

/** Cancel all jobs of the group, and let no more be spawned. Never suspends. This is no error. */
GREEN_API void green_group_cancel(struct green_group *group);

/** The first error of a job so far, or 0. Never suspends. */
GREEN_API int green_group_error(struct green_group *group);

/** How many jobs have not ended. Never suspends. */
GREEN_API size_t green_group_size(struct green_group *group);

/* ---- maps ---- */

/**
 * Run an entry for each element of an array, several at once, and collect the values.
 *
 * Suspends until all have ended. The first error cancels the rest, which are waited for. So does
 * the end of the deadline or of a scope, and a cancellation of the caller.
 *
 * @param kind        What each runs in.
 * @param limit       How many at once; 0: all.
 * @param entry       Called with one element.
 * @param args        The elements.
 * @param count       How many.
 * @param ret_values  Set on success to the values, in the order of the elements; may be NULL.
 * @param deadline    Absolute: see green_after().
 * @return 0, or
 *         the first error of an entry,
 *         -ENOMEM, or another error of green_group_spawn_as().
 */
GREEN_API GREEN_SUSPENDS int green_map(enum green_kind kind, unsigned limit, green_entry entry,
                                       void *const *args, size_t count, intptr_t *ret_values,
                                       green_deadline deadline);

/**
 * Gives the next element; false when there is none left. May suspend.
 *
 * @param context   As given to green_imap_create().
 * @param ret_item  Set to the element when the result is true.
 */
typedef bool (*green_items)(void *context, void **ret_item);

/** The elements of an array, for green_items_of_array(). */
struct green_array {
    void *const *items;
    size_t count;
    size_t given; /**< 0 at first. */
};

/** A green_items that gives the elements of an array one by one. */
GREEN_API bool green_items_of_array(void *array, void **ret_item);

/** A map whose values are asked for one by one. */
struct green_imap;

/**
 * Begin a lazy map: gevent's Pool.imap().
 *
 * Does not suspend, and runs nothing yet. Elements are asked for in green_imap_next(), by its
 * caller, so that at most `limit` have begun and were not handed out. An error is handed out as a
 * value and stops nobody.
 *
 * @param kind      What each element runs in.
 * @param limit     How many at once, those included that have ended and wait to be handed out.
 * @param entry     Called with one element.
 * @param items     Asked for elements; with an array: green_items_of_array().
 * @param context   Passed to items.
 * @param ret_imap  Set on success; given back by green_imap_destroy().
 * @return 0, or
 *         -EINVAL  the limit is 0,
 *         -ENOMEM.
 */
GREEN_API int green_imap_create(enum green_kind kind, unsigned limit, green_entry entry,
                                green_items items, void *context, struct green_imap **ret_imap);

/** The same, whose values are handed out in the order in which the jobs end: imap_unordered(). */
GREEN_API int green_imap_create_unordered(enum green_kind kind, unsigned limit, green_entry entry,
                                          green_items items, void *context,
                                          struct green_imap **ret_imap);

/**
 * The next value of a lazy map.
 *
 * Suspends until it is there. A call that fails has handed nothing out and may be made again. One
 * worker at a time; with tasks, always of the same thread.
 *
 * @param ret_value  Set when the result is 1: what the entry returned; -EOWNERDEAD for a process
 *                   that died.
 * @param ret_item   Set likewise, to the element; may be NULL.
 * @param deadline   Absolute: see green_after().
 * @return 1; 0 when all values were handed out; or
 *         -ETIMEDOUT, -ECANCELED,
 *         an error of green_spawn_as() when nothing runs and nothing can be begun.
 */
GREEN_API GREEN_SUSPENDS int green_imap_next(struct green_imap *imap, intptr_t *ret_value,
                                             void **ret_item, green_deadline deadline);

/** End a lazy map: what runs is cancelled and waited for, as by green_group_fini(). Suspends until
 *  then. NULL is taken. */
GREEN_API GREEN_SUSPENDS void green_imap_destroy(struct green_imap *imap);

#ifdef __cplusplus
}
#endif

#endif
