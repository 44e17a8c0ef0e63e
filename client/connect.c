/*
 * Connecting, with patience for a server that is just starting.
 *
 * Invariant: only what a start can cure is tried again: a refused connection, a name or a socket
 * file that is not there yet. For main.c, from the main stack.
 */
#include "connect.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "green.h"
#include "report.h"

#define RETRY_FIRST_MS 50
#define RETRY_MAX_MS   500

static int
try_connect(const struct echoc_options *options)
{
    if (options->unix_path == NULL) {
        return green_connect_host(options->host, options->port);
    }
    struct green_address address;
    int err = green_address_unix(options->unix_path, &address);
    return err != 0 ? err : green_connect_address(&address);
}

/* -EAGAIN: the name server does not answer, or the UNIX socket's backlog is full. */
static bool
may_pass(int err)
{
    return err == -ECONNREFUSED || err == -ENOENT || err == -EAGAIN;
}

static int
report_unix(const struct echoc_options *options, int err)
{
    const char *hint = "";
    if (err == -ECONNREFUSED || err == -ENOENT) {
        hint = options->wait_ms == 0 ? " (is echod running? --wait 5 waits for it)"
                                     : " (is echod running with this --unix?)";
    }
    return echoc_fail("cannot connect to --unix %s: %s%s", options->unix_path, green_strerror(err),
                      hint);
}

static int
report_host(const struct echoc_options *options, int err)
{
    if (err == -ENOENT || err == -EAGAIN) {
        return echoc_fail("cannot resolve host %s: %s (a host is a name or an address, such as "
                          "localhost or 127.0.0.1)",
                          options->host,
                          err == -ENOENT ? "there is no such name"
                                         : "the name server does not answer");
    }
    bool colon = strchr(options->host, ':') != NULL;
    const char *hint = "";
    if (err == -ECONNREFUSED) {
        hint = options->wait_ms == 0 ? " (is echod running? --wait 5 waits for it)"
                                     : " (is echod running there?)";
    }
    return echoc_fail("cannot connect to %s%s%s:%s: %s%s", colon ? "[" : "", options->host,
                      colon ? "]" : "", options->port, green_strerror(err), hint);
}

/** Begin the channel, and say what TLS says if that fails. */
static int
begin(const struct echoc_options *options, int fd, struct green_tls_config *config,
      struct channel *ret_channel)
{
    char problem[160];
    const char *host = options->unix_path != NULL ? "localhost" : options->host;
    int err = channel_begin(ret_channel, fd, config, &options->tls, host, problem, sizeof problem);
    if (err == 0) {
        return ECHOC_OK;
    }
    return echoc_fail("TLS with %s failed: %s", host,
                      err == -ECONNABORTED ? "the server closed the connection"
                      : problem[0] == '\0' ? green_strerror(err)
                                           : problem);
}

int
echoc_connect(const struct echoc_options *options, struct green_tls_config *config,
              struct channel *ret_channel)
{
    green_deadline deadline = green_after(options->wait_ms);
    uint64_t pause_ms = RETRY_FIRST_MS;
    int fd;
    while ((fd = try_connect(options)) < 0) {
        if (!may_pass(fd) || green_after(0) >= deadline) {
            break;
        }
        /* The last pause ends with the wait, so that the last attempt is made at its end. */
        if (green_after(pause_ms) > deadline) {
            pause_ms = (deadline - green_after(0)) / 1000000 + 1;
        }
        int err = green_sleep(pause_ms);
        if (err != 0) {
            fd = err;
            break;
        }
        pause_ms = pause_ms * 2 < RETRY_MAX_MS ? pause_ms * 2 : RETRY_MAX_MS;
    }
    if (fd < 0) {
        (void)(options->unix_path != NULL ? report_unix(options, fd) : report_host(options, fd));
        return ECHOC_FAILED;
    }
    return begin(options, fd, config, ret_channel);
}
