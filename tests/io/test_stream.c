/*
 * What comes by a stream while nobody asks, and what stays with whoever holds views: nothing is
 * used again before it is given back, nothing is skipped, whatever runs out.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../base/failing.h"
#include "io/engine.h"
#include "io/engine_uring.h"
#include "support.h"

/** A pair of TCP, the first end of which is received as if we had accepted it. */
static int
stream_make(int fds[2])
{
    struct green__io *io;
    int err = pair_make(PAIR_TCP4, fds);
    if (err == 0) {
        err = green__io_get(&io);
    }
    if (err == 0) {
        green__slot_renew(io, fds[0], GREEN__TCP);
    }
    return err;
}

/* ---- more views than the loop has buffers ---- */

#define STREAMS 60
#define BYTES   40000 /* more than a buffer of the ring; all streams' are more than it has */
#define VIEWS   16    /* a stream's, at most */
#define ROUNDS  3

struct lane {
    int fds[2];
    struct green_view views[VIEWS];
    size_t count;
};

static unsigned char
byte_at(size_t lane, size_t round, size_t at)
{
    return (unsigned char)(at * 31 + at / 251 + lane * 7 + round * 101);
}

static intptr_t
say(const struct lane *lane, size_t number, size_t round)
{
    static unsigned char bytes[BYTES];
    for (size_t i = 0; i < BYTES; i++) {
        bytes[i] = byte_at(number, round, i);
    }
    WANT(send(lane->fds[1], bytes, BYTES, 0), ==, BYTES);
    return 0;
}

/** Receive all of a round, and keep the views. */
static intptr_t
collect(struct lane *lane)
{
    size_t got = 0;
    lane->count = 0;
    while (got < BYTES) {
        WANT(lane->count, <, VIEWS);
        WANT(green_recv_view(lane->fds[0], &lane->views[lane->count]), >, 0);
        got += lane->views[lane->count++].length;
    }
    WANT(got, ==, BYTES);
    return 0;
}

static intptr_t
look_at(const struct lane *lane, size_t number, size_t round)
{
    size_t at = 0;
    for (size_t i = 0; i < lane->count; i++) {
        for (size_t k = 0; k < lane->views[i].length; k++, at++) {
            WANT(lane->views[i].data[k], ==, byte_at(number, round, at));
        }
    }
    WANT(at, ==, BYTES);
    return 0;
}

/** Where there is a ring, all its buffers are held. */
static intptr_t
ran_out(void)
{
    struct green__io *io;
    WANT(green__io_get(&io), ==, 0);
    WANT(io->engine->ahead ? green__uring_of(io)->buffers.free : 0, ==, 0);
    return 0;
}

static intptr_t
keep_many(void *arg)
{
    static struct lane lanes[STREAMS];
    (void)arg;
    for (size_t i = 0; i < STREAMS; i++) {
        WANT(stream_make(lanes[i].fds), ==, 0);
    }
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < STREAMS; i++) {
            WANT_ALL(say(&lanes[i], i, round));
        }
        for (size_t i = 0; i < STREAMS; i++) {
            WANT_ALL(collect(&lanes[i]));
        }
        WANT_ALL(ran_out());
        for (size_t i = 0; i < STREAMS; i++) {
            WANT_ALL(look_at(&lanes[i], i, round));
        }
        /* What every other one gives back is used while the rest is held. */
        for (size_t i = 0; i < STREAMS; i += 2) {
            for (size_t k = 0; k < lanes[i].count; k++) {
                green_view_release(&lanes[i].views[k]);
            }
            WANT_ALL(say(&lanes[i], i, round + ROUNDS));
            WANT_ALL(collect(&lanes[i]));
        }
        for (size_t i = 0; i < STREAMS; i++) {
            WANT_ALL(look_at(&lanes[i], i, i % 2 == 0 ? round + ROUNDS : round));
            for (size_t k = 0; k < lanes[i].count; k++) {
                green_view_release(&lanes[i].views[k]);
            }
        }
    }
    for (size_t i = 0; i < STREAMS; i++) {
        green_close(lanes[i].fds[0]);
        close(lanes[i].fds[1]);
    }
    return 0;
}

START_TEST(what_is_held_is_not_used_again)
{
    ASSERT_AS(CALL_TASK, keep_many, NULL);
}
END_TEST

/* ---- no memory for what comes ---- */

/** Wait until the kernel has handed over what the other end has sent. */
static intptr_t
taken_over(int fd)
{
    int left = 1;
    while (left > 0) {
        WANT(green_sleep(1), ==, 0);
        WANT(ioctl(fd, FIONREAD, &left), ==, 0);
    }
    return 0;
}

static intptr_t
a_gap(void *arg)
{
    struct green__io *io;
    struct green_view view;
    int fds[2];
    (void)arg;
    WANT(stream_make(fds), ==, 0);
    WANT(green__io_get(&io), ==, 0);
    if (!io->engine->ahead) {
        return 0; /* it holds nothing that nobody asked for */
    }
    WANT(send(fds[1], "a", 1, 0), ==, 1);
    WANT(green_recv_view(fds[0], &view), ==, 1); /* from here on the kernel receives by itself */
    green_view_release(&view);

    WANT(send(fds[1], "b", 1, 0), ==, 1);
    WANT_ALL(taken_over(fds[0]));
    const struct green__stream *stream = green__slot_peek(io, fds[0])->handle;
    WANT(stream->held, ==, 1);
    failing = true; /* the place for one more was used up */
    WANT(send(fds[1], "c", 1, 0), ==, 1);
    WANT_ALL(taken_over(fds[0]));
    failing = false;
    WANT(send(fds[1], "d", 1, 0), ==, 1);
    WANT(green_sleep(1), ==, 0);

    WANT(green_recv_view(fds[0], &view), ==, 1);
    WANT(view.data[0], ==, 'b');
    green_view_release(&view);
    char byte;
    WANT(green_recv_view(fds[0], &view), ==, -ENOMEM);
    WANT(green_recv_view(fds[0], &view), ==, -ENOMEM);
    WANT(green_recv(fds[0], &byte, 1, 0), ==, -ENOMEM);
    WANT(green_close(fds[0]), ==, 0);
    close(fds[1]);
    return 0;
}

START_TEST(what_is_lost_is_told_and_not_skipped)
{
    ck_assert_int_eq(green_set_allocator(&failing_allocator), 0);
    ASSERT_AS(CALL_TASK, a_gap, NULL);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("stream");
    TCase *cases = new_case(suite, "streams");
    tcase_add_test(cases, what_is_held_is_not_used_again);
    tcase_add_test(cases, what_is_lost_is_told_and_not_skipped);
    return run_suite(suite);
}
