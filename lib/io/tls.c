/*
 * Streams of TLS.
 *
 * OpenSSL never sees the descriptor: it reads from the view that was received last and writes into
 * memory, and whatever has to wait waits between two of its calls. So a worker never gives up the
 * processor inside OpenSSL, whose queue of errors is its thread's; each call is one step: clear the
 * queue, call, take the result.
 *
 * Invariant: what OpenSSL has written is in `fresh`, in order; who holds `flushing` sends it, and
 * goes on until nothing is left, so that what a reader's step has written goes out with it. Who is
 * cut short leaves the rest to the next, since half a record cannot be taken back.
 */
#include "io/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "io/view.h"

/** The most that goes into one record. */
#define PIECE_MAX 16384

/* ---- what OpenSSL reads from and writes to ---- */

static void
drop_view(struct green_tls *tls)
{
    green_view_release(&tls->in);
    tls->in = (struct green_view){NULL, 0, NULL};
    tls->in_at = 0;
}

static int
bio_read(BIO *bio, char *data, size_t size, size_t *ret_count)
{
    struct green_tls *tls = BIO_get_data(bio);
    size_t left = tls->in.length - tls->in_at;
    BIO_clear_retry_flags(bio);
    if (left == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    size_t count = size < left ? size : left;
    memcpy(data, tls->in.data + tls->in_at, count);
    tls->in_at += count;
    if (tls->in_at == tls->in.length) {
        drop_view(tls);
    }
    *ret_count = count;
    return 1;
}

static int
bio_write(BIO *bio, const char *data, size_t length, size_t *ret_count)
{
    struct green_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (tls->fresh_size - tls->fresh_length < length) {
        size_t size = tls->fresh_length + length;
        unsigned char *grown = green__realloc(tls->fresh, size);
        if (grown == NULL) {
            return 0;
        }
        tls->fresh = grown;
        tls->fresh_size = size;
    }
    memcpy(tls->fresh + tls->fresh_length, data, length);
    tls->fresh_length += length;
    *ret_count = length;
    return 1;
}

static long
bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "green");
    if (method != NULL) {
        BIO_meth_set_read_ex(method, bio_read);
        BIO_meth_set_write_ex(method, bio_write);
        BIO_meth_set_ctrl(method, bio_ctrl);
    }
}

/* ---- what went wrong ---- */

static enum green_tls_reason
reason_of(unsigned long code)
{
    int reason = ERR_GET_REASON(code);
    if (ERR_GET_LIB(code) != ERR_LIB_SSL) {
        return GREEN_TLS_REASON_PROTOCOL;
    }
    switch (reason) {
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_UNKNOWN_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
        return GREEN_TLS_REASON_VERSION;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_GROUPS:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
        return GREEN_TLS_REASON_CIPHER;
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        return GREEN_TLS_REASON_CERTIFICATE;
    default:
        /* The numbers of alerts that the peer has sent begin here. */
        return reason >= SSL_AD_REASON_OFFSET ? GREEN_TLS_REASON_ALERT : GREEN_TLS_REASON_PROTOCOL;
    }
}

/** Keep what OpenSSL says of its failure. */
static int
fail(struct green_tls *tls)
{
    unsigned long code = ERR_peek_error();
    const char *words = code == 0 ? NULL : ERR_reason_error_string(code);
    long verdict = SSL_get_verify_result(tls->ssl);
    tls->reason = reason_of(code);
    if (tls->reason == GREEN_TLS_REASON_CERTIFICATE && verdict != X509_V_OK) {
        words = X509_verify_cert_error_string(verdict);
    }
    snprintf(tls->problem, sizeof tls->problem, "%s", words == NULL ? "protocol error" : words);
    ERR_clear_error();
    return -EPROTO;
}

/** What the result of a step means: -EAGAIN when OpenSSL wants to read what is not there yet. */
static int
judge(struct green_tls *tls, int result)
{
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_NONE:
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_WANT_READ:
        return -EAGAIN;
    default:
        return fail(tls);
    }
}

/* ---- sending what OpenSSL has written ---- */

/** Send what there is; the caller holds `flushing`. */
static int
flush_held(struct green_tls *tls)
{
    for (;;) {
        if (tls->sending == NULL) {
            if (tls->fresh_length == 0) {
                return tls->send_err;
            }
            tls->sending = tls->fresh;
            tls->sending_length = tls->fresh_length;
            tls->sent = 0;
            tls->fresh = NULL;
            tls->fresh_length = 0;
            tls->fresh_size = 0;
        }
        while (tls->sent < tls->sending_length && tls->send_err == 0) {
            ssize_t sent =
                green_send(tls->fd, tls->sending + tls->sent, tls->sending_length - tls->sent, 0);
            if (sent == -ECANCELED || sent == -ETIMEDOUT) {
                return (int)sent; /* half a record may be out: the next flush sends the rest */
            }
            tls->send_err = sent < 0 ? (int)sent : 0;
            tls->sent += sent < 0 ? 0 : (size_t)sent;
        }
        green__free(tls->sending);
        tls->sending = NULL;
    }
}

static bool
has_unsent(const struct green_tls *tls)
{
    return tls->fresh_length > 0 || tls->sending != NULL;
}

int
green__tls_flush(struct green_tls *tls)
{
    if (!has_unsent(tls)) {
        return tls->send_err; /* who was here before has sent ours too */
    }
    int err = green_mutex_lock(&tls->flushing, GREEN_FOREVER);
    if (err != 0) {
        return err;
    }
    err = flush_held(tls);
    green_mutex_unlock(&tls->flushing);
    return err;
}

/** The same for who reads: if somebody is sending, ours goes out with his. */
static int
flush_unless_busy(struct green_tls *tls)
{
    if (!has_unsent(tls) || tls->kernel.taken || green_mutex_lock(&tls->flushing, GREEN_NOW) != 0) {
        return 0;
    }
    int err = flush_held(tls);
    green_mutex_unlock(&tls->flushing);
    return err;
}

/* ---- receiving what OpenSSL reads ---- */

/** Receive something for OpenSSL. */
static int
fill(struct green_tls *tls, int flags)
{
    ssize_t got;
    if ((flags & MSG_DONTWAIT) == 0) {
        got = green_recv_view(tls->fd, &tls->in);
    } else {
        struct green_view view;
        int err = green__view_take(&view);
        if (err != 0) {
            return err;
        }
        got = green_recv(tls->fd, view.data, GREEN_VIEW_MAX, MSG_DONTWAIT);
        if (got > 0) {
            view.length = (size_t)got;
            tls->in = view;
        } else {
            green_view_release(&view);
        }
    }
    return got > 0 ? 0 : got == 0 ? -ECONNABORTED : (int)got;
}

/** One step: what there is for the caller; 0 at the end, -EAGAIN when it takes more from outside.
 */
static ssize_t
step_read(struct green_tls *tls, void *buf, size_t len)
{
    ERR_clear_error();
    size_t got = 0;
    int result = SSL_read_ex(tls->ssl, buf, len, &got);
    return result == 1 ? (ssize_t)got : judge(tls, result);
}

ssize_t
green_tls_recv(struct green_tls *tls, void *buf, size_t len, int flags)
{
    for (;;) {
        ssize_t got = step_read(tls, buf, len);
        int err = flush_unless_busy(tls);
        if (got != -EAGAIN) {
            return got;
        }
        if (err == 0) {
            err = fill(tls, flags);
        }
        if (err != 0) {
            return err;
        }
    }
}

ssize_t
green_tls_recv_view(struct green_tls *tls, struct green_view *ret_view)
{
    for (;;) {
        struct green_view view;
        int err = green__view_take(&view);
        if (err != 0) {
            return err;
        }
        ssize_t got = step_read(tls, view.data, GREEN_VIEW_MAX);
        if (got > 0) {
            view.length = (size_t)got;
            *ret_view = view;
        } else {
            green_view_release(&view); /* nothing is held while we wait */
        }
        err = flush_unless_busy(tls);
        if (got != -EAGAIN) {
            return got;
        }
        if (err == 0) {
            err = fill(tls, 0);
        }
        if (err != 0) {
            return err;
        }
    }
}

/* ---- sending ---- */

int
green_tls_sendall(struct green_tls *tls, const void *buf, size_t len)
{
    const unsigned char *next = buf;
    if (tls->shut) {
        return -EPIPE;
    }
    if (tls->kernel.taken) {
        return green__tls_kernel_sendall(tls, buf, len);
    }
    while (len > 0) {
        size_t piece = len < PIECE_MAX ? len : PIECE_MAX;
        size_t taken = 0;
        if (tls->send_err != 0) {
            return tls->send_err;
        }
        ERR_clear_error();
        if (SSL_write_ex(tls->ssl, next, piece, &taken) != 1) {
            tls->send_err = fail(tls);
            return tls->send_err;
        }
        int err = green__tls_flush(tls);
        if (err != 0) {
            return err;
        }
        next += taken;
        len -= taken;
    }
    return 0;
}

int
green_tls_send_view(struct green_tls *tls, struct green_view *view)
{
    int err = green_tls_sendall(tls, view->data, view->length);
    green_view_release(view);
    return err;
}

int
green_tls_shutdown(struct green_tls *tls)
{
    int err = tls->send_err;
    if (tls->shut) {
        return err;
    }
    tls->shut = true;
    if (err == 0 && tls->kernel.taken) {
        err = green__tls_kernel_end(tls);
    } else if (err == 0 && SSL_is_init_finished(tls->ssl)) {
        ERR_clear_error();
        if (SSL_shutdown(tls->ssl) < 0) {
            fail(tls);
        }
        err = green__tls_flush(tls);
    }
    int ended = green_shutdown(tls->fd, SHUT_WR);
    return err != 0 ? err : ended;
}

/* ---- the handshake ---- */

int
green_tls_handshake(struct green_tls *tls)
{
    for (;;) {
        ERR_clear_error();
        int result = SSL_do_handshake(tls->ssl);
        int err = result == 1 ? 0 : judge(tls, result);
        int sent = green__tls_flush(tls);
        if (err != -EAGAIN) {
            err = err != 0 ? err : sent;
            return err == 0 && tls->config->offload ? green__tls_kernel_begin(tls) : err;
        }
        err = sent != 0 ? sent : fill(tls, 0);
        if (err != 0) {
            return err;
        }
    }
}

/* ---- beginning and end ---- */

/** Whom a client wants to talk to: told to the server, and looked for in its certificate. */
static int
expect_host(SSL *ssl, const char *host)
{
    struct green_address ignored;
    if (green_address_parse(host, 0, &ignored) == 0) {
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1 ? 0 : -EINVAL;
    }
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1 ? 0 : -EINVAL;
}

int
green_tls_open(struct green_tls_config *config, int fd, const char *host,
               struct green_tls **ret_tls)
{
    struct green_tls *tls = green__alloc_zeroed(sizeof *tls);
    pthread_once(&once, make_method);
    if (tls == NULL) {
        return -ENOMEM;
    }
    tls->config = green_tls_config_get(config);
    tls->fd = fd;
    green_mutex_init(&tls->flushing);
    tls->ssl = SSL_new(config->contexts[0]);
    BIO *bio = method == NULL || tls->ssl == NULL ? NULL : BIO_new(method);
    int err = bio == NULL ? -ENOMEM : 0;
    if (err == 0) {
        BIO_set_data(bio, tls);
        BIO_set_init(bio, 1);
        SSL_set_app_data(tls->ssl, tls);
        SSL_set_bio(tls->ssl, bio, bio);
        if (config->server) {
            SSL_set_accept_state(tls->ssl);
        } else {
            SSL_set_connect_state(tls->ssl);
            err = host == NULL ? 0 : expect_host(tls->ssl, host);
        }
    }
    ERR_clear_error();
    if (err != 0) {
        green_tls_close(tls);
        return err;
    }
    *ret_tls = tls;
    return 0;
}

void
green_tls_close(struct green_tls *tls)
{
    if (tls == NULL) {
        return;
    }
    SSL_free(tls->ssl);
    OPENSSL_cleanse(&tls->kernel.secret, sizeof tls->kernel.secret);
    green_view_release(&tls->in);
    green__free(tls->fresh);
    green__free(tls->sending);
    green_mutex_fini(&tls->flushing);
    green_tls_config_put(tls->config);
    green__free(tls);
}
