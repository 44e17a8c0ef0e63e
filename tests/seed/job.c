/*
 * Seeded programs over futures, waits for several of them, groups and links.
 */
#include "green/future.h"
#include "green/group.h"
#include "green/job.h"

#include "seed.h"

/* ---- futures ---- */

#define FUTURES 4

struct future {
    struct green_future *it;
    bool done;
    int err;
    intptr_t value;
    int callbacks; /* how many are to be called */
    int called;
    struct line line;
};

static struct future futures[FUTURES];

/** Who waits for several: which, as a mask in `extra`, and for what. */
static struct line gatherers;
static enum green_until untils[TASKS_MAX];
static size_t indices[TASKS_MAX];

/** Whether a wait for several is over; the futures of the mask that are done so far are known. */
static bool
is_over(int mask, enum green_until until)
{
    bool all = true;
    bool any = false;
    bool failed = false;
    for (int i = 0; i < FUTURES; i++) {
        if ((mask & 1 << i) != 0) {
            all &= futures[i].done;
            any |= futures[i].done;
            failed |= futures[i].done && futures[i].err != 0;
        }
    }
    return all || (until == GREEN_FIRST_COMPLETED && any) || (until == GREEN_FIRST_ERROR && failed);
}

static void
serve_gatherers(int last)
{
    for (int i = 0; i < gatherers.count;) {
        struct task *task = gatherers.tasks[i];
        enum green_until until = untils[task->index];
        bool concerned = (task->extra & 1 << last) != 0;
        /* The first that fails is told, whatever is waited for but the first that is done. */
        if (concerned && indices[task->index] == FUTURES &&
            (until == GREEN_FIRST_COMPLETED || futures[last].err != 0)) {
            indices[task->index] = (size_t)last;
        }
        if (concerned && is_over(task->extra, until)) {
            line_remove(&gatherers, task);
            serve(task, 0);
        } else {
            i++;
        }
    }
}

static void
on_done(struct green_future *it, void *arg)
{
    struct future *future = arg;
    CHECK(NULL, it == future->it && future->done && green_future_done(it),
          "a callback is called before its time");
    future->called++;
}

static void
settle(struct task *self, struct future *future)
{
    int drawn = draw(4);
    int err = drawn == 0 ? -EIO : drawn == 1 ? -ECANCELED : 0;
    intptr_t value = draw(1000);
    bool was_done = future->done;
    if (!was_done) {
        future->done = true;
        future->err = err;
        future->value = value;
        serve_all(&future->line, 0);
        serve_gatherers((int)(future - futures));
    }
    int expected = was_done ? -EALREADY : 0;
    if (err == -ECANCELED) {
        AT_ONCE(self, green_future_cancel(future->it), expected);
    } else if (err != 0) {
        AT_ONCE(self, green_future_set_error(future->it, err), expected);
    } else {
        AT_ONCE(self, green_future_set(future->it, value), expected);
    }
    CHECK(self, future->called == future->callbacks, "%d of %d callbacks were called",
          future->called, future->callbacks);
}

static void
look_at_result(struct task *self, const struct future *future)
{
    intptr_t value = -1;
    AT_ONCE(self, green_future_result(future->it, &value, GREEN_NOW), future->err);
    CHECK(self, value == (future->err != 0 ? -1 : future->value), "it has another's value");
}

static void
wait_for_future(struct task *self, struct future *future)
{
    green_deadline deadline = some_deadline();
    int err = 0;
    if (is_cancelled(self)) {
        AT_ONCE(self, green_future_wait(future->it, deadline), -ECANCELED);
        return;
    }
    if (future->done) {
        AT_ONCE(self, green_future_wait(future->it, deadline), 0);
    } else if (deadline == GREEN_NOW) {
        AT_ONCE(self, green_future_wait(future->it, deadline), -ETIMEDOUT);
        return;
    } else {
        err = WAIT_IN(self, &future->line, green_future_wait(future->it, deadline), deadline);
    }
    if (err == 0 && !is_cancelled(self)) {
        look_at_result(self, future);
    }
}

static void
wait_for_several(struct task *self)
{
    struct green_future *wanted[FUTURES];
    enum green_until until = (enum green_until)draw(3);
    green_deadline deadline = some_deadline();
    size_t index = FUTURES + 1;
    self->extra = 1 + draw((1 << FUTURES) - 1);
    size_t first = FUTURES;
    for (int i = FUTURES - 1; i >= 0; i--) {
        bool asked = (self->extra & 1 << i) != 0;
        wanted[i] = asked ? futures[i].it : NULL;
        if (asked && futures[i].done && (until == GREEN_FIRST_COMPLETED || futures[i].err != 0)) {
            first = (size_t)i;
        }
    }
    untils[self->index] = until;
    indices[self->index] = first;
    if (is_cancelled(self)) {
        AT_ONCE(self, green_futures_wait(wanted, FUTURES, until, &index, deadline), -ECANCELED);
        return;
    }
    if (is_over(self->extra, until)) {
        AT_ONCE(self, green_futures_wait(wanted, FUTURES, until, &index, deadline), 0);
    } else if (deadline == GREEN_NOW) {
        AT_ONCE(self, green_futures_wait(wanted, FUTURES, until, &index, deadline), -ETIMEDOUT);
        return;
    } else if (WAIT_IN(self, &gatherers,
                       green_futures_wait(wanted, FUTURES, until, &index, deadline),
                       deadline) != 0) {
        return;
    }
    CHECK(self, index == indices[self->index], "index %zu, not %zu", index, indices[self->index]);
}

static void
use_futures(struct task *self)
{
    struct future *future = &futures[draw(FUTURES)];
    switch (draw(6)) {
    case 0:
        settle(self, future);
        break;
    case 1:
        future->callbacks++;
        AT_ONCE(self, green_future_add_done_callback(future->it, on_done, future), 0);
        CHECK(self, !future->done || future->called == future->callbacks,
              "a callback that comes late is not called");
        break;
    case 2:
        wait_for_several(self);
        break;
    default:
        wait_for_future(self, future);
        break;
    }
}

/* ---- groups ---- */

/** A group of one task's, or of its members'. */
struct gang {
    struct green_group group;
    int limit;
    int spawned;
    int inside;
    int ended;
    int links;
    int failures;
    bool cancelled;
};

static void
on_exit_of_member(struct green_job *job, intptr_t value, int err, void *arg)
{
    (void)job;
    (void)value;
    struct gang *gang = arg;
    CHECK(NULL, err == 0, "a task died");
    gang->links++;
}

static intptr_t
be_member(void *arg)
{
    struct gang *gang = arg;
    gang->inside++;
    CHECK(NULL, gang->limit == 0 || gang->inside <= gang->limit, "%d in a group of %d",
          gang->inside, gang->limit);
    int err = green_sleep((uint64_t)draw(4));
    CHECK(NULL, err == 0 || (err == -ECANCELED && gang->cancelled), "a sleep = %d", err);
    if (err == 0 && chance(30)) {
        /* A member spawns too; it does not wait for room, or all might wait for each other. */
        err =
            green_group_spawn_as(&gang->group, GREEN_TASK, be_member, gang, NULL, NULL, GREEN_NOW);
        gang->spawned += err == 0;
        CHECK(NULL,
              err == 0 || (err == -ETIMEDOUT && gang->limit > 0) ||
                  (err == -ECANCELED && gang->cancelled),
              "a member's spawn = %d", err);
    }
    gang->inside--;
    gang->ended++;
    if (chance(5)) {
        gang->failures++;
        gang->cancelled = true;
        return -EIO;
    }
    return 0;
}

static void
fill_group(struct task *self, struct gang *gang)
{
    for (int i = draw(6); i > 0; i--) {
        struct green_job *member = NULL;
        green_deadline deadline = some_deadline();
        int err = green_group_spawn_as(&gang->group, GREEN_TASK, be_member, gang, NULL, &member,
                                       deadline);
        running = self;
        operations++;
        say(self, "spawns a member = %d", err);
        if (err == 0) {
            gang->spawned++;
            CHECK(self, green_job_on_exit(member, on_exit_of_member, gang) == 0, "no link");
            gang->links--;
            green_job_put(member);
        } else {
            CHECK(self, (err == -ECANCELED && gang->cancelled) || may_fail(self, err, deadline),
                  "a spawn = %d, without a reason", err);
        }
        if (chance(5)) {
            gang->cancelled = true;
            green_group_cancel(&gang->group);
        }
    }
}

static void
use_group(struct task *self)
{
    struct gang gang = {.limit = draw(4)};
    green_group_init(&gang.group, (unsigned)gang.limit);
    fill_group(self, &gang);
    dwell(self);
    if (is_cancelled(self) || self->bound != GREEN_FOREVER) {
        gang.cancelled = true; /* its end may cancel the members */
    }
    /* A cancellation that comes while we wait has the same right. */
    bool excused = gang.cancelled;
    gang.cancelled = true;
    int err = green_group_fini(&gang.group);
    running = self;
    say(self, "the group ends = %d", err);
    CHECK(self, gang.inside == 0 && gang.links == 0, "a member has outlived its group");
    CHECK(self, gang.ended <= gang.spawned, "more members have ended than were spawned");
    CHECK(self, excused || gang.failures > 0 || self->cancelled || gang.ended == gang.spawned,
          "%d of %d members ran", gang.ended, gang.spawned);
    CHECK(self, gang.failures > 0 ? err == -EIO : err == 0 || may_fail(self, err, GREEN_FOREVER),
          "the group = %d, without a reason", err);
}

/* ---- the program ---- */

static void
step(struct task *self)
{
    if (chance(15)) {
        use_group(self);
    } else {
        use_futures(self);
    }
}

static void
body(struct task *self)
{
    for (int i = 3 + draw(12); i > 0 && !(self->cancelled && chance(60)); i--) {
        if (chance(25)) {
            disturb(self, body);
        } else {
            in_some_scope(self, step);
        }
    }
}

static void
program(void)
{
    for (int i = 0; i < FUTURES; i++) {
        futures[i] = (struct future){.done = false};
        CHECK(NULL, green_future_create(&futures[i].it) == 0, "no future");
    }
    for (int i = 2 + draw(7); i > 0; i--) {
        start(body);
    }
    finish_all(40);
    for (int i = 0; i < FUTURES; i++) {
        green_future_put(futures[i].it);
    }
}

int
main(int argc, char **argv)
{
    return run_seeds(argc, argv, "job", program);
}
