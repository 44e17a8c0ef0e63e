/*
 * The child processes of this library, and their reaping.
 *
 * A child is reaped as soon as it ends, whatever its parent does just then: by a handler of SIGCHLD
 * that asks for these children alone, so that those of others are left to them.
 */
#ifndef GREEN_JOB_CHILDREN_H
#define GREEN_JOB_CHILDREN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

/** A child, or a place for one. Places are never freed, so that a handler may walk them. */
struct green__child {
    struct green__child *next;
    atomic_int state;
    pid_t pid;
    int status;        /**< As of waitpid(), once it is reaped. */
    bool status_known; /**< False when somebody else had reaped it. */
    int lifeline;      /**< Closed when it ends, or with us: a daemon child dies of it; -1: none. */
};

/** A place for a child that is about to be forked; NULL without memory. */
struct green__child *green__child_reserve(void);

/** The child was forked: from now on it is reaped. */
void green__child_start(struct green__child *child, pid_t pid);

/** Look whether it has ended, and reap it; true when it has. */
bool green__child_ended(struct green__child *child);

/** Nobody asks for it any more; it is still reaped. */
void green__child_forget(struct green__child *child);

/** In a forked child: all of them are the parent's, and so are their lifelines. */
void green__children_fork_child(void);

#endif
