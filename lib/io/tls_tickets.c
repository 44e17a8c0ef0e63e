/*
 * Keys of session tickets: the newest seals, all open.
 *
 * Invariant: one process writes, any number read, none waits. The sequence is odd while the keys
 * change, and a reader who has seen it change looks again. All of it is atomic words in memory that
 * processes share, and that is not written to core files.
 */
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>
#include <sys/mman.h>

#include "io/tls.h"

/** The one that seals, and the one before it. */
#define KEYS 2

/** One key, as OpenSSL takes it apart. */
struct key {
    unsigned char name[16];
    unsigned char cipher[32];
    unsigned char mac[32];
};

enum { WORDS = sizeof(struct key) / sizeof(uint64_t) };

struct green_tls_tickets {
    _Atomic uint64_t sequence;
    _Atomic uint64_t words[KEYS][WORDS];
};

/** A consistent copy of the keys. */
static void
read_keys(const struct green_tls_tickets *tickets, struct key keys[KEYS])
{
    uint64_t copy[KEYS][WORDS];
    uint64_t before;
    do {
        before = atomic_load_explicit(&tickets->sequence, memory_order_acquire);
        for (size_t i = 0; i < KEYS; i++) {
            for (size_t j = 0; j < WORDS; j++) {
                copy[i][j] = atomic_load_explicit(&tickets->words[i][j], memory_order_acquire);
            }
        }
    } while (before % 2 != 0 ||
             before != atomic_load_explicit(&tickets->sequence, memory_order_acquire));
    memcpy(keys, copy, sizeof copy);
    OPENSSL_cleanse(copy, sizeof copy);
}

static void
write_keys(struct green_tls_tickets *tickets, const struct key keys[KEYS])
{
    uint64_t copy[KEYS][WORDS];
    uint64_t sequence = atomic_load_explicit(&tickets->sequence, memory_order_relaxed);
    memcpy(copy, keys, sizeof copy);
    atomic_store_explicit(&tickets->sequence, sequence + 1, memory_order_relaxed);
    for (size_t i = 0; i < KEYS; i++) {
        for (size_t j = 0; j < WORDS; j++) {
            atomic_store_explicit(&tickets->words[i][j], copy[i][j], memory_order_release);
        }
    }
    atomic_store_explicit(&tickets->sequence, sequence + 2, memory_order_release);
    OPENSSL_cleanse(copy, sizeof copy);
}

int
green_tls_tickets_rotate(struct green_tls_tickets *tickets)
{
    struct key keys[KEYS];
    read_keys(tickets, keys);
    keys[1] = keys[0];
    bool drawn = RAND_bytes((unsigned char *)&keys[0], sizeof keys[0]) == 1;
    if (drawn) {
        write_keys(tickets, keys);
    }
    OPENSSL_cleanse(keys, sizeof keys);
    return drawn ? 0 : -EIO;
}

int
green_tls_tickets_create(struct green_tls_tickets **ret_tickets)
{
    struct green_tls_tickets *tickets =
        mmap(NULL, sizeof *tickets, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (tickets == MAP_FAILED) {
        return -ENOMEM;
    }
    (void)madvise(tickets, sizeof *tickets, MADV_DONTDUMP);
    /* As for configurations: the first use decides whether the library is taken down at exit. */
    OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL);
    /* Twice, so that the key before the first is nobody's guess either. */
    int err = green_tls_tickets_rotate(tickets);
    err = err == 0 ? green_tls_tickets_rotate(tickets) : err;
    if (err != 0) {
        green_tls_tickets_destroy(tickets);
        return err;
    }
    *ret_tickets = tickets;
    return 0;
}

void
green_tls_tickets_destroy(struct green_tls_tickets *tickets)
{
    if (tickets != NULL) {
        munmap(tickets, sizeof *tickets);
    }
}

/* ---- for OpenSSL ---- */

/** Set both contexts up with a key; false when OpenSSL does not take it. */
static bool
prepare(const struct key *key, const unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
        bool seal)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key->mac, sizeof key->mac),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv, seal) == 1 &&
           EVP_MAC_CTX_set_params(mac, params) == 1;
}

static int
seal_ticket(const struct key *key, unsigned char name[16], unsigned char *iv,
            EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1 ||
        !prepare(key, iv, cipher, mac, true)) {
        return -1;
    }
    memcpy(name, key->name, sizeof key->name);
    return 1;
}

/** 1: opened; 2: opened, and to be renewed; 0: by no key of ours. */
static int
open_ticket(const struct key keys[KEYS], const unsigned char name[16], const unsigned char *iv,
            EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    for (size_t i = 0; i < KEYS; i++) {
        if (CRYPTO_memcmp(name, keys[i].name, sizeof keys[i].name) == 0) {
            return prepare(&keys[i], iv, cipher, mac, false) ? (i == 0 ? 1 : 2) : -1;
        }
    }
    return 0;
}

static int
on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
          EVP_MAC_CTX *mac, int seal)
{
    const struct green_tls_config *config = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct key keys[KEYS];
    read_keys(config->tickets, keys);
    int result = seal ? seal_ticket(&keys[0], name, iv, cipher, mac)
                      : open_ticket(keys, name, iv, cipher, mac);
    OPENSSL_cleanse(keys, sizeof keys);
    return result;
}

void
green__tls_tickets_use(SSL_CTX *context, struct green_tls_tickets *tickets)
{
    /* Sessions are kept by clients alone, so that it does not matter which process they meet. */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (tickets == NULL) {
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(context, 0);
        return;
    }
    SSL_CTX_set_timeout(context, 7200);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket);
}
