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

#define PROCESSES_ROOTS_MAX 64

/** A server: the processes that hold its socket, and all that descend from them. */
struct server_mark {
    /** Those of them that descend from no other. */
    uint64_t roots[PROCESSES_ROOTS_MAX];
    size_t root_count;
};

/**
 * Look for the processes that hold a socket that listens at a port of TCP.
 *
 * It reads about every socket and descriptor of the machine: not while something is measured.
 *
 * @return Whether there is one, and /proc may be read.
 */
bool processes_find(uint64_t port, struct server_mark *ret_mark);

/**
 * Add up what all processes of a server have used so far.
 *
 * @param with_memory  Whether to look for their memory too, which takes much longer.
 * @return Whether one of them is there.
 */
bool processes_measure(const struct server_mark *mark, bool with_memory, struct usage *ret_usage);

#endif
