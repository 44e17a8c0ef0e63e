/*
 * Waits that nobody is left to end: all workers of the process wait for each other, and nothing
 * from outside can come.
 *
 * That is asked when a thread is about to sleep without end, and answered with yes only when it
 * must be so: no timer, no wait for the outside world and no request is under way, the process has
 * this thread alone, no handler of the program's could run in a signal, and no parent can cancel.
 */
#ifndef GREEN_SCHED_QUIET_H
#define GREEN_SCHED_QUIET_H

#include <signal.h>
#include <stdbool.h>

#include "sched/worker.h"

/**
 * A scheduler has nobody ready and no timer. If that is so for ever, report it and let the wait
 * that began last fail, daemons' and those excepted that cannot fail.
 *
 * @return Whether somebody is ready now.
 */
bool green__quiet_look(struct green__sched *sched);

/** The same for a thread's own worker that has no tasks; whether its wait is to fail. */
bool green__quiet_alone(struct green_job *self);

/** A signal's handler is the library's, and wakes nobody by itself. */
void green__quiet_own(int signo, void (*handler)(int signo, siginfo_t *info, void *context));

#endif
