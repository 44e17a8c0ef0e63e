/*
 * What a manager and its clients say to each other, over a UNIX socket: a request, a reply, and so
 * on. Numbers are in the machine's order: both are the same program.
 */
#ifndef GREEN_JOB_MANAGER_H
#define GREEN_JOB_MANAGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "green/manager.h"
#include "green/net.h"

enum green__manager_call {
    GREEN__FORGET,
    GREEN__DICT_SET,
    GREEN__DICT_GET,
    GREEN__DICT_DELETE,
    GREEN__DICT_LEN,
    GREEN__DICT_KEYS,
    GREEN__DICT_ADD,
    GREEN__DICT_POP,
    GREEN__DICT_DEFAULT,
    GREEN__DICT_ITEMS,
    GREEN__DICT_VALUES,
    GREEN__DICT_UPDATE,
    GREEN__DICT_CLEAR,
    GREEN__LIST_APPEND,
    GREEN__LIST_INSERT,
    GREEN__LIST_SET,
    GREEN__LIST_GET,
    GREEN__LIST_POP,
    GREEN__LIST_LEN,
    GREEN__LIST_ITEMS,
    GREEN__LIST_EXTEND,
    GREEN__LIST_INDEX,
    GREEN__LIST_COUNT,
    GREEN__LIST_REMOVE,
    GREEN__LIST_SORT,
    GREEN__LIST_REVERSE,
    GREEN__LIST_CLEAR,
    GREEN__VALUE_SET,
    GREEN__VALUE_GET,
    GREEN__VALUE_ADD,
    GREEN__CALLS,
};

/** Followed by the name and the key, each with its zero byte, and the value. */
struct green__request_head {
    uint32_t call;
    uint32_t name_size;
    uint32_t key_size;
    uint32_t padding;
    int64_t number; /**< An index or an amount. */
    uint64_t value_length;
};

/** Followed by the bytes. */
struct green__reply_head {
    int64_t result; /**< A count, or a negative errno value. */
    int64_t number;
    uint64_t length;
};

/** A request as the store sees it. */
struct green__request {
    enum green__manager_call call;
    const char *name;
    const char *key;
    int64_t number;
    const void *value;
    size_t value_length;
};

/** A reply, and its bytes: allocated, or NULL. Several byte strings are each preceded by their
 *  length as a uint64_t. */
struct green__reply {
    struct green__reply_head head;
    unsigned char *bytes;
};

/* ---- the client's side ---- */

/** Make a call whose reply has no bytes. */
int64_t green__manager_number(struct green_manager *manager, const struct green__request *request,
                              int64_t *ret_number);

/** One whose reply is a byte string. */
ssize_t green__manager_bytes(struct green_manager *manager, const struct green__request *request,
                             void **ret_bytes);

/** One whose reply is several byte strings. */
ssize_t green__manager_items(struct green_manager *manager, const struct green__request *request,
                             struct green_manager_item **ret_items);

/* ---- the manager's side ---- */

/** Where both meet. */
struct green__manager_place {
    struct green_address address;
    int ready; /**< The manager writes a byte here when it serves. */
};

/** What the manager's process runs; returns when it is cancelled, or cannot serve. */
intptr_t green__manager_serve(void *place);

/** Receive so many bytes: 0, or -ECONNRESET when the stream ends before. */
int green__manager_recv(int fd, void *buffer, size_t length);

/** Whether the other side of a connection is of the same user, and that process unless it is 0. */
bool green__manager_trusts(int fd, pid_t pid);

#endif
