/*
 * The modes: what kind of worker serves a connection. A mode is one file and one row.
 */
#ifndef SERVER_MODE_H
#define SERVER_MODE_H

#include <stddef.h>
#include <stdint.h>

struct server;

struct mode {
    const char *name;
    const char *summary; /**< For --help. */
    uint64_t default_workers;
    uint64_t most_workers;
    /** Connections at once by default; 0: as many as descriptors allow. */
    uint64_t default_connections;
    /** Serve until told to end; returns echod's exit code. */
    int (*run)(struct server *server);
};

extern const struct mode mode_green;
extern const struct mode mode_thread;
extern const struct mode mode_prefork;

/** All modes, ended by NULL; the default first. */
extern const struct mode *const modes[];

#endif
