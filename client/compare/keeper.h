/*
 * Who ends the server when this program can not.
 */
#ifndef ECHOC_COMPARE_KEEPER_H
#define ECHOC_COMPARE_KEEPER_H

#include <sys/types.h>

struct green_job;

struct keeper {
    struct green_job *job;
    int fd;
};

/**
 * Start it: a process that waits for the end of this one, however it comes.
 *
 * @return 0, or a negative errno; keeper_stop() takes it in both cases.
 */
int keeper_start(struct keeper *keeper);

/** From now on it ends this process group when we are gone; 0: none. Never suspends. */
void keeper_watch(const struct keeper *keeper, pid_t group);

/** Send it away; what it watches is left alone. Suspends. */
void keeper_stop(struct keeper *keeper);

#endif
