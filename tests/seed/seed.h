/*
 * Programs of tasks that are drawn from a number, run in an order that follows from it too, and are
 * compared, call by call, with a model of what they use.
 *
 * The tasks of one thread switch only inside the library's calls, so a model that is changed beside
 * each call is exact: it knows whether a call has to wait, who is served next, and what a call has
 * to return. A task that was served, and does not run although time has passed, was forgotten.
 */
#ifndef TESTS_SEED_SEED_H
#define TESTS_SEED_SEED_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "green/base.h"
#include "green/job.h"
#include "green/timeout.h"

#define TASKS_MAX 24

/** One task of the program that runs. */
struct task {
    struct green_job *job;
    void (*body)(struct task *self);
    green_deadline bound; /**< Of its timeout scopes. */
    int index;
    int shields;
    bool ended;
    bool cancelled;

    /* While it waits. */
    bool served; /**< Its call has to return `result`. */
    int result;
    int extra;
    const char *waits_for; /**< NULL: it does not. */
    uint64_t served_at;
    void *value; /**< What it brings or is given. */
};

/** Those who wait for one thing, in the order of their coming. */
struct line {
    struct task *tasks[TASKS_MAX];
    int count;
};

/* ---- the program ---- */

/** A number below a bound, from the seed. */
int draw(int bound);

/** Whether something happens that does so in `percent` of a hundred cases. */
bool chance(int percent);

/** Spawn a task of the program; false when there are enough. */
bool start(void (*body)(struct task *self));

/** Let the tasks run for a time, cancel those that are left then, and wait for all. */
void finish_all(int ms);

/** Do it inside a timeout scope or a shield, or, mostly, as it is. */
void in_some_scope(struct task *self, void (*step)(struct task *self));

/** Let others run, or time pass. */
void dwell(struct task *self);

/** Cancel one, yield, sleep, spawn `more`. */
void disturb(struct task *self, void (*more)(struct task *self));

/** GREEN_FOREVER, GREEN_NOW or a few milliseconds. */
green_deadline some_deadline(void);

/* ---- the check ---- */

/** A line of the trace, shown by --verbose. */
void say(const struct task *self, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Print what is wrong, the seed and how to see it again; does not return. */
_Noreturn void fail(const struct task *self, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define CHECK(self, condition, ...)  \
    do {                             \
        if (!(condition)) {          \
            fail(self, __VA_ARGS__); \
        }                            \
    } while (0)

extern struct task *running;
extern uint64_t operations;

static inline uint64_t
now(void)
{
    return green_after(0);
}

static inline bool
is_cancelled(const struct task *self)
{
    return self->cancelled && self->shields == 0;
}

/** Make a call that may not suspend, and has to return what is expected. */
#define AT_ONCE(self, call, expected)                                                     \
    do {                                                                                  \
        running = (self);                                                                 \
        operations++;                                                                     \
        int at_once_wanted = (expected);                                                  \
        int at_once_got = (call);                                                         \
        say(self, "%s = %d", #call, at_once_got);                                         \
        CHECK(self, running == (self), "%s let others run", #call);                       \
        CHECK(self, at_once_got == at_once_wanted, "%s = %d, not %d", #call, at_once_got, \
              at_once_wanted);                                                            \
    } while (0)

/** Make a call that waits in a line; what it returned, which was found right. */
#define WAIT_IN(self, line, call, deadline) \
    (begin_wait(self, line, #call), end_wait(self, line, #call, call, deadline))

void begin_wait(struct task *self, struct line *line, const char *call);
int end_wait(struct task *self, struct line *line, const char *call, int err,
             green_deadline deadline);

/** Whether a call that nobody has served may return this. */
bool may_fail(const struct task *self, int err, green_deadline deadline);

void line_add(struct line *line, struct task *task);
void line_remove(struct line *line, const struct task *task);

/** The first in a line is served, and leaves it; NULL when nobody waits. */
struct task *serve_first(struct line *line, int result);

void serve(struct task *task, int result);

/** All of them. */
void serve_all(struct line *line, int result);

/* ---- main ---- */

/** Run `program` with the seeds that the arguments say; what main() returns. */
int run_seeds(int argc, char **argv, const char *name, void (*program)(void));

#endif
