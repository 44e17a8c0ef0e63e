/*
 * SIGQUIT: every process of echod says what it does, and goes on; also one that is busy.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "tests.h"

#define CONNECTIONS 5
#define MAX_WORKERS 64

static const char dump_begins[] = "green: dump of process ";
static const char dump_ends[] = "green: end of the dump";

/** The processes of echod, each of which dumps. */
static size_t
processes(const struct server *server)
{
    return 1 + server_workers(server, NULL, 0);
}

static void
expect_logged(const struct server *server, const char *text)
{
    ck_assert_msg(strstr(server_log(server), text) != NULL, "no '%s' in:\n%s", text,
                  server_log(server));
}

START_TEST(sigquit_dumps_and_it_goes_on)
{
    struct server server = server_start(NO_OPTIONS);
    int fds[CONNECTIONS];
    for (size_t i = 0; i < CONNECTIONS; i++) {
        fds[i] = client_connect(&server);
        client_chat(fds[i]);
    }
    size_t count = processes(&server);
    for (size_t round = 1; round <= 2; round++) {
        server_signal(&server, SIGQUIT);
        AWAIT(&server, server_logged(&server, dump_ends) == round * count);
        ck_assert_uint_eq(server_logged(&server, dump_begins), round * count);
    }
    pid_t workers[MAX_WORKERS];
    char line[64];
    size_t found = server_workers(&server, workers, MAX_WORKERS);
    ck_assert_uint_eq(found + 1, count);
    for (size_t i = 0; i <= found; i++) {
        snprintf(line, sizeof line, "%s%d:", dump_begins,
                 (int)(i < found ? workers[i] : server.pid));
        expect_logged(&server, line);
    }
    expect_logged(&server, ", fd ");
#if defined(__x86_64__)
    expect_logged(&server, "\n    serve+0x"); /* those who serve the connections */
#endif
    for (size_t i = 0; i < CONNECTIONS; i++) {
        client_chat(fds[i]);
        client_close(fds[i]);
    }
    server_stop(&server);
}
END_TEST

/* Told one by one, as a terminal does it, they dump once each. */
START_TEST(worker_may_be_asked_alone)
{
    struct server server = server_start(NO_OPTIONS);
    int fd = client_connect(&server);
    client_chat(fd);
    pid_t owner = server_owner(&server, fd);
    char line[64];
    ck_assert_int_ne(owner, 0);
    snprintf(line, sizeof line, "%s%d:", dump_begins, (int)owner);
    if (owner != server.pid) {
        ck_assert_int_eq(kill(owner, SIGQUIT), 0);
        AWAIT(&server, server_logged(&server, dump_ends) == 1);
        expect_logged(&server, line);
        ck_assert_uint_eq(server_logged(&server, dump_begins), 1);
    }
    client_chat(fd);
    client_close(fd);
    server_stop(&server);
}
END_TEST

START_TEST(it_dumps_while_it_is_busy)
{
    struct server server = server_start(OPTIONS("--burn", "300"));
    int fd = client_connect(&server);
    client_say(fd, "x");
    struct far_end far = {0};
    AWAIT(&server, far_end(fd, &far) && far.inode != 0 && far.unread == 0); /* it has it */
    size_t count = processes(&server);
    server_signal(&server, SIGQUIT);
    AWAIT(&server, server_logged(&server, dump_ends) == count);
    client_expect(fd, "X");
    client_close(fd);
    server_stop(&server);
}
END_TEST

const char *
dump_add(TCase *tcase)
{
    tcase_add_test(tcase, sigquit_dumps_and_it_goes_on);
    tcase_add_test(tcase, worker_may_be_asked_alone);
    tcase_add_test(tcase, it_dumps_while_it_is_busy);
    return NULL;
}
