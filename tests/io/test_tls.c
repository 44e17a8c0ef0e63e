/*
 * TLS streams: the two ends of a connection, one in a thread, the other in every kind of caller.
 *
 * Each body makes a pair of sockets, starts the far end and talks to it.
 */
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tls_support.h"

#define BULK (1024 * 1024)

/** A far end that sends back what comes, to the end. */
static intptr_t
echo(void *arg)
{
    struct far *far = arg;
    struct green_tls *tls;
    struct green_view view;
    ssize_t got;
    WANT(green_tls_open(far->config, far->fds[1], NULL, &tls), ==, 0);
    WANT(green_tls_handshake(tls), ==, 0);
    while ((got = green_tls_recv_view(tls, &view)) > 0) {
        WANT(green_tls_send_view(tls, &view), ==, 0);
    }
    WANT(got, ==, 0);
    WANT(green_tls_sendall(tls, "end", 3), ==, 0);
    WANT(green_tls_shutdown(tls), ==, 0);
    WANT(green_tls_sendall(tls, "more", 4), ==, -EPIPE);
    green_tls_close(tls);
    return 0;
}

static intptr_t
want_text(struct green_tls *tls, const char *text)
{
    char buffer[64];
    size_t length = 0;
    while (length < strlen(text)) {
        ssize_t got = green_tls_recv(tls, buffer + length, strlen(text) - length, 0);
        WANT(got, >, 0);
        length += (size_t)got;
    }
    WANT(memcmp(buffer, text, length), ==, 0);
    return 0;
}

/* ---- bodies ---- */

static intptr_t
talk(void *arg)
{
    struct far *far = arg;
    struct green_tls *tls;
    struct green_tls_info info;
    char byte;
    WANT(start(far, &tls, "localhost"), ==, 0);
    WANT(green_tls_handshake(tls), ==, 0);
    green_tls_info(tls, &info);
    WANT(info.newest, ==, true);
    WANT(info.verified, ==, true);
    WANT(info.resumed, ==, false);
    WANT(green_tls_sendall(tls, "hello", 5), ==, 0);
    WANT_ALL(want_text(tls, "hello"));
    WANT(green_tls_recv(tls, &byte, 1, MSG_DONTWAIT), ==, -EAGAIN);
    struct green_timeout timeout;
    green_timeout_start(&timeout, MOMENT_MS);
    WANT(green_tls_recv(tls, &byte, 1, 0), ==, -ETIMEDOUT);
    green_timeout_stop(&timeout);
    WANT(green_tls_sendall(tls, "again", 5), ==, 0);
    WANT(green_tls_shutdown(tls), ==, 0);
    WANT_ALL(want_text(tls, "again"));
    WANT_ALL(want_text(tls, "end")); /* which was sent after the end of our side */
    WANT(green_tls_recv(tls, &byte, 1, 0), ==, 0);
    WANT(green_tls_recv(tls, &byte, 1, 0), ==, 0);
    return stop(far, tls);
}

START_TEST(both_directions_end_one_by_one)
{
    run(talk, echo);
}
END_TEST

/** Sends much while somebody else receives. */
static intptr_t
send_bulk(void *arg)
{
    struct green_tls *tls = arg;
    unsigned char *bytes = malloc(BULK);
    WANT(bytes != NULL, ==, true);
    pattern_fill(bytes, BULK, 0);
    int err = green_tls_sendall(tls, bytes, BULK);
    free(bytes);
    WANT(err, ==, 0);
    WANT(green_tls_shutdown(tls), ==, 0);
    return 0;
}

static intptr_t
receive_bulk(struct green_tls *tls)
{
    unsigned char chunk[20000];
    size_t length = 0;
    ssize_t got;
    while ((got = green_tls_recv(tls, chunk, sizeof chunk, 0)) > 0) {
        WANT(pattern_holds(chunk, (size_t)got, length), ==, true);
        length += (size_t)got;
    }
    WANT(got, ==, 0);
    WANT(length, ==, BULK);
    return 0;
}

/** Both directions at once, by two workers. */
static intptr_t
exchange(struct green_tls *tls)
{
    struct green_job *sender;
    intptr_t line;
    WANT(green_tls_handshake(tls), ==, 0);
    WANT(green_spawn(send_bulk, tls, &sender), ==, 0);
    intptr_t mine = receive_bulk(tls);
    WANT(green_job_join(sender, &line, GREEN_FOREVER), ==, 0);
    green_job_put(sender);
    return mine != 0 ? mine : line;
}

static intptr_t
exchange_far(void *arg)
{
    struct far *far = arg;
    struct green_tls *tls;
    WANT(green_tls_open(far->config, far->fds[1], NULL, &tls), ==, 0);
    intptr_t line = exchange(tls);
    green_tls_close(tls);
    return line;
}

static intptr_t
exchange_near(void *arg)
{
    struct far *far = arg;
    struct green_tls *tls;
    WANT(start(far, &tls, "localhost"), ==, 0);
    intptr_t line = exchange(tls);
    intptr_t other_line = stop(far, tls);
    return line != 0 ? line : other_line;
}

START_TEST(one_may_receive_while_another_sends)
{
    run(exchange_near, exchange_far);
}
END_TEST

/* ---- ends that are not in order ---- */

static intptr_t
be_cut(void *arg)
{
    struct far *far = arg;
    struct green_tls *tls;
    char bytes[8];
    WANT(green_tls_open(far->config, far->fds[1], NULL, &tls), ==, 0);
    WANT(green_tls_handshake(tls), ==, 0);
    WANT(green_tls_recv(tls, bytes, sizeof bytes, 0), ==, 5);
    WANT(green_tls_recv(tls, bytes, sizeof bytes, 0), ==, -ECONNABORTED);
    green_tls_close(tls);
    return 0;
}

static intptr_t
cut(void *arg)
{
    struct far *far = arg;
    struct green_tls *tls;
    WANT(start(far, &tls, "localhost"), ==, 0);
    WANT(green_tls_handshake(tls), ==, 0);
    WANT(green_tls_sendall(tls, "hello", 5), ==, 0);
    WANT(green_shutdown(far->fds[0], SHUT_WR), ==, 0);
    return stop(far, tls);
}

START_TEST(an_end_without_close_notify_is_an_error)
{
    run(cut, be_cut);
}
END_TEST

static intptr_t
hear_garbage(void *arg)
{
    struct far *far = arg;
    struct green_tls *tls;
    WANT(green_tls_open(far->config, far->fds[1], NULL, &tls), ==, 0);
    WANT(green_tls_handshake(tls), ==, -EPROTO);
    WANT(green_tls_reason(tls), ==, GREEN_TLS_REASON_PROTOCOL);
    WANT(strlen(green_tls_problem(tls)), >, 0);
    green_tls_close(tls);
    return 0;
}

static intptr_t
send_garbage(void *arg)
{
    static const char garbage[] = "\x16\x03\x01\x00\x05 these are no messages of a handshake";
    struct far *far = arg;
    struct green_tls *tls;
    WANT(start(far, &tls, "localhost"), ==, 0);
    WANT(green_sendall(far->fds[0], garbage, sizeof garbage, 0), ==, 0);
    return stop(far, tls);
}

START_TEST(garbage_is_told_from_tls)
{
    run(send_garbage, hear_garbage);
}
END_TEST

/** Waits in vain for a moment, then goes on with the same handshake. */
static intptr_t
be_patient(void *arg)
{
    struct far *far = arg;
    struct green_tls *tls;
    struct green_timeout timeout;
    int err;
    WANT(green_tls_open(far->config, far->fds[1], NULL, &tls), ==, 0);
    green_timeout_start(&timeout, MOMENT_MS);
    err = green_tls_handshake(tls);
    green_timeout_stop(&timeout);
    WANT(err, ==, -ETIMEDOUT);
    WANT(green_sendall(far->fds[1], "!", 1, 0), ==, 0); /* outside TLS: it may begin now */
    WANT(green_tls_handshake(tls), ==, 0);
    WANT(green_tls_sendall(tls, "welcome", 7), ==, 0);
    green_tls_close(tls);
    return 0;
}

static intptr_t
stall(void *arg)
{
    struct far *far = arg;
    struct green_tls *tls;
    char byte;
    WANT(start(far, &tls, "localhost"), ==, 0);
    WANT(green_recv(far->fds[0], &byte, 1, 0), ==, 1);
    WANT(green_tls_handshake(tls), ==, 0);
    WANT_ALL(want_text(tls, "welcome"));
    return stop(far, tls);
}

START_TEST(a_handshake_that_was_cut_short_goes_on)
{
    run(stall, be_patient);
}
END_TEST

/* ---- names and authorities ---- */

/** A far end whose handshake may fail: the near one tells. */
static intptr_t
shake(void *arg)
{
    struct far *far = arg;
    struct green_tls *tls;
    WANT(green_tls_open(far->config, far->fds[1], NULL, &tls), ==, 0);
    int err = green_tls_handshake(tls);
    WANT(err == 0 || green_tls_reason(tls) == GREEN_TLS_REASON_ALERT, ==, true);
    green_tls_close(tls);
    return 0;
}

static intptr_t
refuse(struct far *far, const char *host)
{
    struct green_tls *tls;
    WANT(start(far, &tls, host), ==, 0);
    WANT(green_tls_handshake(tls), ==, -EPROTO);
    WANT(green_tls_reason(tls), ==, GREEN_TLS_REASON_CERTIFICATE);
    return stop(far, tls);
}

static intptr_t
ask_for_strangers(void *arg)
{
    struct far *far = arg;
    WANT_ALL(refuse(far, "elsewhere.test")); /* the first certificate, which has another name */
    WANT_ALL(refuse(far, "127.0.0.1"));
    WANT_ALL(refuse(far, "other.test")); /* that name's certificate, from nobody that is known */
    return 0;
}

START_TEST(a_certificate_must_have_the_name_and_the_authority)
{
    run(ask_for_strangers, shake);
}
END_TEST

static intptr_t
ask_for_both(void *arg)
{
    struct far far = *(struct far *)arg;
    static const char *const names[] = {"localhost", "other.test"};
    const struct papers *papers[] = {&ours, &other};
    for (size_t i = 0; i < 2; i++) {
        struct green_tls *tls;
        char name[32];
        far.client = client_config(papers[i], false);
        WANT(start(&far, &tls, names[i]), ==, 0);
        WANT(green_tls_handshake(tls), ==, 0);
        WANT(strcmp(green_tls_peer_name(tls, name, sizeof name), names[i]), ==, 0);
        WANT_ALL(stop(&far, tls));
        green_tls_config_put(far.client);
    }
    return 0;
}

START_TEST(the_certificate_is_chosen_by_name)
{
    run(ask_for_both, shake);
}
END_TEST

START_TEST(what_is_wrong_with_a_certificate_is_said)
{
    char why[256];
    struct green_tls_config *config = NULL;
    make_papers("localhost", &ours);
    make_papers("other.test", &other);
    struct papers damaged = ours;
    damaged.certificate[100] = '!';
    const struct {
        const char *certificate;
        const char *key;
        const char *words;
    } wrongs[] = {
        {"", ours.key, "no certificate"},
        {damaged.certificate, ours.key, "damaged"},
        {ours.certificate, "", "key cannot be read"},
        {ours.certificate, other.key, "another certificate's"},
    };
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        struct green_tls_identity identity = {text_of(wrongs[i].certificate),
                                              text_of(wrongs[i].key), "the file"};
        struct green_tls_options options = {
            .server = true, .identities = &identity, .identity_count = 1};
        ck_assert_int_eq(green_tls_config_create(&options, &config, why, sizeof why), -EINVAL);
        ck_assert_msg(strstr(why, wrongs[i].words) != NULL, "%zu: %s", i, why);
        ck_assert_msg(strstr(why, "the file: ") == why, "%zu: %s", i, why);
    }
    struct green_tls_options options = {.authorities = text_of(damaged.certificate),
                                        .verify = GREEN_TLS_VERIFY_REQUIRED};
    ck_assert_int_eq(green_tls_config_create(&options, &config, why, sizeof why), -EINVAL);
    ck_assert_ptr_null(config);
}
END_TEST

int
main(void)
{
    OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL); /* before the test's own calls would do it */
    Suite *suite = suite_create("tls");
    TCase *tcase = new_case(suite, "tls");
    tcase_add_test(tcase, both_directions_end_one_by_one);
    tcase_add_test(tcase, one_may_receive_while_another_sends);
    tcase_add_test(tcase, an_end_without_close_notify_is_an_error);
    tcase_add_test(tcase, garbage_is_told_from_tls);
    tcase_add_test(tcase, a_handshake_that_was_cut_short_goes_on);
    tcase_add_test(tcase, a_certificate_must_have_the_name_and_the_authority);
    tcase_add_test(tcase, the_certificate_is_chosen_by_name);
    tcase_add_test(tcase, what_is_wrong_with_a_certificate_is_said);
    return run_suite(suite);
}
