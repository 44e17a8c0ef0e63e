/*
 * Descriptors of processes.
 */
#ifndef GREEN_SCHED_PIDFD_H
#define GREEN_SCHED_PIDFD_H

#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "context/context.h"

/** A descriptor of a process, closed by exec; -1 with errno. */
static inline int
green__pidfd_open(pid_t pid)
{
    return green__context_descriptor((int)syscall(SYS_pidfd_open, pid, 0));
}

#endif
