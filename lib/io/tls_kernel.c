/*
 * Sending TLS 1.3 by the kernel: once the handshake is done it gets the keys, and what is sent goes
 * to the socket as it is. Receiving stays with OpenSSL.
 *
 * The kernel goes on with the number of the next record. All that OpenSSL seals with these keys
 * before are tickets, which is why they are asked for one by one here, and counted.
 *
 * Invariant: once `taken`, nothing that OpenSSL writes is sent, as it would use numbers again that
 * the kernel has used: not its alerts, and no new keys, so that who was asked for those sends no
 * more. The kernel may hold a record back that it has said to have taken, and forgets it at a close
 * or the end of the stream: before that we see that all has reached TCP, by counting.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "green/job.h"
#include "io/tls.h"

/** A record's header, its type and its seal. */
#define RECORD_EXTRA (5 + 1 + 16)

#define NONCE_SIZE 12

/** How long between two looks at what the kernel holds back. */
#define LOOK_MS 1

/* ---- keys ---- */

/** A key or an iv, from the secret of a direction; RFC 8446, section 7.3. */
static bool
expand(const struct green__tls_secret *secret, const char *digest, const char *label,
       unsigned char *ret, size_t size)
{
    int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret->bytes,
                                          secret->length),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PREFIX, (void *)"tls13 ", 6),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_LABEL, (void *)label, strlen(label)),
        OSSL_PARAM_construct_end(),
    };
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS13-KDF", NULL);
    EVP_KDF_CTX *context = kdf == NULL ? NULL : EVP_KDF_CTX_new(kdf);
    bool done = context != NULL && EVP_KDF_derive(context, ret, size, params) == 1;
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    return done;
}

static void
put_number(unsigned char to[8], uint64_t number)
{
    for (int i = 7; i >= 0; i--, number >>= 8) {
        to[i] = (unsigned char)number;
    }
}

static uint64_t
get_number(const unsigned char from[8])
{
    uint64_t number = 0;
    for (int i = 0; i < 8; i++) {
        number = number << 8 | from[i];
    }
    return number;
}

/** A cipher of both: where its parts stand in what the kernel is told. */
struct cipher {
    unsigned long suite;
    uint16_t number;
    const char *digest;
    size_t key_at;
    size_t key_size;
    size_t salt_at; /**< The first bytes of the nonce; */
    size_t salt_size;
    size_t iv_at; /**< the others. */
    size_t sequence_at;
    size_t size;
};

#define CIPHER(suite, number, digest, type)                                                 \
    {                                                                                       \
        suite, number, digest, offsetof(struct type, key), sizeof(((struct type *)0)->key), \
            offsetof(struct type, salt), sizeof(((struct type *)0)->salt),                  \
            offsetof(struct type, iv), offsetof(struct type, rec_seq), sizeof(struct type)  \
    }

static const struct cipher ciphers[] = {
    CIPHER(TLS1_3_CK_AES_128_GCM_SHA256, TLS_CIPHER_AES_GCM_128, "SHA256",
           tls12_crypto_info_aes_gcm_128),
    CIPHER(TLS1_3_CK_AES_256_GCM_SHA384, TLS_CIPHER_AES_GCM_256, "SHA384",
           tls12_crypto_info_aes_gcm_256),
    CIPHER(TLS1_3_CK_CHACHA20_POLY1305_SHA256, TLS_CIPHER_CHACHA20_POLY1305, "SHA256",
           tls12_crypto_info_chacha20_poly1305),
};

static const struct cipher *
find_cipher(unsigned long suite)
{
    for (size_t i = 0; i < sizeof ciphers / sizeof ciphers[0]; i++) {
        if (ciphers[i].suite == suite) {
            return &ciphers[i];
        }
    }
    return NULL;
}

size_t
green__tls_kernel_seal(unsigned long suite, const struct green__tls_secret *secret, uint64_t number,
                       union green__tls_seal *ret_seal)
{
    const struct cipher *cipher = find_cipher(suite);
    unsigned char *bytes = ret_seal->bytes;
    unsigned char nonce[NONCE_SIZE];
    if (cipher == NULL || !expand(secret, cipher->digest, "iv", nonce, sizeof nonce) ||
        !expand(secret, cipher->digest, "key", bytes + cipher->key_at, cipher->key_size)) {
        return 0;
    }
    ret_seal->info = (struct tls_crypto_info){TLS_1_3_VERSION, cipher->number};
    memcpy(bytes + cipher->salt_at, nonce, cipher->salt_size);
    memcpy(bytes + cipher->iv_at, nonce + cipher->salt_size, sizeof nonce - cipher->salt_size);
    put_number(bytes + cipher->sequence_at, number);
    OPENSSL_cleanse(nonce, sizeof nonce);
    return cipher->size;
}

static int
nibble(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/** OpenSSL tells its secrets line by line, for tools that look on: LABEL RANDOM SECRET, in hex. */
static void
on_secret(const SSL *ssl, const char *line)
{
    struct green_tls *tls = SSL_get_app_data(ssl);
    const char *label =
        tls->config->server ? "SERVER_TRAFFIC_SECRET_0 " : "CLIENT_TRAFFIC_SECRET_0 ";
    const char *text = strrchr(line, ' ');
    if (strncmp(line, label, strlen(label)) != 0 || text == NULL) {
        return;
    }
    struct green__tls_secret *secret = &tls->kernel.secret;
    secret->length = 0;
    for (text++;
         nibble(text[0]) >= 0 && nibble(text[1]) >= 0 && secret->length < sizeof secret->bytes;
         text += 2) {
        secret->bytes[secret->length++] = (unsigned char)(nibble(text[0]) << 4 | nibble(text[1]));
    }
}

void
green__tls_kernel_use(SSL_CTX *context)
{
    SSL_CTX_set_keylog_callback(context, on_secret);
    SSL_CTX_set_num_tickets(context, 0); /* the handshake's own cannot be counted */
}

/* ---- taking over ---- */

/** How many records there are in what OpenSSL has written. */
static uint64_t
count_records(const unsigned char *bytes, size_t length)
{
    uint64_t count = 0;
    for (size_t at = 0; at + 5 <= length; at += 5 + ((size_t)bytes[at + 3] << 8 | bytes[at + 4])) {
        count++;
    }
    return count;
}

/** How many bytes the connection has been given so far; what is acknowledged meanwhile may be left
 * out. */
static int64_t
given(int fd)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    int unacknowledged = 0;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 ||
        ioctl(fd, SIOCOUTQ, &unacknowledged) != 0) {
        return -1;
    }
    return (int64_t)info.tcpi_bytes_acked + unacknowledged;
}

/** The number of the kernel's next record. */
static uint64_t
next_number(const struct green_tls *tls)
{
    union green__tls_seal seal;
    socklen_t size = sizeof seal;
    const struct cipher *cipher = find_cipher(SSL_CIPHER_get_id(SSL_get_current_cipher(tls->ssl)));
    if (getsockopt(tls->fd, SOL_TLS, TLS_TX, &seal, &size) != 0) {
        return tls->kernel.number;
    }
    uint64_t number = get_number(seal.bytes + cipher->sequence_at);
    OPENSSL_cleanse(&seal, sizeof seal);
    return number;
}

/** Have the kernel take over, if it can; else all stays as it is. */
static void
take(struct green_tls *tls)
{
    struct green__tls_kernel *kernel = &tls->kernel;
    union green__tls_seal seal;
    size_t size = green__tls_kernel_seal(SSL_CIPHER_get_id(SSL_get_current_cipher(tls->ssl)),
                                         &kernel->secret, kernel->number, &seal);
    kernel->given = given(tls->fd);
    kernel->taken = size > 0 && kernel->given >= 0 &&
                    setsockopt(tls->fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls") == 0 &&
                    setsockopt(tls->fd, SOL_TLS, TLS_TX, &seal, (socklen_t)size) == 0;
    OPENSSL_cleanse(&seal, sizeof seal);
}

/** Have a server's tickets written, as many as OpenSSL would by itself. */
static void
write_tickets(struct green_tls *tls)
{
    for (int left = SSL_session_reused(tls->ssl) ? 1 : 2; left > 0; left--) {
        if (SSL_new_session_ticket(tls->ssl) != 1 || SSL_do_handshake(tls->ssl) != 1) {
            ERR_clear_error();
            return;
        }
    }
}

int
green__tls_kernel_begin(struct green_tls *tls)
{
    struct green__tls_kernel *kernel = &tls->kernel;
    if (kernel->begun) {
        return green__tls_flush(tls);
    }
    bool newest = SSL_version(tls->ssl) == TLS1_3_VERSION;
    if (newest && tls->config->server && tls->config->tickets != NULL && kernel->number == 0) {
        write_tickets(tls);
        kernel->number = count_records(tls->fresh, tls->fresh_length);
    }
    int err = green__tls_flush(tls);
    if (err == 0) {
        kernel->begun = true;
        if (newest) {
            take(tls);
        }
        OPENSSL_cleanse(&kernel->secret, sizeof kernel->secret);
    }
    return err;
}

/* ---- sending ---- */

/** Whether nothing more can be sent, and why. */
static int
check(struct green_tls *tls)
{
    if (tls->send_err == 0 && SSL_get_key_update_type(tls->ssl) != SSL_KEY_UPDATE_NONE) {
        snprintf(tls->problem, sizeof tls->problem,
                 "the peer wants new keys, and the kernel keeps the old");
        tls->reason = GREEN_TLS_REASON_PROTOCOL;
        tls->send_err = -EPROTO;
    }
    return tls->send_err;
}

int
green__tls_kernel_sendall(struct green_tls *tls, const void *buf, size_t len)
{
    int err = check(tls);
    if (err != 0) {
        return err;
    }
    for (size_t done = 0; done < len;) {
        ssize_t sent = green_send(tls->fd, (const char *)buf + done, len - done, 0);
        if (sent < 0) {
            return (int)sent;
        }
        done += (size_t)sent;
        tls->kernel.plain += (uint64_t)sent;
    }
    return 0;
}

/** Send a record that says that ours was the last. */
static int
send_close_notify(struct green_tls *tls)
{
    unsigned char alert[] = {SSL3_AL_WARNING, SSL3_AD_CLOSE_NOTIFY};
    struct iovec part = {alert, sizeof alert};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(1)];
    } control = {.bytes = {0}};
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control.bytes,
    };
    control.header.cmsg_level = SOL_TLS;
    control.header.cmsg_type = TLS_SET_RECORD_TYPE;
    control.header.cmsg_len = CMSG_LEN(1);
    *CMSG_DATA(&control.header) = SSL3_RT_ALERT;
    ssize_t sent = green_sendmsg(tls->fd, &message, 0);
    tls->kernel.plain += sent < 0 ? 0 : (uint64_t)sent;
    return sent < 0 ? (int)sent : 0;
}

/** Wait until TCP has all that the kernel's TLS has taken. */
static int
settle(const struct green_tls *tls)
{
    const struct green__tls_kernel *kernel = &tls->kernel;
    uint64_t records = next_number(tls) - kernel->number;
    int64_t wanted = kernel->given + (int64_t)(kernel->plain + records * RECORD_EXTRA);
    for (int64_t so_far; (so_far = given(tls->fd)) < wanted;) {
        if (so_far < 0) {
            return -EPIPE;
        }
        int seen = green_wait_fd(tls->fd, POLLOUT, GREEN_FOREVER);
        if (seen > 0 && (seen & (POLLERR | POLLHUP)) != 0) {
            return -EPIPE;
        }
        int err = seen < 0 ? seen : green_sleep(LOOK_MS);
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

int
green__tls_kernel_end(struct green_tls *tls)
{
    SSL_set_shutdown(tls->ssl, SSL_get_shutdown(tls->ssl) | SSL_SENT_SHUTDOWN);
    int err = send_close_notify(tls);
    return err != 0 ? err : settle(tls);
}

/* ---- whether there is one ---- */

bool
green_tls_kernel_offers(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool offers = fd >= 0 && (setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls") == 0 ||
                              errno == ENOTCONN); /* it is known, and wants a connection */
    if (fd >= 0) {
        close(fd);
    }
    return offers;
}
