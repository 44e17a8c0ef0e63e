/*
 * The dump of another process of echod: what its tasks and threads do, as text.
 *
 * Whoever wants it asks by SIGQUIT, which a thread of its own takes in each process that serves, or
 * its handler; this is how that learns that the dump is not for standard error this time.
 */
#ifndef SERVER_TASKS_H
#define SERVER_TASKS_H

#include <stddef.h>
#include <sys/types.h>

/** More of a process' dump is left out. */
#define TASKS_MAX ((size_t)256 * 1024)

/** Make what the processes share, before there is any worker; 0 or a negative errno. */
int tasks_share(void);

/** In a process that got SIGQUIT: the descriptor that its dump is wanted in; -1: as ever. */
int tasks_where(void);

/**
 * Have a process dump, and read it.
 *
 * Suspends, for a moment at most: a process that is stopped does not answer. One caller at a time.
 *
 * @param text  Filled with the dump, ended by NUL.
 * @return Its length, or
 *         -ETIMEDOUT  there is none, or not the whole of it,
 *         -ESRCH      there is no such process.
 */
ssize_t tasks_read(pid_t pid, char text[TASKS_MAX]);

#endif
