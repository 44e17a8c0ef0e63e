/*
 * The table of addresses: sets of a few entries each, of which a hash names one; an address is in
 * its set or nowhere. An entry that says nothing any more, because the address has no connection
 * and has not come lately, gives way to another.
 *
 * Invariant: the places say whose each counted connection is. All else about connections follows
 * from them, so whoever finds that a process died at work here makes it anew. One lock is for
 * everything, held for a moment and across no wait.
 *
 * Source of the rate: the generic cell rate algorithm (ITU-T I.371), which is a token bucket in one
 * number: when the bucket will be full again.
 */
#include "addresses.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

/** Entries in a set. */
#define WAYS 16

struct entry {
    struct address_key key;
    uint32_t connections;
    uint32_t used;
    uint64_t full_at_ns; /* the bucket of its rate */
};

/** Of a connection. */
struct place {
    _Atomic uint32_t entry; /* and one: 0 when it is free; written last */
    uint32_t row;           /* of a free one: the next free one, or 0 */
};

struct addresses {
    pthread_mutex_t lock;
    uint64_t secret[2]; /* nobody may choose addresses that meet in one set */
    size_t sets;
    size_t places_size;
    uint32_t touched; /* places that were ever used, place 0 included */
    uint32_t free;    /* the first free one of these; 0: none */
    uint32_t held;
    struct place *places;
    struct entry entries[];
};

static int
make_lock(pthread_mutex_t *lock)
{
    pthread_mutexattr_t kind;
    int err = pthread_mutexattr_init(&kind);
    if (err == 0) {
        pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
        pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
        err = pthread_mutex_init(lock, &kind);
        pthread_mutexattr_destroy(&kind);
    }
    return -err;
}

static void *
share(size_t size)
{
    void *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory; /* cppcheck-suppress memleak */
}

int
addresses_create(size_t count, size_t places, struct addresses **ret_table)
{
    size_t sets = (count + WAYS - 1) / WAYS;
    size_t size = sizeof(struct addresses) + sets * WAYS * sizeof(struct entry);
    struct addresses *table = share(size);
    struct place *list = share((places + 1) * sizeof *list);
    int err = table == NULL || list == NULL ? -ENOMEM : make_lock(&table->lock);
    if (err == 0 &&
        getrandom(table->secret, sizeof table->secret, 0) != (ssize_t)sizeof table->secret) {
        err = -EIO;
    }
    if (err != 0) {
        if (table != NULL) {
            munmap(table, size);
        }
        if (list != NULL) {
            munmap(list, (places + 1) * sizeof *list);
        }
        return err;
    }
    table->sets = sets;
    table->places = list;
    table->places_size = places + 1;
    table->touched = 1;
    *ret_table = table;
    return 0;
}

/* ---- the lock, and what is done when its holder has died ---- */

/** Make anew what follows from the places. */
static void
rebuild(struct addresses *table)
{
    table->free = 0;
    table->held = 0;
    for (size_t i = 0; i < table->sets * WAYS; i++) {
        table->entries[i].connections = 0;
    }
    for (uint32_t i = 1; i < table->touched; i++) {
        struct place *place = &table->places[i];
        if (place->entry == 0) {
            place->row = table->free;
            table->free = i;
        } else {
            table->entries[place->entry - 1].connections++;
            table->held++;
        }
    }
}

static void
lock(struct addresses *table)
{
    if (pthread_mutex_lock(&table->lock) == EOWNERDEAD) {
        rebuild(table);
        pthread_mutex_consistent(&table->lock);
    }
}

static void
unlock(struct addresses *table)
{
    pthread_mutex_unlock(&table->lock);
}

/* ---- entries ---- */

static struct entry *
set_of(struct addresses *table, const struct address_key *key)
{
    uint64_t halves[2];
    memcpy(halves, key->bytes, sizeof halves);
    unsigned __int128 product =
        (unsigned __int128)(halves[0] ^ table->secret[0]) * (halves[1] ^ table->secret[1]);
    uint64_t mixed = ((uint64_t)product ^ (uint64_t)(product >> 64)) * 0x9E3779B97F4A7C15u;
    mixed ^= mixed >> 32;
    return &table->entries[mixed % table->sets * WAYS];
}

/** Whether it says nothing that an empty entry would not. */
static bool
is_idle(const struct entry *entry, uint64_t now_ns)
{
    return entry->used == 0 || (entry->connections == 0 && entry->full_at_ns <= now_ns);
}

/** The entry of this address, perhaps one that begins now; NULL when its set is full. */
static struct entry *
find(struct addresses *table, const struct address_key *key, uint64_t now_ns)
{
    struct entry *set = set_of(table, key);
    struct entry *idle = NULL;
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].used != 0 && memcmp(&set[i].key, key, sizeof *key) == 0) {
            return &set[i];
        }
        if (idle == NULL && is_idle(&set[i], now_ns)) {
            idle = &set[i];
        }
    }
    if (idle != NULL) {
        *idle = (struct entry){.key = *key, .used = 1};
    }
    return idle;
}

/** Whether one more may come now; when the bucket will be full again if it does. */
static bool
is_in_time(const struct entry *entry, const struct addresses_rules *rules, uint64_t now_ns,
           uint64_t *ret_full_at_ns)
{
    uint64_t step_ns = 1000000000u / rules->rate;
    uint64_t burst = rules->burst > 0 ? rules->burst : 1;
    uint64_t from_ns = entry->full_at_ns > now_ns ? entry->full_at_ns : now_ns;
    *ret_full_at_ns = from_ns + step_ns;
    return from_ns - now_ns <= (burst - 1) * step_ns;
}

/* ---- places ---- */

/** A free place, not yet taken; 0 when there is none. */
static uint32_t
find_place(const struct addresses *table)
{
    if (table->free != 0) {
        return table->free;
    }
    return table->touched < table->places_size ? table->touched : 0;
}

static void
take_place(struct addresses *table, uint32_t i, uint32_t entry, uint32_t row)
{
    struct place *place = &table->places[i];
    if (i == table->free) {
        table->free = place->row;
    } else {
        table->touched++;
    }
    place->row = row;
    atomic_store(&place->entry, entry + 1);
    table->entries[entry].connections++;
    table->held++;
}

static void
give_place(struct addresses *table, uint32_t i)
{
    struct place *place = &table->places[i];
    table->entries[place->entry - 1].connections--;
    table->held--;
    atomic_store(&place->entry, 0);
    place->row = table->free;
    table->free = i;
}

/* ---- what others call ---- */

static enum addresses_answer
enter(struct addresses *table, const struct address_key *key, const struct addresses_rules *rules,
      uint32_t row, uint64_t now_ns, uint32_t *ret_place)
{
    struct entry *entry = find(table, key, now_ns);
    uint32_t place = rules->most > 0 ? find_place(table) : 0;
    uint64_t full_at_ns;
    if (entry == NULL) {
        return ADDRESSES_UNTRACKED;
    }
    if (rules->most > 0 && entry->connections >= rules->most) {
        return ADDRESSES_CROWDED;
    }
    if (rules->most > 0 && place == 0) {
        return ADDRESSES_UNTRACKED;
    }
    if (rules->rate > 0) {
        if (!is_in_time(entry, rules, now_ns, &full_at_ns)) {
            return ADDRESSES_HASTY;
        }
        entry->full_at_ns = full_at_ns;
    }
    if (place != 0) {
        take_place(table, place, (uint32_t)(entry - table->entries), row);
    }
    *ret_place = place;
    return ADDRESSES_WELCOME;
}

enum addresses_answer
addresses_enter(struct addresses *table, const struct address_key *key,
                const struct addresses_rules *rules, uint32_t row, uint64_t now_ns,
                uint32_t *ret_place)
{
    lock(table);
    enum addresses_answer answer = enter(table, key, rules, row, now_ns, ret_place);
    unlock(table);
    return answer;
}

void
addresses_leave(struct addresses *table, uint32_t place)
{
    if (place != 0) {
        lock(table);
        give_place(table, place);
        unlock(table);
    }
}

void
addresses_sweep(struct addresses *table, uint32_t row)
{
    lock(table);
    for (uint32_t i = 1; i < table->touched; i++) {
        if (table->places[i].entry != 0 && table->places[i].row == row) {
            give_place(table, i);
        }
    }
    unlock(table);
}

size_t
addresses_held(struct addresses *table)
{
    lock(table);
    size_t held = table->held;
    unlock(table);
    return held;
}
