/*
 * The table of open connections: places, those that were used before on a list of free ones.
 *
 * The list is Treiber's: its head has a number that each taking changes, so that a place which went
 * and came back meanwhile is noticed. A process may be killed at any point in here: then a place is
 * lost at worst.
 *
 * Invariant: `owner` says whose a place is. Who sets it from a pid to 0 writes the line about it,
 * and frees it.
 */
#include "visits.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/** Beyond so many, connections have no place: their lines are written only when they end. */
#define PLACES_MAX ((size_t)1 << 20)

struct place {
    _Alignas(64) struct visit visit;
    atomic_int owner; /**< A pid; 0: nobody's. */
    atomic_uint next; /**< Of a free one: the next one's index + 1. */
};

struct table {
    _Atomic uint64_t free; /**< Its lower half: an index + 1; the upper: how often it was taken. */
    atomic_uint used;      /**< Places that somebody has ever had are before this one. */
    unsigned capacity;
    struct visit_text *texts; /**< One a place; NULL without TLS. */
    struct place places[];
};

static struct table *table;

static void *
map(size_t size)
{
    void *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return NULL;
    }
    return memory;
}

int
visits_share(size_t capacity, bool secure)
{
    capacity = capacity < PLACES_MAX ? capacity : PLACES_MAX;
    table = map(sizeof *table + capacity * sizeof(struct place));
    if (table == NULL) {
        return -ENOMEM;
    }
    table->capacity = (unsigned)capacity;
    if (secure) {
        table->texts = map(capacity * sizeof *table->texts);
    }
    return !secure || table->texts != NULL ? 0 : -ENOMEM;
}

static struct place *
place_of(const struct visit *visit)
{
    const struct place *place = (const struct place *)(const void *)visit;
    if (table == NULL || place < table->places || place >= table->places + table->capacity) {
        return NULL;
    }
    return &table->places[place - table->places];
}

/** One that was used before; NULL: none is free. */
static struct place *
pop(void)
{
    uint64_t head = atomic_load(&table->free);
    while ((uint32_t)head != 0) {
        struct place *place = &table->places[(uint32_t)head - 1];
        uint64_t next = ((head >> 32) + 1) << 32 | atomic_load(&place->next);
        if (atomic_compare_exchange_weak(&table->free, &head, next)) {
            return place;
        }
    }
    return NULL;
}

/** One that nobody has had yet; NULL: there is none left. */
static struct place *
open_new(void)
{
    unsigned used = atomic_load(&table->used);
    while (used < table->capacity) {
        if (atomic_compare_exchange_weak(&table->used, &used, used + 1)) {
            return &table->places[used];
        }
    }
    return NULL;
}

struct visit *
visits_take(void)
{
    struct place *place = table == NULL ? NULL : pop();
    if (place == NULL && table != NULL) {
        place = open_new();
    }
    if (place == NULL) {
        return NULL;
    }
    memset(&place->visit, 0, sizeof place->visit);
    struct visit_text *text = visits_text(&place->visit);
    if (text != NULL) {
        text->text[0] = '\0';
    }
    return &place->visit;
}

void
visits_own(struct visit *visit)
{
    struct place *place = place_of(visit);
    if (place != NULL) {
        atomic_store(&place->owner, (int)getpid());
    }
}

bool
visits_claim(struct visit *visit)
{
    struct place *place = place_of(visit);
    return place == NULL || atomic_exchange(&place->owner, 0) != 0;
}

void
visits_free(struct visit *visit)
{
    struct place *place = place_of(visit);
    if (place == NULL) {
        return;
    }
    uint64_t head = atomic_load(&table->free);
    uint64_t next;
    do {
        atomic_store(&place->next, (uint32_t)head);
        next = (head >> 32) << 32 | (uint32_t)(place - table->places + 1);
    } while (!atomic_compare_exchange_weak(&table->free, &head, next));
}

struct visit_text *
visits_text(const struct visit *visit)
{
    const struct place *place = place_of(visit);
    return place == NULL || table->texts == NULL ? NULL : &table->texts[place - table->places];
}

void
visits_each(pid_t pid, void (*end)(struct visit *visit, void *arg), void *arg)
{
    unsigned used = table == NULL ? 0 : atomic_load(&table->used);
    for (unsigned i = 0; i < used; i++) {
        struct place *place = &table->places[i];
        int owner = (int)pid;
        if (atomic_compare_exchange_strong(&place->owner, &owner, 0)) {
            end(&place->visit, arg);
            visits_free(&place->visit);
        }
    }
}
