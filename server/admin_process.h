/*
 * What /proc says of a process that serves.
 */
#ifndef SERVER_ADMIN_PROCESS_H
#define SERVER_ADMIN_PROCESS_H

#include <stdint.h>

/** Its resident memory in bytes; 0 when it has gone. */
uint64_t admin_process_memory(int pid);

/** Its processor time in seconds; 0 when it has gone. */
double admin_process_seconds(int pid);

#endif
