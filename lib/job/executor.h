/*
 * Executors, inside: what their files share.
 *
 * A work is its future too. It is pending, in the executor's list; or running, with a worker; or
 * over: then, or soon, its future is done. What changes that holds the executor's lock; the future
 * is settled without it.
 */
#ifndef GREEN_JOB_EXECUTOR_H
#define GREEN_JOB_EXECUTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "green/executor.h"
#include "job/future.h"
#include "job/group.h"

struct green_result {
    char *bytes;
    size_t size;
    size_t room;
};

enum green__work_state {
    GREEN__WORK_PENDING,
    GREEN__WORK_RUNNING,
    GREEN__WORK_OVER,
};

struct green__work {
    struct green_future future; /* the executor has a reference until it is over */
    struct green__list link;
    struct green_executor *executor; /* with a reference */
    struct green__crewman *crewman;  /* while it is running */
    enum green__work_state state;
    green_entry entry;
    green_transform transform; /* instead of the entry */
    void *arg;                 /* `copy`, if it was copied */
    size_t size;
    max_align_t copy[];
};

struct green__crewman;

/** A child process of a worker, and the stream to it. */
struct green__child_link {
    struct green_job *job; /* NULL: none */
    int fd;
};

/** A worker of an executor: a task, a thread, or a task that looks after a child. */
struct green__crewman {
    struct green_executor *executor;
    struct green_job *job;
    bool cancelled; /* for the sake of its work: it ends after that */
    struct green__child_link child;
};

struct green_executor {
    struct green__lock lock;   /* guards all that changes */
    struct green__list idle;   /* workers that wait for work */
    struct green__list hiring; /* where the manager waits */
    struct green__list pending;
    size_t pending_count;
    size_t coming; /* workers that were woken or started, and will look for work */
    size_t workers;
    bool shut;
    bool broken;                 /* an initializer has failed; then it is shut, too */
    bool hired_early;            /* all were started that were to be, as far as that was possible */
    int hire_error;              /* what kept the manager from starting one */
    struct green__list creators; /* where who waits for the early ones does */

    enum green_kind kind;
    unsigned limit;
    bool early;
    size_t stack_size;
    size_t work_per_worker;
    green_executor_initializer initializer;
    void *initializer_arg;
    char *name;
    int *keep_fds; /* with room for one more */
    size_t keep_fd_count;
    pid_t pid;
    struct green_group crew;
    atomic_size_t references; /* the user's, and each work's */
};

/** What to submit. */
struct green__work_plan {
    green_entry entry;
    green_transform transform; /* instead of the entry */
    void *arg;
    size_t size;              /* of what `arg` points to, if that is to be copied */
    struct green__hook *hook; /* allocated; called when the future is done. NULL: none */
};

/** As green_executor_submit(). The hook is freed if this fails. */
int green__executor_submit(struct green_executor *executor, const struct green__work_plan *plan,
                           struct green_future **ret_future);

void green__executor_put(struct green_executor *executor);

/** Start the first of what a kind needs: its manager, if it has one. */
int green__executor_staff(struct green_executor *executor);

/**
 * There may be more work than workers come for: have one more. The lock is held, and open meanwhile
 * if a thread is to be started.
 *
 * @return 0, or an error when there is not one worker and none can be started.
 */
int green__executor_hire(struct green_executor *executor);

/** Wake who waits in the list; the lock is held. */
void green__executor_wake_all(struct green__list *list);

/** Cancel what is pending, and take no more. */
void green__executor_cancel_pending(struct green_executor *executor, bool shut);

/** Run a work in this process. */
void green__work_run(struct green__work *work, struct green__outcome *outcome);

/** Put a value, and bytes that become the outcome's unless it is an error. */
void green__outcome_set(struct green__outcome *outcome, intptr_t value, void *bytes, size_t size);

/* ---- children ---- */

/** Fork a child. On a thread's own stack. */
int green__child_open(struct green_executor *executor, struct green__child_link *ret_child);

/** What the initializer has returned in a new child; -EOWNERDEAD when that died. */
int green__child_initialize(const struct green__child_link *child);

/**
 * Have a work run by the child.
 *
 * @return True when the child lives; false when it died, or the caller was cancelled: the outcome
 *         says so.
 */
bool green__child_run(struct green__crewman *crewman, struct green__work *work,
                      struct green__outcome *outcome);

/** End the child, with a moment to do so by itself, and reap it. Shielded. */
void green__child_close(struct green__child_link *child);

#endif
