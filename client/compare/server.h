/*
 * Starting a server that is compared, and stopping it.
 */
#ifndef ECHOC_COMPARE_SERVER_H
#define ECHOC_COMPARE_SERVER_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "contender.h"
#include "keeper.h"
#include "placement.h"

/** More processes than this are not asked of a mode that has one for each connection. */
#define SERVER_PREFORK_MOST 2000

/** What all servers of a comparison have in common. */
struct server_setup {
    const char *echod; /**< The program. */
    uint64_t delay_ms;
    uint64_t burn_ms;
    const struct placement *placement;
    /** Told of each server, so that none outlives us. */
    const struct keeper *keeper;
    /** Set by a signal: nothing is worth waiting for any more. */
    const volatile sig_atomic_t *interrupted;
};

struct server;

/** Where echod is: beside this program, in the build tree, or in PATH. Writes its path. */
void server_find_echod(char *path, size_t size);

/**
 * Start a server and wait until it can be connected to. Suspends.
 *
 * @param connections  For how many it should have room.
 * @param problem      Receives why there is none, in one line.
 * @return NULL after a problem, or when it was interrupted: then the problem is empty.
 */
struct server *server_start(const struct contender *contender, const struct server_setup *setup,
                            uint64_t connections, char *problem, size_t size);

/** The port in digits. */
const char *server_port(const struct server *server);

/** Its command line. */
const char *server_command(const struct server *server);

/**
 * Whether it still runs; if not, how it ended and what it said last.
 */
bool server_runs(struct server *server, char *problem, size_t size);

/**
 * Send a message to it and look what comes back. Suspends.
 *
 * @param ret_echo  Set to whether it came back unchanged.
 * @return Whether an echo server is there.
 */
bool server_probe(struct server *server, bool *ret_echo, char *problem, size_t size);

/** Stop it, gently first, and free it. Suspends. NULL is taken. */
void server_stop(struct server *server);

#endif
