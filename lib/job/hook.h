/*
 * Hooks at the end of jobs of any kind, and waiting for several things that have hooks.
 */
#ifndef GREEN_JOB_HOOK_H
#define GREEN_JOB_HOOK_H

#include <stdbool.h>
#include <stddef.h>

#include "sched/worker.h"

/** A value from here to -1 is an error by convention, as in the kernel. */
#define GREEN__ERROR_MIN (-4095)

static inline bool
green__is_error(intptr_t value)
{
    return value >= GREEN__ERROR_MIN && value < 0;
}

/**
 * Have a hook called when the job ends.
 *
 * @return 1 when it will be; 0 when the job has ended, or is about to, and it will not be; -ECHILD
 *         or an error of a thread's spawn when nobody would notice the end of a process.
 */
int green__job_hook(struct green_job *job, struct green__hook *hook);

/** What an ended job, or one that calls its hooks, ended with: 0 or -EOWNERDEAD. */
static inline int
green__job_error(const struct green_job *job)
{
    return job->lost ? -EOWNERDEAD : 0;
}

/** A task that is to join a process, on a thread of the library's, so that its hooks are called. */
struct green__visit;

/** Have one; 0, -ENOMEM or an error of a thread's spawn. */
int green__attend_reserve(struct green__visit **ret_visit);

/** Let it go about a process, or about nobody when that is NULL. It is the task's from then on. */
void green__attend_use(struct green__visit *visit, struct green_job *process);

/**
 * As green__job_hook(), which then does not fail, of a job of this process's own.
 *
 * @param visit  Reserved, of a process; else NULL. It is used, or dropped, in any case.
 */
bool green__job_hook_attended(struct green_job *job, struct green__hook *hook,
                              struct green__visit *visit);

/* ---- several at once ---- */

/** How to get at what is waited for. */
struct green__sources {
    /** As green__job_hook(). */
    int (*hook)(void *source, struct green__hook *hook);
    /** False when it was taken to be called already. */
    bool (*unhook)(void *source, struct green__hook *hook);
    /** Of one that has ended: whether with an error. */
    bool (*failed)(void *source);
    const char *what; /**< In words, for people. */
};

enum green__until {
    GREEN__UNTIL_FIRST,
    GREEN__UNTIL_ALL,
    GREEN__UNTIL_ERROR, /**< The first error, or all. */
};

/**
 * Wait until the first, or all, or one with an error has ended. NULL entries are passed over.
 *
 * @param ret_index  Set on success to the one that ended first, or failed first; to `count` when
 * all have ended and there was no such. May be NULL.
 * @return 0, -ETIMEDOUT, -ECANCELED, -ENOMEM, or an error of the hook function.
 */
int green__gather(void *const *sources, size_t count, const struct green__sources *how,
                  enum green__until until, size_t *ret_index, green_deadline deadline);

#endif
