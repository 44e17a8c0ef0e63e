/*
 * Connecting to the first of several addresses that answers.
 */
#ifndef GREEN_IO_CONNECT_H
#define GREEN_IO_CONNECT_H

struct addrinfo;

/** How long an attempt has before the next address is tried beside it, in milliseconds: the
 *  Connection Attempt Delay of RFC 8305, section 5. */
#define GREEN__ATTEMPT_DELAY_MS 250

/** A new connected stream to the first address that answers, or a negative errno. Suspends. */
int green__connect_first(const struct addrinfo *list);

#endif
