/*
 * Many connections at once: random ping-pong between tasks and threads, with closes, resets and
 * cancellations in between. Nothing that was sent is lost or out of order, no descriptor stays.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support.h"

#define CONNECTIONS scaled(1000, 100)
#define ROUNDS_MAX  40
#define MESSAGE_MAX 3000

/** How a conversation ends. */
enum end {
    END_ORDERLY,
    END_RESET,
    END_CANCEL,
    ENDS,
};

struct counts {
    int orderly;
    int cut;
    int wrong;
};

struct crowd {
    struct green_address address;
    int listener;
    green_deadline until;
    struct counts clients;
};

static struct crowd crowd;

/** A generator of its own for each worker: the same conversation each time. */
static unsigned
draw(unsigned *state, unsigned below)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % below;
}

static bool
is_cut(ssize_t result)
{
    return result == -ECONNRESET || result == -EPIPE || result == -ECANCELED;
}

/* ---- servers ---- */

/** Receives by turns into a view and into memory of its own. The client counts what it misses. */
static intptr_t
echo(void *arg)
{
    int fd = (int)(intptr_t)arg;
    unsigned char buffer[1000];
    struct green_view view;
    ssize_t got = 1;
    for (int err = 0; got > 0 && err == 0;) {
        got = green_recv_view(fd, &view);
        err = got > 0 ? green_send_view(fd, &view) : 0;
        if (got > 0 && err == 0) {
            got = green_recv(fd, buffer, sizeof buffer, 0);
            err = got > 0 ? green_sendall(fd, buffer, (size_t)got, 0) : 0;
        }
    }
    green_close(fd);
    return 0;
}

static intptr_t
accept_all(void *arg)
{
    (void)arg;
    for (;;) {
        int fd = green_accept(crowd.listener, NULL);
        if (fd == -ECANCELED) {
            return 0;
        }
        WANT(fd, >=, 0);
        WANT(green_spawn(echo, (void *)(intptr_t)fd, NULL), ==, 0);
    }
}

/* ---- clients ---- */

struct exchange {
    int fd;
    size_t length;
    unsigned seed;
};

static intptr_t
send_message(void *arg)
{
    struct exchange *exchange = arg;
    unsigned char bytes[MESSAGE_MAX];
    pattern_fill(bytes, exchange->length, exchange->seed);
    return green_sendall(exchange->fd, bytes, exchange->length, 0);
}

/** Send and receive one message; 1, or a negative errno, or 0 when the answer is wrong. */
static ssize_t
ping(struct exchange *exchange)
{
    unsigned char bytes[MESSAGE_MAX];
    ssize_t result = send_message(exchange);
    size_t done = 0;
    while (result >= 0 && done < exchange->length) {
        result = green_recv(exchange->fd, bytes + done, exchange->length - done, 0);
        if (result == 0) {
            return -ECONNRESET;
        }
        done += result > 0 ? (size_t)result : 0;
    }
    return result < 0 ? result : pattern_holds(bytes, done, exchange->seed);
}

static void
reset(int fd)
{
    struct linger linger = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    green_close(fd);
}

/** One conversation: 1 when it was orderly, 0 when cut, -1 when something was wrong. */
static int
converse(unsigned *state, enum end end)
{
    struct exchange exchange = {.fd = green_connect_address(&crowd.address)};
    if (exchange.fd < 0) {
        return is_cut(exchange.fd) ? 0 : -1;
    }
    ssize_t result = 1;
    for (unsigned i = draw(state, ROUNDS_MAX); i > 0 && result == 1; i--) {
        exchange.length = 1 + draw(state, MESSAGE_MAX);
        exchange.seed = draw(state, 100000);
        result = ping(&exchange);
    }
    if (end == END_RESET || result != 1) {
        if (end == END_RESET && result == 1) {
            send_message(&exchange); /* and no time for the answer */
        }
        reset(exchange.fd);
        return result == 1 || (result < 0 && is_cut(result)) ? 0 : -1;
    }
    char byte;
    green_shutdown(exchange.fd, SHUT_WR);
    result = green_recv(exchange.fd, &byte, 1, 0);
    green_close(exchange.fd);
    return result == 0 ? 1 : is_cut(result) ? 0 : -1;
}

static intptr_t
be_a_client(void *arg)
{
    unsigned state = (unsigned)(uintptr_t)arg;
    while (green_after(0) < crowd.until) {
        enum end end = (enum end)draw(&state, ENDS);
        int result = converse(&state, end);
        crowd.clients.orderly += result > 0;
        crowd.clients.cut += result == 0;
        crowd.clients.wrong += result < 0;
        if (green_sleep(draw(&state, 2)) != 0) {
            break;
        }
    }
    return 0;
}

/** Cancels clients at random, and puts new ones in their place. */
static intptr_t
disturb(void *arg)
{
    struct green_job **clients = arg;
    unsigned state = 7;
    while (green_after(0) < crowd.until) {
        unsigned chosen = draw(&state, (unsigned)CONNECTIONS);
        green_job_cancel(clients[chosen]);
        WANT(green_job_join(clients[chosen], NULL, green_after(LIMIT_MS)), ==, 0);
        green_job_put(clients[chosen]);
        WANT(green_spawn(be_a_client, (void *)(uintptr_t)draw(&state, 1000000), &clients[chosen]),
             ==, 0);
        WANT(green_sleep(1), ==, 0);
    }
    return 0;
}

/** Servers in a thread of their own. */
static intptr_t
serve_all(void *arg)
{
    struct green_job *acceptor;
    WANT(green_spawn(accept_all, arg, &acceptor), ==, 0);
    while (green_sleep(1000) == 0) {
    }
    struct green_shield shield;
    green_shield_start(&shield);
    green_job_cancel(acceptor);
    WANT(green_job_join(acceptor, NULL, GREEN_FOREVER), ==, 0);
    green_shield_stop(&shield);
    green_job_put(acceptor);
    return 0; /* joins the tasks that still echo */
}

static void
end_job(struct green_job *job, bool cancel)
{
    intptr_t line = -1;
    if (cancel) {
        green_job_cancel(job);
    }
    ck_assert_int_eq(green_job_join(job, &line, green_after(3 * LIMIT_MS)), 0);
    ck_assert_int_eq(line, 0);
    green_job_put(job);
}

static intptr_t
make_engine(void *arg)
{
    (void)arg;
    struct green_view view;
    WANT(green_wait_fd(crowd.listener, POLLIN, green_after(1)), ==, -ETIMEDOUT);
    int client = plain_connect(&crowd.address);
    int server = green_accept(crowd.listener, NULL);
    WANT(send(client, "x", 1, 0), ==, 1);
    WANT(green_recv_view(server, &view), ==, 1);
    green_view_release(&view);
    WANT(green_close(server), ==, 0);
    return close(client);
}

/** With the servers on the same loop, or in another thread. */
START_TEST(nothing_is_lost)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    struct green_job **clients = calloc((size_t)CONNECTIONS, sizeof *clients);
    crowd.listener = listener_make(4096, &crowd.address);
    ASSERT_AS(CALL_TASK, make_engine, NULL); /* what it has open is not counted as lost */
    int before = count_fds();
    crowd.until = green_after(1000);
    struct green_job *server;
    struct green_job *disturber;
    ck_assert_int_eq(green_spawn_as(_i == 0 ? GREEN_TASK : GREEN_THREAD,
                                    _i == 0 ? accept_all : serve_all, NULL, NULL, &server),
                     0);
    for (int i = 0; i < CONNECTIONS; i++) {
        ck_assert_int_eq(green_spawn(be_a_client, (void *)(intptr_t)(i + 1), &clients[i]), 0);
    }
    ck_assert_int_eq(green_spawn(disturb, clients, &disturber), 0);
    end_job(disturber, false);
    for (int i = 0; i < CONNECTIONS; i++) {
        end_job(clients[i], false);
    }
    end_job(server, true);
    green_sleep(MOMENT_MS); /* the last echoes end by themselves */
    for (int i = 0; i < 200 && count_fds() > before; i++) {
        green_sleep(10);
    }
    ck_assert_int_le(count_fds(), before);
    ck_assert_int_eq(crowd.clients.wrong, 0);
    ck_assert_int_gt(crowd.clients.orderly, 0);
    ck_assert_int_gt(crowd.clients.cut, 0);
    green_close(crowd.listener);
    free(clients);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("crowd");
    TCase *tcase = new_case(suite, "crowd");
    tcase_add_loop_test(tcase, nothing_is_lost, 0, 2);
    return run_suite(suite);
}
