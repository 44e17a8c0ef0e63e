/*
 * What a manager does with many items at once.
 *
 * Invariant: a call changes all that it is to change, or nothing: what may fail comes first.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "job/manager_object.h"

/* ---- several byte strings in a request ---- */

struct reader {
    const unsigned char *at;
    size_t left;
};

static struct reader
reader_of(const struct green__request *request)
{
    return (struct reader){request->value, request->value_length};
}

/** The next byte string; false at the end, or where there is nonsense. */
static bool
read_item(struct reader *reader, const unsigned char **ret_data, size_t *ret_length)
{
    uint64_t length;
    if (reader->left < sizeof length) {
        return false;
    }
    memcpy(&length, reader->at, sizeof length);
    if (length > reader->left - sizeof length) {
        return false;
    }
    *ret_data = reader->at + sizeof length;
    *ret_length = (size_t)length;
    reader->at += sizeof length + length;
    reader->left -= sizeof length + (size_t)length;
    return true;
}

/** How many there are; -EINVAL for nonsense. */
static int64_t
count_items(const struct green__request *request)
{
    struct reader reader = reader_of(request);
    const unsigned char *data;
    size_t length;
    int64_t count = 0;
    while (read_item(&reader, &data, &length)) {
        count++;
    }
    return reader.left == 0 ? count : -EINVAL;
}

static void
free_all(struct green__bytes **copies, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        green__free(copies[i]);
    }
}

/** Copy every `step`-th, beginning with the first or the one after; 0 or -ENOMEM, having none. */
static int64_t
copy_items(const struct green__request *request, int64_t first, int64_t step,
           struct green__bytes **copies)
{
    struct reader reader = reader_of(request);
    const unsigned char *data;
    size_t length;
    int64_t copied = 0;
    for (int64_t i = 0; read_item(&reader, &data, &length); i++) {
        if (i % step != first) {
            continue;
        }
        copies[copied] = green__bytes_copy(data, length);
        if (copies[copied] == NULL) {
            free_all(copies, copied);
            return -ENOMEM;
        }
        copied++;
    }
    return 0;
}

/* ---- dicts ---- */

static void
measure_pair(struct green__map_entry *entry, void *size)
{
    const struct green__bytes *value = entry->value;
    *(size_t *)size += 2 * sizeof(uint64_t) + strlen(entry->key) + value->length;
}

static void
reply_pair(struct green__map_entry *entry, void *reply)
{
    const struct green__bytes *value = entry->value;
    green__reply_item(reply, entry->key, strlen(entry->key));
    green__reply_item(reply, value->data, value->length);
}

static void
reply_value(struct green__map_entry *entry, void *reply)
{
    const struct green__bytes *value = entry->value;
    green__reply_item(reply, value->data, value->length);
}

static int64_t
reply_entries(struct green__object *dict, struct green__reply *reply,
              void (*add)(struct green__map_entry *entry, void *reply), int64_t each)
{
    size_t size = 0;
    green__map_each(&dict->dict, measure_pair, &size);
    int64_t err = green__reply_reserve(reply, size);
    if (err == 0) {
        green__map_each(&dict->dict, add, reply);
    }
    return err != 0 ? err : each * (int64_t)dict->dict.count;
}

int64_t
green__dict_items(struct green__object *dict, const struct green__request *request,
                  struct green__reply *reply)
{
    (void)request;
    return reply_entries(dict, reply, reply_pair, 2);
}

int64_t
green__dict_values(struct green__object *dict, const struct green__request *request,
                   struct green__reply *reply)
{
    (void)request;
    return reply_entries(dict, reply, reply_value, 1);
}

/** Call a function with the entry of each key of the request; false when it was. */
static bool
each_key(struct green__object *dict, const struct green__request *request,
         bool (*function)(struct green__object *dict, const char *key, void *arg), void *arg)
{
    struct reader reader = reader_of(request);
    const unsigned char *data;
    size_t length;
    for (int64_t i = 0; read_item(&reader, &data, &length); i++) {
        if (i % 2 == 0 && !function(dict, (const char *)data, arg)) {
            return false;
        }
    }
    return true;
}

static bool
is_string(struct reader reader)
{
    const unsigned char *data;
    size_t length;
    for (int64_t i = 0; read_item(&reader, &data, &length); i++) {
        if (i % 2 == 0 && (length == 0 || memchr(data, '\0', length) != data + length - 1)) {
            return false;
        }
    }
    return true;
}

static bool
make_key(struct green__object *dict, const char *key, void *arg)
{
    (void)arg;
    return green__map_add(&dict->dict, key) != NULL;
}

static bool
unmake_key(struct green__object *dict, const char *key, void *arg)
{
    (void)arg;
    const struct green__map_entry *entry = green__map_find(&dict->dict, key);
    if (entry != NULL && entry->value == NULL) {
        green__map_remove(&dict->dict, key);
    }
    return true;
}

static bool
set_key(struct green__object *dict, const char *key, void *arg)
{
    struct green__bytes ***next = arg;
    struct green__map_entry *entry = green__map_find(&dict->dict, key);
    green__free(entry->value);
    entry->value = *(*next)++;
    return true;
}

int64_t
green__dict_update(struct green__object *dict, const struct green__request *request,
                   struct green__reply *reply)
{
    (void)reply;
    int64_t count = count_items(request);
    if (count < 0 || count % 2 != 0 || !is_string(reader_of(request))) {
        return -EINVAL;
    }
    struct green__bytes **copies = green__alloc(((size_t)count / 2 + 1) * sizeof *copies);
    int64_t err = copies == NULL ? -ENOMEM : copy_items(request, 1, 2, copies);
    if (err == 0) {
        struct green__bytes **next = copies;
        if (each_key(dict, request, make_key, NULL)) {
            each_key(dict, request, set_key, &next);
        } else {
            each_key(dict, request, unmake_key, NULL);
            free_all(copies, count / 2);
            err = -ENOMEM;
        }
    }
    green__free(copies);
    return err;
}

int64_t
green__dict_clear(struct green__object *dict, const struct green__request *request,
                  struct green__reply *reply)
{
    (void)request;
    (void)reply;
    green__map_fini(&dict->dict, green__free);
    return 0;
}

/* ---- lists ---- */

int64_t
green__list_extend(struct green__object *list, const struct green__request *request,
                   struct green__reply *reply)
{
    (void)reply;
    int64_t count = count_items(request);
    int64_t err = count < 0 ? count : green__list_reserve(list, (size_t)count);
    if (err == 0) {
        err = copy_items(request, 0, 1, list->items + list->count);
    }
    if (err == 0) {
        list->count += (size_t)count;
    }
    return err;
}

static bool
equals(const struct green__bytes *bytes, const struct green__request *request)
{
    return bytes->length == request->value_length &&
           memcmp(bytes->data, request->value, bytes->length) == 0;
}

int64_t
green__list_find(struct green__object *list, const struct green__request *request,
                 struct green__reply *reply)
{
    (void)reply;
    int64_t found = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (!equals(list->items[i], request)) {
            continue;
        }
        if (request->call == GREEN__LIST_INDEX) {
            return (int64_t)i;
        }
        if (request->call == GREEN__LIST_REMOVE) {
            green__free(list->items[i]);
            list->count--;
            memmove(&list->items[i], &list->items[i + 1], (list->count - i) * sizeof *list->items);
            return 0;
        }
        found++;
    }
    return request->call == GREEN__LIST_COUNT ? found : -ENOENT;
}

static int
by_bytes(const void *left, const void *right)
{
    const struct green__bytes *a = *(struct green__bytes *const *)left;
    const struct green__bytes *b = *(struct green__bytes *const *)right;
    int order = memcmp(a->data, b->data, a->length < b->length ? a->length : b->length);
    return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

/** Items that are not of a number's size come after those that are. */
static int
by_number(const void *left, const void *right)
{
    const struct green__bytes *a = *(struct green__bytes *const *)left;
    const struct green__bytes *b = *(struct green__bytes *const *)right;
    int64_t x;
    int64_t y;
    bool numbers = a->length == sizeof x && b->length == sizeof y;
    if (!numbers) {
        int strange = (a->length != sizeof x) - (b->length != sizeof y);
        return strange != 0 ? strange : by_bytes(left, right);
    }
    memcpy(&x, a->data, sizeof x);
    memcpy(&y, b->data, sizeof y);
    return (x > y) - (x < y);
}

int64_t
green__list_reverse(struct green__object *list, const struct green__request *request,
                    struct green__reply *reply)
{
    (void)request;
    (void)reply;
    for (size_t i = 0; i < list->count / 2; i++) {
        struct green__bytes *first = list->items[i];
        list->items[i] = list->items[list->count - 1 - i];
        list->items[list->count - 1 - i] = first;
    }
    return 0;
}

int64_t
green__list_sort(struct green__object *list, const struct green__request *request,
                 struct green__reply *reply)
{
    if (list->count > 1) { /* who are equal are the same bytes: no order among them to keep */
        qsort(list->items, list->count, sizeof *list->items,
              (request->number & GREEN_SORT_NUMBERS) != 0 ? by_number : by_bytes);
    }
    return (request->number & GREEN_SORT_REVERSE) != 0 ? green__list_reverse(list, request, reply)
                                                       : 0;
}

int64_t
green__list_clear(struct green__object *list, const struct green__request *request,
                  struct green__reply *reply)
{
    (void)request;
    (void)reply;
    free_all(list->items, (int64_t)list->count);
    list->count = 0;
    return 0;
}
