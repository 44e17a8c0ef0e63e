/*
 * Why a connection that was accepted is not served.
 */
#ifndef SERVER_REFUSAL_H
#define SERVER_REFUSAL_H

enum refusal {
    REFUSAL_UNTRUSTED,       /**< A PROXY header is wanted, and this peer's is not believed. */
    REFUSAL_MALFORMED,       /**< What came is no PROXY header. */
    REFUSAL_TOO_LONG,        /**< The PROXY header is longer than we take. */
    REFUSAL_LATE,            /**< The PROXY header was not whole in time. */
    REFUSAL_INCOMPLETE,      /**< The stream ended before the PROXY header did. */
    REFUSAL_CROWDED,         /**< Its address has as many connections as it may. */
    REFUSAL_HASTY,           /**< Its address connects more often than it may. */
    REFUSAL_TLS_LATE,        /**< The TLS handshake was not done in time. */
    REFUSAL_TLS_BROKEN,      /**< The connection ended in the handshake. */
    REFUSAL_TLS_PROTOCOL,    /**< What came is not TLS, or breaks its rules. */
    REFUSAL_TLS_VERSION,     /**< The client knows only versions that are too old. */
    REFUSAL_TLS_CIPHER,      /**< The client knows no cipher that we take. */
    REFUSAL_TLS_CERTIFICATE, /**< The client's certificate is missing or not to be trusted. */
    REFUSAL_TLS_ALERT,       /**< The client refused us, and said so. */
    REFUSAL_COUNT,
    REFUSAL_NONE = REFUSAL_COUNT, /**< It is served. */
    REFUSAL_DRAINED,              /**< Nor is it wrong: the server drains, and nothing has come. */
};

/** As metrics and logs call it: a word. */
const char *refusal_name(enum refusal refusal);

/** Count it, and say it in the log, which leaves most of a flood out. `peer` is an address as text.
 */
void refusal_note(enum refusal refusal, const char *peer);

#endif
