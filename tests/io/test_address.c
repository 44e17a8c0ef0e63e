/*
 * Addresses and names: what is parsed, how it is written, and look-ups that wait, fail, or are
 * given up while a thread of the pool still works on them.
 */
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "support.h"

/* ---- text and back ---- */

static const struct numeric {
    const char *host;
    uint16_t port;
    const char *text; /**< NULL: no address. */
} numerics[] = {
    {"127.0.0.1", 8888, "127.0.0.1:8888"},
    {"0.0.0.0", 0, "0.0.0.0:0"},
    {"255.255.255.255", 65535, "255.255.255.255:65535"},
    {"::1", 8888, "[::1]:8888"},
    {"::", 1, "[::]:1"},
    {"2001:db8::a:b", 443, "[2001:db8::a:b]:443"},
    {"::ffff:192.0.2.1", 80, "[::ffff:192.0.2.1]:80"},
    {"fe80::1%lo", 9, "[fe80::1%lo]:9"},
    {"", 1, NULL},
    {"localhost", 1, NULL},
    {"256.0.0.1", 1, NULL},
    {"1.2.3.4.5", 1, NULL},
    {"[::1]", 1, NULL},
    {"::1::", 1, NULL},
    {"127.0.0.1:80", 1, NULL},
    {" 127.0.0.1", 1, NULL},
    {"name.invalid", 1, NULL},
};

START_TEST(numeric_addresses)
{
    const struct numeric *row = &numerics[_i];
    struct green_address address;
    memset(&address, 0x5a, sizeof address);
    struct green_address before = address;
    int err = green_address_parse(row->host, row->port, &address);
    if (row->text == NULL) {
        ck_assert_int_eq(err, -EINVAL);
        ck_assert_int_eq(memcmp(&address.storage, &before.storage, sizeof address.storage), 0);
        ck_assert_uint_eq(address.length, before.length);
        return;
    }
    char text[GREEN_ADDRESS_TEXT];
    ck_assert_int_eq(err, 0);
    ck_assert_str_eq(green_address_format(&address, text, sizeof text), row->text);
    char cut[4];
    green_address_format(&address, cut, sizeof cut);
    ck_assert_uint_eq(strlen(cut), 3);
    ck_assert_int_eq(strncmp(cut, row->text, 3), 0);
}
END_TEST

START_TEST(unix_addresses)
{
    struct green_address address;
    char text[GREEN_ADDRESS_TEXT];
    char path[sizeof((struct sockaddr_un *)0)->sun_path + 1];
    ck_assert_int_eq(green_address_unix("/run/echod.sock", &address), 0);
    ck_assert_str_eq(green_address_format(&address, text, sizeof text), "unix:/run/echod.sock");
    ck_assert_int_eq(green_address_unix("@name", &address), 0);
    ck_assert_str_eq(green_address_format(&address, text, sizeof text), "unix:@name");
    ck_assert_int_eq(green_address_unix("", &address), -EINVAL);
    ck_assert_int_eq(green_address_unix("@", &address), -EINVAL);
    memset(path, 'a', sizeof path);
    path[sizeof path - 1] = '\0';
    ck_assert_int_eq(green_address_unix(path, &address), -ENAMETOOLONG);
    path[sizeof path - 2] = '\0';
    ck_assert_int_eq(green_address_unix(path, &address), 0);
    green_address_format(&address, text, sizeof text);
    ck_assert_int_eq(strncmp(text, "unix:", 5), 0);
    ck_assert_str_eq(text + 5, path);
    memset(&address, 0, sizeof address);
    ck_assert_str_eq(green_address_format(&address, text, sizeof text), "?");
    address.storage.ss_family = AF_UNIX; /* who connects has no name */
    address.length = sizeof address.storage.ss_family;
    ck_assert_str_eq(green_address_format(&address, text, sizeof text), "unix:");
}
END_TEST

/* ---- look-ups ---- */

static char overlong[300];

static const struct lookup {
    const char *host;
    const char *service;
    int flags;
    int err;
} lookups[] = {
    {"127.0.0.1", "80", 0, 0},
    {"::1", "http", 0, 0},
    {"localhost", "80", 0, 0},
    {"localhost", NULL, 0, 0},
    {NULL, "80", AI_PASSIVE, 0},
    {"name.invalid", "80", 0, -ENOENT},
    {"name.invalid", NULL, 0, -ENOENT},
    {"localhost", "no-such-service", 0, -EINVAL},
    {"127.0.0.1", "no-such-service", 0, -EINVAL},
    {"127.0.0.1", "80", 0x40000000, -EINVAL},
    {NULL, NULL, 0, -ENOENT},
    {"", "80", 0, -ENOENT},
    {overlong, "80", 0, -ENOENT},
    {"name.invalid", "80", AI_NUMERICHOST, -ENOENT},
};

static intptr_t
look_up(void *arg)
{
    const struct lookup *row = arg;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = row->flags};
    struct addrinfo *list = &hints;
    int err = green_resolve(row->host, row->service, &hints, &list);
    /* A machine without a name server cannot tell that a name does not exist. */
    if (row->err == -ENOENT && err == -EAGAIN) {
        err = -ENOENT;
    }
    WANT(err, ==, row->err);
    if (err != 0) {
        WANT(list == &hints, ==, true);
        return 0;
    }
    WANT(list->ai_socktype, ==, SOCK_STREAM);
    freeaddrinfo(list);
    return 0;
}

START_TEST(look_ups)
{
    memset(overlong, 'a', sizeof overlong - 1);
    for (int caller = 0; caller < CALLERS_HERE; caller++) {
        ASSERT_AS(caller, look_up, (void *)&lookups[_i]);
    }
    nap(MOMENT_MS); /* a thread that has ended gives back what the C library keeps for it */
}
END_TEST

static intptr_t
look_up_name(void *arg)
{
    struct addrinfo *list;
    int err = green_resolve(arg, "80", NULL, &list);
    if (err == 0) {
        freeaddrinfo(list);
    }
    return err;
}

static intptr_t
count_turns(void *arg)
{
    int *turns = arg;
    while (*turns >= 0) {
        ++*turns;
        green_yield();
    }
    return 0;
}

START_TEST(others_run_while_a_name_is_looked_up)
{
    int turns = 0;
    struct green_job *counter;
    struct green_job *jobs[12];
    ck_assert_int_eq(green_spawn(count_turns, &turns, &counter), 0);
    for (int i = 0; i < 12; i++) {
        ck_assert_int_eq(green_spawn(look_up_name, "localhost", &jobs[i]), 0);
    }
    for (int i = 0; i < 12; i++) {
        intptr_t err;
        ck_assert_int_eq(green_job_join(jobs[i], &err, green_after(LIMIT_MS)), 0);
        ck_assert_int_eq(err, 0);
        green_job_put(jobs[i]);
    }
    ck_assert_int_gt(turns, 1);
    turns = -1;
    ck_assert_int_eq(green_job_join(counter, NULL, green_after(LIMIT_MS)), 0);
    green_job_put(counter);
}
END_TEST

/** Given up by a scope, by cancellation, and left to itself by a thread that ends. */
static intptr_t
give_up(void *arg)
{
    (void)arg;
    struct green_job *jobs[8];
    for (int i = 0; i < 8; i++) {
        WANT(green_spawn(look_up_name, "name.invalid", &jobs[i]), ==, 0);
    }
    green_yield();
    struct green_timeout scope;
    green_timeout_start(&scope, 0);
    int err = (int)look_up_name("other.invalid");
    green_timeout_stop(&scope);
    WANT(err == -ETIMEDOUT || err == -ENOENT || err == -EAGAIN, ==, true);
    for (int i = 0; i < 8; i++) {
        intptr_t value;
        green_job_cancel(jobs[i]);
        WANT(green_job_join(jobs[i], &value, green_after(LIMIT_MS)), ==, 0);
        /* The answer may have been faster. */
        WANT(value == -ECANCELED || value == -ENOENT || value == -EAGAIN, ==, true);
        green_job_put(jobs[i]);
    }
    return 0; /* the answers come later, if at all */
}

START_TEST(look_ups_given_up)
{
    ASSERT_AS(CALL_TASK, give_up, NULL);
    for (int i = 0; i < 5; i++) {
        ASSERT_AS(CALL_THREAD, give_up, NULL);
    }
    ck_assert_int_eq(green_sleep(MOMENT_MS), 0);
}
END_TEST

/* ---- connecting by name ---- */

static void
port_of(const struct green_address *address, char *ret_service, size_t size)
{
    struct sockaddr_in in; /* in sockaddr_in6 the port is at the same place */
    memcpy(&in, &address->storage, sizeof in);
    snprintf(ret_service, size, "%u", (unsigned)ntohs(in.sin_port));
}

static intptr_t
connect_by_name(void *arg)
{
    (void)arg;
    struct green_address address;
    char service[8];
    int listener = listener_make(8, &address);
    WANT(listener, >=, 0);
    port_of(&address, service, sizeof service);
    int fd = green_connect_host("localhost", service); /* ::1 refuses perhaps, 127.0.0.1 does not */
    WANT(fd, >=, 0);
    WANT(is_nonblocking(fd), ==, false);
    green_close(fd);
    green_close(listener);
    int refuser = refuser_make("::", &address); /* of both families */
    if (refuser < 0) {
        refuser = refuser_make("0.0.0.0", &address);
    }
    WANT(refuser, >=, 0);
    port_of(&address, service, sizeof service);
    WANT(green_connect_host("localhost", service), ==, -ECONNREFUSED);
    close(refuser);
    int err = green_connect_host("name.invalid", service);
    WANT(err == -ENOENT || err == -EAGAIN, ==, true);
    WANT(green_connect_host("127.0.0.1", "no-such-service"), ==, -EINVAL);
    return 0;
}

START_TEST(connects_by_name)
{
    for (int caller = 0; caller < CALLERS_ALONE; caller++) {
        ASSERT_AS(caller, connect_by_name, NULL);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("address");
    /* A name server that is slow, or not there, is not waited for. */
    setenv("RES_OPTIONS", "timeout:1 attempts:1", 1);
    TCase *text = new_case(suite, "text");
    tcase_add_loop_test(text, numeric_addresses, 0, sizeof numerics / sizeof *numerics);
    tcase_add_test(text, unix_addresses);
    TCase *names = new_case(suite, "names");
    tcase_add_loop_test(names, look_ups, 0, sizeof lookups / sizeof *lookups);
    tcase_add_test(names, others_run_while_a_name_is_looked_up);
    tcase_add_test(names, look_ups_given_up);
    tcase_add_test(names, connects_by_name);
    return run_suite(suite);
}
