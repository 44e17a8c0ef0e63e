/*
 * The header that a proxy puts before a connection's bytes: for whom it connects.
 */
#ifndef SERVER_PROXY_H
#define SERVER_PROXY_H

#include <netinet/in.h>
#include <stddef.h>

/** The longest header that is taken, in bytes. */
#define PROXY_MAX 4096

/** The longest of version 1, with its end of line. */
#define PROXY_LINE_MAX 107

enum proxy_verdict {
    PROXY_MORE,      /**< So far it is the beginning of a header. */
    PROXY_WHOLE,     /**< The header is whole; what comes after it is the client's. */
    PROXY_MALFORMED, /**< It is none, whatever comes. */
    PROXY_TOO_LONG,  /**< It is one that is longer than we take. */
};

/** For whom. */
enum proxy_client {
    PROXY_CLIENT_NONE, /**< For the proxy itself: a health check. */
    PROXY_CLIENT_IP,   /**< For a client with this address. */
    PROXY_CLIENT_UNIX, /**< For one that came over a UNIX socket. */
};

struct proxy_header {
    size_t length; /**< In bytes. */
    enum proxy_client client;
    struct sockaddr_in6 address; /**< PROXY_CLIENT_IP: this, or a sockaddr_in at its beginning. */
};

/**
 * Look at the first bytes of a connection. Pure: the same bytes have the same verdict, and what is
 * whole or malformed stays so whatever comes after it.
 *
 * Source: "The PROXY protocol, versions 1 & 2", HAProxy.
 *
 * @param length      How many there are; one at least.
 * @param ret_header  Set with PROXY_WHOLE only.
 */
enum proxy_verdict proxy_parse(const unsigned char *bytes, size_t length,
                               struct proxy_header *ret_header);

#endif
