/*
 * Where lines go: a descriptor that is there already, the journal, or a file that is opened anew
 * when it was rotated away.
 */
#ifndef SERVER_SINK_H
#define SERVER_SINK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "settings.h"

struct sink {
    const char *path;  /**< Of a file; NULL: there is nothing to open again. */
    int fd;            /**< -1: lines are dropped. */
    enum setting told; /**< The last round in which somebody said that it cannot be opened again. */
    _Atomic uint64_t round;
};

/** A file, to be appended to; made if need be. 0 or a negative errno, the sink being as it was. */
int sink_open_file(struct sink *sink, const char *path);

/** The journal, under echod's name; 0 or a negative errno likewise. */
int sink_open_journal(struct sink *sink);

/**
 * Open a file anew, if that is due, and not only when the next line is written.
 *
 * Where it cannot be opened the old one goes on, and the first of all processes to find out says
 * so.
 *
 * @return Whether lines go where they should.
 */
bool sink_refresh(struct sink *sink);

/** Write a line, newline included, in one call, so that lines of several processes do not mix. */
void sink_write(struct sink *sink, const char *line, size_t length);

#endif
