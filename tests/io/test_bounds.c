/*
 * What cuts a blocked call short: timeout scopes, cancellation, and, not at all, signals. One table
 * of calls, each made by every kind of caller; none leaves O_NONBLOCK on what it was given.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support.h"

struct place {
    int fd; /**< What the call is made on. */
    int other;
    struct green_address address;
};

/** A call that has to wait after prepare(), and has not after unblock(). */
struct blocked {
    const char *name;
    intptr_t (*prepare)(struct place *place);
    ssize_t (*call)(struct place *place);
    intptr_t (*unblock)(struct place *place);
    bool listener; /**< May be made non-blocking. */
};

/* ---- what is waited for ---- */

static intptr_t
of_sort(struct place *place, enum pair sort, bool swap)
{
    int fds[2];
    WANT(pair_make(sort, fds), ==, 0);
    place->fd = fds[swap];
    place->other = fds[!swap];
    return 0;
}

static intptr_t
silent_tcp(struct place *place)
{
    return of_sort(place, PAIR_TCP4, false);
}

static intptr_t
silent_pipe(struct place *place)
{
    return of_sort(place, PAIR_PIPE, false);
}

static intptr_t
speak(struct place *place)
{
    WANT(write(place->other, "x", 1), ==, 1);
    return 0;
}

static intptr_t
full_unix(struct place *place)
{
    WANT_ALL(of_sort(place, PAIR_UNIX, false));
    WANT(fill(place->fd), ==, 0);
    return 0;
}

static intptr_t
full_pipe(struct place *place)
{
    WANT_ALL(of_sort(place, PAIR_PIPE, true));
    WANT(fill(place->fd), ==, 0);
    return 0;
}

static intptr_t
drain(struct place *place)
{
    char bytes[4096];
    int flags = fcntl(place->other, F_GETFL);
    fcntl(place->other, F_SETFL, flags | O_NONBLOCK);
    while (read(place->other, bytes, sizeof bytes) > 0) {
    }
    fcntl(place->other, F_SETFL, flags);
    return 0;
}

static intptr_t
lonely_listener(struct place *place)
{
    place->fd = listener_make(8, &place->address);
    WANT(place->fd, >=, 0);
    return 0;
}

static intptr_t
visit(struct place *place)
{
    place->other = plain_connect(&place->address);
    WANT(place->other, >=, 0);
    return 0;
}

/** Connect without waiting until the queue takes no more. */
static intptr_t
crowd(struct place *place)
{
    for (int i = 0; i < 64; i++) {
        int fd = socket(place->address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
        WANT(fd, >=, 0);
        int err = connect(fd, (struct sockaddr *)&place->address.storage, place->address.length);
        if (err != 0 && errno == EAGAIN) {
            return 0;
        }
        struct pollfd done = {fd, POLLOUT, 0};
        if (err != 0 && poll(&done, 1, 10) == 0) {
            return 0;
        }
    }
    return want_failed(__FILE__, __LINE__, "the queue is never full", 0, 0);
}

static intptr_t
crowded_unix(struct place *place)
{
    char name[64];
    snprintf(name, sizeof name, "@green-test-crowd-%d", (int)getpid());
    WANT(green_address_unix(name, &place->address), ==, 0);
    place->fd = green_listen(&place->address, 0);
    WANT(place->fd, >=, 0);
    return crowd(place);
}

static intptr_t
crowded_tcp(struct place *place)
{
    place->fd = listener_make(0, &place->address);
    WANT(place->fd, >=, 0);
    return crowd(place);
}

static intptr_t
admit(struct place *place)
{
    while (is_nonblocking(place->fd) ||
           fcntl(place->fd, F_SETFL, fcntl(place->fd, F_GETFL) | O_NONBLOCK) == 0) {
        int fd = accept(place->fd, NULL, NULL);
        if (fd < 0) {
            return 0;
        }
        close(fd);
    }
    return 0;
}

/* ---- the calls ---- */

static ssize_t
call_recv(struct place *place)
{
    char bytes[8];
    return green_recv(place->fd, bytes, sizeof bytes, 0);
}

static ssize_t
call_recv_all(struct place *place)
{
    char byte;
    return green_recv(place->fd, &byte, 1, MSG_WAITALL);
}

static ssize_t
call_recv_view(struct place *place)
{
    struct green_view view;
    ssize_t got = green_recv_view(place->fd, &view);
    if (got > 0) {
        green_view_release(&view);
    }
    return got;
}

static ssize_t
call_read(struct place *place)
{
    char bytes[8];
    return green_read(place->fd, bytes, sizeof bytes);
}

static ssize_t
call_send(struct place *place)
{
    return green_send(place->fd, "x", 1, 0);
}

static ssize_t
call_sendall(struct place *place)
{
    return green_sendall(place->fd, "x", 1, 0);
}

static ssize_t
call_write(struct place *place)
{
    return green_write(place->fd, "x", 1);
}

static ssize_t
call_writeall(struct place *place)
{
    return green_writeall(place->fd, "x", 1);
}

static ssize_t
call_wait_in(struct place *place)
{
    return green_wait_fd(place->fd, POLLIN, GREEN_FOREVER);
}

static ssize_t
call_wait_out(struct place *place)
{
    return green_wait_fd(place->fd, POLLOUT, green_after(LIMIT_MS));
}

static ssize_t
call_poll(struct place *place)
{
    struct pollfd entries[] = {{-1, POLLIN, 0}, {place->fd, POLLIN, 0}, {place->fd, POLLIN, 0}};
    return green_poll(entries, 3, GREEN_FOREVER);
}

static ssize_t
call_accept(struct place *place)
{
    struct green_address peer;
    int fd = green_accept(place->fd, &peer);
    return fd >= 0 ? green_close(fd) : fd;
}

static ssize_t
call_connect(struct place *place)
{
    int fd = socket(place->address.storage.ss_family, SOCK_STREAM, 0);
    int err = green_connect(fd, (struct sockaddr *)&place->address.storage, place->address.length);
    if (is_nonblocking(fd)) {
        err = -EIO;
    }
    green_close(fd);
    return err;
}

static ssize_t
call_connect_address(struct place *place)
{
    int fd = green_connect_address(&place->address);
    return fd >= 0 ? green_close(fd) : fd;
}

static const struct blocked calls[] = {
    {"recv", silent_tcp, call_recv, speak, false},
    {"recv all", silent_tcp, call_recv_all, speak, false},
    {"recv_view", silent_tcp, call_recv_view, speak, false},
    {"read a socket", silent_tcp, call_read, speak, false},
    {"read a pipe", silent_pipe, call_read, speak, false},
    {"send", full_unix, call_send, drain, false},
    {"sendall", full_unix, call_sendall, drain, false},
    {"write a socket", full_unix, call_write, drain, false},
    {"write a pipe", full_pipe, call_write, drain, false},
    {"writeall", full_pipe, call_writeall, drain, false},
    {"wait_fd in", silent_pipe, call_wait_in, speak, false},
    {"wait_fd out", full_pipe, call_wait_out, drain, false},
    {"poll", silent_tcp, call_poll, speak, false},
    {"accept", lonely_listener, call_accept, visit, true},
    {"connect unix", crowded_unix, call_connect, admit, true},
    {"connect_address unix", crowded_unix, call_connect_address, admit, true},
    {"connect tcp", crowded_tcp, call_connect, NULL, true},
};

#define CALLS (sizeof calls / sizeof *calls)

/* ---- what cuts them short ---- */

static intptr_t
within(const struct blocked *blocked, struct place *place, uint64_t ms)
{
    struct green_timeout outer;
    struct green_timeout scope;
    green_timeout_start(&outer, LIMIT_MS);
    green_timeout_start(&scope, ms);
    WANT(blocked->call(place), ==, -ETIMEDOUT);
    WANT(green_timeout_fired(&scope), ==, true);
    WANT(blocked->call(place), ==, -ETIMEDOUT);
    green_timeout_stop(&scope);
    WANT(green_timeout_fired(&outer), ==, false);
    green_timeout_stop(&outer);
    return 0;
}

static intptr_t
time_out(void *arg)
{
    const struct blocked *blocked = arg;
    struct place place = {.fd = -1, .other = -1};
    WANT_ALL(blocked->prepare(&place));
    WANT_ALL(within(blocked, &place, 0));
    WANT_ALL(within(blocked, &place, 5));
    WANT_ALL(within(blocked, &place, 0));
    struct storm storm;
    storm_start(&storm);
    intptr_t line = within(blocked, &place, 10);
    storm_stop(&storm);
    WANT_ALL(line);
    WANT(blocked->listener || !is_nonblocking(place.fd), ==, true);
    if (blocked->unblock != NULL) {
        struct green_timeout scope;
        WANT_ALL(blocked->unblock(&place));
        green_timeout_start(&scope, 0);
        WANT(blocked->call(&place), >=, 0);
        WANT(green_timeout_fired(&scope), ==, false);
        green_timeout_stop(&scope);
    }
    WANT(blocked->listener || !is_nonblocking(place.fd), ==, true);
    green_close(place.fd);
    if (place.other >= 0) {
        green_close(place.other);
    }
    return 0;
}

START_TEST(scopes_bound_calls)
{
    for (int caller = 0; caller < CALLERS_ALONE; caller++) {
        intptr_t line = call_as(caller, time_out, (void *)&calls[_i]);
        ck_assert_msg(line == 0, "%s as a %s: line %jd", calls[_i].name, caller_name(caller),
                      (intmax_t)line);
    }
}
END_TEST

static intptr_t
be_cancelled(void *arg)
{
    const struct blocked *blocked = arg;
    struct place place = {.fd = -1, .other = -1};
    WANT_ALL(blocked->prepare(&place));
    WANT(blocked->call(&place), ==, -ECANCELED);
    WANT(blocked->call(&place), ==, -ECANCELED);
    WANT(blocked->listener || !is_nonblocking(place.fd), ==, true);
    green_close(place.fd);
    return 0;
}

START_TEST(cancellation_ends_calls)
{
    for (size_t i = 0; i < cancel_order_count; i++) {
        intptr_t line = call_and_cancel(cancel_order[i], be_cancelled, (void *)&calls[_i]);
        ck_assert_msg(line == 0, "%s as a %s: line %jd", calls[_i].name,
                      caller_name(cancel_order[i]), (intmax_t)line);
    }
}
END_TEST

/** Signals change nothing: a call under a storm waits for what comes. */
static struct place stormy;

static void
unblock_later(void *arg)
{
    const struct blocked *blocked = arg;
    blocked->unblock(&stormy);
}

static intptr_t
weather(void *arg)
{
    const struct blocked *blocked = arg;
    stormy = (struct place){.fd = -1, .other = -1};
    WANT_ALL(blocked->prepare(&stormy));
    struct later later;
    struct storm storm;
    later_start(&later, 10, unblock_later, arg);
    storm_start(&storm);
    ssize_t result = blocked->call(&stormy);
    storm_stop(&storm);
    later_join(&later);
    WANT(result, >=, 0);
    green_close(stormy.fd);
    if (stormy.other >= 0) {
        green_close(stormy.other);
    }
    return 0;
}

START_TEST(signals_end_nothing)
{
    for (int caller = 0; caller < CALLERS_HERE && calls[_i].unblock != NULL; caller++) {
        intptr_t line = call_as(caller, weather, (void *)&calls[_i]);
        ck_assert_msg(line == 0, "%s as a %s: line %jd", calls[_i].name, caller_name(caller),
                      (intmax_t)line);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("bounds");
    TCase *bounds = new_case(suite, "bounds");
    tcase_add_loop_test(bounds, scopes_bound_calls, 0, CALLS);
    tcase_add_loop_test(bounds, cancellation_ends_calls, 0, CALLS);
    tcase_add_loop_test(bounds, signals_end_nothing, 0, CALLS);
    return run_suite(suite);
}
