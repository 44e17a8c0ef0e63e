/*
 * Values and arrays in memory that processes share.
 *
 * Invariant: a value is one word, changed by one atomic operation; the elements of an array are
 * guarded by its mutex, which is an object of its own.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "green/ipc.h"

struct green_ipc_value {
    _Atomic(int64_t) value;
};

struct green_ipc_array {
    struct green_ipc_mutex *mutex;
    size_t count;
    size_t item_size;
    size_t size; /* of the mapping */
    _Alignas(64) unsigned char items[];
};

static int
map(size_t size, void *ret_memory)
{
    void *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return -ENOMEM;
    }
    *(void **)ret_memory = memory;
    return 0;
}

/* ---- values ---- */

int
green_ipc_value_create(int64_t initial, struct green_ipc_value **ret_value)
{
    struct green_ipc_value *value;
    int err = map(sizeof *value, &value);
    if (err == 0) {
        atomic_store(&value->value, initial);
        *ret_value = value;
    }
    return err;
}

void
green_ipc_value_destroy(struct green_ipc_value *value)
{
    if (value != NULL) {
        munmap(value, sizeof *value);
    }
}

int64_t
green_ipc_value_get(const struct green_ipc_value *value)
{
    return atomic_load(&value->value);
}

void
green_ipc_value_set(struct green_ipc_value *value, int64_t to)
{
    atomic_store(&value->value, to);
}

int64_t
green_ipc_value_add(struct green_ipc_value *value, int64_t amount)
{
    return (int64_t)((uint64_t)atomic_fetch_add(&value->value, amount) + (uint64_t)amount);
}

bool
green_ipc_value_replace(struct green_ipc_value *value, int64_t *expected, int64_t to)
{
    return atomic_compare_exchange_strong(&value->value, expected, to);
}

/* ---- arrays ---- */

int
green_ipc_array_create(size_t count, size_t item_size, struct green_ipc_array **ret_array)
{
    struct green_ipc_mutex *mutex;
    struct green_ipc_array *array;
    size_t size;
    if (__builtin_mul_overflow(count, item_size, &size) || size > SIZE_MAX / 2) {
        return -ENOMEM;
    }
    size += sizeof *array;
    int err = green_ipc_mutex_create(&mutex);
    if (err != 0) {
        return err;
    }
    err = map(size, &array);
    if (err != 0) {
        green_ipc_mutex_destroy(mutex);
        return err;
    }
    array->mutex = mutex;
    array->count = count;
    array->item_size = item_size;
    array->size = size;
    *ret_array = array;
    return 0;
}

void
green_ipc_array_destroy(struct green_ipc_array *array)
{
    if (array != NULL) {
        green_ipc_mutex_destroy(array->mutex);
        munmap(array, array->size);
    }
}

size_t
green_ipc_array_count(const struct green_ipc_array *array)
{
    return array->count;
}

void *
green_ipc_array_at(struct green_ipc_array *array, size_t index)
{
    return index < array->count ? array->items + index * array->item_size : NULL;
}

struct green_ipc_mutex *
green_ipc_array_mutex(struct green_ipc_array *array)
{
    return array->mutex;
}

int
green_ipc_array_get(struct green_ipc_array *array, size_t index, void *ret_item,
                    green_deadline deadline)
{
    if (index >= array->count) {
        return -ERANGE;
    }
    int err = green_ipc_mutex_lock(array->mutex, deadline);
    if (err != 0 && err != -EOWNERDEAD) {
        return err;
    }
    memcpy(ret_item, green_ipc_array_at(array, index), array->item_size);
    green_ipc_mutex_unlock(array->mutex);
    return err;
}

int
green_ipc_array_set(struct green_ipc_array *array, size_t index, const void *item,
                    green_deadline deadline)
{
    if (index >= array->count) {
        return -ERANGE;
    }
    int err = green_ipc_mutex_lock(array->mutex, deadline);
    if (err != 0 && err != -EOWNERDEAD) {
        return err;
    }
    memcpy(green_ipc_array_at(array, index), item, array->item_size);
    green_ipc_mutex_unlock(array->mutex);
    return err;
}
