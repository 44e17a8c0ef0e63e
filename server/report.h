/*
 * What is said of the connections that did not come to their end.
 */
#ifndef SERVER_REPORT_H
#define SERVER_REPORT_H

#include <stdbool.h>
#include <stdint.h>

/** How a server's connections came to an end. */
struct ending_report {
    unsigned cut;   /**< Connections that were cut off. */
    bool timed_out; /**< The drain took too long; else it was told to end at once. */
};

/** Say how many were cut off, if any, and return echod's exit code. */
int report_ending(struct ending_report ending, uint64_t drain_timeout_ms);

#endif
