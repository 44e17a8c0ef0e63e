/*
 * Groups, as maps and executors use them.
 */
#ifndef GREEN_JOB_GROUP_H
#define GREEN_JOB_GROUP_H

#include "green/group.h"
#include "sync/waiters.h"

/** Told when a member ends, its value or error; the group is locked. */
typedef void (*green__member_end)(void *arg, intptr_t value);

/** What to spawn into a group. */
struct green__member_plan {
    enum green_kind kind;
    green_entry entry;
    void *arg;
    const struct green_spawn_options *options; /* NULL for the defaults */
    green__member_end on_end;                  /* NULL: nobody is told */
    void *on_end_arg;
    const void *spawned_at; /* whose call it is, in the program; NULL: the library's own */
};

/** As green_group_spawn_as(). */
int green__group_spawn(struct green_group *group, const struct green__member_plan *plan,
                       struct green_job **ret_job, green_deadline deadline);

/** Wait until there is no member; 0, -ETIMEDOUT, -ECANCELED or -EDEADLK. */
int green__group_wait(struct green_group *group, green_deadline deadline);

static inline struct green__lock *
green__group_lock(struct green_group *group)
{
    return green__waiters_guard(&group->joiners);
}

#endif
