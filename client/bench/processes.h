/*
 * The processes of a server on this machine, from /proc.
 */
#ifndef ECHOC_BENCH_PROCESSES_H
#define ECHOC_BENCH_PROCESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** What all processes of a server use together. */
struct usage {
    uint64_t processes;
    uint64_t pid; /**< The first of them that has no parent among them. */
    char name[64];
    double cpu_s;
    uint64_t resident_bytes;
    uint64_t switches_voluntary;
    uint64_t switches_involuntary;
};

/** How a server is recognised: one of them, the other 0. */
struct server_mark {
    uint64_t pid;  /**< A process of it. */
    uint64_t port; /**< Where it listens, TCP. */
};

/**
 * Add up all processes of a server: those that hold a socket that listens, and their children.
 *
 * @return Whether there is one, and /proc may be read.
 */
bool processes_measure(const struct server_mark *mark, struct usage *ret_usage);

#endif
