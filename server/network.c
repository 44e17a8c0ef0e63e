/*
 * Networks. Pure functions.
 *
 * Invariant: IPv4 is kept as ::ffff:a.b.c.d with 96 bits more, but an IPv6 network holds no IPv4
 * address: who trusts ::/0 has said nothing of IPv4.
 */
#include "network.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "values.h"

enum { MAPPED_BITS = 96, ALL_BITS = 128 };

static const unsigned char mapped[MAPPED_BITS / 8] = {[10] = 0xff, [11] = 0xff};

static void
map_ipv4(const struct in_addr *address, struct address_key *key)
{
    memcpy(key->bytes, mapped, sizeof mapped);
    memcpy(key->bytes + sizeof mapped, address, sizeof *address);
}

bool
address_key_of(const struct sockaddr_in6 *address, struct address_key *ret_key)
{
    if (address->sin6_family == AF_INET) {
        struct sockaddr_in ipv4;
        memcpy(&ipv4, address, sizeof ipv4);
        map_ipv4(&ipv4.sin_addr, ret_key);
        return true;
    }
    if (address->sin6_family == AF_INET6) {
        memcpy(ret_key->bytes, &address->sin6_addr, sizeof ret_key->bytes);
        return true;
    }
    return false;
}

void
address_key_cut(struct address_key *key, unsigned bits)
{
    for (unsigned i = 0; i < sizeof key->bytes; i++) {
        unsigned kept = bits > 8 * i ? bits - 8 * i : 0;
        if (kept < 8) {
            key->bytes[i] &= (unsigned char)~(0xffu >> kept);
        }
    }
}

bool
address_key_is_ipv4(const struct address_key *key)
{
    return memcmp(key->bytes, mapped, sizeof mapped) == 0;
}

bool
network_parse(const char *text, struct network *ret_network)
{
    struct network network = {.bits = ALL_BITS};
    char address[INET6_ADDRSTRLEN];
    struct in_addr ipv4;
    const char *slash = strchr(text, '/');
    size_t length = slash == NULL ? strlen(text) : (size_t)(slash - text);
    if (strcmp(text, "unix") == 0) {
        network.is_unix = true;
        *ret_network = network;
        return true;
    }
    if (length >= sizeof address) {
        return false;
    }
    memcpy(address, text, length);
    address[length] = '\0';
    unsigned least = 0;
    if (inet_pton(AF_INET, address, &ipv4) == 1) {
        map_ipv4(&ipv4, &network.key);
        least = MAPPED_BITS;
    } else if (inet_pton(AF_INET6, address, network.key.bytes) != 1) {
        return false;
    }
    if (slash != NULL) {
        uint64_t bits;
        if (!value_number(slash + 1, &bits) || bits > ALL_BITS - least) {
            return false;
        }
        network.bits = (unsigned char)(bits + least);
    }
    struct address_key cut = network.key;
    address_key_cut(&cut, network.bits);
    if (memcmp(&cut, &network.key, sizeof cut) != 0) {
        return false;
    }
    *ret_network = network;
    return true;
}

static bool
is_ipv4(const struct network *network)
{
    return network->bits >= MAPPED_BITS && address_key_is_ipv4(&network->key);
}

const char *
network_format(const struct network *network, char text[NETWORK_TEXT])
{
    char address[INET6_ADDRSTRLEN];
    bool ipv4 = is_ipv4(network);
    if (network->is_unix) {
        return strcpy(text, "unix");
    }
    inet_ntop(ipv4 ? AF_INET : AF_INET6, network->key.bytes + (ipv4 ? sizeof mapped : 0), address,
              sizeof address);
    snprintf(text, NETWORK_TEXT, "%s/%d", address, network->bits - (ipv4 ? MAPPED_BITS : 0));
    return text;
}

bool
networks_have(const struct networks *networks, const struct sockaddr_in6 *address)
{
    struct address_key key = {{0}};
    bool ip = address_key_of(address, &key);
    for (size_t i = 0; i < networks->count; i++) {
        const struct network *network = &networks->list[i];
        struct address_key cut = key;
        if (network->is_unix || !ip) {
            if (network->is_unix && !ip) {
                return true;
            }
            continue;
        }
        address_key_cut(&cut, network->bits);
        if (is_ipv4(network) == address_key_is_ipv4(&key) &&
            memcmp(&cut, &network->key, sizeof cut) == 0) {
            return true;
        }
    }
    return false;
}
