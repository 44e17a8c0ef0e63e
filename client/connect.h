/*
 * From the command line to a connection.
 */
#ifndef ECHOC_CONNECT_H
#define ECHOC_CONNECT_H

#include "options.h"

/**
 * Connect, trying again for as long as --wait says. Suspends.
 *
 * @return A connected socket, to be closed with green_close(); -1 after a failure that has been
 *         reported.
 */
int echoc_connect(const struct echoc_options *options);

#endif
