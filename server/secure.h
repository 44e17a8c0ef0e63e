/*
 * TLS: certificates, their keys and the keys of tickets, for all processes of echod.
 */
#ifndef SERVER_SECURE_H
#define SERVER_SECURE_H

#include <green.h>

#include "options.h"

struct green_tls_config;

/**
 * Look whether what the options say about TLS can be had: the files are read, and the certificates
 * tried.
 *
 * @param complaint  Set on failure: one line that names the file.
 * @return 0 or the exit code.
 */
int secure_check(const struct options *options, struct complaint *complaint);

/**
 * The same, and have it used by this process and those forked later. To be called before there are
 * any, and with the right to read the keys.
 */
int secure_open(const struct options *options, struct complaint *complaint);

/**
 * Have new certificates used from now on by all processes, for connections that begin; those that
 * stand keep what they have. On failure nothing changes.
 */
int secure_reload(const struct options *options, struct complaint *complaint);

/** Whether connections speak TLS. */
bool secure_wanted(void);

/** The configuration for the next connection; to be given to green_tls_config_put(). NULL when
 *  there is no memory for it. */
struct green_tls_config *secure_config(void);

/** When secure_heed() has something to do. */
green_deadline secure_deadline(void);

/** Make a new key for tickets when it is time; the process that the user started does that. */
void secure_heed(void);

#endif
