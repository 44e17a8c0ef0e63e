/*
 * What a manager does with what it holds.
 *
 * Invariant: an object is a dict, a list or a value from its first change on; a request that fails
 * changes nothing. A call is a row in a table.
 */
#include "job/manager_store.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "job/manager_object.h"

/* ---- bytes and objects ---- */

struct green__bytes *
green__bytes_copy(const void *data, size_t length)
{
    struct green__bytes *bytes = green__alloc(sizeof *bytes + length);
    if (bytes != NULL) {
        bytes->length = length;
        if (length > 0) {
            memcpy(bytes->data, data, length);
        }
    }
    return bytes;
}

static void
release_object(void *value)
{
    struct green__object *object = value;
    if (object != NULL) {
        green__map_fini(&object->dict, green__free);
        while (object->count > 0) {
            green__free(object->items[--object->count]);
        }
        green__free(object->items);
        green__free(object->value);
        green__free(object);
    }
}

/** The object of a name, made if it is to be; 0, -ENOENT, -EINVAL when it is of another kind, or
 *  -ENOMEM. */
static int
find_object(struct green__store *store, const char *name, enum green__object_kind kind, bool make,
            struct green__object **ret_object)
{
    struct green__map_entry *entry = green__map_find(&store->objects, name);
    if (entry == NULL && !make) {
        return -ENOENT;
    }
    if (entry == NULL) {
        struct green__object *object = green__alloc_zeroed(sizeof *object);
        entry = object == NULL ? NULL : green__map_add(&store->objects, name);
        if (entry == NULL) {
            green__free(object);
            return -ENOMEM;
        }
        object->kind = kind;
        entry->value = object;
    }
    *ret_object = entry->value;
    return (*ret_object)->kind == kind ? 0 : -EINVAL;
}

/* ---- replies ---- */

int64_t
green__reply_bytes(struct green__reply *reply, const struct green__bytes *bytes)
{
    reply->bytes = green__alloc(bytes->length + 1);
    if (reply->bytes == NULL) {
        return -ENOMEM;
    }
    memcpy(reply->bytes, bytes->data, bytes->length);
    reply->head.length = bytes->length;
    return (int64_t)bytes->length;
}

int64_t
green__reply_reserve(struct green__reply *reply, size_t size)
{
    reply->bytes = green__alloc(size + 1);
    return reply->bytes == NULL ? -ENOMEM : 0;
}

void
green__reply_item(struct green__reply *reply, const void *data, uint64_t length)
{
    unsigned char *end = reply->bytes + reply->head.length;
    memcpy(end, &length, sizeof length);
    memcpy(end + sizeof length, data, (size_t)length);
    reply->head.length += sizeof length + length;
}

/** Set *place to a copy of the request's value; 0 or -ENOMEM. */
static int64_t
store_value(struct green__bytes **place, const struct green__request *request)
{
    struct green__bytes *bytes = green__bytes_copy(request->value, request->value_length);
    if (bytes == NULL) {
        return -ENOMEM;
    }
    green__free(*place);
    *place = bytes;
    return 0;
}

static int64_t
add_number(struct green__bytes **place, int64_t amount, struct green__reply *reply)
{
    uint64_t sum = 0;
    if (*place == NULL) {
        *place = green__bytes_copy(&sum, sizeof sum);
        if (*place == NULL) {
            return -ENOMEM;
        }
    }
    if ((*place)->length != sizeof sum) {
        return -EINVAL;
    }
    memcpy(&sum, (*place)->data, sizeof sum);
    sum += (uint64_t)amount;
    memcpy((*place)->data, &sum, sizeof sum);
    reply->head.number = (int64_t)sum;
    return 0;
}

/* ---- dicts ---- */

static struct green__bytes *
find_key(const struct green__object *dict, const struct green__request *request)
{
    const struct green__map_entry *entry = green__map_find(&dict->dict, request->key);
    return entry == NULL ? NULL : entry->value;
}

/** Where a key's value is, made if there is none; NULL without memory. */
static struct green__bytes **
make_key(struct green__object *dict, const struct green__request *request)
{
    struct green__map_entry *entry = green__map_add(&dict->dict, request->key);
    return entry == NULL ? NULL : (struct green__bytes **)(void *)&entry->value;
}

static int64_t
change_key(struct green__object *dict, const struct green__request *request,
           struct green__reply *reply)
{
    struct green__bytes **place = make_key(dict, request);
    int64_t result = -ENOMEM;
    if (place != NULL) {
        result = request->call != GREEN__DICT_ADD ? store_value(place, request)
                                                  : add_number(place, request->number, reply);
        if (*place == NULL) {
            green__map_remove(&dict->dict, request->key);
        }
    }
    return result;
}

/** Get, and pop, which takes it out too. */
static int64_t
dict_get(struct green__object *dict, const struct green__request *request,
         struct green__reply *reply)
{
    const struct green__bytes *bytes = find_key(dict, request);
    int64_t result = bytes == NULL ? -ENOENT : green__reply_bytes(reply, bytes);
    if (request->call == GREEN__DICT_POP && result >= 0) {
        green__free(green__map_remove(&dict->dict, request->key));
    }
    return result;
}

/** Set a key that is not there; the reply is what it has then. */
static int64_t
dict_set_default(struct green__object *dict, const struct green__request *request,
                 struct green__reply *reply)
{
    if (find_key(dict, request) == NULL) {
        int64_t err = change_key(dict, request, reply);
        if (err != 0) {
            return err;
        }
        reply->head.number = 1;
    }
    int64_t result = dict_get(dict, request, reply);
    if (result < 0 && reply->head.number == 1) {
        green__free(green__map_remove(&dict->dict, request->key));
    }
    return result;
}

static int64_t
dict_delete(struct green__object *dict, const struct green__request *request,
            struct green__reply *reply)
{
    (void)reply;
    if (find_key(dict, request) == NULL) {
        return -ENOENT;
    }
    green__free(green__map_remove(&dict->dict, request->key));
    return 0;
}

static int64_t
dict_len(struct green__object *dict, const struct green__request *request,
         struct green__reply *reply)
{
    (void)request;
    (void)reply;
    return (int64_t)dict->dict.count;
}

static void
measure_key(struct green__map_entry *entry, void *size)
{
    *(size_t *)size += sizeof(uint64_t) + strlen(entry->key);
}

static void
reply_key(struct green__map_entry *entry, void *reply)
{
    green__reply_item(reply, entry->key, strlen(entry->key));
}

static int64_t
dict_keys(struct green__object *dict, const struct green__request *request,
          struct green__reply *reply)
{
    (void)request;
    size_t size = 0;
    green__map_each(&dict->dict, measure_key, &size);
    if (green__reply_reserve(reply, size) != 0) {
        return -ENOMEM;
    }
    green__map_each(&dict->dict, reply_key, reply);
    return (int64_t)dict->dict.count;
}

/* ---- lists ---- */

/** The item at the request's index; NULL when there is none. */
static struct green__bytes **
find_item(struct green__object *list, const struct green__request *request)
{
    int64_t index = request->number;
    index += index < 0 ? (int64_t)list->count : 0;
    return index < 0 || index >= (int64_t)list->count ? NULL : &list->items[index];
}

int64_t
green__list_reserve(struct green__object *list, size_t more)
{
    size_t room = list->room == 0 ? 8 : list->room;
    while (room < list->count + more) {
        room *= 2;
    }
    if (room > list->room) {
        struct green__bytes **items = green__realloc(list->items, room * sizeof(*items));
        if (items == NULL) {
            return -ENOMEM;
        }
        list->items = items;
        list->room = room;
    }
    return 0;
}

static int64_t
list_insert(struct green__object *list, const struct green__request *request,
            struct green__reply *reply)
{
    (void)reply;
    int64_t count = (int64_t)list->count;
    int64_t index = request->call == GREEN__LIST_APPEND ? count : request->number;
    index += index < 0 ? count : 0;
    index = index < 0 ? 0 : index > count ? count : index;
    int64_t err = green__list_reserve(list, 1);
    if (err != 0) {
        return err;
    }
    struct green__bytes *bytes = green__bytes_copy(request->value, request->value_length);
    if (bytes == NULL) {
        return -ENOMEM;
    }
    struct green__bytes **place = &list->items[index];
    memmove(place + 1, place, (size_t)(count - index) * sizeof *place);
    *place = bytes;
    list->count++;
    return 0;
}

static int64_t
list_set(struct green__object *list, const struct green__request *request,
         struct green__reply *reply)
{
    (void)reply;
    struct green__bytes **place = find_item(list, request);
    return place == NULL ? -ERANGE : store_value(place, request);
}

static int64_t
list_get(struct green__object *list, const struct green__request *request,
         struct green__reply *reply)
{
    struct green__bytes **place = find_item(list, request);
    int64_t result = place == NULL ? -ERANGE : green__reply_bytes(reply, *place);
    if (request->call == GREEN__LIST_POP && result >= 0) {
        green__free(*place);
        list->count--;
        size_t index = (size_t)(place - list->items);
        memmove(place, place + 1, (list->count - index) * sizeof *place);
    }
    return result;
}

static int64_t
list_len(struct green__object *list, const struct green__request *request,
         struct green__reply *reply)
{
    (void)request;
    (void)reply;
    return (int64_t)list->count;
}

static int64_t
list_items(struct green__object *list, const struct green__request *request,
           struct green__reply *reply)
{
    (void)request;
    size_t size = 0;
    for (size_t i = 0; i < list->count; i++) {
        size += sizeof(uint64_t) + list->items[i]->length;
    }
    if (green__reply_reserve(reply, size) != 0) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < list->count; i++) {
        green__reply_item(reply, list->items[i]->data, list->items[i]->length);
    }
    return (int64_t)list->count;
}

/* ---- values ---- */

static int64_t
value_set(struct green__object *object, const struct green__request *request,
          struct green__reply *reply)
{
    (void)reply;
    return store_value(&object->value, request);
}

static int64_t
value_get(struct green__object *object, const struct green__request *request,
          struct green__reply *reply)
{
    (void)request;
    return object->value == NULL ? -ENOENT : green__reply_bytes(reply, object->value);
}

static int64_t
value_add(struct green__object *object, const struct green__request *request,
          struct green__reply *reply)
{
    return add_number(&object->value, request->number, reply);
}

/* ---- calls ---- */

static const struct {
    enum green__object_kind kind;
    bool makes;  /* the object, if there is none */
    int missing; /* the result, if there is none and it is not made */
    green__answer *answer;
} calls[GREEN__CALLS] = {
    [GREEN__DICT_SET] = {GREEN__DICT, true, 0, change_key},
    [GREEN__DICT_GET] = {GREEN__DICT, false, -ENOENT, dict_get},
    [GREEN__DICT_DELETE] = {GREEN__DICT, false, -ENOENT, dict_delete},
    [GREEN__DICT_LEN] = {GREEN__DICT, false, 0, dict_len},
    [GREEN__DICT_KEYS] = {GREEN__DICT, false, 0, dict_keys},
    [GREEN__DICT_ADD] = {GREEN__DICT, true, 0, change_key},
    [GREEN__DICT_POP] = {GREEN__DICT, false, -ENOENT, dict_get},
    [GREEN__DICT_DEFAULT] = {GREEN__DICT, true, 0, dict_set_default},
    [GREEN__DICT_ITEMS] = {GREEN__DICT, false, 0, green__dict_items},
    [GREEN__DICT_VALUES] = {GREEN__DICT, false, 0, green__dict_values},
    [GREEN__DICT_UPDATE] = {GREEN__DICT, true, 0, green__dict_update},
    [GREEN__DICT_CLEAR] = {GREEN__DICT, false, 0, green__dict_clear},
    [GREEN__LIST_APPEND] = {GREEN__LIST_OBJECT, true, 0, list_insert},
    [GREEN__LIST_INSERT] = {GREEN__LIST_OBJECT, true, 0, list_insert},
    [GREEN__LIST_SET] = {GREEN__LIST_OBJECT, false, -ERANGE, list_set},
    [GREEN__LIST_GET] = {GREEN__LIST_OBJECT, false, -ERANGE, list_get},
    [GREEN__LIST_POP] = {GREEN__LIST_OBJECT, false, -ERANGE, list_get},
    [GREEN__LIST_LEN] = {GREEN__LIST_OBJECT, false, 0, list_len},
    [GREEN__LIST_ITEMS] = {GREEN__LIST_OBJECT, false, 0, list_items},
    [GREEN__LIST_EXTEND] = {GREEN__LIST_OBJECT, true, 0, green__list_extend},
    [GREEN__LIST_INDEX] = {GREEN__LIST_OBJECT, false, -ENOENT, green__list_find},
    [GREEN__LIST_COUNT] = {GREEN__LIST_OBJECT, false, 0, green__list_find},
    [GREEN__LIST_REMOVE] = {GREEN__LIST_OBJECT, false, -ENOENT, green__list_find},
    [GREEN__LIST_SORT] = {GREEN__LIST_OBJECT, false, 0, green__list_sort},
    [GREEN__LIST_REVERSE] = {GREEN__LIST_OBJECT, false, 0, green__list_reverse},
    [GREEN__LIST_CLEAR] = {GREEN__LIST_OBJECT, false, 0, green__list_clear},
    [GREEN__VALUE_SET] = {GREEN__VALUE, true, 0, value_set},
    [GREEN__VALUE_GET] = {GREEN__VALUE, false, -ENOENT, value_get},
    [GREEN__VALUE_ADD] = {GREEN__VALUE, true, 0, value_add},
};

static int64_t
answer(struct green__store *store, const struct green__request *request, struct green__reply *reply)
{
    if (request->call == GREEN__FORGET) {
        struct green__object *object = green__map_remove(&store->objects, request->name);
        release_object(object);
        return object == NULL ? -ENOENT : 0;
    }
    if (request->call >= GREEN__CALLS || request->name == NULL || request->key == NULL) {
        return -EINVAL;
    }
    struct green__object *object;
    int err = find_object(store, request->name, calls[request->call].kind,
                          calls[request->call].makes, &object);
    if (err != 0) {
        return err == -ENOENT ? calls[request->call].missing : err;
    }
    return calls[request->call].answer(object, request, reply);
}

void
green__store_answer(struct green__store *store, const struct green__request *request,
                    struct green__reply *ret_reply)
{
    *ret_reply = (struct green__reply){{0, 0, 0}, NULL};
    ret_reply->head.result = answer(store, request, ret_reply);
}
