/*
 * The calls of a manager's clients, by name: each is one request. Any worker may call.
 */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "job/manager.h"

int
green_manager_forget(struct green_manager *manager, const char *name)
{
    const struct green__request request = {GREEN__FORGET, name, "", 0, NULL, 0};
    return (int)green__manager_number(manager, &request, NULL);
}

int
green_manager_dict_set(struct green_manager *manager, const char *name, const char *key,
                       const void *value, size_t length)
{
    const struct green__request request = {GREEN__DICT_SET, name, key, 0, value, length};
    return (int)green__manager_number(manager, &request, NULL);
}

ssize_t
green_manager_dict_get(struct green_manager *manager, const char *name, const char *key,
                       void **ret_value)
{
    const struct green__request request = {GREEN__DICT_GET, name, key, 0, NULL, 0};
    return green__manager_bytes(manager, &request, ret_value);
}

int
green_manager_dict_delete(struct green_manager *manager, const char *name, const char *key)
{
    const struct green__request request = {GREEN__DICT_DELETE, name, key, 0, NULL, 0};
    return (int)green__manager_number(manager, &request, NULL);
}

ssize_t
green_manager_dict_len(struct green_manager *manager, const char *name)
{
    const struct green__request request = {GREEN__DICT_LEN, name, "", 0, NULL, 0};
    return (ssize_t)green__manager_number(manager, &request, NULL);
}

ssize_t
green_manager_dict_keys(struct green_manager *manager, const char *name,
                        struct green_manager_item **ret_keys)
{
    const struct green__request request = {GREEN__DICT_KEYS, name, "", 0, NULL, 0};
    return green__manager_items(manager, &request, ret_keys);
}

int
green_manager_dict_add(struct green_manager *manager, const char *name, const char *key,
                       int64_t amount, int64_t *ret_sum)
{
    const struct green__request request = {GREEN__DICT_ADD, name, key, amount, NULL, 0};
    return (int)green__manager_number(manager, &request, ret_sum);
}

int
green_manager_list_append(struct green_manager *manager, const char *name, const void *item,
                          size_t length)
{
    const struct green__request request = {GREEN__LIST_APPEND, name, "", 0, item, length};
    return (int)green__manager_number(manager, &request, NULL);
}

int
green_manager_list_insert(struct green_manager *manager, const char *name, int64_t index,
                          const void *item, size_t length)
{
    const struct green__request request = {GREEN__LIST_INSERT, name, "", index, item, length};
    return (int)green__manager_number(manager, &request, NULL);
}

int
green_manager_list_set(struct green_manager *manager, const char *name, int64_t index,
                       const void *item, size_t length)
{
    const struct green__request request = {GREEN__LIST_SET, name, "", index, item, length};
    return (int)green__manager_number(manager, &request, NULL);
}

ssize_t
green_manager_list_get(struct green_manager *manager, const char *name, int64_t index,
                       void **ret_item)
{
    const struct green__request request = {GREEN__LIST_GET, name, "", index, NULL, 0};
    return green__manager_bytes(manager, &request, ret_item);
}

ssize_t
green_manager_list_pop(struct green_manager *manager, const char *name, int64_t index,
                       void **ret_item)
{
    const struct green__request request = {GREEN__LIST_POP, name, "", index, NULL, 0};
    return green__manager_bytes(manager, &request, ret_item);
}

ssize_t
green_manager_list_len(struct green_manager *manager, const char *name)
{
    const struct green__request request = {GREEN__LIST_LEN, name, "", 0, NULL, 0};
    return (ssize_t)green__manager_number(manager, &request, NULL);
}

ssize_t
green_manager_list_items(struct green_manager *manager, const char *name,
                         struct green_manager_item **ret_items)
{
    const struct green__request request = {GREEN__LIST_ITEMS, name, "", 0, NULL, 0};
    return green__manager_items(manager, &request, ret_items);
}

int
green_manager_value_set(struct green_manager *manager, const char *name, const void *value,
                        size_t length)
{
    const struct green__request request = {GREEN__VALUE_SET, name, "", 0, value, length};
    return (int)green__manager_number(manager, &request, NULL);
}

ssize_t
green_manager_value_get(struct green_manager *manager, const char *name, void **ret_value)
{
    const struct green__request request = {GREEN__VALUE_GET, name, "", 0, NULL, 0};
    return green__manager_bytes(manager, &request, ret_value);
}

int
green_manager_value_add(struct green_manager *manager, const char *name, int64_t amount,
                        int64_t *ret_sum)
{
    const struct green__request request = {GREEN__VALUE_ADD, name, "", amount, NULL, 0};
    return (int)green__manager_number(manager, &request, ret_sum);
}

/* ---- many at once ---- */

/** Put byte strings together as a request's value; NULL without memory. `keys` gives each item a
 *  key, a string, before it. */
static unsigned char *
pack(const char *const *keys, const struct green_manager_item *items, size_t count,
     size_t *ret_size)
{
    uint64_t length;
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size += sizeof length + items[i].length;
        size += keys != NULL ? sizeof length + strlen(keys[i]) + 1 : 0;
    }
    unsigned char *bytes = green__alloc(size + 1);
    unsigned char *end = bytes;
    for (size_t i = 0; bytes != NULL && i < count; i++) {
        if (keys != NULL) {
            length = strlen(keys[i]) + 1;
            memcpy(end, &length, sizeof length);
            memcpy(end + sizeof length, keys[i], (size_t)length);
            end += sizeof length + length;
        }
        length = items[i].length;
        memcpy(end, &length, sizeof length);
        if (length > 0) {
            memcpy(end + sizeof length, items[i].data, (size_t)length);
        }
        end += sizeof length + length;
    }
    *ret_size = size;
    return bytes;
}

static int
call_with_many(struct green_manager *manager, enum green__manager_call call, const char *name,
               const char *const *keys, const struct green_manager_item *items, size_t count)
{
    size_t size;
    unsigned char *bytes = pack(keys, items, count, &size);
    if (bytes == NULL) {
        return -ENOMEM;
    }
    const struct green__request request = {call, name, "", 0, bytes, size};
    int err = (int)green__manager_number(manager, &request, NULL);
    green__free(bytes);
    return err;
}

ssize_t
green_manager_dict_pop(struct green_manager *manager, const char *name, const char *key,
                       void **ret_value)
{
    const struct green__request request = {GREEN__DICT_POP, name, key, 0, NULL, 0};
    return green__manager_bytes(manager, &request, ret_value);
}

ssize_t
green_manager_dict_setdefault(struct green_manager *manager, const char *name, const char *key,
                              const void *value, size_t length, void **ret_value)
{
    const struct green__request request = {GREEN__DICT_DEFAULT, name, key, 0, value, length};
    return green__manager_bytes(manager, &request, ret_value);
}

int
green_manager_dict_update(struct green_manager *manager, const char *name, const char *const *keys,
                          const struct green_manager_item *values, size_t count)
{
    return call_with_many(manager, GREEN__DICT_UPDATE, name, keys, values, count);
}

ssize_t
green_manager_dict_values(struct green_manager *manager, const char *name,
                          struct green_manager_item **ret_values)
{
    const struct green__request request = {GREEN__DICT_VALUES, name, "", 0, NULL, 0};
    return green__manager_items(manager, &request, ret_values);
}

ssize_t
green_manager_dict_items(struct green_manager *manager, const char *name,
                         struct green_manager_item **ret_items)
{
    const struct green__request request = {GREEN__DICT_ITEMS, name, "", 0, NULL, 0};
    ssize_t count = green__manager_items(manager, &request, ret_items);
    return count < 0 ? count : count / 2;
}

int
green_manager_dict_clear(struct green_manager *manager, const char *name)
{
    const struct green__request request = {GREEN__DICT_CLEAR, name, "", 0, NULL, 0};
    return (int)green__manager_number(manager, &request, NULL);
}

int
green_manager_list_extend(struct green_manager *manager, const char *name,
                          const struct green_manager_item *items, size_t count)
{
    return call_with_many(manager, GREEN__LIST_EXTEND, name, NULL, items, count);
}

ssize_t
green_manager_list_index(struct green_manager *manager, const char *name, const void *item,
                         size_t length)
{
    const struct green__request request = {GREEN__LIST_INDEX, name, "", 0, item, length};
    return (ssize_t)green__manager_number(manager, &request, NULL);
}

ssize_t
green_manager_list_count(struct green_manager *manager, const char *name, const void *item,
                         size_t length)
{
    const struct green__request request = {GREEN__LIST_COUNT, name, "", 0, item, length};
    return (ssize_t)green__manager_number(manager, &request, NULL);
}

int
green_manager_list_remove(struct green_manager *manager, const char *name, const void *item,
                          size_t length)
{
    const struct green__request request = {GREEN__LIST_REMOVE, name, "", 0, item, length};
    return (int)green__manager_number(manager, &request, NULL);
}

int
green_manager_list_sort(struct green_manager *manager, const char *name, unsigned how)
{
    const struct green__request request = {GREEN__LIST_SORT, name, "", how, NULL, 0};
    return (int)green__manager_number(manager, &request, NULL);
}

int
green_manager_list_reverse(struct green_manager *manager, const char *name)
{
    const struct green__request request = {GREEN__LIST_REVERSE, name, "", 0, NULL, 0};
    return (int)green__manager_number(manager, &request, NULL);
}

int
green_manager_list_clear(struct green_manager *manager, const char *name)
{
    const struct green__request request = {GREEN__LIST_CLEAR, name, "", 0, NULL, 0};
    return (int)green__manager_number(manager, &request, NULL);
}
