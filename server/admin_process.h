/*
 * What /proc says of a process.
 */
#ifndef SERVER_ADMIN_PROCESS_H
#define SERVER_ADMIN_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

struct admin_process {
    double own_seconds;      /**< Processor time. */
    double children_seconds; /**< The same of its children that have ended and been waited for. */
    unsigned threads;
    uint64_t virtual_bytes;
    uint64_t resident_bytes;
};

/** Read it; false, with zeros, when the process has gone. */
bool admin_process_read(int pid, struct admin_process *ret_process);

/** How many descriptors it has open; -1 when it has gone, or does not show them. */
int64_t admin_process_fds(int pid);

/** Its resident memory in bytes; 0 when it has gone. */
uint64_t admin_process_memory(int pid);

#endif
