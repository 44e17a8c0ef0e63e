/*
 * What a manager holds: objects by name, each a dict, a list or a value.
 *
 * Of one thread. Nothing here suspends, so a request is carried out as a whole.
 */
#ifndef GREEN_JOB_MANAGER_STORE_H
#define GREEN_JOB_MANAGER_STORE_H

#include "job/manager.h"
#include "job/manager_map.h"

struct green__store {
    struct green__map objects;
};

/** Carry out a request; its reply's bytes are the caller's to free. */
void green__store_answer(struct green__store *store, const struct green__request *request,
                         struct green__reply *ret_reply);

#endif
