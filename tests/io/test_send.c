/*
 * send() as every kind of caller: more than there is room for, to readers that are slow, that do
 * not read, and that are gone.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "support.h"

/* ---- a peer that is gone ---- */

static intptr_t
send_to_nobody(void *arg)
{
    (void)arg;
    int fds[2];
    WANT(pair_make(PAIR_UNIX, fds), ==, 0);
    close(fds[1]);
    WANT(green_send(fds[0], "x", 1, 0), ==, -EPIPE);
    WANT(green_sendall(fds[0], "x", 1, 0), ==, -EPIPE);
    green_close(fds[0]);
    WANT(pair_make(PAIR_TCP4, fds), ==, 0);
    struct linger linger = {1, 0};
    setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(fds[1]);
    ssize_t sent = green_send(fds[0], "x", 1, 0);
    WANT(sent == -EPIPE || sent == -ECONNRESET, ==, true);
    green_close(fds[0]);
    WANT(green_recv(-1, NULL, 0, 0), ==, -EBADF);
    WANT(green_send(-1, NULL, 0, 0), ==, -EBADF);
    WANT(green_shutdown(-1, SHUT_WR), ==, -EBADF);
    WANT(green_close(-1), ==, -EBADF);
    return 0;
}

/* ---- more than there is room for ---- */

#ifdef GREEN__VALGRIND
#define BIG (1 << 20)
#else
#define BIG (3 << 20)
#endif

static unsigned char big[BIG];

struct slow_reader {
    int fd;
    size_t sum;
    bool in_order;
};

static void
read_slowly(void *arg)
{
    struct slow_reader *reader = arg;
    static unsigned char bytes[50000];
    reader->in_order = true;
    ssize_t got;
    while ((got = recv(reader->fd, bytes, sizeof bytes, 0)) > 0) {
        reader->in_order = reader->in_order && pattern_holds(bytes, (size_t)got, reader->sum);
        reader->sum += (size_t)got;
        if (reader->sum < BIG / 4) {
            nap(1);
        }
    }
}

static intptr_t
send_big(void *arg)
{
    (void)arg;
    static const enum pair sorts[] = {PAIR_TCP4, PAIR_TCP6, PAIR_UNIX};
    pattern_fill(big, sizeof big, 0);
    for (size_t i = 0; i < sizeof sorts / sizeof *sorts; i++) {
        int fds[2];
        WANT(pair_make(sorts[i], fds), ==, 0);
        struct slow_reader reader = {.fd = fds[1]};
        struct later later;
        struct storm storm;
        later_start(&later, 5, read_slowly, &reader);
        storm_start(&storm);
        int err = green_sendall(fds[0], big, sizeof big, 0);
        storm_stop(&storm);
        WANT(err, ==, 0);
        WANT(is_nonblocking(fds[0]), ==, false);
        green_close(fds[0]);
        later_join(&later);
        WANT(reader.sum, ==, BIG);
        WANT(reader.in_order, ==, true);
        close(fds[1]);
    }
    return 0;
}

/** Cut short in the middle: by a scope, and once more by a cancellation. */
static intptr_t
send_big_to_nobody(void *arg)
{
    int fds[2];
    WANT(pair_make(PAIR_TCP4, fds), ==, 0);
    if (arg == NULL) {
        struct green_timeout scope;
        green_timeout_start(&scope, MOMENT_MS);
        int err = 0;
        while (err == 0) { /* the kernel's buffers may hold more than one */
            err = green_sendall(fds[0], big, sizeof big, 0);
        }
        green_timeout_stop(&scope);
        WANT(err, ==, -ETIMEDOUT);
        WANT(green_timeout_fired(&scope), ==, true);
    } else {
        int err = 0;
        while (err == 0) {
            err = green_sendall(fds[0], big, sizeof big, 0);
        }
        WANT(err, ==, -ECANCELED);
    }
    green_close(fds[0]);
    close(fds[1]);
    return 0;
}

START_TEST(big_sends_are_cancelled)
{
    for (size_t i = 0; i < cancel_order_count; i++) {
        ck_assert_int_eq(call_and_cancel(cancel_order[i], send_big_to_nobody, big), 0);
    }
}
END_TEST

/** Bodies that every kind of caller runs. */
static const green_entry bodies[] = {send_to_nobody, send_big, send_big_to_nobody};

START_TEST(as_every_caller)
{
    for (int caller = 0; caller < CALLERS_HERE; caller++) {
        ASSERT_AS(caller, bodies[_i], NULL);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("send");
    TCase *calls = new_case(suite, "calls");
    tcase_add_loop_test(calls, as_every_caller, 0, sizeof bodies / sizeof *bodies);
    tcase_add_test(calls, big_sends_are_cancelled);
    return run_suite(suite);
}
