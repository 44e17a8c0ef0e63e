/*
 * Addresses as keys, and the networks that they are in.
 */
#ifndef SERVER_NETWORK_H
#define SERVER_NETWORK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#define NETWORKS_MAX 64

/** Room for a network as text. */
#define NETWORK_TEXT (INET6_ADDRSTRLEN + 5)

/** An address without port: IPv6, or IPv4 as IPv6 maps it. */
struct address_key {
    unsigned char bytes[16];
};

/** The addresses that begin with the same bits; or all peers that come over UNIX sockets. */
struct network {
    struct address_key key; /**< Its bits beyond the prefix are 0. */
    unsigned char bits;
    bool is_unix;
};

struct networks {
    size_t count;
    struct network list[NETWORKS_MAX];
};

/** The key of an address; false when it is neither IPv4 nor IPv6. The same for an IPv4 address and
 *  its mapped form. */
bool address_key_of(const struct sockaddr_in6 *address, struct address_key *ret_key);

/** Clear what is beyond the first bits of a key. */
void address_key_cut(struct address_key *key, unsigned bits);

/** Whether the key is of an IPv4 address. */
bool address_key_is_ipv4(const struct address_key *key);

/** "10.0.0.0/8", "::1", "unix"; false when it is none. Bits beyond the prefix have to be 0. */
bool network_parse(const char *text, struct network *ret_network);

/** As network_parse() takes it; returns `text`. */
const char *network_format(const struct network *network, char text[NETWORK_TEXT]);

/** Whether a peer's address, of any family, is in one of them. */
bool networks_have(const struct networks *networks, const struct sockaddr_in6 *address);

#endif
