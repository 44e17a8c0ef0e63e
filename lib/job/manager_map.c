/*
 * A table from strings to pointers, by chains.
 *
 * Invariant: there are at least as many chains as entries, unless there was no memory for more,
 * which costs time and nothing else. The hash is FNV-1a, by Fowler, Noll and Vo.
 */
#include "job/manager_map.h"

#include <string.h>

#include "base/alloc.h"

#define FIRST_CHAINS 16

static uint64_t
hash_of(const char *key)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *key != '\0'; key++) {
        hash = (hash ^ (unsigned char)*key) * 0x100000001b3u;
    }
    return hash;
}

/** Where the pointer to a key's entry is, or would be. There are chains. */
static struct green__map_entry **
place_of(const struct green__map *map, const char *key, uint64_t hash)
{
    struct green__map_entry **place = &map->chains[hash & (map->chain_count - 1)];
    while (*place != NULL && ((*place)->hash != hash || strcmp((*place)->key, key) != 0)) {
        place = &(*place)->next;
    }
    return place;
}

struct green__map_entry *
green__map_find(const struct green__map *map, const char *key)
{
    return map->count == 0 ? NULL : *place_of(map, key, hash_of(key));
}

static void
grow(struct green__map *map)
{
    size_t count = map->chain_count == 0 ? FIRST_CHAINS : 2 * map->chain_count;
    struct green__map_entry **chains = green__alloc_zeroed(count * sizeof *chains);
    if (chains == NULL) {
        return;
    }
    for (size_t i = 0; i < map->chain_count; i++) {
        while (map->chains[i] != NULL) {
            struct green__map_entry *entry = map->chains[i];
            map->chains[i] = entry->next;
            entry->next = chains[entry->hash & (count - 1)];
            chains[entry->hash & (count - 1)] = entry;
        }
    }
    green__free(map->chains);
    map->chains = chains;
    map->chain_count = count;
}

struct green__map_entry *
green__map_add(struct green__map *map, const char *key)
{
    struct green__map_entry *entry = green__map_find(map, key);
    if (entry != NULL) {
        return entry;
    }
    if (map->count >= map->chain_count) {
        grow(map);
    }
    size_t size = strlen(key) + 1;
    entry = map->chain_count == 0 ? NULL : green__alloc(sizeof *entry + size);
    if (entry == NULL) {
        return NULL;
    }
    entry->hash = hash_of(key);
    entry->value = NULL;
    memcpy(entry->key, key, size);
    entry->next = map->chains[entry->hash & (map->chain_count - 1)];
    map->chains[entry->hash & (map->chain_count - 1)] = entry;
    map->count++;
    return entry;
}

void *
green__map_remove(struct green__map *map, const char *key)
{
    struct green__map_entry **place = map->count == 0 ? NULL : place_of(map, key, hash_of(key));
    struct green__map_entry *entry = place == NULL ? NULL : *place;
    if (entry == NULL) {
        return NULL;
    }
    void *value = entry->value;
    *place = entry->next;
    map->count--;
    green__free(entry);
    return value;
}

void
green__map_each(const struct green__map *map,
                void (*function)(struct green__map_entry *entry, void *arg), void *arg)
{
    for (size_t i = 0; i < map->chain_count; i++) {
        for (struct green__map_entry *entry = map->chains[i]; entry != NULL; entry = entry->next) {
            function(entry, arg);
        }
    }
}

void
green__map_fini(struct green__map *map, void (*release)(void *value))
{
    for (size_t i = 0; i < map->chain_count; i++) {
        while (map->chains[i] != NULL) {
            struct green__map_entry *entry = map->chains[i];
            map->chains[i] = entry->next;
            release(entry->value);
            green__free(entry);
        }
    }
    green__free(map->chains);
    *map = (struct green__map){NULL, 0, 0};
}
