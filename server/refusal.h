/*
 * Why a connection that was accepted is not served.
 */
#ifndef SERVER_REFUSAL_H
#define SERVER_REFUSAL_H

enum refusal {
    REFUSAL_UNTRUSTED,  /**< A PROXY header is wanted, and this peer's is not believed. */
    REFUSAL_MALFORMED,  /**< What came is no PROXY header. */
    REFUSAL_TOO_LONG,   /**< The PROXY header is longer than we take. */
    REFUSAL_LATE,       /**< The PROXY header was not whole in time. */
    REFUSAL_INCOMPLETE, /**< The stream ended before the PROXY header did. */
    REFUSAL_CROWDED,    /**< Its address has as many connections as it may. */
    REFUSAL_HASTY,      /**< Its address connects more often than it may. */
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
