/*
 * Connections to the server, plain or inside TLS.
 */
#ifndef ECHOC_CHANNEL_H
#define ECHOC_CHANNEL_H

#include "green.h"
#include "tls_options.h"

/**
 * Read the files and make what connections need.
 *
 * @param ret_config  Set to NULL when TLS is not wanted; else to be given to
 *                    echoc_tls_config_put().
 * @return ECHOC_OK or ECHOC_FAILED; what is wrong has been reported.
 */
int echoc_tls_prepare(const struct echoc_tls *tls, struct green_tls_config **ret_config);

void echoc_tls_config_put(struct green_tls_config *config);

/** A connection to the server, plain or inside TLS. */
struct channel {
    int fd; /**< -1: there is none. */
    struct green_tls *tls;
};

/**
 * Begin a channel on a connected socket, which becomes the channel's also when that fails.
 *
 * @param config   NULL: plain.
 * @param host     Whom to ask for, unless tls->name says otherwise.
 * @param problem  On failure receives what TLS says, or "". May be NULL.
 * @return 0 or a negative errno value; the socket is then closed.
 */
int channel_begin(struct channel *channel, int fd, struct green_tls_config *config,
                  const struct echoc_tls *tls, const char *host, char *problem, size_t size);

/** As green_recv(); flags are 0 or MSG_DONTWAIT. */
ssize_t channel_recv(const struct channel *channel, void *buf, size_t len, int flags);

/** As green_recv_view(). */
ssize_t channel_recv_view(const struct channel *channel, struct green_view *ret_view);

/** As green_send(); inside TLS without flags. */
ssize_t channel_send(const struct channel *channel, const void *buf, size_t len, int flags);

/** As green_sendall(). */
int channel_sendall(const struct channel *channel, const void *buf, size_t len);

/** End our side. */
int channel_finish(const struct channel *channel);

/** Close it, whatever state it is in. */
void channel_close(struct channel *channel);

#endif
