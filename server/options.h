/*
 * What echod was asked for.
 */
#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log.h"
#include "upper.h"

#define HOSTS_MAX 16

/** The options. Times are in milliseconds, sizes in bytes. Texts are the command line's. */
struct options {
    const struct mode *mode;
    const char *hosts[HOSTS_MAX];
    size_t host_count;
    uint64_t port;
    bool port_given;
    const char *unix_path;
    uint64_t workers; /**< 0 on the command line's side only: the mode's own. */
    uint64_t max_workers;
    uint64_t max_connections; /**< 0 likewise. */
    uint64_t backlog;
    uint64_t stack_size;
    const struct service *service;
    enum encoding encoding;
    uint64_t delay_ms;
    uint64_t burn_ms;
    uint64_t idle_timeout_ms;
    uint64_t write_timeout_ms;
    uint64_t drain_timeout_ms;
    const char *pidfile;
    enum log_format log_format;
    enum log_level log_level;
};

/**
 * Read the command line. Does not return when it was wrong, after one line that says how (exit code
 * 2), or when it asked for --help or --version (exit code 0).
 */
void options_parse(struct options *options, int argc, char **argv);

#endif
