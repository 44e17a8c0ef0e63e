/*
 * TLS that the kernel seals. Where this kernel cannot, the same has to come about without it.
 */
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "io/tls.h"
#include "tls_support.h"

#define BULK (1024 * 1024)

/** Less than a record: what the kernel has sealed waits in it for TCP. */
#define SEND_BUFFER 4096

/** RFC 8448, section 3: the server's application traffic, before its first record and later. */
START_TEST(keys_are_those_of_the_rfc)
{
    static const unsigned char key[] = {0x9f, 0x02, 0x28, 0x3b, 0x6c, 0x9c, 0x07, 0xef,
                                        0xc2, 0x6b, 0xb9, 0xf2, 0xac, 0x92, 0xe3, 0x56};
    static const unsigned char nonce[] = {0xcf, 0x78, 0x2b, 0x88, 0xdd, 0x83,
                                          0x54, 0x9a, 0xad, 0xf1, 0xe9, 0x84};
    static const unsigned char sequence[] = {0, 0, 0, 0, 0, 0, 1, 2};
    const struct green__tls_secret secret = {32, {0xa1, 0x1a, 0xf9, 0xf0, 0x55, 0x31, 0xf8, 0x56,
                                                  0xad, 0x47, 0x11, 0x6b, 0x45, 0xa9, 0x50, 0x32,
                                                  0x82, 0x04, 0xb4, 0xf4, 0x4b, 0xfb, 0x6b, 0x3a,
                                                  0x4b, 0x4f, 0x1f, 0x3f, 0xcb, 0x63, 0x16, 0x43}};
    union green__tls_seal seal;
    struct tls12_crypto_info_aes_gcm_128 told;
    size_t size = green__tls_kernel_seal(TLS1_3_CK_AES_128_GCM_SHA256, &secret, 0x102, &seal);
    ck_assert_uint_eq(size, sizeof told);
    memcpy(&told, &seal, sizeof told);
    ck_assert_int_eq(told.info.version, TLS_1_3_VERSION);
    ck_assert_int_eq(told.info.cipher_type, TLS_CIPHER_AES_GCM_128);
    ck_assert_mem_eq(told.key, key, sizeof key);
    ck_assert_mem_eq(told.salt, nonce, sizeof told.salt);
    ck_assert_mem_eq(told.iv, nonce + sizeof told.salt, sizeof told.iv);
    ck_assert_mem_eq(told.rec_seq, sequence, sizeof sequence);
    ck_assert_uint_eq(green__tls_kernel_seal(TLS1_3_CK_AES_128_CCM_SHA256, &secret, 0, &seal), 0);
}
END_TEST

/* ---- a peer that reads late ---- */

/** Sends much, ends at once, and closes: nothing of it may be forgotten. */
static intptr_t
send_and_go(void *arg)
{
    struct far *far = arg;
    struct green_tls *tls;
    struct green_tls_info info;
    unsigned char *bytes = malloc(BULK);
    int size = SEND_BUFFER;
    WANT(bytes != NULL, ==, true);
    pattern_fill(bytes, BULK, 0);
    WANT(setsockopt(far->fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size), ==, 0);
    WANT(green_tls_open(far->config, far->fds[1], NULL, &tls), ==, 0);
    WANT(green_tls_handshake(tls), ==, 0);
    green_tls_info(tls, &info);
    WANT(info.offloaded, ==, tls->config->offload && green_tls_kernel_offers());
    WANT(green_tls_sendall(tls, bytes, BULK), ==, 0);
    WANT(green_tls_shutdown(tls), ==, 0);
    green_tls_close(tls);
    free(bytes);
    return 0;
}

static intptr_t
read_late(void *arg)
{
    struct far *far = arg;
    struct green_tls *tls;
    unsigned char chunk[1000];
    size_t length = 0;
    ssize_t got;
    WANT(start(far, &tls, "localhost"), ==, 0);
    WANT(green_tls_handshake(tls), ==, 0);
    while ((got = green_tls_recv(tls, chunk, sizeof chunk, 0)) > 0) {
        WANT(pattern_holds(chunk, (size_t)got, length), ==, true);
        length += (size_t)got;
        if (length % 100000 == 0) {
            green_sleep(1); /* its buffers fill up meanwhile */
        }
    }
    WANT(got, ==, 0);
    WANT(length, ==, BULK);
    return stop(far, tls);
}

START_TEST(a_late_reader_gets_all)
{
    run(read_late, send_and_go);
}
END_TEST

/* ---- resumption ---- */

static intptr_t
greet(void *arg)
{
    struct far *far = arg;
    struct green_tls *tls;
    char byte;
    WANT(green_tls_open(far->config, far->fds[1], NULL, &tls), ==, 0);
    WANT(green_tls_handshake(tls), ==, 0);
    WANT(green_tls_sendall(tls, "hello", 5), ==, 0);
    WANT(green_tls_shutdown(tls), ==, 0);
    WANT(green_tls_recv(tls, &byte, 1, 0), ==, 0);
    green_tls_close(tls);
    return 0;
}

static SSL_SESSION *kept;

static int
keep(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(kept);
    kept = session;
    return 1;
}

/** One connection; whether it resumed the session that is kept. */
static intptr_t
visit(struct far *far, bool *ret_resumed)
{
    struct green_tls *tls;
    struct green_tls_info info;
    char bytes[8];
    WANT(start(far, &tls, "localhost"), ==, 0);
    SSL_CTX_set_session_cache_mode(far->client->contexts[0],
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(far->client->contexts[0], keep);
    if (kept != NULL) {
        SSL_set_session(tls->ssl, kept);
    }
    WANT(green_tls_handshake(tls), ==, 0);
    WANT(green_tls_recv(tls, bytes, sizeof bytes, 0), ==, 5);
    WANT(green_tls_recv(tls, bytes, sizeof bytes, 0), ==, 0);
    green_tls_info(tls, &info);
    *ret_resumed = info.resumed;
    WANT(green_tls_shutdown(tls), ==, 0);
    return stop(far, tls);
}

static intptr_t
visit_three_times(void *arg)
{
    struct far *far = arg;
    bool resumed = true;
    kept = NULL;
    WANT_ALL(visit(far, &resumed));
    WANT(resumed, ==, false);
    WANT(kept != NULL, ==, true);
    for (int i = 0; i < 2; i++) {
        WANT_ALL(visit(far, &resumed));
        WANT(resumed, ==, true);
    }
    SSL_SESSION_free(kept);
    return 0;
}

START_TEST(tickets_are_counted_and_good)
{
    struct green_tls_tickets *tickets;
    make_papers("localhost", &ours);
    ck_assert_int_eq(green_tls_tickets_create(&tickets), 0);
    struct green_tls_identity identity = identity_of(&ours);
    struct far far = {
        .config = make_config(&(struct green_tls_options){.server = true,
                                                          .identities = &identity,
                                                          .identity_count = 1,
                                                          .tickets = tickets,
                                                          .offload = true}),
        .client = client_config(&ours, true),
        .entry = greet,
    };
    for (int caller = 0; caller < CALLERS_HERE; caller++) {
        ASSERT_AS(caller, visit_three_times, &far);
    }
    green_tls_config_put(far.config);
    green_tls_config_put(far.client);
    green_tls_tickets_destroy(tickets);
}
END_TEST

/* ---- new keys ---- */

static intptr_t
hear_of_new_keys(void *arg)
{
    struct far *far = arg;
    struct green_tls *tls;
    char bytes[8];
    WANT(green_tls_open(far->config, far->fds[1], NULL, &tls), ==, 0);
    WANT(green_tls_handshake(tls), ==, 0);
    WANT(green_tls_recv(tls, bytes, sizeof bytes, 0), ==, 5);
    WANT(green_tls_recv(tls, bytes, sizeof bytes, 0), ==, 5);
    if (tls->kernel.taken) {
        WANT(green_tls_sendall(tls, "hello", 5), ==, -EPROTO);
        WANT(strstr(green_tls_problem(tls), "new keys") != NULL, ==, true);
        WANT(green_shutdown(far->fds[1], SHUT_WR), ==, 0);
    } else {
        WANT(green_tls_sendall(tls, "hello", 5), ==, 0);
    }
    green_tls_close(tls);
    return 0;
}

static intptr_t
want_new_keys(void *arg)
{
    struct far *far = arg;
    struct green_tls *tls;
    char bytes[8];
    WANT(start(far, &tls, "localhost"), ==, 0);
    WANT(green_tls_handshake(tls), ==, 0);
    WANT(green_tls_sendall(tls, "hello", 5), ==, 0);
    WANT(SSL_key_update(tls->ssl, SSL_KEY_UPDATE_REQUESTED), ==, 1);
    WANT(green_tls_sendall(tls, "hello", 5), ==, 0);
    ssize_t got = green_tls_recv(tls, bytes, sizeof bytes, 0);
    WANT(got == 5 || got == -ECONNABORTED || got == -ECONNRESET, ==, true);
    return stop(far, tls);
}

START_TEST(new_keys_are_taken_or_refused)
{
    make_papers("localhost", &ours);
    struct green_tls_identity identity = identity_of(&ours);
    for (int offload = 0; offload < 2; offload++) {
        struct far far = {
            .config = make_config(&(struct green_tls_options){
                .server = true, .identities = &identity, .identity_count = 1, .offload = offload}),
            .client = client_config(&ours, false),
            .entry = hear_of_new_keys,
        };
        ASSERT_AS(0, want_new_keys, &far);
        green_tls_config_put(far.config);
        green_tls_config_put(far.client);
    }
}
END_TEST

int
main(void)
{
    OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL); /* before the test's own calls would do it */
    Suite *suite = suite_create("tls kernel");
    TCase *tcase = new_case(suite, "tls kernel");
    tcase_add_test(tcase, keys_are_those_of_the_rfc);
    tcase_add_test(tcase, a_late_reader_gets_all);
    tcase_add_test(tcase, tickets_are_counted_and_good);
    tcase_add_test(tcase, new_keys_are_taken_or_refused);
    return run_suite(suite);
}
