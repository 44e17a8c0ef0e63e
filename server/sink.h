/*
 * Where lines go: a descriptor that is there already, the journal, or a file that is opened anew
 * when it was rotated away.
 */
#ifndef SERVER_SINK_H
#define SERVER_SINK_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct sink {
    const char *path; /**< Of a file; NULL: there is nothing to open again. */
    int fd;           /**< -1: lines are dropped. */
    _Atomic uint64_t round;
};

/** What is written where no place was chosen. */
#define SINK_STDERR \
    {               \
        NULL, 2, 0  \
    }

/** A file, to be appended to; made if need be. 0 or a negative errno, the sink being as it was. */
int sink_open_file(struct sink *sink, const char *path);

/** The journal, under echod's name; 0 or a negative errno likewise. */
int sink_open_journal(struct sink *sink);

/** Write a line, newline included, in one call, so that lines of several processes do not mix. */
void sink_write(struct sink *sink, const char *line, size_t length);

#endif
