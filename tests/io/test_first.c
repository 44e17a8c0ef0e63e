/*
 * The first address that answers, of several on the loopback: silent ones, such as refuse, such as
 * accept, in the order in which they are tried.
 */
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/connect.h"
#include "support.h"

#define HOSTS 4

enum conduct { ANSWERS, REFUSES, SILENT };

struct host {
    const char *name;
    enum conduct conduct;
};

struct scene {
    struct host hosts[HOSTS];
    int count;
    int winner; /**< Which, or a negative errno. */
};

struct stage {
    struct green_address addresses[HOSTS];
    struct addrinfo list[HOSTS];
    int sockets[HOSTS]; /**< That listen, or refuse. */
    int crowd[HOSTS][8];
};

/** A queue that is full: the kernel drops whoever knocks. */
static intptr_t
silence(struct stage *stage, int i)
{
    for (int n = 0; n < 8; n++) {
        int fd = socket(stage->addresses[i].storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
        WANT(fd, >=, 0);
        stage->crowd[i][n] = fd;
        if (connect(fd, (struct sockaddr *)&stage->addresses[i].storage,
                    stage->addresses[i].length) != 0) {
            struct pollfd done = {fd, POLLOUT, 0};
            if (poll(&done, 1, 20) == 0) {
                return 0;
            }
        }
    }
    return want_failed(__FILE__, __LINE__, "the queue is never full", 0, 0);
}

static intptr_t
set_up(struct stage *stage, const struct scene *scene)
{
    memset(stage, -1, sizeof *stage);
    memset(stage->list, 0, sizeof stage->list);
    for (int i = 0; i < scene->count; i++) {
        struct green_address *address = &stage->addresses[i];
        const struct host *host = &scene->hosts[i];
        if (host->conduct == REFUSES) {
            stage->sockets[i] = refuser_make(host->name, address);
        } else {
            WANT(green_address_parse(host->name, 0, address), ==, 0);
            stage->sockets[i] = green_listen(address, host->conduct == SILENT ? 0 : 8);
        }
        WANT(stage->sockets[i], >=, 0);
        WANT(address_of(stage->sockets[i], address), ==, 0);
        if (host->conduct == SILENT) {
            WANT_ALL(silence(stage, i));
        }
        stage->list[i] = (struct addrinfo){.ai_family = address->storage.ss_family,
                                           .ai_socktype = SOCK_STREAM,
                                           .ai_addr = (struct sockaddr *)&address->storage,
                                           .ai_addrlen = address->length};
        if (i > 0) {
            stage->list[i - 1].ai_next = &stage->list[i];
        }
    }
    return 0;
}

static void
tear_down(struct stage *stage)
{
    for (int i = 0; i < HOSTS; i++) {
        if (stage->sockets[i] >= 0) {
            green_close(stage->sockets[i]);
        }
        for (int n = 0; n < 8 && stage->crowd[i][n] >= 0; n++) {
            close(stage->crowd[i][n]);
        }
    }
}

static intptr_t
play(void *arg)
{
    const struct scene *scene = arg;
    struct stage stage;
    WANT_ALL(set_up(&stage, scene));
    struct green_timeout scope;
    int before = count_fds();
    green_timeout_start(&scope, scene->winner == -ETIMEDOUT ? 5 : LIMIT_MS);
    int fd = green__connect_first(stage.list);
    green_timeout_stop(&scope);
    WANT(green_timeout_fired(&scope), ==, scene->winner == -ETIMEDOUT);
    if (scene->winner < 0) {
        WANT(fd, ==, scene->winner);
        int open_now = count_fds();
        green_timeout_start(&scope, 5);
        WANT(green__connect_first(stage.list), ==, scene->winner);
        green_timeout_stop(&scope);
        WANT(count_fds(), ==, open_now);
        tear_down(&stage);
        return 0;
    }
    WANT(fd, >=, 0);
    WANT(is_nonblocking(fd), ==, false);
    WANT(fcntl(fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
    WANT(count_fds(), <=, before + 8); /* the loop's own at the first */
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    memset(&peer, 0, sizeof peer);
    WANT(getpeername(fd, (struct sockaddr *)&peer, &length), ==, 0);
    WANT(length, ==, stage.addresses[scene->winner].length);
    WANT(memcmp(&peer, &stage.addresses[scene->winner].storage, length), ==, 0);
    int connection = green_accept(stage.sockets[scene->winner], NULL);
    char byte = 0;
    WANT(green_send(fd, "x", 1, 0), ==, 1);
    WANT(green_recv(connection, &byte, 1, 0), ==, 1);
    WANT(byte, ==, 'x');
    green_close(connection);
    green_close(fd);
    tear_down(&stage);
    return 0;
}

static const struct scene scenes[] = {
    {{{"127.0.0.2", ANSWERS}, {"127.0.0.3", ANSWERS}}, 2, 0},
    {{{"127.0.0.2", REFUSES}, {"127.0.0.3", ANSWERS}}, 2, 1},
    {{{"127.0.0.2", SILENT}, {"127.0.0.3", ANSWERS}}, 2, 1},
    {{{"127.0.0.2", SILENT}, {"127.0.0.3", REFUSES}, {"127.0.0.4", ANSWERS}}, 3, 2},
    /* The families take turns, whoever comes first. */
    {{{"127.0.0.2", SILENT}, {"127.0.0.3", ANSWERS}, {"::1", ANSWERS}}, 3, 2},
    {{{"127.0.0.2", REFUSES}, {"127.0.0.3", ANSWERS}, {"::1", REFUSES}}, 3, 1},
    {{{"::1", REFUSES}, {"::1", ANSWERS}, {"127.0.0.2", ANSWERS}}, 3, 2},
    {{{"127.0.0.2", REFUSES}, {"::1", REFUSES}}, 2, -ECONNREFUSED},
    {{{"127.0.0.2", SILENT}, {"127.0.0.3", SILENT}}, 2, -ETIMEDOUT},
};

START_TEST(the_first_that_answers)
{
    for (int caller = 0; caller < CALLERS_ALONE; caller++) {
        ASSERT_AS(caller, play, (void *)&scenes[_i]);
    }
}
END_TEST

static intptr_t
be_cancelled(void *arg)
{
    static const struct scene scene = {{{"127.0.0.2", SILENT}, {"127.0.0.3", SILENT}}, 2, 0};
    struct stage stage;
    (void)arg;
    WANT_ALL(set_up(&stage, &scene));
    WANT(green__connect_first(stage.list), ==, -ECANCELED);
    WANT(green__connect_first(stage.list), ==, -ECANCELED);
    tear_down(&stage);
    return 0;
}

START_TEST(cancelled)
{
    for (size_t i = 0; i < cancel_order_count; i++) {
        ck_assert_int_eq(call_and_cancel(cancel_order[i], be_cancelled, NULL), 0);
    }
}
END_TEST

START_TEST(nobody_to_ask)
{
    ck_assert_int_eq(green__connect_first(NULL), -ENOENT);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("first");
    TCase *tcase = new_case(suite, "first");
    tcase_add_loop_test(tcase, the_first_that_answers, 0, sizeof scenes / sizeof *scenes);
    tcase_add_test(tcase, cancelled);
    tcase_add_test(tcase, nobody_to_ask);
    return run_suite(suite);
}
