/*
 * TLS 1.2 and 1.3 over a connected stream socket, in blocking style.
 *
 * A stream stands beside its descriptor: who has a connection opens a stream on it, shakes hands,
 * and then receives and sends through the stream instead. A task is parked while it waits, a thread
 * or process blocks in the kernel; timeout scopes bound all of it, a handshake included.
 *
 * The two directions end one by one, as those of TCP do: green_tls_shutdown() is the end of ours,
 * told by close_notify, and a receive that returns 0 is the end of the peer's.
 *
 * A stream belongs to the thread that opened it. There, one worker may receive while another one
 * sends. Configurations may be shared by all threads, and by processes that are forked later.
 *
 * What the processor does for a handshake is not divided: with a key of RSA 2048 it keeps a loop
 * busy for about a millisecond, with one of P-256 for a tenth of that.
 *
 * The library has this part only when it was built with OpenSSL.
 */
#ifndef GREEN_TLS_H
#define GREEN_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base.h"
#include "net.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- tickets: sessions that are resumed ---- */

/** Keys of session tickets, in memory that is shared with processes forked later. */
struct green_tls_tickets;

/**
 * New keys, drawn at random. With the same keys, whichever process answers resumes a session that
 * another one has begun. Never suspends.
 *
 * @return 0, -ENOMEM, or -EIO when there are no random numbers.
 */
GREEN_API int green_tls_tickets_create(struct green_tls_tickets **ret_tickets);

/**
 * Make a new key, with which tickets are sealed from now on. The one before it still opens tickets;
 * the one before that is gone, and with it what could open what was recorded then.
 *
 * Never suspends. One process at a time; others may use the keys meanwhile.
 *
 * @return 0, or -EIO when there are no random numbers: the keys are then unchanged.
 */
GREEN_API int green_tls_tickets_rotate(struct green_tls_tickets *tickets);

/** Unmap the keys; NULL is taken. No configuration may use them any more. */
GREEN_API void green_tls_tickets_destroy(struct green_tls_tickets *tickets);

/* ---- configurations ---- */

/** Text of PEM, in the caller's memory. */
struct green_tls_text {
    const char *data;
    size_t length;
};

/** A certificate with its key. */
struct green_tls_identity {
    struct green_tls_text certificate; /**< And those that lead from it to its authority. */
    struct green_tls_text key;         /**< Without a passphrase. */
    const char *name;                  /**< What to call it in a complaint, such as its file. */
};

/** Whether the peer has to show a certificate. */
enum green_tls_verify {
    GREEN_TLS_VERIFY_NONE,     /**< A client: what the server shows is not looked at. */
    GREEN_TLS_VERIFY_OPTIONAL, /**< A server: a client may have none, but no bad one. */
    GREEN_TLS_VERIFY_REQUIRED,
};

/** What a configuration is made from. */
struct green_tls_options {
    bool server;
    /** A server's certificates: chosen by the name that the client asks for, the first if none
     *  fits. A second one for the same name with a key of another type stands beside the first. A
     *  client's: one or none. */
    const struct green_tls_identity *identities;
    size_t identity_count;
    /** Whom to trust; empty: whom the system trusts (clients only). */
    struct green_tls_text authorities;
    enum green_tls_verify verify;
    /** A server's; NULL: sessions are not resumed. They outlive the configuration. */
    struct green_tls_tickets *tickets;
    /** Let the kernel seal what is sent, where it can: see green_tls_kernel_offers(). */
    bool offload;
};

struct green_tls_config;

/**
 * A configuration: at least TLS 1.2, ciphers with forward secrecy and authenticated encryption
 * only, no compression, no renegotiation, no early data.
 *
 * Never suspends. Nothing of the options is kept but the tickets.
 *
 * @param ret_config  Set on success; to be given to green_tls_config_put().
 * @param why         On failure receives one line on what is wrong.
 * @param why_size    Its size in bytes.
 * @return 0, -ENOMEM, or -EINVAL for text that makes no certificate, key or pair of them.
 */
GREEN_API int green_tls_config_create(const struct green_tls_options *options,
                                      struct green_tls_config **ret_config, char *why,
                                      size_t why_size);

/** Keep the configuration for one user more. Returns it. Any thread. */
GREEN_API struct green_tls_config *green_tls_config_get(struct green_tls_config *config);

/** A user less; the last one frees it. NULL is taken. Any thread. */
GREEN_API void green_tls_config_put(struct green_tls_config *config);

/**
 * Whether this kernel can seal what is sent, with a configuration that wants it: Linux with its
 * module `tls`, which it loads by itself for who may. It does so for TLS 1.3, over TCP, with the
 * ciphers that it knows; all other connections are as without. To a peer that wants us to take new
 * keys, as some do after 128 GiB, nothing more can be sent then: -EPROTO.
 *
 * Never suspends.
 */
GREEN_API bool green_tls_kernel_offers(void);

/* ---- streams ---- */

struct green_tls;

/**
 * A stream on a connection. Nothing is sent yet; never suspends.
 *
 * @param config   Kept by the stream.
 * @param fd       A connected stream socket. Stays the caller's, and open as long as the stream.
 * @param host     A client's: the server's name or numeric address, which its certificate must
 *                 have if the configuration verifies. NULL for a server.
 * @param ret_tls  Set on success; to be given to green_tls_close().
 * @return 0, -ENOMEM, or -EINVAL for a host that is no name.
 */
GREEN_API int green_tls_open(struct green_tls_config *config, int fd, const char *host,
                             struct green_tls **ret_tls);

/** Free the stream; says nothing to the peer, and does not close the descriptor. NULL is taken. */
GREEN_API void green_tls_close(struct green_tls *tls);

/**
 * Shake hands.
 *
 * Suspends while the peer has its turn. A call that was cut short by a timeout or a cancellation
 * may be made again and goes on.
 *
 * @return 0, or
 *         -EPROTO        it failed: see green_tls_reason() and green_tls_problem(),
 *         -ECONNABORTED  the peer ended the connection,
 *         or an error of green_recv_view() or green_sendall().
 */
GREEN_API GREEN_SUSPENDS int green_tls_handshake(struct green_tls *tls);

/**
 * Receive what there is, at least a byte. The handshake comes first, in its own call.
 *
 * Suspends until there is something.
 *
 * @param flags  0, or MSG_DONTWAIT, which polls and gives -EAGAIN.
 * @return The number of bytes; 0 when the peer has ended its side by close_notify; or
 *         -ECONNABORTED  the connection ended without that: something may be missing,
 *         -EPROTO        what came is not right: see green_tls_reason(),
 *         or an error of green_recv().
 */
GREEN_API GREEN_SUSPENDS ssize_t green_tls_recv(struct green_tls *tls, void *buf, size_t len,
                                                int flags);

/** The same into a buffer that the library lends, as green_recv_view() does. */
GREEN_API GREEN_SUSPENDS ssize_t green_tls_recv_view(struct green_tls *tls,
                                                     struct green_view *ret_view);

/**
 * Send all of the bytes.
 *
 * Suspends until the last is taken. A call that was cut short by a timeout or a cancellation has
 * sent some of the bytes; they stay in order, and the next call first sends what was begun. After
 * another failure nothing more can be sent.
 *
 * @return 0, -EPIPE after green_tls_shutdown(), -EPROTO, or an error of green_sendall().
 */
GREEN_API GREEN_SUSPENDS int green_tls_sendall(struct green_tls *tls, const void *buf, size_t len);

/** Send all of a view's bytes and give its buffer back, whatever the result. */
GREEN_API GREEN_SUSPENDS int green_tls_send_view(struct green_tls *tls, struct green_view *view);

/**
 * End our side: close_notify, and then the end of the TCP stream. Receiving goes on.
 *
 * Suspends until that is taken.
 *
 * @return 0 or a negative errno value as for green_tls_sendall().
 */
GREEN_API GREEN_SUSPENDS int green_tls_shutdown(struct green_tls *tls);

/* ---- what is known of a stream ---- */

/** Why a call returned -EPROTO. */
enum green_tls_reason {
    GREEN_TLS_REASON_NONE,        /**< None did. */
    GREEN_TLS_REASON_PROTOCOL,    /**< What came is not TLS, or breaks its rules. */
    GREEN_TLS_REASON_VERSION,     /**< No version that both know. */
    GREEN_TLS_REASON_CIPHER,      /**< No cipher that both know. */
    GREEN_TLS_REASON_CERTIFICATE, /**< The peer's certificate is missing, or not to be trusted. */
    GREEN_TLS_REASON_ALERT,       /**< The peer refused, and said so. */
};

GREEN_API enum green_tls_reason green_tls_reason(const struct green_tls *tls);

/** The same in words; as long-lived as the stream. */
GREEN_API const char *green_tls_problem(const struct green_tls *tls);

/** What the handshake has agreed on. Texts live as long as the stream. */
struct green_tls_info {
    const char *version;     /**< "TLSv1.3" */
    const char *cipher;      /**< "TLS_AES_256_GCM_SHA384" */
    const char *server_name; /**< That the client asked for; NULL: none. */
    bool newest;             /**< It is TLS 1.3. */
    bool resumed;            /**< A session that was begun on another connection. */
    bool verified;           /**< The peer has shown a certificate, and it was verified. */
    bool offloaded;          /**< The kernel seals what is sent. */
};

/** Fill `ret_info`; after the handshake. */
GREEN_API void green_tls_info(const struct green_tls *tls, struct green_tls_info *ret_info);

/** The common name in the peer's certificate, cut if it does not fit; "" without one. Bytes that
 * are not printable ASCII are '?'. Returns `buffer`. */
GREEN_API const char *green_tls_peer_name(const struct green_tls *tls, char *buffer, size_t size);

#ifdef __cplusplus
}
#endif

#endif
