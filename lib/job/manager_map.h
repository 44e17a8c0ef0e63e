/*
 * A table from strings to pointers.
 *
 * All zero is an empty one. Of one thread.
 */
#ifndef GREEN_JOB_MANAGER_MAP_H
#define GREEN_JOB_MANAGER_MAP_H

#include <stddef.h>
#include <stdint.h>

struct green__map_entry {
    struct green__map_entry *next;
    uint64_t hash;
    void *value;
    char key[];
};

struct green__map {
    struct green__map_entry **chains;
    size_t chain_count; /**< A power of two, or 0. */
    size_t count;
};

/** The entry of a key; NULL when there is none. */
struct green__map_entry *green__map_find(const struct green__map *map, const char *key);

/** The entry of a key, made with a value of NULL if there is none; NULL without memory. */
struct green__map_entry *green__map_add(struct green__map *map, const char *key);

/** Take the entry of a key out and free it; returns its value, NULL when there is none. */
void *green__map_remove(struct green__map *map, const char *key);

/** Call a function for each entry; it does not change the map. */
void green__map_each(const struct green__map *map,
                     void (*function)(struct green__map_entry *entry, void *arg), void *arg);

/** Free all entries, after a call of `release` with the value of each. */
void green__map_fini(struct green__map *map, void (*release)(void *value));

#endif
