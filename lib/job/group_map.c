/*
 * Maps: an entry for each of several elements, in a group.
 *
 * Invariant of a lazy map, under its group's lock: a slot is on the list `waiting` from its job's
 * spawn, of an unordered map from its job's end, until its value is handed out. One worker at a
 * time asks for values.
 */
#include <errno.h>
#include <limits.h>

#include "base/alloc.h"
#include "green/timeout.h"
#include "job/group.h"

/* ---- all at once ---- */

static void
store_value(void *place, intptr_t value)
{
    *(intptr_t *)place = value;
}

/** Spawn one for each element; the group's jobs go on when this fails. */
static int
spawn_all(struct green_group *group, struct green__member_plan *plan, void *const *args,
          size_t count, intptr_t *values, green_deadline deadline)
{
    for (size_t i = 0; i < count; i++) {
        plan->arg = args[i];
        plan->on_end_arg = &values[i];
        int err = green__group_spawn(group, plan, NULL, deadline);
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

int
green_map(enum green_kind kind, unsigned limit, green_entry entry, void *const *args, size_t count,
          intptr_t *ret_values, green_deadline deadline)
{
    if (count > SIZE_MAX / sizeof(intptr_t)) {
        return -ENOMEM;
    }
    intptr_t *values = green__alloc(count > 0 ? count * sizeof *values : 1);
    if (values == NULL) {
        return -ENOMEM;
    }
    struct green__member_plan plan = {.kind = kind,
                                      .entry = entry,
                                      .on_end = store_value,
                                      .spawned_at = __builtin_return_address(0)};
    struct green_group group;
    green_group_init(&group, limit);
    int err = spawn_all(&group, &plan, args, count, values, deadline);
    if (err == 0) {
        err = green__group_wait(&group, deadline);
    }
    if (err != 0) {
        green_group_cancel(&group);
    }
    int failure = green_group_fini(&group);
    err = group.error != 0 ? group.error : err != 0 ? err : failure;
    for (size_t i = 0; err == 0 && ret_values != NULL && i < count; i++) {
        ret_values[i] = values[i];
    }
    green__free(values);
    return err;
}

/* ---- one by one ---- */

bool
green_items_of_array(void *array, void **ret_item)
{
    struct green_array *self = array;
    if (self->given == self->count) {
        return false;
    }
    *ret_item = self->items[self->given++];
    return true;
}

struct slot {
    struct green__list link; /* among the free ones, or those that wait to be handed out */
    struct green_imap *imap;
    void *item;
    intptr_t value;
    bool ended;
};

struct green_imap {
    struct green_group group;
    enum green_kind kind;
    green_entry entry;
    green_items items;
    void *context;
    bool ordered;
    bool exhausted;
    bool has_item; /* `item` was asked for and could not be begun */
    void *item;
    size_t running; /* slots that are not free */
    struct green__list free;
    struct green__list waiting;
    struct green_waiters consumer;
    struct slot slots[];
};

static int
create(enum green_kind kind, unsigned limit, green_entry entry, green_items items, void *context,
       bool ordered, struct green_imap **ret_imap)
{
    if (limit == 0) {
        return -EINVAL;
    }
    struct green_imap *imap = green__alloc_zeroed(sizeof *imap + limit * sizeof(struct slot));
    if (imap == NULL) {
        return -ENOMEM;
    }
    green_group_init(&imap->group, 0); /* the slots are the limit */
    imap->group.keep_going = true;
    imap->kind = kind;
    imap->entry = entry;
    imap->items = items;
    imap->context = context;
    imap->ordered = ordered;
    green__list_init(&imap->free);
    green__list_init(&imap->waiting);
    for (unsigned i = 0; i < limit; i++) {
        imap->slots[i].imap = imap;
        green__list_append(&imap->free, &imap->slots[i].link);
    }
    *ret_imap = imap;
    return 0;
}

int
green_imap_create(enum green_kind kind, unsigned limit, green_entry entry, green_items items,
                  void *context, struct green_imap **ret_imap)
{
    return create(kind, limit, entry, items, context, true, ret_imap);
}

int
green_imap_create_unordered(enum green_kind kind, unsigned limit, green_entry entry,
                            green_items items, void *context, struct green_imap **ret_imap)
{
    return create(kind, limit, entry, items, context, false, ret_imap);
}

static void
slot_ends(void *arg, intptr_t value)
{
    struct slot *slot = arg;
    struct green_imap *imap = slot->imap;
    slot->value = value;
    slot->ended = true;
    if (!imap->ordered) {
        green__list_append(&imap->waiting, &slot->link);
    }
    green__waiters_wake_all(green__waiters_list(&imap->consumer), NULL);
}

/** Begin the element that was asked for; its slot is out of the free list when this returns 0. */
static int
begin(struct green_imap *imap)
{
    struct green__lock *lock = green__group_lock(&imap->group);
    green__lock(lock);
    struct slot *slot = GREEN__CONTAINER(green__list_shift(&imap->free), struct slot, link);
    slot->item = imap->item;
    slot->ended = false;
    if (imap->ordered) {
        green__list_append(&imap->waiting, &slot->link);
    }
    green__unlock(lock);
    struct green__member_plan plan = {
        .kind = imap->kind,
        .entry = imap->entry,
        .arg = imap->item,
        .on_end = slot_ends,
        .on_end_arg = slot,
    };
    int err = green__group_spawn(&imap->group, &plan, NULL, GREEN_NOW);
    if (err != 0) {
        green__lock(lock);
        green__list_remove(&slot->link);
        green__list_append(&imap->free, &slot->link);
        green__unlock(lock);
        return err;
    }
    imap->running++;
    imap->has_item = false;
    return 0;
}

/** Begin as many elements as there are slots for; an error only if nothing runs. */
static int
fill(struct green_imap *imap)
{
    for (;;) {
        if (!imap->has_item && !imap->exhausted && !green__list_empty(&imap->free)) {
            imap->has_item = imap->items(imap->context, &imap->item);
            imap->exhausted = !imap->has_item;
        }
        if (!imap->has_item || green__list_empty(&imap->free)) {
            return 0;
        }
        int err = begin(imap);
        if (err != 0) {
            return imap->running > 0 ? 0 : err;
        }
    }
}

/** The slot whose value is to be handed out next, if it is there; the group is locked. */
static struct slot *
ready_slot(struct green_imap *imap)
{
    if (green__list_empty(&imap->waiting)) {
        return NULL;
    }
    struct slot *slot = GREEN__CONTAINER(imap->waiting.next, struct slot, link);
    return slot->ended ? slot : NULL;
}

int
green_imap_next(struct green_imap *imap, intptr_t *ret_value, void **ret_item,
                green_deadline deadline)
{
    struct green_job *self = green__self();
    struct green__lock *lock = green__group_lock(&imap->group);
    int err = green__wait_check(self);
    if (err == 0) {
        err = fill(imap);
    }
    if (err != 0 || imap->running == 0) {
        return err;
    }
    green__lock(lock);
    struct slot *slot;
    while ((slot = ready_slot(imap)) == NULL) {
        err = green__wait_in(lock, green__waiters_list(&imap->consumer), self, deadline,
                             "the next value of a map");
        if (err != 0) {
            green__unlock(lock);
            return err;
        }
        green__lock(lock);
    }
    green__list_remove(&slot->link);
    green__list_append(&imap->free, &slot->link);
    imap->running--;
    *ret_value = slot->value;
    if (ret_item != NULL) {
        *ret_item = slot->item;
    }
    green__unlock(lock);
    return 1;
}

void
green_imap_destroy(struct green_imap *imap)
{
    if (imap != NULL) {
        green_group_cancel(&imap->group);
        green_group_fini(&imap->group);
        green__free(imap);
    }
}
