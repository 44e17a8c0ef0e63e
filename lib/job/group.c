/*
 * Groups of jobs.
 *
 * Invariant, under the lock of `joiners`, which guards all of a group: `count` is how many members
 * are listed, are being spawned, or were promised room. A member leaves by the hook at its job's
 * end, the last thing that touches the group on the job's behalf. Any worker of the process may
 * call.
 *
 * Lock order: the group, then the ends of its jobs.
 */
#include "job/group.h"

#include <errno.h>

#include "base/alloc.h"
#include "green/timeout.h"
#include "job/hook.h"

_Static_assert(sizeof(struct green__list) == sizeof(((struct green_group *)0)->members),
               "the public members are a list");

struct member {
    struct green__hook hook;
    struct green__list link;
    struct green_group *group;
    struct green_job *job;
    green__member_end on_end;
    void *on_end_arg;
};

static struct green__list *
members_of(struct green_group *group)
{
    return (struct green__list *)(void *)group->members;
}

static void
lock(struct green_group *group)
{
    green__lock(green__group_lock(group));
}

static void
unlock(struct green_group *group)
{
    green__unlock(green__group_lock(group));
}

void
green_group_init(struct green_group *group, unsigned limit)
{
    *group = (struct green_group){.limit = limit};
    green__list_init(members_of(group));
}

/* ---- ends ---- */

/** A place is free: the one that has waited longest has it, or nobody; the group is locked. */
static void
give_place(struct green_group *group)
{
    struct green__waiter *spawner = green__waiters_take(green__waiters_list(&group->spawners));
    if (spawner != NULL) {
        spawner->value = GREEN__RESULT(0);
        green__wait_wake(spawner->job);
        return;
    }
    if (--group->count == 0) {
        green__waiters_wake_all(green__waiters_list(&group->joiners), NULL);
    }
}

/** The group is locked. */
static void
cancel_all(struct green_group *group)
{
    group->cancelled = true;
    struct green__list *members = members_of(group);
    for (struct green__list *link = members->next; link != members; link = link->next) {
        green_job_cancel(GREEN__CONTAINER(link, struct member, link)->job);
    }
    green__waiters_wake_all(green__waiters_list(&group->spawners), GREEN__RESULT(-ECANCELED));
}

static void
on_end(struct green__hook *hook, void *source)
{
    struct member *member = GREEN__CONTAINER(hook, struct member, hook);
    struct green_group *group = member->group;
    const struct green_job *job = source;
    intptr_t value = job->lost ? -EOWNERDEAD : job->value;
    lock(group);
    green__list_remove(&member->link);
    if (member->on_end != NULL) {
        member->on_end(member->on_end_arg, value);
    }
    if (green__is_error(value) && value != -ECANCELED && group->error == 0 && !group->keep_going) {
        group->error = (int)value;
        cancel_all(group);
    }
    give_place(group);
    unlock(group);
    green_job_put(member->job);
    green__free(member);
}

/* ---- spawn ---- */

/** Have a place in the group. */
static int
take_place(struct green_group *group, green_deadline deadline)
{
    lock(group);
    if (group->cancelled) {
        unlock(group);
        return -ECANCELED;
    }
    if (group->limit == 0 || group->count < group->limit) {
        group->count++;
        unlock(group);
        return 0;
    }
    struct green_job *self = green__self();
    int err = green__wait_check(self);
    if (err == 0) {
        err = green__wait_in(green__group_lock(group), green__waiters_list(&group->spawners), self,
                             deadline, "room in a group");
        if (err == 0) {
            return GREEN__RESULT_OF(self->own->waiter.value);
        }
    }
    unlock(group);
    return err;
}

static void
leave_place(struct green_group *group)
{
    lock(group);
    give_place(group);
    unlock(group);
}

/** List the member and hang on to its end; it may be gone when this returns. */
static void
enlist(struct green_group *group, struct member *member, struct green__visit *visit)
{
    struct green_job *job = green_job_get(member->job);
    lock(group);
    green__list_append(members_of(group), &member->link);
    if (group->cancelled) {
        green_job_cancel(job); /* it was, while the job was spawned */
    }
    unlock(group);
    if (!green__job_hook_attended(job, &member->hook, visit)) {
        green__hook_call(&member->hook, job);
    }
    green_job_put(job);
}

/** What must not fail once the job runs, and the job. */
static int
spawn(const struct green__member_plan *plan, struct member **ret_member,
      struct green__visit **ret_visit, struct green_job **ret_job)
{
    struct green__visit *visit = NULL;
    struct member *member = green__alloc(sizeof *member);
    int err = member == NULL ? -ENOMEM : 0;
    if (err == 0 && plan->kind == GREEN_PROCESS) {
        err = green__attend_reserve(&visit);
    }
    if (err == 0) {
        green__spawn_site = plan->spawned_at;
        err = green_spawn_as(plan->kind, plan->entry, plan->arg, plan->options, ret_job);
    }
    if (err != 0) {
        if (visit != NULL) {
            green__attend_use(visit, NULL);
        }
        green__free(member);
        return err;
    }
    *ret_member = member;
    *ret_visit = visit;
    return 0;
}

int
green__group_spawn(struct green_group *group, const struct green__member_plan *plan,
                   struct green_job **ret_job, green_deadline deadline)
{
    int err = take_place(group, deadline);
    if (err != 0) {
        return err;
    }
    struct green_job *job;
    struct member *member;
    struct green__visit *visit;
    err = spawn(plan, &member, &visit, &job);
    if (err != 0) {
        leave_place(group);
        return err;
    }
    green__list_init(&member->hook.link);
    member->hook.run = on_end;
    member->group = group;
    member->job = green_job_get(job);
    member->on_end = plan->on_end;
    member->on_end_arg = plan->on_end_arg;
    enlist(group, member, visit);
    if (ret_job != NULL) {
        *ret_job = job;
    } else {
        green_job_put(job);
    }
    return 0;
}

int
green_group_spawn_as(struct green_group *group, enum green_kind kind, green_entry entry, void *arg,
                     const struct green_spawn_options *options, struct green_job **ret_job,
                     green_deadline deadline)
{
    struct green__member_plan plan = {.kind = kind,
                                      .entry = entry,
                                      .arg = arg,
                                      .options = options,
                                      .spawned_at = __builtin_return_address(0)};
    return green__group_spawn(group, &plan, ret_job, deadline);
}

int
green_group_spawn(struct green_group *group, green_entry entry, void *arg)
{
    struct green__member_plan plan = {
        .kind = GREEN_TASK, .entry = entry, .arg = arg, .spawned_at = __builtin_return_address(0)};
    return green__group_spawn(group, &plan, NULL, GREEN_FOREVER);
}

/* ---- join ---- */

/** Whether the job is a member; the group is locked. */
static bool
has_member(struct green_group *group, const struct green_job *job)
{
    struct green__list *members = members_of(group);
    for (struct green__list *link = members->next; link != members; link = link->next) {
        if (GREEN__CONTAINER(link, struct member, link)->job == job) {
            return true;
        }
    }
    return false;
}

int
green__group_wait(struct green_group *group, green_deadline deadline)
{
    struct green_job *self = green__self();
    int err = green__wait_check(self);
    if (err != 0) {
        return err;
    }
    lock(group);
    if (group->count > 0 && has_member(group, self)) {
        err = -EDEADLK;
    } else if (group->count > 0) {
        err = green__waiters_wait(&group->joiners, self, deadline, "the end of a group's jobs");
        if (err == 0) {
            return 0;
        }
    }
    unlock(group);
    return err;
}

int
green_group_join(struct green_group *group, green_deadline deadline)
{
    int err = green__group_wait(group, deadline);
    return err != 0 ? err : green_group_error(group);
}

int
green_group_fini(struct green_group *group)
{
    struct green_job *self = green__self();
    self->firm++; /* it cannot do without: where nobody is left, the calls of the jobs fail */
    int err = green__group_wait(group, GREEN_FOREVER);
    if (err == -EDEADLK) {
        green__misuse("green_group_fini: the caller is one of the group's jobs");
    }
    struct green_shield shield;
    green_shield_start(&shield);
    while (green_group_size(group) > 0) { /* a member may spawn more until it is cancelled */
        green_group_cancel(group);
        green__group_wait(group, GREEN_FOREVER);
    }
    green_shield_stop(&shield);
    self->firm--;
    green__waiters_fini(&group->joiners, "green_group_fini");
    return group->error != 0 ? group->error : err;
}

void
green_group_cancel(struct green_group *group)
{
    lock(group);
    cancel_all(group);
    unlock(group);
}

int
green_group_error(struct green_group *group)
{
    lock(group);
    int err = group->error;
    unlock(group);
    return err;
}

size_t
green_group_size(struct green_group *group)
{
    lock(group);
    size_t count = group->count;
    unlock(group);
    return count;
}
