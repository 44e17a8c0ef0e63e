/*
 * What echoc says on standard error, and the exit codes that go with it.
 */
#ifndef ECHOC_REPORT_H
#define ECHOC_REPORT_H

#include <stdbool.h>
#include <stdint.h>

enum {
    ECHOC_OK = 0,
    ECHOC_FAILED = 1, /**< The connection or the protocol failed. */
    ECHOC_USAGE = 2,  /**< The command line makes no sense. */
};

/** Say on one line what went wrong; returns ECHOC_FAILED. */
int echoc_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Say on one line what is wrong with the command line, and where help is; returns ECHOC_USAGE. */
int echoc_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** The same for a subcommand, which has help of its own. */
int echoc_usage_of(const char *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** What went over a connection. */
struct echoc_traffic {
    uint64_t sent;
    uint64_t received;
    /** Our side was shut down: the server may end the stream now. */
    bool half_closed;
    /** 0, or the negative errno that ended the sending. */
    int send_error;
};

/**
 * Judge how a connection ended, and say so when it was not in order.
 *
 * @param err  0 when the stream of replies ended, else the negative errno that ended it.
 * @return ECHOC_OK only for an end of the stream after our own.
 */
int echoc_report_end(const struct echoc_traffic *traffic, int err);

#endif
