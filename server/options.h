/*
 * What echod was asked for: by the command line, the environment and a configuration file.
 */
#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log.h"
#include "network.h"
#include "upper.h"

#define HOSTS_MAX 16
#define FILES_MAX 16

struct options_text;

/** How several workers come by the connections of a listener. */
enum sharing {
    SHARING_ONE,  /**< All accept from one socket. */
    SHARING_EACH, /**< Each has a socket of its own, between which the kernel chooses. */
};

/** Paths of files. */
struct files {
    const char *paths[FILES_MAX];
    size_t count;
    unsigned source; /**< As options.source. */
};

/** Whether clients need a certificate, where there is a CA that theirs may be from. */
enum tls_verify { TLS_REQUIRED, TLS_OPTIONAL };

/** The options. Times are in milliseconds, sizes in bytes. Texts live as long as the options. */
struct options {
    const struct mode *mode;
    const char *hosts[HOSTS_MAX];
    size_t host_count;
    uint64_t port;
    const char *unix_path;
    uint64_t workers; /**< 0 on the user's side only: the mode's own. */
    uint64_t max_workers;
    uint64_t max_connections; /**< 0 likewise. */
    uint64_t backlog;
    uint64_t stack_size;
    const struct service *service;
    uint64_t delay_ms;
    uint64_t burn_ms;
    uint64_t idle_timeout_ms;
    uint64_t hibernate_ms; /**< 0: never. */
    uint64_t write_timeout_ms;
    struct networks trusted; /**< Who may send PROXY headers. */
    uint64_t header_timeout_ms;
    uint64_t max_per_address;   /**< 0: no limit, as in the next four. */
    uint64_t rate_per_address;  /**< Connections a second. */
    uint64_t burst_per_address; /**< 0: as the rate. */
    uint64_t max_bytes;
    uint64_t max_lifetime_ms;
    uint64_t address_table; /**< Addresses that there is room for. */
    struct files tls_certs; /**< None: connections are plain. */
    struct files tls_keys;  /**< As many, or none: then each is with its certificate. */
    const char *tls_ca;     /**< NULL: clients show no certificate. */
    uint64_t tls_rotation_ms;
    uint64_t drain_timeout_ms;
    uint64_t upgrade_timeout_ms;
    uint64_t worker_timeout_ms;
    const char *pidfile;
    const char *user; /**< Whom to become; NULL: nobody else. */
    const char *group;
    const char *admin; /**< "ADDR:PORT" or "unix:PATH"; NULL: none. */
    uint64_t drain_delay_ms;
    const char *config;         /**< The file; NULL: none. */
    const char *log;            /**< "stderr", "journal" or a file; NULL: stderr. */
    const char *access_log;     /**< "off", "-" or a file; NULL: off. */
    struct options_text *texts; /**< What the texts above are kept in. */
    /** Defaults, file, environment, command line: 0 to 3. A list is of the last that has named it.
     */
    unsigned source;
    unsigned hosts_source;
    unsigned trusted_source;
    enum sharing sharing;
    enum encoding encoding;
    enum tls_verify tls_verify;
    enum log_format log_format;
    enum log_level log_level;
    bool port_given;
    bool proxy_protocol;
    bool tls_offload;
    bool seccomp;
    bool admin_insecure;
    bool admin_actions;
    bool check_config;
};

/** One line that says what is wrong, and the exit code that goes with it. */
struct complaint {
    char text[512];
    int code;
};

/**
 * Gather the options: defaults, then the file, then the environment (ECHOD_PORT for --port), then
 * the command line; what comes later wins.
 *
 * @param ret_options  Set on success only; to be given to options_free().
 * @param complaint    Set on failure.
 * @return 0, or the exit code: 2 for what the user got wrong, 1 for a file that cannot be read.
 *         --help and --version end the process with 0.
 */
int options_load(struct options *ret_options, int argc, char **argv, struct complaint *complaint);

void options_free(struct options *options);

/** Write a line to the log for each option that differs and that a running server can take over,
 *  or cannot, and which. */
void options_log_changes(const struct options *before, const struct options *after);

/** Let the options that a running server can take over be those of `after`. */
void options_adopt_live(struct options *options, const struct options *after);

#endif
