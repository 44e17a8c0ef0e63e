/*
 * Which system calls echod leaves itself, where it was told to (--seccomp).
 */
#ifndef SERVER_FILTER_H
#define SERVER_FILTER_H

#include <stdbool.h>

/**
 * From now on this process and all that come from it, a program that takes over included, have only
 * the system calls that echod has a use for; another one fails with EPERM.
 *
 * @param wanted  Whether that was asked for; else nothing happens.
 * @return 0, or the exit code, one line having said what went wrong.
 */
int filter_start(bool wanted);

/** Whether filter_start() has done so here, or in a process that this one came from. */
bool filter_holds(void);

/** Where it holds: take from this process, which serves others, what only its parent has a use for:
 *  running programs, making processes, opening and removing what others reach. */
void filter_tighten(void);

#endif
