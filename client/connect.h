/*
 * From the command line to a connection.
 */
#ifndef ECHOC_CONNECT_H
#define ECHOC_CONNECT_H

#include "options.h"
#include "channel.h"

/**
 * Connect, trying again for as long as --wait says, and shake hands if TLS is wanted. Suspends.
 *
 * @param config       Of echoc_tls_prepare().
 * @param ret_channel  Set on success; to be closed with channel_close().
 * @return ECHOC_OK, or ECHOC_FAILED after a failure that has been reported.
 */
int echoc_connect(const struct echoc_options *options, struct green_tls_config *config,
                  struct channel *ret_channel);

#endif
