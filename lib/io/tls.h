/*
 * What the parts of TLS know of each other.
 */
#ifndef GREEN_IO_TLS_H
#define GREEN_IO_TLS_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "green/sync.h"
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

/** A stream: see tls.c. */
struct green_tls {
    SSL *ssl;
    struct green_tls_config *config;
    int fd;
    bool shut;    /**< Our side has ended. */
    int send_err; /**< Why nothing more can be sent; 0: it can. */
    size_t in_at; /**< How much of the view OpenSSL has taken. */
    struct green_view in;
    unsigned char *fresh;
    size_t fresh_length;
    size_t fresh_size;
    unsigned char *sending; /**< What was taken from `fresh`; NULL: nothing. */
    size_t sending_length;
    size_t sent;
    struct green_mutex flushing;
    enum green_tls_reason reason;
    char problem[128];
};

/** Have tickets of this context sealed by these keys. */
void green__tls_tickets_use(SSL_CTX *context, struct green_tls_tickets *tickets);

#endif
