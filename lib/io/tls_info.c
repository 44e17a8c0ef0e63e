/*
 * What is known of a TLS stream: what the handshake agreed on, and why it failed. Never suspends.
 */
#include <openssl/x509v3.h>

#include "io/tls.h"

enum green_tls_reason
green_tls_reason(const struct green_tls *tls)
{
    return tls->reason;
}

const char *
green_tls_problem(const struct green_tls *tls)
{
    return tls->problem;
}

void
green_tls_info(const struct green_tls *tls, struct green_tls_info *ret_info)
{
    X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
    bool looked = tls->config->verify != GREEN_TLS_VERIFY_NONE;
    *ret_info = (struct green_tls_info){
        .version = SSL_get_version(tls->ssl),
        .cipher = SSL_get_cipher_name(tls->ssl),
        .server_name = SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name),
        .newest = SSL_version(tls->ssl) == TLS1_3_VERSION,
        .resumed = SSL_session_reused(tls->ssl) == 1,
        .offloaded = tls->kernel.taken,
        .verified = looked && certificate != NULL && SSL_get_verify_result(tls->ssl) == X509_V_OK,
    };
}

const char *
green_tls_peer_name(const struct green_tls *tls, char *buffer, size_t size)
{
    X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
    buffer[0] = '\0';
    if (certificate != NULL) {
        X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, buffer,
                                  (int)size);
    }
    for (char *c = buffer; *c != '\0'; c++) {
        *c = *c > ' ' && *c <= '~' && *c != '"' && *c != '\\' ? *c : '?';
    }
    return buffer;
}
