/*
 * What the parts of TLS know of each other.
 */
#ifndef GREEN_IO_TLS_H
#define GREEN_IO_TLS_H

#include <linux/tls.h>
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
    bool offload;
    struct green_tls_tickets *tickets;
    size_t context_count;
    SSL_CTX *contexts[GREEN__TLS_CONTEXTS_MAX];
};

/** What the keys of our direction are made from. */
struct green__tls_secret {
    size_t length;
    unsigned char bytes[48];
};

/** What the kernel is told of a direction. */
union green__tls_seal {
    struct tls_crypto_info info;
    struct tls12_crypto_info_aes_gcm_256 largest;
    unsigned char bytes[sizeof(struct tls12_crypto_info_aes_gcm_256)];
};

/** Of a stream that the kernel may send for: see tls_kernel.c. */
struct green__tls_kernel {
    bool begun;      /**< It was asked. */
    bool taken;      /**< It does. */
    uint64_t number; /**< Of its first record. */
    uint64_t plain;  /**< Bytes that it was given since. */
    int64_t given;   /**< Bytes that the connection was given before. */
    struct green__tls_secret secret;
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
    struct green__tls_kernel kernel;
    enum green_tls_reason reason;
    char problem[128];
};

/** Have tickets of this context sealed by these keys. */
void green__tls_tickets_use(SSL_CTX *context, struct green_tls_tickets *tickets);

/** Send what OpenSSL has written. */
int green__tls_flush(struct green_tls *tls);

/* ---- the kernel ---- */

/** Have what the kernel needs to take over told by connections of this context. */
void green__tls_kernel_use(SSL_CTX *context);

/** The handshake is done: let the kernel take over if it can. May be called again when cut short.
 */
int green__tls_kernel_begin(struct green_tls *tls);

int green__tls_kernel_sendall(struct green_tls *tls, const void *buf, size_t len);

/** Say that nothing more comes, and see that all is on its way. */
int green__tls_kernel_end(struct green_tls *tls);

/** What the kernel is to be told, and its size in bytes; 0: it does not know the cipher. */
size_t green__tls_kernel_seal(unsigned long suite, const struct green__tls_secret *secret,
                              uint64_t number, union green__tls_seal *ret_seal);

#endif
