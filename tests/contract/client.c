/*
 * The client's end of a connection.
 *
 * A call tries first and polls only when it would wait, always with what is left of its time. A
 * test that gets other bytes than it expects fails with both. Called from the one thread of a test.
 */
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define CHUNK 65536

/** Wait for one of the events until the end of time; returns false when that came first. */
static bool
wait_until(int fd, short events, uint64_t end)
{
    struct pollfd item = {.fd = fd, .events = events};
    uint64_t now = now_ms();
    int result;
    do {
        result = poll(&item, 1, now < end ? (int)(end - now) : 0);
    } while (result < 0 && errno == EINTR);
    return result > 0;
}

static int
connect_socket(const struct sockaddr *address, socklen_t length, int buffer)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    if (address->sa_family != AF_UNIX) {
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    if (buffer > 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    }
    int error = 0;
    if (connect(fd, address, length) != 0) {
        error = errno;
        if (error == EINPROGRESS) {
            socklen_t size = sizeof error;
            error = ETIMEDOUT;
            if (wait_until(fd, POLLOUT, now_ms() + patience_ms())) {
                getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
            }
        }
    }
    if (error != 0) {
        close(fd);
        return -error;
    }
    return fd;
}

int
client_try(const struct sockaddr *address, socklen_t length)
{
    return connect_socket(address, length, 0);
}

static int
connect_port(int port, int buffer)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connect_socket((struct sockaddr *)&address, sizeof address, buffer);
}

int
client_try_port(int port)
{
    return connect_port(port, 0);
}

static int
connect_server(const struct server *server, int buffer)
{
    int fd = connect_port(server->port, buffer);
    ck_assert_msg(fd >= 0, "cannot connect: %s; echod said:\n%s", strerror(-fd),
                  server_log(server));
    return fd;
}

int
client_connect(const struct server *server)
{
    return connect_server(server, 0);
}

int
client_connect_small(const struct server *server)
{
    return connect_server(server, 16384);
}

void
client_send(int fd, const void *data, size_t length)
{
    uint64_t end = now_ms() + patience_ms();
    for (size_t sent = 0; sent < length;) {
        ssize_t result = send(fd, (const char *)data + sent, length - sent, MSG_NOSIGNAL);
        if (result >= 0) {
            sent += (size_t)result;
            continue;
        }
        ck_assert_msg(errno == EAGAIN, "send: %s", strerror(errno));
        ck_assert_msg(wait_until(fd, POLLOUT, end), "the server took %zu of %zu bytes", sent,
                      length);
    }
}

void
client_say(int fd, const char *text)
{
    client_send(fd, text, strlen(text));
}

/** Receive what there is; 0 at the end of the stream; any failure fails the test. */
static size_t
receive(int fd, char *buffer, size_t length, uint64_t end, size_t before)
{
    for (;;) {
        ssize_t result = recv(fd, buffer, length, 0);
        if (result >= 0) {
            return (size_t)result;
        }
        ck_assert_msg(errno == EAGAIN, "recv after %zu bytes: %s", before, strerror(errno));
        ck_assert_msg(wait_until(fd, POLLIN, end), "nothing more came after %zu bytes", before);
    }
}

void
client_expect_bytes(int fd, const void *data, size_t length)
{
    uint64_t end = now_ms() + patience_ms();
    char buffer[CHUNK];
    for (size_t got = 0; got < length;) {
        size_t want = length - got < sizeof buffer ? length - got : sizeof buffer;
        size_t count = receive(fd, buffer, want, end, got);
        ck_assert_msg(count > 0, "the stream ended after %zu of %zu bytes", got, length);
        ck_assert_msg(memcmp(buffer, (const char *)data + got, count) == 0,
                      "other bytes came than expected, after %zu: \"%.*s\" for \"%.*s\"", got,
                      (int)count, buffer, (int)count, (const char *)data + got);
        got += count;
    }
}

void
client_expect(int fd, const char *text)
{
    client_expect_bytes(fd, text, strlen(text));
}

void
client_exchange(int fd, const char *data, size_t length, const char *reply, size_t reply_length)
{
    uint64_t end = now_ms() + patience_ms();
    char buffer[CHUNK];
    size_t sent = 0;
    size_t got = 0;
    while (sent < length || got < reply_length) {
        short events = (short)((sent < length ? POLLOUT : 0) | POLLIN);
        ck_assert_msg(wait_until(fd, events, end), "stuck after sending %zu and reading %zu bytes",
                      sent, got);
        if (sent < length) {
            ssize_t result = send(fd, data + sent, length - sent, MSG_NOSIGNAL);
            ck_assert_msg(result >= 0 || errno == EAGAIN, "send: %s", strerror(errno));
            sent += result > 0 ? (size_t)result : 0;
        }
        size_t want = reply_length - got < sizeof buffer ? reply_length - got : sizeof buffer;
        ssize_t count = want == 0 ? -1 : recv(fd, buffer, want, 0);
        if (count >= 0) {
            ck_assert_msg(count > 0, "the stream ended after %zu bytes", got);
            ck_assert_msg(memcmp(buffer, reply + got, (size_t)count) == 0,
                          "wrong bytes somewhere behind the first %zu", got);
            got += (size_t)count;
        } else if (want > 0) {
            ck_assert_msg(errno == EAGAIN, "recv after %zu bytes: %s", got, strerror(errno));
        }
    }
}

void
client_chat(int fd)
{
    client_say(fd, "are you there?");
    client_expect(fd, "ARE YOU THERE?");
}

size_t
client_fill(int fd, const char *data, size_t limit)
{
    size_t sent = 0;
    while (sent < limit) {
        ssize_t result = send(fd, data + sent, limit - sent, MSG_NOSIGNAL);
        if (result > 0) {
            sent += (size_t)result;
            continue;
        }
        ck_assert_msg(errno == EAGAIN, "send after %zu bytes: %s", sent, strerror(errno));
        /* No event says "for ever blocked": a while without progress stands for it. */
        if (!wait_until(fd, POLLOUT, now_ms() + 200)) {
            break;
        }
    }
    return sent;
}

/** Whether the server has answers for all of those that we do not take, and reads no more for that:
 *  one that is slow has no answers, and one that waits for a window to open has read all. */
static bool
are_stuck(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct far_end far;
        if (!far_end(fds[i], &far) || far.untaken == 0 || far.unread == 0) {
            return false;
        }
    }
    return true;
}

void
client_fill_all(const int *fds, size_t count, size_t limit)
{
    static const char data[CHUNK];
    size_t sent = 0;
    uint64_t since = now_ms();
    while (now_ms() - since < 300 || !are_stuck(fds, count)) {
        bool more = false;
        for (size_t i = 0; i < count; i++) {
            ssize_t result = send(fds[i], data, sizeof data, MSG_NOSIGNAL);
            ck_assert_msg(result > 0 || errno == EAGAIN, "send: %s", strerror(errno));
            sent += result > 0 ? (size_t)result : 0;
            more = more || result > 0;
        }
        if (more) {
            since = now_ms();
        } else {
            nap(5);
        }
        ck_assert_msg(sent < count * limit, "the server holds %zu bytes that nobody reads", sent);
    }
}

void
client_expect_silence(int fd, unsigned ms)
{
    char byte;
    ck_assert_msg(!wait_until(fd, POLLIN, now_ms() + ms),
                  "something came where nothing should (recv: %zd)", recv(fd, &byte, 1, MSG_PEEK));
}

void
client_expect_end(int fd)
{
    char byte;
    size_t count = receive(fd, &byte, 1, now_ms() + patience_ms(), 0);
    ck_assert_msg(count == 0, "byte 0x%02x where the stream should end", (unsigned char)byte);
}

void
client_expect_cut(int fd)
{
    uint64_t end = now_ms() + patience_ms();
    char buffer[CHUNK];
    for (;;) {
        ssize_t result = recv(fd, buffer, sizeof buffer, 0);
        if (result == 0 || (result < 0 && errno != EAGAIN)) {
            return;
        }
        ck_assert_msg(result > 0 || wait_until(fd, POLLIN, end), "the connection lives on");
    }
}

void
client_await_hangup(int fd)
{
    ck_assert_msg(wait_until(fd, 0, now_ms() + patience_ms()), "the connection was never cut");
}

static bool
all_delivered(int fd)
{
    int waiting = 1;
    ck_assert_int_eq(ioctl(fd, SIOCOUTQ, &waiting), 0);
    return waiting == 0;
}

/** Whether the program at the other end has taken all that the kernel has for it. */
static bool
all_read(int fd)
{
    struct far_end far;
    return far_end(fd, &far) && far.unread == 0;
}

void
client_await_read(const struct server *server, int fd)
{
    AWAIT(server, all_delivered(fd) && all_read(fd));
}

void
client_half_close(int fd)
{
    ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
}

void
client_close(int fd)
{
    ck_assert_int_eq(close(fd), 0);
}

void
client_reset(int fd)
{
    struct linger abrupt = {.l_onoff = 1, .l_linger = 0};
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &abrupt, sizeof abrupt), 0);
    client_close(fd);
}

char *
text_make(size_t length)
{
    char *text = malloc(length + 1);
    ck_assert_ptr_nonnull(text);
    for (size_t i = 0; i < length; i++) {
        /* A period that no buffer size is a multiple of, so that lost or swapped pieces show. */
        text[i] = (char)('a' + i % 251 % 26);
    }
    text[length] = '\0';
    return text;
}

char *
text_upper(const char *text, size_t length)
{
    char *upper = malloc(length + 1);
    ck_assert_ptr_nonnull(upper);
    for (size_t i = 0; i < length; i++) {
        upper[i] = (char)(text[i] - 'a' + 'A');
    }
    upper[length] = '\0';
    return upper;
}

void
crowd_join(struct crowd *crowd, const struct server *server, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ck_assert_uint_lt(crowd->count, CROWD_MAX);
        crowd->fds[crowd->count] = client_connect(server);
        crowd->answered[crowd->count] = false;
        client_say(crowd->fds[crowd->count], "x");
        crowd->count++;
    }
}

size_t
crowd_answered(struct crowd *crowd)
{
    size_t answered = 0;
    for (size_t i = 0; i < crowd->count; i++) {
        char byte;
        ssize_t result = crowd->answered[i] ? -1 : recv(crowd->fds[i], &byte, 1, 0);
        if (result == 1) {
            ck_assert_int_eq(byte, 'X');
            crowd->answered[i] = true;
        } else if (!crowd->answered[i]) {
            ck_assert_msg(result < 0 && errno == EAGAIN, "connection %zu was dropped", i);
        }
        answered += crowd->answered[i];
    }
    return answered;
}

size_t
crowd_settle(struct crowd *crowd)
{
    uint64_t since = now_ms();
    size_t answered = crowd_answered(crowd);
    while (now_ms() - since < (small_stress() ? 2000 : 400)) {
        nap(5);
        size_t more = crowd_answered(crowd);
        if (more != answered) {
            answered = more;
            since = now_ms();
        }
    }
    return answered;
}

void
crowd_leave(struct crowd *crowd, size_t index)
{
    client_close(crowd->fds[index]);
    crowd->count--;
    crowd->fds[index] = crowd->fds[crowd->count];
    crowd->answered[index] = crowd->answered[crowd->count];
}

void
crowd_leave_answered(struct crowd *crowd)
{
    for (size_t i = crowd->count; i-- > 0;) {
        if (crowd->answered[i]) {
            crowd_leave(crowd, i);
        }
    }
}
