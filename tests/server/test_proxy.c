/*
 * Reading PROXY headers, and networks: right and wrong ones, cut anywhere, and bytes made up at
 * random.
 *
 * With -DFUZZ_TARGET and clang's -fsanitize=fuzzer it is a fuzzer of the parser instead.
 */
#include "network.h"
#include "proxy.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/**
 * What holds of any bytes: a verdict is final, comes of a beginning that is not yet one, and a
 * header is no longer than it may be. Returns the place that does not hold; NULL when all does.
 */
static const char *
find_fault(const unsigned char *bytes, size_t length)
{
    enum proxy_verdict before = PROXY_MORE;
    size_t end = 0;
    for (size_t i = 1; i <= length; i++) {
        struct proxy_header header;
        unsigned char *copy = malloc(i); /* of that size: a sanitizer sees a step past the end */
        if (copy == NULL) {
            return "memory";
        }
        memcpy(copy, bytes, i);
        enum proxy_verdict verdict = proxy_parse(copy, i, &header);
        free(copy);
        if (before != PROXY_MORE && verdict != before) {
            return "a verdict that changes";
        }
        if (verdict == PROXY_WHOLE) {
            end = end == 0 ? i : end;
            if (header.length != end || header.length > PROXY_MAX) {
                return "a header that ends elsewhere";
            }
        }
        if (verdict == PROXY_MORE && i >= PROXY_MAX) {
            return "a header without an end";
        }
        before = verdict;
    }
    return NULL;
}

#ifdef FUZZ_TARGET

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (find_fault(data, size) != NULL) {
        abort();
    }
    return 0;
}

#else

#include <check.h>

#define V2 "\r\n\r\n\0\r\nQUIT\n"

struct example {
    const char *bytes;
    size_t length;
    enum proxy_verdict verdict;
    const char *client; /* of a whole one: "ADDRESS PORT", "unix", or "none" */
};

#define EXAMPLE(bytes, verdict, client)           \
    {                                             \
        bytes, sizeof(bytes) - 1, verdict, client \
    }
#define WHOLE(bytes, client) EXAMPLE(bytes, PROXY_WHOLE, client)
#define WRONG(bytes)         EXAMPLE(bytes, PROXY_MALFORMED, NULL)

#define TCP4_BLOCK "\xc0\0\2\1\xc6\x33\x64\2\x1f\x90\x22\xb8"
#define TCP6_BLOCK \
    "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2\xff\xff\0\1"
#define NINES "9999999999999999999999999"

static const struct example examples[] = {
    WHOLE("PROXY TCP4 192.0.2.1 198.51.100.2 8080 8888\r\n", "192.0.2.1 8080"),
    WHOLE("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255 65535"),
    WHOLE("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "0.0.0.0 0"),
    WHOLE("PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n", "2001:db8::1 1"),
    WHOLE("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
          "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
          "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535"),
    WHOLE("PROXY UNKNOWN\r\n", "none"),
    WHOLE("PROXY UNKNOWN whatever \t it 1 says\r\n", "none"),
    WHOLE("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
          "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
          "none"),
    EXAMPLE("PROXY UNKNOWN " NINES NINES NINES NINES "\r\n", PROXY_TOO_LONG, NULL),
    EXAMPLE("PROXY " NINES NINES NINES NINES NINES, PROXY_TOO_LONG, NULL),
    EXAMPLE("PROXY TCP4 192.0.2.1 198.51.100.2 8080 8888\r", PROXY_MORE, NULL),
    WRONG("GET / HTTP/1.1\r\n"),
    WRONG("proxy TCP4 192.0.2.1 198.51.100.2 8080 8888\r\n"),
    WRONG("PROXY\tTCP4 192.0.2.1 198.51.100.2 8080 8888\r\n"),
    WRONG("PROXY  TCP4 192.0.2.1 198.51.100.2 8080 8888\r\n"),
    WRONG("PROXY TCP5 192.0.2.1 198.51.100.2 8080 8888\r\n"),
    WRONG("PROXY TCP4  192.0.2.1 198.51.100.2 8080 8888\r\n"),
    WRONG("PROXY TCP4 192.0.2.1 198.51.100.2 8080 8888 \r\n"),
    WRONG("PROXY TCP4 192.0.2.1 198.51.100.2 8080 8888 1\r\n"),
    WRONG("PROXY TCP4 192.0.2.1 198.51.100.2 8080\r\n"),
    WRONG("PROXY TCP4 192.0.2.1 198.51.100.2 8080 \r\n"),
    WRONG("PROXY TCP4 192.0.2.1 198.51.100.2 08080 8888\r\n"),
    WRONG("PROXY TCP4 192.0.2.1 198.51.100.2 65536 8888\r\n"),
    WRONG("PROXY TCP4 192.0.2.1 198.51.100.2 -1 8888\r\n"),
    WRONG("PROXY TCP4 192.0.2.1 198.51.100.2 8080 x\r\n"),
    WRONG("PROXY TCP4 192.0.2 198.51.100.2 8080 8888\r\n"),
    WRONG("PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n"),
    WRONG("PROXY TCP6 192.0.2.1 198.51.100.2 8080 8888\r\n"),
    WRONG("PROXY TCP4 192.0.2.1\0 198.51.100.2 8080 8888\r\n"),
    WRONG("PROXY TCP4 192.0.2.1 198.51.100.2 8080 8888\rx"),
    WRONG("PROXY \r\n"),
    WHOLE(V2 "\x21\x11\0\x0c" TCP4_BLOCK, "192.0.2.1 8080"),
    WHOLE(V2 "\x21\x21\0\x24" TCP6_BLOCK, "2001:db8::1 65535"),
    WHOLE(V2 "\x20\0\0\0", "none"),
    WHOLE(V2 "\x20\x11\0\x0c" TCP4_BLOCK, "none"),
    WHOLE(V2 "\x20\xff\0\1\xff", "none"),
    WHOLE(V2 "\x21\0\0\0", "none"),
    WHOLE(V2 "\x21\x12\0\x0c" TCP4_BLOCK, "none"),
    /* Extensions: a NOOP of two bytes; the authority; the checksum, right and wrong. */
    WHOLE(V2 "\x21\x11\0\x11" TCP4_BLOCK "\4\0\2..", "192.0.2.1 8080"),
    WHOLE(V2 "\x21\x11\0\x19" TCP4_BLOCK "\2\0\7a.b.c.d\4\0\0", "192.0.2.1 8080"),
    WRONG(V2 "\x21\x11\0\x11" TCP4_BLOCK "\4\0\3.."),
    WRONG(V2 "\x21\x11\0\x0e" TCP4_BLOCK "\4\0"),
    WRONG(V2 "\x21\x11\0\x13" TCP4_BLOCK "\3\0\4\1\2\3\4"),
    WRONG(V2 "\x21\x11\0\x12" TCP4_BLOCK "\3\0\3\1\2\3"),
    WRONG(V2 "\x21\x11\0\x0b" TCP4_BLOCK),
    WRONG(V2 "\x21\x21\0\x0c" TCP4_BLOCK),
    WRONG(V2 "\x21\x31\0\x0c" TCP4_BLOCK),
    WRONG(V2 "\x22\x11\0\x0c" TCP4_BLOCK),
    WRONG(V2 "\x11\x11\0\x0c" TCP4_BLOCK),
    WRONG(V2 "\x21\x41\0\x0c" TCP4_BLOCK),
    WRONG(V2 "\x21\x13\0\x0c" TCP4_BLOCK),
    EXAMPLE(V2 "\x21\x11\xff\xff", PROXY_TOO_LONG, NULL),
    EXAMPLE(V2 "\x21\x11\x0f\xf1", PROXY_TOO_LONG, NULL),
    EXAMPLE(V2 "\x21\x11\x0f\xf0", PROXY_MORE, NULL),
    WRONG("\r\n\r\n\0\r\nQUIT\r"),
};

/** The client of a header, as the examples write it. */
static const char *
write_client(const struct proxy_header *header, char text[64])
{
    char address[INET6_ADDRSTRLEN];
    if (header->client == PROXY_CLIENT_NONE) {
        return "none";
    }
    if (header->client == PROXY_CLIENT_UNIX) {
        return "unix";
    }
    struct sockaddr_in ipv4;
    memcpy(&ipv4, &header->address, sizeof ipv4);
    bool is_ipv4 = header->address.sin6_family == AF_INET;
    inet_ntop(is_ipv4 ? AF_INET : AF_INET6,
              is_ipv4 ? (const void *)&ipv4.sin_addr : &header->address.sin6_addr, address,
              sizeof address);
    snprintf(text, 64, "%s %d", address,
             ntohs(is_ipv4 ? ipv4.sin_port : header->address.sin6_port));
    return text;
}

START_TEST(examples_are_read_right)
{
    const struct example *example = &examples[_i];
    struct proxy_header header;
    char text[64];
    enum proxy_verdict verdict =
        proxy_parse((const unsigned char *)example->bytes, example->length, &header);
    ck_assert_msg(verdict == example->verdict, "example %d: %d", _i, (int)verdict);
    if (verdict == PROXY_WHOLE) {
        ck_assert_str_eq(write_client(&header, text), example->client);
        ck_assert_uint_eq(header.length, example->length);
    }
    ck_assert_ptr_null(find_fault((const unsigned char *)example->bytes, example->length));
}
END_TEST

/* What a client says first may look like anything, a second header too. */
START_TEST(what_follows_is_not_looked_at)
{
    static const char first[] = "PROXY UNKNOWN\r\n";
    unsigned char bytes[256];
    struct proxy_header header;
    size_t length = sizeof first - 1;
    memcpy(bytes, first, length);
    memcpy(bytes + length, V2, sizeof V2 - 1);
    ck_assert_int_eq(proxy_parse(bytes, length + sizeof V2 - 1, &header), PROXY_WHOLE);
    ck_assert_uint_eq(header.length, length);
}
END_TEST

START_TEST(unix_clients_have_no_address)
{
    unsigned char bytes[16 + 216] = V2 "\x21\x31\0\xd8";
    struct proxy_header header;
    ck_assert_int_eq(proxy_parse(bytes, sizeof bytes, &header), PROXY_WHOLE);
    ck_assert_int_eq(header.client, PROXY_CLIENT_UNIX);
    ck_assert_int_eq(header.address.sin6_family, AF_UNSPEC);
}
END_TEST

/** CRC32c by its definition: division of polynomials, the most significant bit first. */
static uint32_t
divide(const unsigned char *bytes, size_t length)
{
    uint32_t rest = 0xffffffff;
    for (size_t i = 0; i < length * 8; i++) {
        unsigned bit = bytes[i / 8] >> i % 8 & 1;
        unsigned carry = rest >> 31 ^ bit;
        rest = rest << 1 ^ (carry ? 0x1EDC6F41u : 0);
    }
    uint32_t reflected = 0;
    for (int i = 0; i < 32; i++) {
        reflected |= (rest >> i & 1) << (31 - i);
    }
    return ~reflected;
}

START_TEST(checksum_is_verified)
{
    static const char start[] = V2 "\x21\x11\0\x18" TCP4_BLOCK "\4\0\2ab\3\0\4\0\0\0\0";
    unsigned char bytes[sizeof start - 1];
    struct proxy_header header;
    memcpy(bytes, start, sizeof bytes);
    ck_assert_uint_eq(divide((const unsigned char *)"123456789", 9), 0xE3069283u);
    uint32_t sum = htonl(divide(bytes, sizeof bytes));
    memcpy(bytes + sizeof bytes - 4, &sum, 4);
    ck_assert_int_eq(proxy_parse(bytes, sizeof bytes, &header), PROXY_WHOLE);
    for (size_t bit = 0; bit < sizeof bytes * 8; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        enum proxy_verdict verdict = proxy_parse(bytes, sizeof bytes, &header);
        bool without = bit / 8 == 12 || bit / 8 == 13 || bit / 8 == 33; /* no longer looked for */
        ck_assert_msg(verdict != PROXY_WHOLE || without, "bit %zu", bit);
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
}
END_TEST

/** A number that looks random; the same in each run. */
static uint32_t
draw(uint32_t below)
{
    static uint64_t state = 0x9E3779B97F4A7C15u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % below;
}

START_TEST(mutants_are_read_without_fault)
{
    enum { MUTANTS = 20000 };
    const char *stress = getenv("GREEN_STRESS");
    int mutants = stress != NULL && strcmp(stress, "small") == 0 ? MUTANTS / 20 : MUTANTS;
    size_t wholes = 0;
    for (int i = 0; i < mutants; i++) {
        const struct example *example = &examples[draw(sizeof examples / sizeof *examples)];
        unsigned char bytes[512];
        size_t length = example->length;
        struct proxy_header header;
        memcpy(bytes, example->bytes, length);
        for (uint32_t changes = 1 + draw(3); changes > 0 && length > 0; changes--) {
            size_t at = draw((uint32_t)length);
            switch (draw(4)) {
            case 0:
                bytes[at] ^= (unsigned char)(1 << draw(8));
                break;
            case 1:
                bytes[at] = (unsigned char)draw(256);
                break;
            case 2: /* a byte less */
                memmove(bytes + at, bytes + at + 1, --length - at);
                break;
            default: /* a byte more */
                memmove(bytes + at + 1, bytes + at, length++ - at);
            }
        }
        const char *fault = length == 0 ? NULL : find_fault(bytes, length);
        if (fault != NULL) {
            ck_abort_msg("mutant %d: %s", i, fault);
        }
        wholes += length > 0 && proxy_parse(bytes, length, &header) == PROXY_WHOLE;
    }
    ck_assert_uint_gt(wholes, 0);
    ck_assert_uint_lt(wholes, (size_t)mutants);
}
END_TEST

/* ---- networks ---- */

static const struct {
    const char *text;
    const char *formatted; /* NULL: it is refused */
} networks[] = {
    {"10.0.0.0/8", "10.0.0.0/8"},
    {"192.0.2.1", "192.0.2.1/32"},
    {"0.0.0.0/0", "0.0.0.0/0"},
    {"::ffff:10.0.0.0/104", "10.0.0.0/8"},
    {"::1", "::1/128"},
    {"fd00::/8", "fd00::/8"},
    {"::/0", "::/0"},
    {"2001:db8::/33", "2001:db8::/33"},
    {"unix", "unix"},
    {"10.0.0.1/8", NULL},
    {"10.0.0.0/33", NULL},
    {"10.0.0.0/", NULL},
    {"10.0.0.0/-1", NULL},
    {"10.0.0/8", NULL},
    {"fd00::1/8", NULL},
    {"::/129", NULL},
    {"localhost", NULL},
    {"", NULL},
    {"/8", NULL},
    {"UNIX", NULL},
};

START_TEST(networks_are_read_and_written)
{
    struct network network;
    char text[NETWORK_TEXT];
    bool right = network_parse(networks[_i].text, &network);
    ck_assert_msg(right == (networks[_i].formatted != NULL), "%s", networks[_i].text);
    if (right) {
        ck_assert_str_eq(network_format(&network, text), networks[_i].formatted);
    }
}
END_TEST

static const struct {
    const char *network;
    const char *address;
    bool in;
} memberships[] = {
    {"10.0.0.0/8", "10.255.255.255", true},
    {"10.0.0.0/8", "11.0.0.0", false},
    {"10.0.0.0/8", "::ffff:10.1.2.3", true},
    {"10.0.0.0/7", "11.0.0.0", true},
    {"0.0.0.0/0", "255.255.255.255", true},
    {"0.0.0.0/0", "::1", false},
    {"0.0.0.0/0", "unix", false},
    {"::/0", "2001:db8::1", true},
    {"::/0", "127.0.0.1", false}, /* who trusts all of IPv6 has not said so of IPv4 */
    {"::/0", "::ffff:127.0.0.1", false},
    {"::1", "::1", true},
    {"::1", "::2", false},
    {"2001:db8::/33", "2001:db8:7fff::", true},
    {"2001:db8::/33", "2001:db8:8000::", false},
    {"unix", "unix", true},
    {"unix", "127.0.0.1", false},
};

START_TEST(networks_have_their_addresses)
{
    struct networks list = {.count = 1};
    struct sockaddr_in6 address = {.sin6_family = AF_UNIX};
    struct sockaddr_in ipv4 = {.sin_family = AF_INET};
    ck_assert(network_parse(memberships[_i].network, &list.list[0]));
    if (inet_pton(AF_INET, memberships[_i].address, &ipv4.sin_addr) == 1) {
        memcpy(&address, &ipv4, sizeof ipv4);
    } else if (inet_pton(AF_INET6, memberships[_i].address, &address.sin6_addr) == 1) {
        address.sin6_family = AF_INET6;
    }
    ck_assert_msg(networks_have(&list, &address) == memberships[_i].in, "%s in %s",
                  memberships[_i].address, memberships[_i].network);
    list.count = 0;
    ck_assert(!networks_have(&list, &address));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("proxy");
    TCase *cases = tcase_create("proxy");
    tcase_set_timeout(cases, 280);
    tcase_add_loop_test(cases, examples_are_read_right, 0, sizeof examples / sizeof *examples);
    tcase_add_test(cases, what_follows_is_not_looked_at);
    tcase_add_test(cases, unix_clients_have_no_address);
    tcase_add_test(cases, checksum_is_verified);
    tcase_add_test(cases, mutants_are_read_without_fault);
    tcase_add_loop_test(cases, networks_are_read_and_written, 0,
                        sizeof networks / sizeof *networks);
    tcase_add_loop_test(cases, networks_have_their_addresses, 0,
                        sizeof memberships / sizeof *memberships);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

#endif
