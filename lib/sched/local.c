/*
 * Worker-local storage.
 *
 * A key is a place in a table, in the low bits, and a number that no other key has had, above
 * them; so keys compare in the order of their making, and what is left under a key that was given
 * back is never taken for a value of the next one in its place.
 *
 * Invariant: a worker's values belong to the worker alone. The table is everybody's and has no
 * lock, which a fork could find taken: a place is free, held by who fills it in, or has its key.
 * Any worker may call.
 */
#include "green/local.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "sched/worker.h"

#define PLACE_BITS 10
#define PLACE_MASK (((green_local)1 << PLACE_BITS) - 1)

/** Values of a worker are made room for in steps of so many. */
#define VALUES_STEP 8

_Static_assert(GREEN_LOCAL_MAX == 1 << PLACE_BITS, "a place fits into its bits");

/** In the place of a key. */
#define FREE ((green_local)0)
#define HELD UINT64_MAX

typedef void (*destructor)(void *value);

struct key {
    _Atomic(green_local) key;
    _Atomic(destructor) destructor;
};

struct value {
    green_local key;
    void *value;
};

struct green__locals {
    size_t count;
    struct value values[]; /**< By place. */
};

static struct key keys[GREEN_LOCAL_MAX];
static _Atomic(green_local) last_number;

int
green_local_create(void (*destroy)(void *value), green_local *ret_key)
{
    for (size_t place = 0; place < GREEN_LOCAL_MAX; place++) {
        green_local expected = FREE;
        if (atomic_compare_exchange_strong(&keys[place].key, &expected, HELD)) {
            green_local number = atomic_fetch_add(&last_number, 1) + 1;
            atomic_store(&keys[place].destructor, destroy);
            atomic_store(&keys[place].key, number << PLACE_BITS | place);
            *ret_key = number << PLACE_BITS | place;
            return 0;
        }
    }
    return -EAGAIN;
}

/** Whether there is such a key. */
static bool
exists(green_local key)
{
    return key != FREE &&
           atomic_load_explicit(&keys[key & PLACE_MASK].key, memory_order_acquire) == key;
}

/** The key's destructor; NULL when it has none, or is gone. */
static destructor
destructor_of(green_local key)
{
    destructor destroy = atomic_load(&keys[key & PLACE_MASK].destructor);
    return exists(key) ? destroy : NULL; /* it may have been the next one's */
}

void
green_local_destroy(green_local key)
{
    if (key != FREE && key != HELD) {
        atomic_compare_exchange_strong(&keys[key & PLACE_MASK].key, &key, FREE);
    }
}

void *
green_local_get(green_local key)
{
    const struct green__locals *locals = green__self()->own->locals;
    size_t place = key & PLACE_MASK;
    if (locals == NULL || place >= locals->count || locals->values[place].key != key) {
        return NULL;
    }
    return exists(key) ? locals->values[place].value : NULL;
}

/** Room for a value at the place; 0 or -ENOMEM. */
static int
reserve(struct green__own *own, size_t place)
{
    struct green__locals *locals = own->locals;
    size_t before = locals == NULL ? 0 : locals->count;
    if (place < before) {
        return 0;
    }
    size_t count = (place / VALUES_STEP + 1) * VALUES_STEP;
    locals = green__realloc(locals, sizeof *locals + count * sizeof(struct value));
    if (locals == NULL) {
        return -ENOMEM;
    }
    memset(locals->values + before, 0, (count - before) * sizeof(struct value));
    locals->count = count;
    own->locals = locals;
    return 0;
}

int
green_local_set(green_local key, void *value)
{
    struct green__own *own = green__self()->own;
    size_t place = key & PLACE_MASK;
    int err = exists(key) ? reserve(own, place) : -EINVAL;
    if (err == 0) {
        own->locals->values[place] = (struct value){key, value};
    }
    return err;
}

/* ---- the worker's end ---- */

/** The newest value that was set under a key older than `before`; NULL when there is none. */
static struct value *
newest(const struct green__own *own, green_local before)
{
    struct green__locals *locals = own->locals;
    struct value *found = NULL;
    for (size_t place = 0; place < locals->count; place++) {
        struct value *value = &locals->values[place];
        if (value->value != NULL && value->key < before &&
            (found == NULL || value->key > found->key)) {
            found = value;
        }
    }
    return found;
}

/** Call the destructors once, of the newest key first; false when there was no value. */
static bool
destroy_values(const struct green__own *own)
{
    bool any = false;
    green_local before = UINT64_MAX;
    struct value *value;
    while ((value = newest(own, before)) != NULL) {
        any = true;
        before = value->key;
        void *old = value->value;
        value->value = NULL;
        destructor destroy = destructor_of(before);
        if (destroy != NULL) {
            destroy(old); /* may move the values */
        }
    }
    return any;
}

void
green__locals_end(struct green__own *own)
{
    if (own->locals == NULL) {
        return;
    }
    for (int round = 0; round < GREEN_LOCAL_ROUNDS && destroy_values(own); round++) {
    }
    green__free(own->locals);
    own->locals = NULL;
}
