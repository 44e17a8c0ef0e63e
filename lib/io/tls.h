/*
 * What the parts of TLS know of each other.
 */
#ifndef GREEN_IO_TLS_H
#define GREEN_IO_TLS_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "green/tls.h"

/** At most so many contexts, one for each name. */
#define GREEN__TLS_CONTEXTS_MAX 64

struct green_tls_config {
    atomic_uint users;
    bool server;
    enum green_tls_verify verify;
    struct green_tls_tickets *tickets;
    size_t context_count;
    SSL_CTX *contexts[GREEN__TLS_CONTEXTS_MAX];
};

/** Have tickets of this context sealed by these keys. */
void green__tls_tickets_use(SSL_CTX *context, struct green_tls_tickets *tickets);

#endif
