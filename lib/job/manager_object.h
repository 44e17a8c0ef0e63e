/*
 * What a manager holds under a name, for the files that answer calls.
 */
#ifndef GREEN_JOB_MANAGER_OBJECT_H
#define GREEN_JOB_MANAGER_OBJECT_H

#include "job/manager.h"
#include "job/manager_map.h"

enum green__object_kind {
    GREEN__DICT,
    GREEN__LIST_OBJECT,
    GREEN__VALUE,
};

struct green__bytes {
    size_t length;
    unsigned char data[];
};

struct green__object {
    enum green__object_kind kind;
    struct green__map dict; /* of struct green__bytes */
    struct green__bytes **items;
    size_t count;
    size_t room;
    struct green__bytes *value;
};

/** What answers a call: a result of 0 or more, or a negative errno value, having changed nothing.
 */
typedef int64_t green__answer(struct green__object *object, const struct green__request *request,
                              struct green__reply *reply);

/** A copy; NULL without memory. */
struct green__bytes *green__bytes_copy(const void *data, size_t length);

/** Let the reply be a byte string; its length or -ENOMEM. */
int64_t green__reply_bytes(struct green__reply *reply, const struct green__bytes *bytes);

/** Have room for so many bytes in a reply of several byte strings; 0 or -ENOMEM. */
int64_t green__reply_reserve(struct green__reply *reply, size_t size);

/** Add a byte string to it. */
void green__reply_item(struct green__reply *reply, const void *data, uint64_t length);

/** Room for so many items more; 0 or -ENOMEM. */
int64_t green__list_reserve(struct green__object *list, size_t more);

/* Of manager_bulk.c: what concerns many items, or all. */
green__answer green__dict_items;
green__answer green__dict_values;
green__answer green__dict_update;
green__answer green__dict_clear;
green__answer green__list_extend;
green__answer green__list_find; /* index, count and remove */
green__answer green__list_sort;
green__answer green__list_reverse;
green__answer green__list_clear;

#endif
