/*
 * What tests of TLS need: certificates, made here, and two ends.
 */
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "tls_support.h"

/* ---- certificates ---- */

struct papers ours;
struct papers other;

static void
copy_text(BIO *bio, char *text, size_t size)
{
    int length = BIO_read(bio, text, (int)size - 1);
    ck_assert_int_gt(length, 0);
    text[length] = '\0';
    BIO_free(bio);
}

void
make_papers(const char *name, struct papers *ret_papers)
{
    char alternative[80];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_NAME *subject = X509_get_subject_name(certificate);
    snprintf(alternative, sizeof alternative, "DNS:%s", name);
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(certificate, subject);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alternative);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    X509_set_pubkey(certificate, key);
    ck_assert_int_gt(X509_sign(certificate, key, EVP_sha256()), 0);
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, certificate);
    copy_text(bio, ret_papers->certificate, sizeof ret_papers->certificate);
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    copy_text(bio, ret_papers->key, sizeof ret_papers->key);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

struct green_tls_text
text_of(const char *text)
{
    return (struct green_tls_text){text, strlen(text)};
}

struct green_tls_identity
identity_of(const struct papers *papers)
{
    return (struct green_tls_identity){text_of(papers->certificate), text_of(papers->key), "test"};
}

struct green_tls_config *
make_config(const struct green_tls_options *options)
{
    char why[256];
    struct green_tls_config *config = NULL;
    int err = green_tls_config_create(options, &config, why, sizeof why);
    ck_assert_msg(err == 0, "%s", why);
    return config;
}

static struct green_tls_config *
server_config(bool offload)
{
    struct green_tls_identity identities[] = {identity_of(&ours), identity_of(&other)};
    return make_config(&(struct green_tls_options){
        .server = true, .identities = identities, .identity_count = 2, .offload = offload});
}

struct green_tls_config *
client_config(const struct papers *authority, bool offload)
{
    return make_config(&(struct green_tls_options){.authorities = text_of(authority->certificate),
                                                   .verify = GREEN_TLS_VERIFY_REQUIRED,
                                                   .offload = offload});
}

/* ---- two ends ---- */

int
start(struct far *far, struct green_tls **ret_tls, const char *host)
{
    int err = pair_make(PAIR_TCP4, far->fds);
    if (err == 0) {
        err = green_tls_open(far->client, far->fds[0], host, ret_tls);
    }
    return err != 0 ? err : green_spawn_as(GREEN_THREAD, far->entry, far, NULL, &far->job);
}

intptr_t
stop(struct far *far, struct green_tls *tls)
{
    intptr_t line = 0;
    green_tls_close(tls);
    green_close(far->fds[0]);
    green_job_join(far->job, &line, GREEN_FOREVER);
    green_job_put(far->job);
    green_close(far->fds[1]);
    return line;
}

void
run(green_entry body, green_entry entry)
{
    make_papers("localhost", &ours);
    make_papers("other.test", &other);
    for (int offload = 0; offload < 2; offload++) {
        struct far far = {
            .config = server_config(offload),
            .client = client_config(&ours, offload),
            .entry = entry,
        };
        for (int caller = 0; caller < CALLERS_HERE; caller++) {
            ASSERT_AS(caller, body, &far);
        }
        green_tls_config_put(far.config);
        green_tls_config_put(far.client);
    }
}
