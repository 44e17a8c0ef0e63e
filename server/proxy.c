/*
 * Reading PROXY headers, of both versions.
 *
 * Invariant: nothing before bytes + length is touched but the header's own, and each number in it
 * is compared with what is there before it is used. What the specification leaves to the receiver:
 * a checksum is verified where there is one, other extensions are passed over; datagrams and
 * unknown families give no address, as for a health check.
 */
#include "proxy.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void
set_ipv4(struct proxy_header *header, const struct in_addr *address, in_port_t port)
{
    const struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_addr = *address, .sin_port = port};
    memcpy(&header->address, &ipv4, sizeof ipv4);
}

/* ---- version 1: a line of text ---- */

static const char line_start[] = "PROXY ";

enum { LINE_START = sizeof line_start - 1 };

/** The next word of a line, copied into `word`; false when there is none, or it is too long. */
static bool
take_word(const char **line, const char *end, char *word, size_t size)
{
    const char *space = memchr(*line, ' ', (size_t)(end - *line));
    const char *stop = space == NULL ? end : space;
    size_t length = (size_t)(stop - *line);
    if (length == 0 || length >= size || memchr(*line, '\0', length) != NULL) {
        return false;
    }
    memcpy(word, *line, length);
    word[length] = '\0';
    *line = space == NULL ? end : space + 1;
    return true;
}

/** A port as the specification wants it: digits, no zero before them. */
static bool
read_port(const char *word, in_port_t *ret_port)
{
    size_t digits = strspn(word, "0123456789");
    long port = strtol(word, NULL, 10);
    if (word[digits] != '\0' || digits > 5 || (digits > 1 && word[0] == '0') || port > 65535) {
        return false;
    }
    *ret_port = htons((uint16_t)port);
    return true;
}

/** The four words after the family, of which the first and third are the client's. */
static bool
read_addresses(const char *line, const char *end, int family, struct proxy_header *header)
{
    char words[4][INET6_ADDRSTRLEN];
    struct in6_addr ignored;
    in_port_t port;
    in_port_t ignored_port;
    for (size_t i = 0; i < 4; i++) {
        if (!take_word(&line, end, words[i], sizeof words[i])) {
            return false;
        }
    }
    if (line != end || end[-1] == ' ' || !read_port(words[2], &port) ||
        !read_port(words[3], &ignored_port) || inet_pton(family, words[1], &ignored) != 1) {
        return false;
    }
    if (family == AF_INET) {
        struct in_addr address = {0};
        bool right = inet_pton(AF_INET, words[0], &address) == 1;
        set_ipv4(header, &address, port);
        return right;
    }
    header->address.sin6_family = AF_INET6;
    header->address.sin6_port = port;
    return inet_pton(AF_INET6, words[0], &header->address.sin6_addr) == 1;
}

static enum proxy_verdict
parse_line(const unsigned char *bytes, size_t length, struct proxy_header *header)
{
    const char *line = (const char *)bytes;
    const char *end = memchr(bytes, '\r', length < PROXY_LINE_MAX ? length : PROXY_LINE_MAX);
    char family[8];
    if (end == NULL || end + 1 == line + length) {
        return length < PROXY_LINE_MAX ? PROXY_MORE : PROXY_TOO_LONG;
    }
    header->length = (size_t)(end + 2 - line);
    if (header->length > PROXY_LINE_MAX) {
        return PROXY_TOO_LONG;
    }
    line += LINE_START;
    if (end[1] != '\n' || !take_word(&line, end, family, sizeof family)) {
        return PROXY_MALFORMED;
    }
    if (strcmp(family, "UNKNOWN") == 0) {
        return PROXY_WHOLE; /* what else the line says is not for us */
    }
    bool ipv4 = strcmp(family, "TCP4") == 0;
    header->client = PROXY_CLIENT_IP;
    return (ipv4 || strcmp(family, "TCP6") == 0) &&
                   read_addresses(line, end, ipv4 ? AF_INET : AF_INET6, header)
               ? PROXY_WHOLE
               : PROXY_MALFORMED;
}

/* ---- version 2: binary ---- */

static const unsigned char signature[12] = "\r\n\r\n\0\r\nQUIT\n";

enum { FIXED = 16, VERSION = 12, FAMILY = 13, LENGTH = 14 };
enum { COMMAND_LOCAL = 0x20, COMMAND_PROXY = 0x21 };
enum { FAMILY_TCP4 = 0x11, FAMILY_TCP6 = 0x21, FAMILY_UNIX = 0x31 };
enum { EXTENSION_HEAD = 3, EXTENSION_CHECKSUM = 0x03, CHECKSUM = 4 };

static size_t
read_two(const unsigned char *bytes)
{
    return (size_t)bytes[0] << 8 | bytes[1];
}

/** CRC32c (Castagnoli), a bit at a time: headers are short. `skip` bytes at `hole` count as 0. */
static uint32_t
checksum(const unsigned char *bytes, size_t length, const unsigned char *hole, size_t skip)
{
    uint32_t sum = ~0u;
    for (const unsigned char *byte = bytes; byte < bytes + length; byte++) {
        sum ^= byte >= hole && byte < hole + skip ? 0 : *byte;
        for (int bit = 0; bit < 8; bit++) {
            sum = sum >> 1 ^ (sum & 1 ? 0x82F63B78u : 0);
        }
    }
    return ~sum;
}

/** Go through the extensions that follow the addresses: whole, and the checksum right if there. */
static bool
check_extensions(const unsigned char *header, size_t length, size_t at)
{
    while (at < length) {
        if (length - at < EXTENSION_HEAD) {
            return false;
        }
        const unsigned char *value = header + at + EXTENSION_HEAD;
        size_t size = read_two(header + at + 1);
        if (size > length - at - EXTENSION_HEAD) {
            return false;
        }
        if (header[at] == EXTENSION_CHECKSUM) {
            uint32_t said;
            if (size != CHECKSUM) {
                return false;
            }
            memcpy(&said, value, sizeof said);
            if (ntohl(said) != checksum(header, length, value, CHECKSUM)) {
                return false;
            }
        }
        at += EXTENSION_HEAD + size;
    }
    return true;
}

/** Fill in the client of a whole header; false when it is malformed. */
static bool
read_client(const unsigned char *bytes, size_t length, struct proxy_header *header)
{
    const unsigned char *block = bytes + FIXED;
    size_t addresses;
    switch (bytes[FAMILY]) {
    case FAMILY_TCP4:
        addresses = 12;
        break;
    case FAMILY_TCP6:
        addresses = 36;
        break;
    case FAMILY_UNIX:
        addresses = 216;
        break;
    default: /* families and transports that there are, but of which we have no use */
        return bytes[FAMILY] >> 4 <= 3 && (bytes[FAMILY] & 15) <= 2;
    }
    if (length - FIXED < addresses || !check_extensions(bytes, length, FIXED + addresses)) {
        return false;
    }
    if (bytes[FAMILY] == FAMILY_UNIX) {
        header->client = PROXY_CLIENT_UNIX;
        return true;
    }
    header->client = PROXY_CLIENT_IP;
    if (bytes[FAMILY] == FAMILY_TCP4) {
        struct in_addr address;
        in_port_t port;
        memcpy(&address, block, sizeof address);
        memcpy(&port, block + 8, sizeof port);
        set_ipv4(header, &address, port);
    } else {
        header->address.sin6_family = AF_INET6;
        memcpy(&header->address.sin6_addr, block, 16);
        memcpy(&header->address.sin6_port, block + 32, sizeof header->address.sin6_port);
    }
    return true;
}

static enum proxy_verdict
parse_binary(const unsigned char *bytes, size_t length, struct proxy_header *header)
{
    if (length > VERSION && bytes[VERSION] != COMMAND_LOCAL && bytes[VERSION] != COMMAND_PROXY) {
        return PROXY_MALFORMED;
    }
    if (length < FIXED) {
        return PROXY_MORE;
    }
    header->length = FIXED + read_two(bytes + LENGTH);
    if (header->length > PROXY_MAX) {
        return PROXY_TOO_LONG;
    }
    if (length < header->length) {
        return PROXY_MORE;
    }
    if (bytes[VERSION] == COMMAND_PROXY && !read_client(bytes, header->length, header)) {
        return PROXY_MALFORMED;
    }
    return PROXY_WHOLE;
}

enum proxy_verdict
proxy_parse(const unsigned char *bytes, size_t length, struct proxy_header *ret_header)
{
    struct proxy_header header = {0, PROXY_CLIENT_NONE, {0}};
    enum proxy_verdict verdict = PROXY_MALFORMED;
    size_t of_line = length < LINE_START ? length : LINE_START;
    size_t of_signature = length < sizeof signature ? length : sizeof signature;
    if (memcmp(bytes, line_start, of_line) == 0) {
        verdict = of_line < LINE_START ? PROXY_MORE : parse_line(bytes, length, &header);
    } else if (memcmp(bytes, signature, of_signature) == 0) {
        verdict =
            of_signature < sizeof signature ? PROXY_MORE : parse_binary(bytes, length, &header);
    }
    if (verdict == PROXY_WHOLE) {
        *ret_header = header;
    }
    return verdict;
}
