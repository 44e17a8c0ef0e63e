/*
 * Views: what is in them, that every buffer goes back exactly once, that a burst leaves none
 * behind, and whose streams are received by a ring.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/engine.h"
#include "support.h"

/* ---- an allocator that counts the buffers ---- */

static atomic_int buffers;

struct header {
    size_t size;
    max_align_t alignment[];
};

static void *
count_allocate(size_t size)
{
    struct header *header = malloc(sizeof *header + size);
    if (header == NULL) {
        return NULL;
    }
    header->size = size;
    atomic_fetch_add(&buffers, size == GREEN_VIEW_MAX);
    return header->alignment;
}

static void
count_release(void *block)
{
    if (block != NULL) {
        struct header *header = (struct header *)((char *)block - sizeof *header);
        atomic_fetch_sub(&buffers, header->size == GREEN_VIEW_MAX);
        free(header);
    }
}

static void *
count_reallocate(void *block, size_t size)
{
    void *moved = count_allocate(size);
    if (moved != NULL && block != NULL) {
        size_t before = ((struct header *)((char *)block - sizeof(struct header)))->size;
        memcpy(moved, block, before < size ? before : size);
        count_release(block);
    }
    return moved;
}

static void
count_buffers(void)
{
    static const struct green_allocator counting = {count_allocate, count_reallocate,
                                                    count_release};
    ck_assert_int_eq(green_set_allocator(&counting), 0);
}

/* ---- views ---- */

static intptr_t
view_content(void *arg)
{
    (void)arg;
    int fds[2];
    struct green_view view = {0};
    green_view_release(&view); /* empty: left alone */
    WANT(pair_make(PAIR_UNIX, fds), ==, 0);
    WANT(send(fds[1], "hello", 5, 0), ==, 5);
    WANT(green_recv_view(fds[0], &view), ==, 5);
    WANT(view.length, ==, 5);
    WANT(memcmp(view.data, "hello", 5), ==, 0);
    view.data[0] = 'j';
    WANT(green_send_view(fds[0], &view), ==, 0);
    WANT(view.data == NULL && view.length == 0, ==, true);
    green_view_release(&view); /* given back already */
    char answer[8];
    WANT(recv(fds[1], answer, sizeof answer, 0), ==, 5);
    WANT(memcmp(answer, "jello", 5), ==, 0);
    WANT(send(fds[1], "again", 5, 0), ==, 5);
    WANT(green_recv_view(fds[0], &view), ==, 5);
    green_view_release(&view);
    green_view_release(&view);
    shutdown(fds[1], SHUT_WR);
    struct green_view untouched = {.length = 77};
    WANT(green_recv_view(fds[0], &untouched), ==, 0);
    WANT(untouched.length, ==, 77);
    green_close(fds[0]);
    close(fds[1]);
    WANT(green_recv_view(-1, &untouched), ==, -EBADF);
    return 0;
}

/** Whatever send_view() meets, the buffer goes back. */
static intptr_t
view_goes_back(void *arg)
{
    (void)arg;
    int fds[2];
    int full[2];
    struct green_view view;
    WANT(pair_make(PAIR_UNIX, fds), ==, 0);
    WANT(pair_make(PAIR_UNIX, full), ==, 0);
    WANT(fill(full[0]), ==, 0);
    for (int round = 0; round < 20; round++) {
        WANT(send(fds[1], "hello", 5, 0), ==, 5);
        WANT(green_recv_view(fds[0], &view), ==, 5);
        struct green_timeout scope;
        green_timeout_start(&scope, 0);
        WANT(green_send_view(full[0], &view), ==, -ETIMEDOUT);
        green_timeout_stop(&scope);
        WANT(view.buffer == NULL, ==, true);
        WANT(send(fds[1], "hello", 5, 0), ==, 5);
        WANT(green_recv_view(fds[0], &view), ==, 5);
        WANT(green_send_view(-1, &view), ==, -EBADF);
        WANT(view.buffer == NULL, ==, true);
    }
    WANT(send(fds[1], "hello", 5, 0), ==, 5);
    WANT(green_recv_view(fds[0], &view), ==, 5);
    green_job_cancel(green_self());
    WANT(green_send_view(fds[0], &view), ==, -ECANCELED);
    WANT(view.buffer == NULL, ==, true);
    WANT(green_recv_view(fds[0], &view), ==, -ECANCELED);
    return atomic_load(&buffers) <= 9 ? 0 : __LINE__;
}

static const green_entry bodies[] = {view_content, view_goes_back};

START_TEST(as_every_caller)
{
    count_buffers();
    for (size_t i = 0; i < cancel_order_count; i++) {
        ASSERT_AS(cancel_order[i], bodies[_i], NULL);
    }
}
END_TEST

/* ---- a burst ---- */

#define BURST 200

static intptr_t
hold_a_view(void *arg)
{
    struct green_view view;
    int *fds = arg;
    WANT(green_recv_view(fds[0], &view), ==, 1);
    WANT(green_sleep(5), ==, 0); /* all of them hold one now */
    WANT(green_send_view(fds[0], &view), ==, 0);
    WANT(green_recv_view(fds[0], &view), ==, 0); /* holds none while it waits */
    return 0;
}

START_TEST(a_burst_leaves_nothing)
{
    static int fds[BURST][2];
    struct green_job *jobs[BURST];
    count_buffers();
    for (int i = 0; i < BURST; i++) {
        ck_assert_int_eq(pair_make(PAIR_UNIX, fds[i]), 0);
        ck_assert_int_eq(green_spawn(hold_a_view, fds[i], &jobs[i]), 0);
    }
    green_sleep(1);
    ck_assert_int_le(atomic_load(&buffers), 8); /* they wait, and hold nothing */
    for (int i = 0; i < BURST; i++) {
        ck_assert_int_eq(send(fds[i][1], "x", 1, 0), 1);
    }
    green_sleep(1);
    char byte;
    for (int i = 0; i < BURST; i++) {
        ck_assert_int_eq(green_recv(fds[i][1], &byte, 1, 0), 1);
    }
    green_sleep(1);
    ck_assert_int_le(atomic_load(&buffers), 8);
    for (int i = 0; i < BURST; i++) {
        intptr_t line;
        shutdown(fds[i][1], SHUT_WR);
        ck_assert_int_eq(green_job_join(jobs[i], &line, green_after(LIMIT_MS)), 0);
        ck_assert_int_eq(line, 0);
        green_job_put(jobs[i]);
    }
}
END_TEST

static intptr_t
view_once(void *arg)
{
    int fds[2];
    struct green_view view;
    (void)arg;
    WANT(pair_make(PAIR_UNIX, fds), ==, 0);
    WANT(send(fds[1], "x", 1, 0), ==, 1);
    WANT(green_recv_view(fds[0], &view), ==, 1);
    green_view_release(&view);
    green_close(fds[0]);
    green_close(fds[1]);
    return 0;
}

/** A plain pthread, so that its last destructor has run when it is joined. */
static void
view_in_thread(void *arg)
{
    *(intptr_t *)arg = view_once(NULL);
}

START_TEST(threads_keep_nothing)
{
    count_buffers();
    for (int i = 0; i < 20; i++) {
        intptr_t line = -1;
        struct later later;
        later_start(&later, 0, view_in_thread, &line);
        later_join(&later);
        ck_assert_int_eq(line, 0);
    }
    ck_assert_int_eq(atomic_load(&buffers), 0);
}
END_TEST

/* ---- who receives ---- */

/** Whether the descriptor's name in /proc says that it is a ring. */
static bool
is_ring(int fd)
{
    char path[64];
    char name[64] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return readlink(path, name, sizeof name - 1) > 0 && strstr(name, "[io_uring]") != NULL;
}

/** A connection that we made is as good as one that we accepted: where there is a ring, it has it.
 */
static intptr_t
connect_and_view(void *arg)
{
    struct green__io *io;
    struct green_address address;
    struct green_view view;
    bool ring = false;
    (void)arg;
    int listener = listener_make(4, &address);
    WANT(listener, >=, 0);
    int fd = green_socket(AF_INET, SOCK_STREAM, 0);
    WANT(fd, >=, 0);
    WANT(green_connect(fd, (const struct sockaddr *)&address.storage, address.length), ==, 0);
    int peer = accept(listener, NULL, NULL);
    WANT(send(peer, "hello", 5, 0), ==, 5);
    WANT(green_recv_view(fd, &view), ==, 5);
    WANT(memcmp(view.data, "hello", 5), ==, 0);
    WANT(green_send_view(fd, &view), ==, 0);
    char answer[8];
    WANT(recv(peer, answer, sizeof answer, 0), ==, 5);
    for (int i = 0; i < 64; i++) {
        ring |= is_ring(i);
    }
    WANT(green__io_get(&io), ==, 0);
    WANT(ring, ==, strcmp(io->engine->name, "uring") == 0);
    green_close(fd);
    WANT(recv(peer, answer, sizeof answer, 0), ==, 0);
    close(peer);
    green_close(listener);
    return 0;
}

START_TEST(connected_streams)
{
    ASSERT_AS(CALL_TASK, connect_and_view, NULL);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("view");
    TCase *calls = new_case(suite, "views");
    tcase_add_loop_test(calls, as_every_caller, 0, sizeof bodies / sizeof *bodies);
    tcase_add_test(calls, a_burst_leaves_nothing);
    tcase_add_test(calls, threads_keep_nothing);
    tcase_add_test(calls, connected_streams);
    return run_suite(suite);
}
