/*
 * Configurations of TLS: what both sides will agree to, whom to trust, which certificate for which
 * name.
 *
 * Invariant: a configuration does not change once it is made, so that any thread may use it. There
 * is one context for each name of a server; the first is also for names that nobody has.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "io/tls.h"

/** Forward secrecy and authenticated encryption, which is all that TLS 1.3 has. */
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"
#define GROUPS  "X25519:P-256:P-384"

/** What a configuration is being made from. */
struct making {
    const struct green_tls_options *options;
    struct green_tls_config *config;
    char *why;
    size_t why_size;
};

/** Say what is wrong, with OpenSSL's own words where it has some; returns -EINVAL. */
static int
complain(const struct making *making, const char *name, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
    snprintf(making->why, making->why_size, "%s: %s%s%s%s", name, what, reason == NULL ? "" : " (",
             reason == NULL ? "" : reason, reason == NULL ? "" : ")");
    ERR_clear_error();
    return -EINVAL;
}

static BIO *
open_text(const struct green_tls_text *text)
{
    return BIO_new_mem_buf(text->data, (int)text->length);
}

/** Who would have to type a passphrase is not asked. */
static int
no_passphrase(char *buffer, int size, int writing, void *arg)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

/** The end of the text, and not a block that is damaged. */
static bool
at_end(void)
{
    unsigned long code = ERR_peek_last_error();
    bool end = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
    if (end) {
        ERR_clear_error();
    }
    return end;
}

/* ---- one certificate ---- */

/** The certificates of a text, the first apart; NULL when there is none or one is damaged. */
static X509 *
read_chain(const struct green_tls_text *text, STACK_OF(X509) * others)
{
    BIO *bio = open_text(text);
    X509 *first = bio == NULL ? NULL : PEM_read_bio_X509_AUX(bio, NULL, no_passphrase, NULL);
    X509 *next;
    while (first != NULL && (next = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL) {
        if (sk_X509_push(others, next) <= 0) {
            X509_free(next);
            break;
        }
    }
    BIO_free(bio);
    if (first != NULL && !at_end()) {
        X509_free(first);
        first = NULL;
    }
    return first;
}

static EVP_PKEY *
read_key(const struct green_tls_text *text)
{
    BIO *bio = open_text(text);
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    return key;
}

/** Give a context a certificate and its key. */
static int
use_identity(const struct making *making, SSL_CTX *context,
             const struct green_tls_identity *identity)
{
    STACK_OF(X509) *others = sk_X509_new_null();
    ERR_clear_error();
    X509 *certificate = others == NULL ? NULL : read_chain(&identity->certificate, others);
    EVP_PKEY *key = NULL;
    int err = 0;
    if (certificate == NULL) {
        err = complain(making, identity->name, "there is no certificate in it, or a damaged one");
    } else if ((key = read_key(&identity->key)) == NULL) {
        err = complain(making, identity->name, "its key cannot be read");
    } else if (X509_check_private_key(certificate, key) != 1) {
        err = complain(making, identity->name, "the key is another certificate's");
    } else if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0) {
        err = complain(making, identity->name, "the certificate has expired");
    } else if (SSL_CTX_use_cert_and_key(context, certificate, key, others, 1) != 1) {
        err = complain(making, identity->name, "the certificate cannot be used");
    }
    EVP_PKEY_free(key);
    X509_free(certificate);
    sk_X509_pop_free(others, X509_free);
    return err;
}

/* ---- whom to trust ---- */

/** Tell clients which authorities their certificate may be from. */
static void
announce_authority(SSL_CTX *context, X509 *certificate)
{
    X509_NAME *name = X509_NAME_dup(X509_get_subject_name(certificate));
    STACK_OF(X509_NAME) *names = SSL_CTX_get_client_CA_list(context);
    if (names == NULL) {
        names = sk_X509_NAME_new_null();
        SSL_CTX_set_client_CA_list(context, names);
    }
    if (name == NULL || names == NULL || sk_X509_NAME_push(names, name) <= 0) {
        X509_NAME_free(name);
    }
}

static int
trust(const struct making *making, SSL_CTX *context)
{
    const struct green_tls_text *text = &making->options->authorities;
    if (text->length == 0) {
        if (!making->options->server && making->options->verify != GREEN_TLS_VERIFY_NONE) {
            SSL_CTX_set_default_verify_paths(context);
        }
        return 0;
    }
    BIO *bio = open_text(text);
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    size_t count = 0;
    X509 *certificate;
    ERR_clear_error();
    while (bio != NULL &&
           (certificate = PEM_read_bio_X509_AUX(bio, NULL, no_passphrase, NULL)) != NULL) {
        X509_STORE_add_cert(store, certificate);
        if (making->options->server) {
            announce_authority(context, certificate);
        }
        X509_free(certificate);
        count++;
    }
    BIO_free(bio);
    return count > 0 && at_end() ? 0
                                 : complain(making, "the authorities",
                                            "there is no certificate among them, or a damaged one");
}

static void
verify(const struct green_tls_options *options, SSL_CTX *context)
{
    unsigned char digest[32] = {0};
    if (options->verify != GREEN_TLS_VERIFY_NONE) {
        bool required = options->server && options->verify == GREEN_TLS_VERIFY_REQUIRED;
        SSL_CTX_set_verify(
            context, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
    }
    /* A session is resumed without its certificate's being looked at again, so it must not outlive
     * the authorities that it was verified with. */
    if (options->authorities.length > 0) {
        EVP_Digest(options->authorities.data, options->authorities.length, digest, NULL,
                   EVP_sha256(), NULL);
    }
    digest[0] ^= (unsigned char)options->verify;
    SSL_CTX_set_session_id_context(context, digest, sizeof digest);
}

/* ---- contexts ---- */

static int
make_context(const struct making *making, SSL_CTX **ret_context)
{
    const struct green_tls_options *options = making->options;
    SSL_CTX *context = SSL_CTX_new(options->server ? TLS_server_method() : TLS_client_method());
    if (context == NULL) {
        return -ENOMEM;
    }
    SSL_CTX_set_app_data(context, making->config);
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    /* What idles keeps no buffers; a write is never cut, since it ends in memory. */
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    int err = 0;
    if (SSL_CTX_set_cipher_list(context, CIPHERS) != 1 ||
        SSL_CTX_set1_groups_list(context, GROUPS) != 1) {
        err = complain(making, "OpenSSL", "it lacks the ciphers that are wanted");
    }
    if (err == 0) {
        err = trust(making, context);
    }
    if (err != 0) {
        SSL_CTX_free(context);
        return err;
    }
    verify(options, context);
    green__tls_tickets_use(context, options->server ? options->tickets : NULL);
    if (options->offload) {
        green__tls_kernel_use(context);
    }
    *ret_context = context;
    return 0;
}

/** Whether the certificate of a context is good for a name. */
static bool
fits(SSL_CTX *context, const char *name, unsigned flags)
{
    X509 *certificate = SSL_CTX_get0_certificate(context);
    return certificate != NULL && X509_check_host(certificate, name, 0, flags, NULL) == 1;
}

/** Choose by name: one that names it outright is better than one with a wildcard. */
static SSL_CTX *
choose(const struct green_tls_config *config, const char *name)
{
    static const unsigned flags[] = {X509_CHECK_FLAG_NO_WILDCARDS, 0};
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < config->context_count; i++) {
            if (fits(config->contexts[i], name, flags[round])) {
                return config->contexts[i];
            }
        }
    }
    return config->contexts[0];
}

static int
on_server_name(SSL *ssl, int *alert, void *arg)
{
    const struct green_tls_config *config = arg;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    (void)alert;
    if (name == NULL || config->context_count == 1) {
        return SSL_TLSEXT_ERR_OK;
    }
    SSL_CTX *chosen = choose(config, name);
    return chosen == SSL_get_SSL_CTX(ssl) || SSL_set_SSL_CTX(ssl, chosen) != NULL
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/** Whether two certificates are for the same name, with keys of different types. */
static bool
are_pair(SSL_CTX *a, SSL_CTX *b)
{
    X509 *left = SSL_CTX_get0_certificate(a);
    X509 *right = SSL_CTX_get0_certificate(b);
    int types[] = {EVP_PKEY_get_base_id(X509_get0_pubkey(left)),
                   EVP_PKEY_get_base_id(X509_get0_pubkey(right))};
    GENERAL_NAMES *names[] = {X509_get_ext_d2i(left, NID_subject_alt_name, NULL, NULL),
                              X509_get_ext_d2i(right, NID_subject_alt_name, NULL, NULL)};
    bool same = types[0] != types[1];
    if (names[0] == NULL || names[1] == NULL) {
        same = same && names[0] == names[1] &&
               X509_NAME_cmp(X509_get_subject_name(left), X509_get_subject_name(right)) == 0;
    } else {
        int count = sk_GENERAL_NAME_num(names[0]);
        same = same && count == sk_GENERAL_NAME_num(names[1]);
        for (int i = 0; i < count && same; i++) {
            same = GENERAL_NAME_cmp(sk_GENERAL_NAME_value(names[0], i),
                                    sk_GENERAL_NAME_value(names[1], i)) == 0;
        }
    }
    GENERAL_NAMES_free(names[0]);
    GENERAL_NAMES_free(names[1]);
    return same;
}

/** Add a certificate: to the context of its like with another key, or as a context of its own. */
static int
add_identity(const struct making *making, const struct green_tls_identity *identity)
{
    struct green_tls_config *config = making->config;
    SSL_CTX *context;
    if (config->context_count == GREEN__TLS_CONTEXTS_MAX) {
        return complain(making, identity->name, "there are 64 certificates at most");
    }
    int err = make_context(making, &context);
    if (err != 0) {
        return err;
    }
    err = use_identity(making, context, identity);
    for (size_t i = 0; i < config->context_count && err == 0; i++) {
        if (are_pair(config->contexts[i], context)) {
            SSL_CTX_free(context);
            return use_identity(making, config->contexts[i], identity);
        }
    }
    if (err != 0) {
        SSL_CTX_free(context);
        return err;
    }
    SSL_CTX_set_tlsext_servername_callback(context, on_server_name);
    SSL_CTX_set_tlsext_servername_arg(context, config);
    config->contexts[config->context_count++] = context;
    return 0;
}

/* ---- public ---- */

int
green_tls_config_create(const struct green_tls_options *options,
                        struct green_tls_config **ret_config, char *why, size_t why_size)
{
    struct green_tls_config *config = green__alloc_zeroed(sizeof *config);
    snprintf(why, why_size, "there is no memory");
    if (config == NULL) {
        return -ENOMEM;
    }
    /* Threads that are still running when the program ends must not find the library gone. */
    OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL);
    atomic_init(&config->users, 1);
    config->server = options->server;
    config->verify = options->verify;
    config->offload = options->offload;
    config->tickets = options->tickets;
    const struct making making = {options, config, why, why_size};
    int err = 0;
    for (size_t i = 0; i < options->identity_count && err == 0; i++) {
        err = add_identity(&making, &options->identities[i]);
    }
    if (err == 0 && config->context_count == 0) {
        err = options->server ? complain(&making, "a server", "it needs a certificate")
                              : make_context(&making, &config->contexts[0]);
        config->context_count = err == 0;
    }
    if (err != 0) {
        green_tls_config_put(config);
        return err;
    }
    *ret_config = config;
    return 0;
}

struct green_tls_config *
green_tls_config_get(struct green_tls_config *config)
{
    atomic_fetch_add_explicit(&config->users, 1, memory_order_relaxed);
    return config;
}

void
green_tls_config_put(struct green_tls_config *config)
{
    if (config == NULL || atomic_fetch_sub_explicit(&config->users, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < config->context_count; i++) {
        SSL_CTX_free(config->contexts[i]);
    }
    green__free(config);
}
