/*
 * A manager: a process that holds dicts, lists and values for others, as multiprocessing.Manager().
 *
 * Every process that descends from its creator after it was made uses it, by tasks and threads, any
 * number at a time. An object is named by a string and made by the first call that changes it; the
 * manager and the name are the proxy. Each call is one request, which is carried out as a whole
 * before or after any other. Keys are strings; values are byte strings, copied there and back. A
 * namespace is a dict whose keys are the attributes. What Python's manager has beside these is in
 * ipc.h, in shared memory and without a process between: locks, semaphores, events, conditions,
 * barriers, queues and arrays.
 *
 * The manager is a daemon process: it ends with its creator, or by green_manager_destroy(). A
 * client that dies harms nobody. When the manager is gone, calls fail and never hang.
 *
 * Calls suspend until the reply is there, bounded by the timeout scopes around them. All may return
 *         -ECONNRESET  the manager is gone,
 *         -EINVAL      the name is that of an object of another kind,
 *         -ENOMEM      no memory, here or there,
 *         -EMFILE, -ENFILE  no descriptor for a connection,
 *         -ETIMEDOUT   a timeout scope ended first,
 *         -ECANCELED   the calling worker was cancelled.
 * After the last two, and after -ECONNRESET, it is unknown whether the request was carried out;
 * after the others it was not. Results that are memory are given back by green_manager_free().
 */
#ifndef GREEN_MANAGER_H
#define GREEN_MANAGER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A manager. */
struct green_manager;

/** One of several byte strings. */
struct green_manager_item {
    void *data; /**< A zero byte follows. */
    size_t length;
};

/**
 * Start a manager.
 *
 * Suspends until it serves.
 *
 * @param ret_manager  Set on success; given back by green_manager_destroy().
 * @return 0, or an error of green_spawn_as(), or -ECONNRESET when it died at once, or -ETIMEDOUT,
 *         -ECANCELED.
 */
GREEN_API GREEN_SUSPENDS int green_manager_create(struct green_manager **ret_manager);

/**
 * Let go of a manager in this process; in the one that made it, end it and wait for its end.
 *
 * Suspends there. NULL is taken. Misuse while a worker of this process uses it.
 */
GREEN_API GREEN_SUSPENDS void green_manager_destroy(struct green_manager *manager);

/** The process id of the manager. */
GREEN_API pid_t green_manager_pid(const struct green_manager *manager);

/** Give back what a call returned. NULL is taken. */
GREEN_API void green_manager_free(void *memory);

/** Forget an object of any kind. 0, -ENOENT when there is none, or an error named above. */
GREEN_API GREEN_SUSPENDS int green_manager_forget(struct green_manager *manager, const char *name);

/* ---- dicts, and namespaces ---- */

/** Set a key's value. 0, or an error named above. */
GREEN_API GREEN_SUSPENDS int green_manager_dict_set(struct green_manager *manager, const char *name,
                                                    const char *key, const void *value,
                                                    size_t length);

/**
 * Get a key's value.
 *
 * @param ret_value  Set on success to a copy, which a zero byte follows; NULL: only the length is
 *                   wanted.
 * @return The value's length, or -ENOENT when there is no such key, or an error named above.
 */
GREEN_API GREEN_SUSPENDS ssize_t green_manager_dict_get(struct green_manager *manager,
                                                        const char *name, const char *key,
                                                        void **ret_value);

/** Take a key out. 0, -ENOENT, or an error named above. */
GREEN_API GREEN_SUSPENDS int green_manager_dict_delete(struct green_manager *manager,
                                                       const char *name, const char *key);

/** How many keys there are; 0 for a name that nothing has; or an error named above. */
GREEN_API GREEN_SUSPENDS ssize_t green_manager_dict_len(struct green_manager *manager,
                                                        const char *name);

/**
 * Get all keys, in no order.
 *
 * @param ret_keys  Set on success to an array, in one piece of memory with what it points to.
 * @return How many there are, or an error named above.
 */
GREEN_API GREEN_SUSPENDS ssize_t green_manager_dict_keys(struct green_manager *manager,
                                                         const char *name,
                                                         struct green_manager_item **ret_keys);

/** Get a key's value and take the key out; as green_manager_dict_get(). */
GREEN_API GREEN_SUSPENDS ssize_t green_manager_dict_pop(struct green_manager *manager,
                                                        const char *name, const char *key,
                                                        void **ret_value);

/** Set a key that is not there; then get its value, as green_manager_dict_get(). */
GREEN_API GREEN_SUSPENDS ssize_t green_manager_dict_setdefault(struct green_manager *manager,
                                                               const char *name, const char *key,
                                                               const void *value, size_t length,
                                                               void **ret_value);

/** Set `count` keys, each to the value of the same place, as one request. 0, or an error named
 *  above. */
GREEN_API GREEN_SUSPENDS int green_manager_dict_update(struct green_manager *manager,
                                                       const char *name, const char *const *keys,
                                                       const struct green_manager_item *values,
                                                       size_t count);

/** Get all values, in the order of the keys; as green_manager_dict_keys(). */
GREEN_API GREEN_SUSPENDS ssize_t green_manager_dict_values(struct green_manager *manager,
                                                           const char *name,
                                                           struct green_manager_item **ret_values);

/**
 * Get all keys and values; as green_manager_dict_keys().
 *
 * @param ret_items  Set on success to twice as many: each key, and its value behind it.
 * @return How many pairs there are, or an error named above.
 */
GREEN_API GREEN_SUSPENDS ssize_t green_manager_dict_items(struct green_manager *manager,
                                                          const char *name,
                                                          struct green_manager_item **ret_items);

/** Take all keys out. 0, or an error named above. */
GREEN_API GREEN_SUSPENDS int green_manager_dict_clear(struct green_manager *manager,
                                                      const char *name);

/**
 * Add to a key's number, atomically: one that is not there is 0.
 *
 * A number is a value of eight bytes, an int64_t.
 *
 * @param ret_sum  Set on success to what it is then; may be NULL.
 * @return 0, -EINVAL when the value is no number, or an error named above.
 */
GREEN_API GREEN_SUSPENDS int green_manager_dict_add(struct green_manager *manager, const char *name,
                                                    const char *key, int64_t amount,
                                                    int64_t *ret_sum);

/* ---- lists ---- */

/* An index counts from 0, or, when it is negative, from the end: -1 is the last item. */

/** Append an item. 0, or an error named above. */
GREEN_API GREEN_SUSPENDS int green_manager_list_append(struct green_manager *manager,
                                                       const char *name, const void *item,
                                                       size_t length);

/** Insert an item before the one at an index, which is cut to the list's bounds as in Python. */
GREEN_API GREEN_SUSPENDS int green_manager_list_insert(struct green_manager *manager,
                                                       const char *name, int64_t index,
                                                       const void *item, size_t length);

/** Set the item at an index. 0, -ERANGE when there is none, or an error named above. */
GREEN_API GREEN_SUSPENDS int green_manager_list_set(struct green_manager *manager, const char *name,
                                                    int64_t index, const void *item, size_t length);

/** Get the item at an index. Its length, -ERANGE, or an error named above; see
 *  green_manager_dict_get(). */
GREEN_API GREEN_SUSPENDS ssize_t green_manager_list_get(struct green_manager *manager,
                                                        const char *name, int64_t index,
                                                        void **ret_item);

/** Take the item at an index out; as green_manager_list_get(). */
GREEN_API GREEN_SUSPENDS ssize_t green_manager_list_pop(struct green_manager *manager,
                                                        const char *name, int64_t index,
                                                        void **ret_item);

/** How many items there are; 0 for a name that nothing has; or an error named above. */
GREEN_API GREEN_SUSPENDS ssize_t green_manager_list_len(struct green_manager *manager,
                                                        const char *name);

/** Get all items, to go through them: as green_manager_dict_keys(), but in their order. */
GREEN_API GREEN_SUSPENDS ssize_t green_manager_list_items(struct green_manager *manager,
                                                          const char *name,
                                                          struct green_manager_item **ret_items);

/** Append items, as one request. 0, or an error named above. */
GREEN_API GREEN_SUSPENDS int green_manager_list_extend(struct green_manager *manager,
                                                       const char *name,
                                                       const struct green_manager_item *items,
                                                       size_t count);

/** The index of the first item with these bytes; -ENOENT, or an error named above. */
GREEN_API GREEN_SUSPENDS ssize_t green_manager_list_index(struct green_manager *manager,
                                                          const char *name, const void *item,
                                                          size_t length);

/** How many items have these bytes; or an error named above. */
GREEN_API GREEN_SUSPENDS ssize_t green_manager_list_count(struct green_manager *manager,
                                                          const char *name, const void *item,
                                                          size_t length);

/** Take out the first item with these bytes. 0, -ENOENT, or an error named above. */
GREEN_API GREEN_SUSPENDS int green_manager_list_remove(struct green_manager *manager,
                                                       const char *name, const void *item,
                                                       size_t length);

enum green_sort {
    GREEN_SORT_BYTES = 0,   /**< As memcmp() has it; what another begins with comes first. */
    GREEN_SORT_NUMBERS = 1, /**< Items of eight bytes as int64_t, before any others. */
    GREEN_SORT_REVERSE = 2, /**< In addition to one of the others. */
};

/** Sort the items, by enum green_sort. 0, or an error named above. */
GREEN_API GREEN_SUSPENDS int green_manager_list_sort(struct green_manager *manager,
                                                     const char *name, unsigned how);

/** Turn the order of the items round. 0, or an error named above. */
GREEN_API GREEN_SUSPENDS int green_manager_list_reverse(struct green_manager *manager,
                                                        const char *name);

/** Take all items out. 0, or an error named above. */
GREEN_API GREEN_SUSPENDS int green_manager_list_clear(struct green_manager *manager,
                                                      const char *name);

/* ---- values ---- */

/** Set a value. 0, or an error named above. */
GREEN_API GREEN_SUSPENDS int green_manager_value_set(struct green_manager *manager,
                                                     const char *name, const void *value,
                                                     size_t length);

/** Get a value; as green_manager_dict_get(), -ENOENT when nothing has that name. */
GREEN_API GREEN_SUSPENDS ssize_t green_manager_value_get(struct green_manager *manager,
                                                         const char *name, void **ret_value);

/** Add to a value that is a number; as green_manager_dict_add(). */
GREEN_API GREEN_SUSPENDS int green_manager_value_add(struct green_manager *manager,
                                                     const char *name, int64_t amount,
                                                     int64_t *ret_sum);

#ifdef __cplusplus
}
#endif

#endif
