/*
 * Datagrams and messages: addresses, truncation, control data with descriptors, cut short and
 * refused, by every kind of caller.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support.h"

/** A UDP socket on the loopback and its address. */
static int
udp_make(const char *host, struct green_address *ret_address)
{
    int fd = green_address_parse(host, 0, ret_address);
    if (fd == 0) {
        fd = green_socket(ret_address->storage.ss_family, SOCK_DGRAM, 0);
    }
    int err = fd < 0 ? fd : green_bind(fd, ret_address);
    return err != 0 ? err : address_of(fd, ret_address) == 0 ? fd : -EIO;
}

static intptr_t
exchange(const char *host)
{
    struct green_address here;
    struct green_address there;
    struct green_address peer = {.length = 7};
    char bytes[16] = "";
    int a = udp_make(host, &here);
    int b = udp_make(host, &there);
    WANT(a, >=, 0);
    WANT(b, >=, 0);
    WANT(fcntl(a, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
    WANT(green_recvfrom(b, bytes, sizeof bytes, MSG_DONTWAIT, &peer), ==, -EAGAIN);
    WANT(peer.length, ==, 7);
    WANT(green_sendto(a, "hello", 5, 0, &there), ==, 5);
    WANT(green_sendto(a, "", 0, 0, &there), ==, 0);
    WANT(green_sendto(a, "truncated", 9, 0, &there), ==, 9);
    WANT(green_recvfrom(b, bytes, sizeof bytes, 0, &peer), ==, 5);
    WANT(memcmp(bytes, "hello", 5), ==, 0);
    WANT(peer.length, ==, here.length);
    WANT(memcmp(&peer.storage, &here.storage, here.length), ==, 0);
    WANT(green_recvfrom(b, bytes, sizeof bytes, 0, NULL), ==, 0);
    WANT(green_recvfrom(b, bytes, 4, MSG_TRUNC, NULL), ==, 9);
    WANT(green_recvfrom(b, bytes, 4, MSG_DONTWAIT, NULL), ==, -EAGAIN);
    WANT(green_connect(b, (struct sockaddr *)&here.storage, here.length), ==, 0);
    WANT(green_sendto(b, "back", 4, 0, NULL), ==, 4);
    WANT(green_recv(a, bytes, sizeof bytes, 0), ==, 4);
    WANT(is_nonblocking(a) + is_nonblocking(b), ==, 0);
    green_close(a);
    green_close(b);
    return 0;
}

static intptr_t
exchange_both(void *arg)
{
    (void)arg;
    WANT_ALL(exchange("127.0.0.1"));
    return exchange("::1");
}

START_TEST(datagrams_with_addresses)
{
    for (int caller = 0; caller < CALLERS_ALONE; caller++) {
        ASSERT_AS(caller, exchange_both, NULL);
    }
}
END_TEST

/* ---- waiting ---- */

static int silent[2];

static void
speak(void *arg)
{
    (void)arg;
    if (write(silent[1], "late", 4) != 4) {
        abort();
    }
}

static intptr_t
receive_late(void *arg)
{
    char bytes[8];
    struct later later;
    struct green_address peer;
    struct storm storm;
    WANT(pair_make(*(enum pair *)arg, silent), ==, 0);
    later_start(&later, MOMENT_MS, speak, NULL);
    storm_start(&storm);
    ssize_t got = green_recvfrom(silent[0], bytes, sizeof bytes, 0, &peer);
    storm_stop(&storm);
    later_join(&later);
    WANT(got, ==, 4);
    WANT(memcmp(bytes, "late", 4), ==, 0);
    WANT(is_nonblocking(silent[0]), ==, false);
    struct green_timeout scope;
    green_timeout_start(&scope, 1);
    WANT(green_recvfrom(silent[0], bytes, sizeof bytes, 0, &peer), ==, -ETIMEDOUT);
    WANT(green_timeout_fired(&scope), ==, true);
    green_timeout_stop(&scope);
    green_close(silent[0]);
    green_close(silent[1]);
    return 0;
}

START_TEST(who_receives_waits)
{
    enum pair sorts[] = {PAIR_TCP4, PAIR_UNIX, PAIR_DATAGRAM};
    for (int caller = 0; caller < CALLERS_HERE; caller++) {
        for (size_t i = 0; i < 3; i++) {
            ASSERT_AS(caller, receive_late, &sorts[i]);
        }
    }
}
END_TEST

static void
drain(void *arg)
{
    char bytes[4096];
    (void)arg;
    while (recv(silent[1], bytes, sizeof bytes, MSG_DONTWAIT) > 0) {
    }
}

static intptr_t
send_late(void *arg)
{
    struct later later;
    WANT(pair_make(*(enum pair *)arg, silent), ==, 0);
    WANT(fill(silent[0]), ==, 0);
    struct green_timeout scope;
    green_timeout_start(&scope, 1);
    WANT(green_sendto(silent[0], "x", 1, 0, NULL), ==, -ETIMEDOUT);
    green_timeout_stop(&scope);
    WANT(green_sendto(silent[0], "x", 1, MSG_DONTWAIT, NULL), ==, -EAGAIN);
    later_start(&later, MOMENT_MS, drain, NULL);
    ssize_t sent = green_sendto(silent[0], "x", 1, 0, NULL);
    later_join(&later);
    WANT(sent, ==, 1);
    close(silent[1]);
    WANT(green_sendto(silent[0], "x", 1, 0, NULL), <, 0); /* and no SIGPIPE */
    green_close(silent[0]);
    return 0;
}

START_TEST(who_sends_waits)
{
    enum pair sorts[] = {PAIR_UNIX, PAIR_DATAGRAM};
    for (int caller = 0; caller < CALLERS_HERE; caller++) {
        for (size_t i = 0; i < 2; i++) {
            ASSERT_AS(caller, send_late, &sorts[i]);
        }
    }
}
END_TEST

static intptr_t
be_cancelled(void *arg)
{
    char byte;
    int fds[2];
    (void)arg;
    WANT(pair_make(PAIR_DATAGRAM, fds), ==, 0);
    WANT(green_recvfrom(fds[0], &byte, 1, 0, NULL), ==, -ECANCELED);
    WANT(green_sendto(fds[0], &byte, 1, 0, NULL), ==, -ECANCELED);
    green_close(fds[0]);
    green_close(fds[1]);
    return 0;
}

START_TEST(cancelled)
{
    for (size_t i = 0; i < cancel_order_count; i++) {
        ck_assert_int_eq(call_and_cancel(cancel_order[i], be_cancelled, NULL), 0);
    }
}
END_TEST

static intptr_t
receive_closed(void *arg)
{
    char byte;
    return green_recvfrom(*(int *)arg, &byte, 1, 0, NULL);
}

START_TEST(one_reader_and_until_it_is_closed)
{
    int fds[2];
    ck_assert_int_eq(pair_make(PAIR_DATAGRAM, fds), 0);
    struct green_job *jobs[2];
    const intptr_t expected[] = {-EBADF, -EBUSY};
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(green_spawn(receive_closed, &fds[0], &jobs[i]), 0);
    }
    green_yield();
    ck_assert_int_eq(green_close(fds[0]), 0);
    for (int i = 0; i < 2; i++) {
        intptr_t result = 0;
        ck_assert_int_eq(green_job_join(jobs[i], &result, green_after(LIMIT_MS)), 0);
        ck_assert_int_eq(result, expected[i]);
        green_job_put(jobs[i]);
    }
}
END_TEST

/* ---- messages ---- */

/** Send one descriptor, receive it, and see that it is the same file. */
static intptr_t
pass_descriptor(void *arg)
{
    int fds[2];
    int pipe_fds[2];
    (void)arg;
    WANT(pair_make(PAIR_UNIX, fds), ==, 0);
    WANT(pair_make(PAIR_PIPE, pipe_fds), ==, 0);
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    memset(&control, 0, sizeof control);
    char parts[2][3] = {"ab", "cd"};
    struct iovec bytes[] = {{parts[0], 2}, {parts[1], 2}};
    struct msghdr message = {.msg_iov = bytes,
                             .msg_iovlen = 2,
                             .msg_control = &control,
                             .msg_controllen = sizeof control.room};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &pipe_fds[1], sizeof(int));
    WANT(green_sendmsg(fds[0], &message, 0), ==, 4);

    memset(&control, 0, sizeof control);
    memset(parts, 0, sizeof parts);
    WANT(green_recvmsg(fds[1], &message, MSG_CMSG_CLOEXEC), ==, 4);
    WANT(memcmp(parts[0], "ab", 2), ==, 0);
    WANT(memcmp(parts[1], "cd", 2), ==, 0);
    header = CMSG_FIRSTHDR(&message);
    WANT(header != NULL && header->cmsg_type == SCM_RIGHTS, ==, true);
    int passed;
    memcpy(&passed, CMSG_DATA(header), sizeof passed);
    WANT(passed, !=, pipe_fds[1]);
    WANT(fcntl(passed, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
    char byte = 0;
    WANT(green_write(passed, "p", 1), ==, 1);
    WANT(green_read(pipe_fds[0], &byte, 1), ==, 1);
    WANT(byte, ==, 'p');
    green_close(passed);

    /* A call that fails leaves the message as it was. */
    struct msghdr before = message;
    WANT(green_recvmsg(fds[1], &message, MSG_DONTWAIT), ==, -EAGAIN);
    WANT(message.msg_controllen, ==, before.msg_controllen);
    WANT(message.msg_namelen, ==, before.msg_namelen);
    WANT(message.msg_flags, ==, before.msg_flags);
    for (int i = 0; i < 2; i++) {
        green_close(fds[i]);
        green_close(pipe_fds[i]);
    }
    return 0;
}

START_TEST(descriptors_are_passed)
{
    for (int caller = 0; caller < CALLERS_ALONE; caller++) {
        ASSERT_AS(caller, pass_descriptor, NULL);
    }
}
END_TEST

static intptr_t
misuse(void *arg)
{
    char byte = 0;
    struct green_address address;
    (void)arg;
    WANT(green_recvfrom(-1, &byte, 1, 0, NULL), ==, -EBADF);
    WANT(green_sendto(-1, &byte, 1, 0, NULL), ==, -EBADF);
    WANT(green_socket(-1, SOCK_DGRAM, 0), ==, -EAFNOSUPPORT);
    WANT(green_address_parse("127.0.0.1", 0, &address), ==, 0);
    WANT(green_bind(-1, &address), ==, -EBADF);
    int fd = green_socket(AF_INET, SOCK_DGRAM, 0);
    WANT(green_sendto(fd, &byte, 1, 0, NULL), ==, -EDESTADDRREQ);
    green_close(fd);
    return 0;
}

START_TEST(refused_calls)
{
    for (int caller = 0; caller < CALLERS_ALONE; caller++) {
        ASSERT_AS(caller, misuse, NULL);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("message");
    TCase *tcase = new_case(suite, "message");
    tcase_add_test(tcase, datagrams_with_addresses);
    tcase_add_test(tcase, who_receives_waits);
    tcase_add_test(tcase, who_sends_waits);
    tcase_add_test(tcase, cancelled);
    tcase_add_test(tcase, one_reader_and_until_it_is_closed);
    tcase_add_test(tcase, descriptors_are_passed);
    tcase_add_test(tcase, refused_calls);
    return run_suite(suite);
}
