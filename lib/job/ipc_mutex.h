/*
 * What a condition between processes needs of its mutex.
 */
#ifndef GREEN_JOB_IPC_MUTEX_H
#define GREEN_JOB_IPC_MUTEX_H

struct green_ipc_mutex;

/** Unlock a mutex that the caller holds, wholly; its depth for green__ipc_mutex_relock(). */
unsigned green__ipc_mutex_release(struct green_ipc_mutex *mutex);

/** Lock it again as deeply, whatever deadlines and cancellations there are; 0 or -EOWNERDEAD. */
int green__ipc_mutex_relock(struct green_ipc_mutex *mutex, unsigned depth);

#endif
